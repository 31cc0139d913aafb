//! What an operator may set about identity. Only the written form: `auth/` reads the secrets, checks the rest and
//! decides with it. Nothing here is ever printed: secrets hide themselves.

use std::{fmt, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize, Serializer};

use super::duration;
use crate::base::right::Right;

/// Who may do what. Without `token` and `api_keys` nothing is authenticated and everything is allowed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// Tokens (JWT) that this node accepts.
    pub token: Option<TokenConfig>,
    /// Static keys of services.
    #[serde(rename = "api_key")]
    pub api_keys: Vec<ApiKeyConfig>,
}

impl AuthConfig {
    /// Nothing is configured: nothing is authenticated.
    pub fn is_open(&self) -> bool {
        self.token.is_none() && self.api_keys.is_empty()
    }
}

/// Tokens (JWT) that a node accepts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenConfig {
    /// What `iss` must be.
    pub issuer: String,
    /// What `aud` must be or hold.
    pub audience: String,
    /// Tolerance for clocks that differ, at most 30 s.
    #[serde(with = "duration", default = "leeway_default")]
    pub leeway: Duration,
    /// The keys that may have signed.
    #[serde(rename = "key")]
    pub keys: Vec<TokenKeyConfig>,
}

fn leeway_default() -> Duration {
    Duration::from_secs(10)
}

/// A key that signs tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenKeyConfig {
    /// What `kid` must be in the token's header. The key without one is for tokens without `kid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The one algorithm of this key; a token that names another is refused.
    #[serde(default)]
    pub algorithm: TokenAlgorithm,
    /// The shared secret, at least 32 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// File that holds it; a line break at its end does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
}

/// How a token is signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TokenAlgorithm {
    /// HMAC with SHA-256 and a shared secret.
    #[default]
    HS256,
}

impl TokenAlgorithm {
    /// The word for it in a token's header.
    pub fn word(self) -> &'static str {
        match self {
            Self::HS256 => "HS256",
        }
    }
}

/// A static key of a service. `rialto token key` makes one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKeyConfig {
    /// For people: whose key it is.
    pub name: String,
    /// SHA-256 of the key, 64 hexadecimal digits. The key itself is nowhere kept.
    pub sha256: String,
    /// The user that the service is; without one it is nobody in particular.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// What it may do.
    #[serde(default)]
    pub grants: Vec<GrantConfig>,
}

/// A grant as it is written in the configuration and in the claim `rialto` of tokens. Its meaning is in
/// `auth/rights.rs`. Unknown keys are refused in tokens too: one that will restrict a grant some day must not be
/// overlooked by a node that does not know it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantConfig {
    /// Pattern of namespaces.
    pub namespace: String,
    /// Patterns of rooms and queues.
    #[serde(default)]
    pub rooms: Vec<String>,
    /// The rights.
    #[serde(default)]
    pub can: Vec<Right>,
}

/// A text that is never shown: neither `Debug` nor `Serialize` gives it away.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown() {
        let key = TokenKeyConfig {
            id: None,
            algorithm: TokenAlgorithm::HS256,
            secret: Some(Secret::new("swordfish")),
            secret_file: None,
        };
        assert!(!format!("{key:?}").contains("swordfish"));
        assert!(!serde_json::to_string(&key).unwrap().contains("swordfish"));
    }
}
