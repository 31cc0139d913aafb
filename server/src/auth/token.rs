//! Tokens (JWT) of people. What the header says chooses nothing but an entry of a map: the algorithm belongs to the
//! key, and `jku`, `jwk`, `x5u` are not looked at. The claims are read with our own types, because those of
//! jsonwebtoken 11 pass over what they do not understand and take the time from elsewhere; it does the cryptography.
//! No claim is looked at before the signature holds.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, crypto};
use serde::{Deserialize, Deserializer, Serialize};

use super::{
    revoked::TOKEN_ID_BYTES_MAX,
    rights::{GrantError, Identity},
    secret::read_secret,
};
use crate::base::{
    clock,
    config::{ConfigError, GrantConfig, TokenAlgorithm, TokenConfig},
    ids::UserName,
    limits::TOKEN_BYTES_MAX,
    refusal::Refusal,
};

/// Largest tolerance for clocks that differ.
pub const LEEWAY_MAX: Duration = Duration::from_secs(30);
/// Nobody means more. A time in milliseconds instead of seconds, which would never end, is noticed here.
const LIFETIME_SECONDS_MAX: u64 = 10 * 366 * 24 * 3600;
/// Keys of one node.
const TOKEN_KEYS_MAX: usize = 32;
const KEY_ID_BYTES_MAX: usize = 64;

/// Why a token is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not signed by a key of this node in the way that belongs to the key.
    #[error("the token is not accepted")]
    NotAccepted,
    /// A claim is missing, of the wrong kind or there twice.
    #[error("the token's claims are incomplete or malformed")]
    Claims,
    /// `iss` or `aud` is that of others.
    #[error("the token is meant for another service")]
    Elsewhere,
    /// `exp` is over.
    #[error("the token has expired")]
    Expired,
    /// `nbf` is to come.
    #[error("the token is not valid yet")]
    NotYet,
    /// `exp` is too far away.
    #[error("the token expires more than ten years from now; `exp` is in seconds")]
    Endless,
    /// `sub` is no user name.
    #[error("the token's subject is no user name")]
    Subject,
    /// The claim `rialto` is wrong.
    #[error("the token's grants are not understood: {0}")]
    Grants(#[from] GrantError),
}

impl From<TokenError> for Refusal {
    fn from(error: TokenError) -> Self {
        Self::unauthenticated(error.to_string())
    }
}

/// The claims of a token that this node looks at; others are passed over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claims {
    /// The user.
    pub sub: String,
    /// Who made the token.
    pub iss: String,
    /// For whom.
    pub aud: Audience,
    /// Seconds since 1970 at which it ends.
    pub exp: u64,
    /// Seconds since 1970 before which it does not hold.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
    /// Seconds since 1970 at which it was made, perhaps with a fraction.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub iat: Option<serde_json::Number>,
    /// Its id, by which it can be revoked.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// What the user may do.
    #[serde(default)]
    pub rialto: Vec<GrantConfig>,
}

/// One service or several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

impl Audience {
    fn holds(&self, service: &str) -> bool {
        match self {
            Self::One(one) => one == service,
            Self::Several(several) => several.iter().any(|one| one == service),
        }
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default, deserialize_with = "present")]
    typ: Option<String>,
    #[serde(default, deserialize_with = "present")]
    kid: Option<String>,
    #[serde(default, deserialize_with = "present")]
    crit: Option<serde::de::IgnoredAny>,
}

/// `null` is a value of the wrong kind, not an absent one.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// The keys whose tokens a node accepts, and what it demands of them.
#[derive(Debug)]
pub struct TokenKeys {
    issuer: String,
    audience: String,
    leeway: Duration,
    by_id: HashMap<String, TokenKey>,
    default: Option<TokenKey>,
}

#[derive(Debug, Clone)]
struct TokenKey {
    algorithm: TokenAlgorithm,
    key: DecodingKey,
}

impl TokenKeys {
    /// Reads the secrets and checks `config`.
    pub fn new(config: &TokenConfig) -> Result<Self, ConfigError> {
        check_shape(config)?;
        let (mut by_id, mut default) = (HashMap::new(), None);
        for key in &config.keys {
            let secret = read_secret(key.secret.as_ref(), key.secret_file.as_deref())?;
            let token_key = TokenKey { algorithm: key.algorithm, key: DecodingKey::from_secret(&secret) };
            let replaced = match &key.id {
                Some(id) => by_id.insert(checked_id(id)?, token_key),
                None => default.replace(token_key),
            };
            if replaced.is_some() {
                return Err(ConfigError::invalid(
                    "auth.token.key",
                    "has two keys with the same id, or two without",
                ));
            }
        }
        if by_id.len() == 1 && default.is_none() {
            default = by_id.values().next().cloned();
        }
        Ok(Self {
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            leeway: config.leeway,
            by_id,
            default,
        })
    }

