//! Credentials for tests: a configuration that demands them, tokens and keys that it accepts.

use std::time::{Duration, SystemTime};

use rialto_server::{
    auth::{
        Right,
        keys::ApiKey,
        token::{Audience, Claims, mint},
    },
    base::{
        clock,
        config::{ApiKeyConfig, Config, GrantConfig, Secret, TokenAlgorithm, TokenConfig, TokenKeyConfig},
    },
};

const SECRET: &str = "a secret of tests, of thirty-two bytes and more";
const ISSUER: &str = "tests";
const AUDIENCE: &str = "rialto";

/// Long enough for any test.
pub const AN_HOUR: Duration = Duration::from_secs(3600);

/// Lets nobody in who has no token made by [`token`]; without tolerance for clocks.
pub fn demand_tokens(config: &mut Config) {
    config.auth.token = Some(TokenConfig {
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        leeway: Duration::ZERO,
        keys: vec![TokenKeyConfig {
            id: None,
            algorithm: TokenAlgorithm::HS256,
            secret: Some(Secret::new(SECRET)),
            secret_file: None,
        }],
    });
}

/// Accepts a new key of the service `name`, and returns it.
pub fn accept_key(config: &mut Config, name: &str, grants: Vec<GrantConfig>) -> String {
    let key = ApiKey::random().expect("chance");
    config.auth.api_keys.push(ApiKeyConfig {
        name: name.to_owned(),
        sha256: key.sha256(),
        user: Some(name.to_owned()),
        grants,
    });
    key.expose().to_owned()
}

/// A grant.
pub fn grant(namespace: &str, rooms: &[&str], can: &[Right]) -> GrantConfig {
    let rooms = rooms.iter().map(|room| (*room).to_owned()).collect();
    GrantConfig { namespace: namespace.to_owned(), rooms, can: can.to_vec() }
}

/// A token of `user` that holds for `lifetime`, rounded up to the next full second.
pub fn token(user: &str, lifetime: Duration, grants: Vec<GrantConfig>) -> String {
    signed(&claims(user, since_1970(clock::wall() + lifetime + Duration::from_millis(999)), grants), SECRET)
}

/// A token with an id that was made at that time, and holds for an hour from now.
pub fn token_made_at(made: SystemTime, (user, id): (&str, &str), grants: Vec<GrantConfig>) -> String {
    let claims = claims(user, since_1970(clock::wall() + AN_HOUR), grants);
    let (iat, jti) = (Some(since_1970(made).into()), Some(id.to_owned()));
    signed(&Claims { iat, jti, ..claims }, SECRET)
}

/// A token that has ended long ago.
pub fn ended_token(user: &str, grants: Vec<GrantConfig>) -> String {
    signed(&claims(user, 1_000_000_000, grants), SECRET)
}

/// A token that has everything but the right signature.
pub fn forged_token(user: &str, grants: Vec<GrantConfig>) -> String {
    let claims = claims(user, u64::from(u32::MAX), grants);
    signed(&claims, "a secret of somebody else, long enough as well")
}

fn since_1970(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs()
}

fn claims(user: &str, ends: u64, grants: Vec<GrantConfig>) -> Claims {
    Claims {
        sub: user.to_owned(),
        iss: ISSUER.to_owned(),
        aud: Audience::One(AUDIENCE.to_owned()),
        exp: ends,
        nbf: None,
        iat: None,
        jti: None,
        rialto: grants,
    }
}

fn signed(claims: &Claims, secret: &str) -> String {
    mint(claims, None, secret.as_bytes()).expect("a token")
}
