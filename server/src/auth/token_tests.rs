//! Every bad token, and the good ones beside it, so that no row is refused for another reason.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::base::config::{Secret, TokenKeyConfig};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const OTHER_SECRET: &str = "fedcba9876543210fedcba9876543210";
const NOW: u64 = 1_800_000_000;

fn wall() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)
}

fn key(id: Option<&str>, secret: &str) -> TokenKeyConfig {
    TokenKeyConfig {
        id: id.map(str::to_owned),
        algorithm: TokenAlgorithm::HS256,
        secret: Some(Secret::new(secret)),
        secret_file: None,
    }
}

fn config(keys: Vec<TokenKeyConfig>) -> TokenConfig {
    TokenConfig {
        issuer: "issuer".to_owned(),
        audience: "rialto".to_owned(),
        leeway: Duration::from_secs(10),
        keys,
    }
}

fn keys() -> TokenKeys {
    TokenKeys::new(&config(vec![key(Some("main"), SECRET), key(None, OTHER_SECRET)])).unwrap()
}

fn good_header() -> Value {
    json!({"alg": "HS256", "typ": "JWT", "kid": "main"})
}

fn good_claims() -> Value {
    json!({"sub": "ann", "iss": "issuer", "aud": "rialto", "exp": NOW + 60,
        "rialto": [{"namespace": "chat", "rooms": ["general"], "can": ["join"]}]})
}

/// `value` with `key` set, or removed when `to` is null.
fn with(mut value: Value, key: &str, to: Value) -> Value {
    value[key] = to;
    value
}

fn without(mut value: Value, key: &str) -> Value {
    value.as_object_mut().unwrap().remove(key);
    value
}

fn signed_as(algorithm: Algorithm, header: &str, claims: &str, secret: &str) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature =
        crypto::sign(message.as_bytes(), &EncodingKey::from_secret(secret.as_bytes()), algorithm).unwrap();
    format!("{message}.{signature}")
}

fn signed(header: &Value, claims: &Value) -> String {
    signed_as(Algorithm::HS256, &header.to_string(), &claims.to_string(), SECRET)
}

fn error_of(token: &str) -> Option<TokenError> {
    keys().authenticate(token, wall()).map(drop).err()
}

#[test]
fn a_good_token_makes_an_identity() {
    let identity = keys().authenticate(&signed(&good_header(), &good_claims()), wall()).unwrap();
    assert_eq!(identity.user.as_ref().unwrap().as_str(), "ann");
    assert_eq!(identity.expires_at, Some(wall() + Duration::from_secs(70)));
    assert!(!identity.has_expired(wall() + Duration::from_secs(69)));
    assert!(identity.has_expired(wall() + Duration::from_secs(70)));
    assert!(identity.may(crate::auth::Right::Join, "chat", Some("general")));
    assert!(!identity.may(crate::auth::Right::Emit, "chat", Some("general")));
}

#[test]
fn claims_within_the_rules_are_accepted() {
    for claims in [
        with(good_claims(), "aud", json!(["other", "rialto"])),
        with(good_claims(), "exp", json!(NOW - 9)),
        with(good_claims(), "nbf", json!(NOW + 10)),
        with(good_claims(), "iat", json!(NOW as f64 - 0.5)),
        with(good_claims(), "jti", json!("7f1c")),
        with(good_claims(), "email", json!({"a": [1, 2]})),
        without(good_claims(), "rialto"),
    ] {
        assert_eq!(error_of(&signed(&good_header(), &claims)), None, "{claims}");
    }
}

#[test]
fn claims_outside_the_rules_are_refused() {
    use TokenError::{Claims, Elsewhere, Endless, Expired, NotYet, Subject};
    for (claim, value, expected) in [
        ("exp", json!(NOW - 10), Expired),
        ("exp", json!(0), Expired),
        ("exp", json!((NOW + 60).to_string()), Claims),
        ("exp", json!(NOW as f64 + 60.5), Claims),
        ("exp", json!(-1), Claims),
        ("exp", json!(1e30), Claims),
        ("exp", json!(null), Claims),
        ("exp", json!([NOW + 60]), Claims),
        ("exp", json!(u64::MAX), Endless),
        ("exp", json!(u64::MAX - 11), Endless),
        ("exp", json!((NOW + 60) * 1000), Endless),
        ("nbf", json!(NOW + 11), NotYet),
        ("nbf", json!(u64::MAX), NotYet),
        ("nbf", json!("0"), Claims),
        ("nbf", json!(null), Claims),
        ("nbf", json!(-1), Claims),
        ("iat", json!("whatever"), Claims),
        ("iat", json!(-1), Claims),
        ("iat", json!(1e300), Claims),
        ("iat", json!(null), Claims),
        ("jti", json!(7), Claims),
        ("jti", json!(""), Claims),
        ("jti", json!("x".repeat(129)), Claims),
        ("iss", json!("other"), Elsewhere),
        ("iss", json!(["issuer"]), Claims),
        ("aud", json!("other"), Elsewhere),
        ("aud", json!([]), Elsewhere),
        ("aud", json!(["rialto", 1]), Claims),
        ("aud", json!(null), Claims),
        ("sub", json!(""), Subject),
        ("sub", json!("$SYS"), Subject),
        ("sub", json!("a\nb"), Subject),
        ("sub", json!("x".repeat(129)), Subject),
        ("sub", json!(7), Claims),
        ("rialto", json!({}), Claims),
        ("rialto", json!([{"rooms": ["*"]}]), Claims),
        ("rialto", json!([{"namespace": "a", "rooms": ["*"], "can": ["fly"]}]), Claims),
        ("rialto", json!([{"namespace": "a", "rooms": ["*"], "can": ["join"], "until": 5}]), Claims),
    ] {
        let claims = with(good_claims(), claim, value);
        assert_eq!(error_of(&signed(&good_header(), &claims)), Some(expected), "{claims}");
    }
}

