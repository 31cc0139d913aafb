//! Static keys of services. A key is `rk_` and 26 digits of base 32: 128 random bits, made by [`ApiKey::random`] only.
//! So much chance cannot be guessed from a digest, which is why a plain SHA-256 is enough to keep; keys of any other
//! form are not accepted, so that nobody picks a weak one. The keys themselves are nowhere kept.

use std::{collections::HashSet, fmt};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::rights::Identity;
use crate::base::{
    clock,
    config::{ApiKeyConfig, ConfigError},
    ids::UserName,
    text::{read_base32, write_base32},
};

/// How every key begins; no JWT does.
pub const PREFIX: &str = "rk_";
/// Keys of one node. All are compared at each authentication.
pub const API_KEYS_MAX: usize = 256;

const DIGITS: u32 = 26;

type Sha256Digest = [u8; 32];

/// A new key, to be shown once.
pub struct ApiKey(String);

impl ApiKey {
    /// A key that nobody has.
    pub fn random() -> Result<Self, fmt::Error> {
        let mut text = PREFIX.to_owned();
        write_base32(&mut text, u128::from_be_bytes(clock::random_secret()), DIGITS)?;
        Ok(Self(text))
    }

    /// The key.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What the configuration holds of it: SHA-256 in hexadecimal.
    pub fn sha256(&self) -> String {
        digest_of(&self.0).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(hidden)")
    }
}

/// The keys that a node accepts.
#[derive(Debug, Default)]
pub struct ApiKeys {
    entries: Vec<(Sha256Digest, Identity)>,
}

impl ApiKeys {
    /// Checks `configs` and works their grants out.
    pub fn new(configs: &[ApiKeyConfig]) -> Result<Self, ConfigError> {
        if configs.len() > API_KEYS_MAX {
            return Err(ConfigError::invalid(
                "auth.api_key",
                format_args!("has {} keys, at most {API_KEYS_MAX} are possible", configs.len()),
            ));
        }
        let (mut names, mut digests) = (HashSet::new(), HashSet::new());
        let mut entries = Vec::with_capacity(configs.len());
        for config in configs {
            let invalid = |what: &dyn fmt::Display| {
                ConfigError::invalid(format!("auth.api_key {:?}", config.name), what)
            };
            if config.name.is_empty() || !names.insert(&config.name) {
                return Err(invalid(&"needs a name that no other key has"));
            }
            let digest =
                read_digest(&config.sha256).ok_or_else(|| invalid(&"sha256 is not 64 hexadecimal digits"))?;
            if !digests.insert(digest) {
                return Err(invalid(&"has the sha256 of another key"));
            }
            let user = config.user.as_deref().map(str::parse::<UserName>).transpose();
            let user = user.map_err(|error| invalid(&format_args!("user {error}")))?;
            let identity = Identity::granted(user, None, &config.grants).map_err(|error| invalid(&error))?;
            entries.push((digest, identity));
        }
        Ok(Self { entries })
    }

    /// Whose key `text` is. Takes equally long for every key of the right form.
    pub fn find(&self, text: &str) -> Option<Identity> {
        let digits = text.strip_prefix(PREFIX)?;
        if digits.len() != DIGITS as usize || read_base32(digits).is_none() {
            return None;
        }
        let presented = digest_of(text);
        // Through all entries, not only up to the one that matches.
        self.entries.iter().fold(None, |found, (digest, identity)| {
            let is_equal = bool::from(digest.ct_eq(&presented));
            if is_equal { Some(identity.clone()) } else { found }
        })
    }
}

fn digest_of(text: &str) -> Sha256Digest {
    Sha256::digest(text.as_bytes()).into()
}

fn read_digest(text: &str) -> Option<Sha256Digest> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut digest = Sha256Digest::default();
    for (place, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(place * 2..place * 2 + 2)?, 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(name: &str, sha256: String) -> ApiKeyConfig {
        ApiKeyConfig { name: name.to_owned(), sha256, user: Some(name.to_owned()), grants: Vec::new() }
    }

    #[test]
    fn a_key_is_found_by_its_digest_only() {
        let (first, second) = (ApiKey::random().unwrap(), ApiKey::random().unwrap());
        let keys = ApiKeys::new(&[
            config("first", first.sha256()),
            config("second", second.sha256().to_uppercase()),
        ]);
        let keys = keys.unwrap();
        let user_of = |text: &str| keys.find(text).map(|identity| identity.user.unwrap().into_string());
        assert_eq!(user_of(first.expose()).as_deref(), Some("first"));
        assert_eq!(user_of(second.expose()).as_deref(), Some("second"));
        assert_eq!(user_of(ApiKey::random().unwrap().expose()), None);
        assert_eq!(user_of(&first.sha256()), None);
        assert_eq!(user_of(&first.expose()[..28]), None);
        assert_eq!(user_of(&format!("{}0", first.expose())), None);
        assert_eq!(user_of(&first.expose().to_uppercase()), None);
    }

    #[test]
    fn a_key_that_somebody_made_up_is_not_accepted() {
        let weak = ApiKey("rk_password".to_owned());
        let keys = ApiKeys::new(&[config("weak", weak.sha256())]).unwrap();
        assert!(keys.find(weak.expose()).is_none());
    }

    #[test]
    fn a_digest_is_that_of_the_standard() {
        let key = ApiKey("abc".to_owned());
        assert_eq!(key.sha256(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn a_key_is_not_shown_by_accident() {
        let key = ApiKey::random().unwrap();
        assert_eq!(key.expose().len(), 29);
        assert!(!format!("{key:?}").contains(&key.expose()[3..]));
    }

    #[test]
    fn keys_that_contradict_each_other_are_refused() {
        let digest = "0".repeat(64);
        for (configs, says) in [
            (vec![config("a", "00".to_owned())], "auth.api_key \"a\" sha256 is not 64 hexadecimal digits"),
            (vec![config("a", "é".repeat(32))], "sha256"),
            (vec![config("a", digest.clone()), config("a", "1".repeat(64))], "no other key has"),
            (vec![config("", digest.clone())], "needs a name"),
            (vec![config("a", digest.clone()), config("b", digest)], "sha256 of another key"),
            (vec![config("_a", "2".repeat(64))], "user begins with a reserved character"),
        ] {
            let error = ApiKeys::new(&configs).expect_err(says).to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
