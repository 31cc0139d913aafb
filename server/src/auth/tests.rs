//! The front door: what is asked for, and that refusals give nothing away.

use std::time::{Duration, SystemTime};

use rialto_proto::v1::RefusalCode;

use super::{Authenticator, Right, keys::ApiKey};
use crate::base::config::{Config, ConfigError};

const NOW: Duration = Duration::from_secs(1_800_000_000);

fn wall() -> SystemTime {
    SystemTime::UNIX_EPOCH + NOW
}

fn authenticator(toml: &str) -> Result<Authenticator, ConfigError> {
    Authenticator::new(&Config::from_toml(toml, "test").unwrap().auth)
}

const TOKENS: &str = r#"
[auth.token]
issuer = "issuer"
audience = "rialto"
[[auth.token.key]]
secret = "0123456789abcdef0123456789abcdef"
"#;

#[test]
fn without_keys_everybody_may_do_everything() {
    for authenticator in [Authenticator::open(), authenticator("").unwrap()] {
        assert!(!authenticator.required());
        for token in ["", "nonsense", "rk_x"] {
            let identity = authenticator.authenticate(token, wall()).unwrap();
            assert!(identity.user.is_none());
            assert!(identity.may(Right::Admin, "any", None));
        }
    }
}

#[test]
fn with_keys_a_token_is_required_and_bad_ones_are_refused_without_details() {
    let authenticator = authenticator(TOKENS).unwrap();
    assert!(authenticator.required());
    let long = "x".repeat(100_000);
    let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.";
    for (token, reason) in [
        ("", "a token is required"),
        (long.as_str(), "the token is too long"),
        ("nonsense", "the token is not accepted"),
        (unsigned, "the token is not accepted"),
        ("rk_00000000000000000000000000", "the key is not accepted"),
        ("rk_", "the key is not accepted"),
    ] {
        let refusal = authenticator.authenticate(token, wall()).expect_err(reason);
        assert_eq!(refusal.code, RefusalCode::Unauthenticated);
        assert_eq!(refusal.reason, reason);
    }
}

#[test]
fn a_key_is_who_the_configuration_says() {
    let key = ApiKey::random().unwrap();
    let toml = format!(
        "[[auth.api_key]]\nname = \"billing\"\nuser = \"bill\"\nsha256 = \"{}\"\n\
         [[auth.api_key.grants]]\nnamespace = \"chat\"\nrooms = [\"inbox-{{user}}\"]\ncan = [\"emit\"]",
        key.sha256()
    );
    let authenticator = authenticator(&toml).unwrap();
    let identity = authenticator.authenticate(key.expose(), wall()).unwrap();
    assert_eq!(identity.user.as_ref().unwrap().as_str(), "bill");
    assert_eq!(identity.expires_at, None);
    assert!(identity.may(Right::Emit, "chat", Some("inbox-bill")));
    assert!(!identity.may(Right::Join, "chat", Some("inbox-bill")));
    let refusal = authenticator.authenticate("a.b.c", wall()).expect_err("there are no tokens");
    assert_eq!(refusal.reason, "the token is not accepted");
}

#[test]
fn a_configuration_that_means_nothing_is_refused() {
    for (toml, says) in [
        ("[auth.token]\nissuer = \"a\"\naudience = \"b\"\nkey = []", "auth.token.key must be there"),
        ("[[auth.api_key]]\nname = \"a\"\nsha256 = \"zz\"", "sha256"),
        (
            "[[auth.api_key]]\nname = \"a\"\nsha256 = \"0000000000000000000000000000000000000000000000000000000000000000\"\n\
             [[auth.api_key.grants]]\nnamespace = \"chat\"\ncan = [\"emit\"]",
            "auth.api_key \"a\" a grant for \"chat\" has rights but no rooms",
        ),
    ] {
        let error = authenticator(toml).expect_err(says).to_string();
        assert!(error.contains(says), "{error}");
    }
}