#[test]
fn a_token_without_a_required_claim_is_refused() {
    for claim in ["exp", "iss", "aud", "sub"] {
        let claims = without(good_claims(), claim);
        assert_eq!(error_of(&signed(&good_header(), &claims)), Some(TokenError::Claims), "{claim}");
    }
}

#[test]
fn grants_of_a_token_are_bounded_and_their_error_is_told() {
    let many = vec![json!({"namespace": "a"}); 33];
    let claims = with(good_claims(), "rialto", json!(many));
    assert_eq!(
        error_of(&signed(&good_header(), &claims)),
        Some(TokenError::Grants(GrantError::TooManyGrants))
    );
    let claims =
        with(good_claims(), "rialto", json!([{"namespace": "a", "rooms": ["a*b"], "can": ["join"]}]));
    let refusal = Refusal::from(error_of(&signed(&good_header(), &claims)).unwrap());
    assert!(refusal.reason.contains("\"a*b\""), "{refusal}");
}

#[test]
fn a_header_chooses_nothing() {
    for (key, value) in [
        ("alg", json!("none")),
        ("alg", json!("None")),
        ("alg", json!("hs256")),
        ("alg", json!("RS256")),
        ("alg", json!("ES256")),
        ("alg", json!(null)),
        ("alg", json!(["HS256"])),
        ("kid", json!("../../etc/passwd")),
        ("kid", json!("'; drop table keys")),
        ("kid", json!("x".repeat(2000))),
        ("kid", json!("")),
        ("kid", json!("unknown")),
        ("kid", json!(null)),
        ("kid", json!({"main": 1})),
        ("typ", json!("at+jwt")),
        ("typ", json!(null)),
        ("crit", json!(["b64"])),
        ("crit", json!(null)),
    ] {
        let header = with(good_header(), key, value);
        assert_eq!(error_of(&signed(&header, &good_claims())), Some(TokenError::NotAccepted), "{header}");
    }
    let mut header = with(good_header(), "jku", json!("http://127.0.0.1:1/keys"));
    header["jwk"] = json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode(OTHER_SECRET)});
    assert_eq!(error_of(&signed(&header, &good_claims())), None, "jku and jwk are not looked at");
}

#[test]
fn another_algorithm_with_the_right_secret_is_refused() {
    for (algorithm, word) in [(Algorithm::HS384, "HS384"), (Algorithm::HS512, "HS512")] {
        for alg in [word, "HS256", "RS256"] {
            let header = with(good_header(), "alg", json!(alg)).to_string();
            let token = signed_as(algorithm, &header, &good_claims().to_string(), SECRET);
            assert_eq!(error_of(&token), Some(TokenError::NotAccepted), "{word} as {alg}");
        }
    }
}

#[test]
fn a_public_key_is_never_a_shared_secret() {
    // What an attacker does where a node takes the algorithm from the token: sign with the text of the public key.
    let pem = "-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAK\n-----END PUBLIC KEY-----\n";
    for alg in ["HS256", "RS256"] {
        let header = with(good_header(), "alg", json!(alg)).to_string();
        let token = signed_as(Algorithm::HS256, &header, &good_claims().to_string(), pem);
        assert_eq!(error_of(&token), Some(TokenError::NotAccepted));
    }
}

#[test]
fn a_key_signs_under_its_own_id_only() {
    let claims = good_claims().to_string();
    let (named, unnamed) = (good_header().to_string(), without(good_header(), "kid").to_string());
    for (header, secret, expected) in [
        (&named, SECRET, None),
        (&unnamed, OTHER_SECRET, None),
        (&named, OTHER_SECRET, Some(TokenError::NotAccepted)),
        (&unnamed, SECRET, Some(TokenError::NotAccepted)),
    ] {
        assert_eq!(error_of(&signed_as(Algorithm::HS256, header, &claims, secret)), expected);
    }
}

#[test]
fn a_single_key_is_also_for_tokens_without_id() {
    let token = signed(&without(good_header(), "kid"), &good_claims());
    let single = TokenKeys::new(&config(vec![key(Some("main"), SECRET)])).unwrap();
    assert!(single.authenticate(&token, wall()).is_ok());
    let two =
        TokenKeys::new(&config(vec![key(Some("main"), SECRET), key(Some("old"), OTHER_SECRET)])).unwrap();
    assert!(two.authenticate(&token, wall()).is_err());
}