    /// Who presents `token` at the time of day `wall`.
    pub fn authenticate(&self, token: &str, wall: SystemTime) -> Result<Identity, TokenError> {
        let claims = self.verify(token)?;
        if claims.iss != self.issuer || !claims.aud.holds(&self.audience) {
            return Err(TokenError::Elsewhere);
        }
        let now = clock::unix_ms(wall) / 1000;
        let leeway = self.leeway.as_secs();
        let ends = claims.exp.checked_add(leeway).ok_or(TokenError::Endless)?;
        if ends <= now {
            return Err(TokenError::Expired);
        }
        if ends - now > LIFETIME_SECONDS_MAX {
            return Err(TokenError::Endless);
        }
        if claims.nbf.is_some_and(|begins| begins > now.saturating_add(leeway)) {
            return Err(TokenError::NotYet);
        }
        let user: UserName = claims.sub.parse().map_err(|_| TokenError::Subject)?;
        let expires_at = SystemTime::UNIX_EPOCH + Duration::from_secs(ends);
        if claims.jti.as_ref().is_some_and(|id| id.is_empty() || id.len() > TOKEN_ID_BYTES_MAX) {
            return Err(TokenError::Claims);
        }
        let issued_at = claims.iat.as_ref().map(issued_at).transpose()?;
        let identity = Identity::granted(Some(user), Some(expires_at), &claims.rialto)?;
        Ok(identity.by_token(claims.jti.as_deref(), issued_at))
    }

    /// The claims of a token whose signature holds.
    fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::NotAccepted)?;
        let (header, claims) = message.split_once('.').ok_or(TokenError::NotAccepted)?;
        let header: Header = read_part(header).ok_or(TokenError::NotAccepted)?;
        let key = match &header.kid {
            Some(id) => self.by_id.get(id),
            None => self.default.as_ref(),
        };
        let key = key.ok_or(TokenError::NotAccepted)?;
        let is_jwt = header.typ.is_none_or(|typ| typ.eq_ignore_ascii_case("JWT"));
        if header.alg != key.algorithm.word() || header.crit.is_some() || !is_jwt {
            return Err(TokenError::NotAccepted);
        }
        let algorithm = match key.algorithm {
            TokenAlgorithm::HS256 => Algorithm::HS256,
        };
        let holds = crypto::verify(signature, message.as_bytes(), &key.key, algorithm);
        if !holds.unwrap_or(false) {
            return Err(TokenError::NotAccepted);
        }
        read_part(claims).ok_or(TokenError::Claims)
    }
}

/// When a token was made.
fn issued_at(seconds: &serde_json::Number) -> Result<SystemTime, TokenError> {
    let seconds = seconds.as_f64().ok_or(TokenError::Claims)?;
    let since = Duration::try_from_secs_f64(seconds).map_err(|_| TokenError::Claims)?;
    SystemTime::UNIX_EPOCH.checked_add(since).ok_or(TokenError::Claims)
}

/// One part of a token: base 64 without padding, JSON, nothing behind it, no key twice.
fn read_part<T: for<'de> Deserialize<'de>>(part: &str) -> Option<T> {
    let json = URL_SAFE_NO_PAD.decode(part).ok()?;
    serde_json::from_slice(&json).ok()
}

fn check_shape(config: &TokenConfig) -> Result<(), ConfigError> {
    for (key, value) in [("auth.token.issuer", &config.issuer), ("auth.token.audience", &config.audience)] {
        if value.is_empty() {
            return Err(ConfigError::invalid(key, "is empty"));
        }
    }
    if config.leeway > LEEWAY_MAX || config.leeway.subsec_nanos() != 0 {
        return Err(ConfigError::invalid("auth.token.leeway", "must be whole seconds, at most 30"));
    }
    if config.keys.is_empty() || config.keys.len() > TOKEN_KEYS_MAX {
        return Err(ConfigError::invalid(
            "auth.token.key",
            format_args!("must be there, at most {TOKEN_KEYS_MAX} times"),
        ));
    }
    Ok(())
}

fn checked_id(id: &str) -> Result<String, ConfigError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if id.is_empty() || id.len() > KEY_ID_BYTES_MAX || !id.bytes().all(allowed) {
        return Err(ConfigError::invalid(
            format!("auth.token.key id {id:?}"),
            format_args!("must be 1 to {KEY_ID_BYTES_MAX} letters, digits, `.`, `_` or `-`"),
        ));
    }
    Ok(id.to_owned())
}

/// Why a token cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// Longer than any node accepts.
    #[error("the token would be longer than {TOKEN_BYTES_MAX} bytes; give fewer rooms")]
    TooLong,
    /// The cryptography failed.
    #[error("cannot sign: {0}")]
    Signature(#[from] jsonwebtoken::errors::Error),
}

/// Makes a token (HS256) with `claims`, signed by the key `key_id`.
pub fn mint(claims: &Claims, key_id: Option<&str>, secret: &[u8]) -> Result<String, MintError> {
    let header = jsonwebtoken::Header {
        kid: key_id.map(str::to_owned),
        ..jsonwebtoken::Header::new(Algorithm::HS256)
    };
    let token = jsonwebtoken::encode(&header, claims, &EncodingKey::from_secret(secret))?;
    if token.len() > TOKEN_BYTES_MAX {
        return Err(MintError::TooLong);
    }
    Ok(token)
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
