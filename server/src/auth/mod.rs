//! Floor 1: who may do what. [`Authenticator`] turns what a client presents into an [`Identity`]; the router asks the
//! identity at every command. Nothing here keeps sessions or knows gRPC, and nothing waits: what comes from afar
//! (key sets, hooks) will be fetched beside this path, never on it.

use std::time::SystemTime;

use crate::base::{
    config::{AuthConfig, ConfigError},
    limits::TOKEN_BYTES_MAX,
    refusal::Refusal,
};

pub mod keys;
pub mod revoked;
pub mod rights;
pub mod secret;
pub mod token;

pub use crate::base::right::Right;
pub use rights::Identity;

/// Knows the keys of this node. Cheap to ask: one signature or one digest, no input or output.
#[derive(Debug)]
pub struct Authenticator {
    is_open: bool,
    tokens: Option<token::TokenKeys>,
    api_keys: keys::ApiKeys,
}

impl Authenticator {
    /// Reads the secrets that `config` names and checks all of it.
    pub fn new(config: &AuthConfig) -> Result<Self, ConfigError> {
        Ok(Self {
            is_open: config.is_open(),
            tokens: config.token.as_ref().map(token::TokenKeys::new).transpose()?,
            api_keys: keys::ApiKeys::new(&config.api_keys)?,
        })
    }

    /// Authenticates nobody: everything is allowed to everyone.
    pub fn open() -> Self {
        Self { is_open: true, tokens: None, api_keys: keys::ApiKeys::default() }
    }

    /// Whether a client must present something.
    pub fn required(&self) -> bool {
        !self.is_open
    }

    /// Who presents `token` at the time of day `wall`. Where nothing is required `token` is not looked at.
    ///
    /// *Errors*: always `UNAUTHENTICATED`. What cannot be trusted (key, algorithm, signature) is refused in the same
    /// words whatever is wrong with it; what a trusted issuer has signed is told exactly.
    pub fn authenticate(&self, token: &str, wall: SystemTime) -> Result<Identity, Refusal> {
        if self.is_open {
            return Ok(Identity::open(None));
        }
        if token.is_empty() {
            return Err(Refusal::unauthenticated("a token is required"));
        }
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Refusal::unauthenticated("the token is too long"));
        }
        if token.starts_with(keys::PREFIX) {
            let found = self.api_keys.find(token);
            return found.ok_or_else(|| Refusal::unauthenticated("the key is not accepted"));
        }
        let Some(tokens) = &self.tokens else {
            return Err(token::TokenError::NotAccepted.into());
        };
        Ok(tokens.authenticate(token, wall)?)
    }
}

#[cfg(test)]
mod tests;