#[test]
fn a_token_that_was_changed_or_is_none_is_refused() {
    let good = signed(&good_header(), &good_claims());
    let parts: Vec<&str> = good.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("three parts") };
    let other_claims = URL_SAFE_NO_PAD.encode(with(good_claims(), "sub", json!("bob")).to_string());
    for token in [
        "x",
        ".",
        "..",
        "...",
        "a.b.c",
        "日.本.語",
        &format!("{header}.{claims}"),
        &format!("{header}.{claims}."),
        &format!("{header}.{other_claims}.{signature}"),
        &format!("{header}.{claims}.{}", &signature[1..]),
        &format!("{header}.{claims}.{signature}="),
        &format!("{header}.{claims}.{signature}AA"),
        &format!("{good} "),
        &format!(" {good}"),
        &format!("{good}.x"),
        &format!("{header}..{claims}.{signature}"),
        &format!("{header}.{claims}.{signature}\n"),
    ] {
        assert_eq!(error_of(token), Some(TokenError::NotAccepted), "{token}");
    }
}

#[test]
fn keys_that_stand_twice_and_bytes_behind_are_refused() {
    let (header, claims) = (good_header().to_string(), good_claims().to_string());
    let sign = |header: &str, claims: &str| error_of(&signed_as(Algorithm::HS256, header, claims, SECRET));
    let twice = |text: &str, key: &str| text.replacen('{', &format!("{{{key},"), 1);
    assert_eq!(sign(&twice(&header, r#""alg":"none""#), &claims), Some(TokenError::NotAccepted));
    assert_eq!(sign(&twice(&header, r#""kid":"main""#), &claims), Some(TokenError::NotAccepted));
    assert_eq!(sign(&header, &twice(&claims, r#""exp":1"#)), Some(TokenError::Claims));
    assert_eq!(sign(&header, &twice(&claims, r#""sub":"root""#)), Some(TokenError::Claims));
    assert_eq!(sign(&header, &format!("{claims}{claims}")), Some(TokenError::Claims));
    assert_eq!(sign(&header, &format!("{claims}x")), Some(TokenError::Claims));
    assert_eq!(sign(&header, &"[".repeat(2000)), Some(TokenError::Claims));
}

#[test]
fn keys_that_are_weak_or_contradict_each_other_are_refused() {
    let neither = TokenKeyConfig { secret: None, ..key(None, SECRET) };
    let both = TokenKeyConfig { secret_file: Some("x".into()), ..key(None, SECRET) };
    let absent = TokenKeyConfig { secret_file: Some("/nowhere/secret".into()), ..neither.clone() };
    for (keys, says) in [
        (vec![], "auth.token.key must be there"),
        (vec![key(None, &SECRET[1..])], "has a secret of 31 bytes, but must have 32"),
        (vec![neither], "either `secret` or `secret_file`"),
        (vec![both], "either `secret` or `secret_file`"),
        (vec![absent], "cannot read /nowhere/secret"),
        (vec![key(Some("a"), SECRET), key(Some("a"), OTHER_SECRET)], "two keys with the same id"),
        (vec![key(None, SECRET), key(None, OTHER_SECRET)], "two without"),
        (vec![key(Some("../a"), SECRET)], "auth.token.key id \"../a\" must be"),
        (vec![key(Some(""), SECRET)], "must be 1 to 64"),
    ] {
        let error = TokenKeys::new(&config(keys)).expect_err(says).to_string();
        assert!(error.contains(says), "{error}");
    }
    for (leeway, issuer, says) in [
        (Duration::from_secs(31), "issuer", "auth.token.leeway must be whole seconds, at most 30"),
        (Duration::from_millis(1), "issuer", "auth.token.leeway"),
        (Duration::ZERO, "", "auth.token.issuer is empty"),
    ] {
        let config = TokenConfig { leeway, issuer: issuer.to_owned(), ..config(vec![key(None, SECRET)]) };
        assert!(TokenKeys::new(&config).expect_err(says).to_string().contains(says));
    }
}

#[test]
fn a_minted_token_is_accepted() {
    let claims: Claims = serde_json::from_value(good_claims()).unwrap();
    let token = mint(&claims, Some("main"), SECRET.as_bytes()).unwrap();
    assert_eq!(error_of(&token), None);
    let many = Claims { sub: "x".repeat(5000), ..claims };
    assert!(matches!(mint(&many, None, SECRET.as_bytes()), Err(MintError::TooLong)));
}

#[test]
fn a_secret_file_may_end_with_one_line_break() {
    let directory = std::env::temp_dir().join(format!("rialto-secret-{}", clock::random_u64()));
    for (end, matters) in [("", false), ("\n", false), ("\r\n", false), ("\n\n", true), (" ", true)] {
        std::fs::write(&directory, format!("{SECRET}{end}")).unwrap();
        let bytes = read_secret(None, Some(&directory)).unwrap();
        assert_eq!(bytes != SECRET.as_bytes(), matters, "{end:?}");
    }
    std::fs::remove_file(&directory).unwrap();
}
