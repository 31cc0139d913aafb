//! Flags that say which server and who is speaking, and the sessions and clients made from them.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use rialto_client::{Client, Connecting, Session};

use super::failure::Failure;

/// Which server, and what to show it.
#[derive(Debug, Args)]
pub(super) struct ConnectionArgs {
    /// The server, http:// or https://
    #[arg(long, value_name = "URL", env = "RIALTO_SERVER", default_value = "http://127.0.0.1:7400")]
    pub(super) server: String,
    /// Token or API key
    #[arg(long, value_name = "TOKEN", env = "RIALTO_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// PEM file of the authority that signs the server's certificate [default: those the public web trusts]
    #[arg(long, value_name = "FILE", env = "RIALTO_CA")]
    ca: Option<PathBuf>,
    /// The namespace
    #[arg(long, short, value_name = "NAMESPACE", default_value = "default")]
    pub(super) namespace: String,
    /// Print one JSON object per line
    #[arg(long)]
    pub(super) json: bool,
}

/// Who is speaking.
#[derive(Debug, Clone, Args)]
pub(super) struct IdentityArgs {
    /// The user, for servers without authentication
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Something that others see beside the session; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    attribute: Vec<(String, String)>,
}

/// How long connecting and each command may take.
const DEADLINE: Duration = Duration::from_secs(10);

impl ConnectionArgs {
    fn authority(&self) -> Result<Option<Vec<u8>>, Failure> {
        let Some(path) = &self.ca else { return Ok(None) };
        let unreadable = |error| Failure::Usage(format!("cannot read {}: {error}", path.display()));
        std::fs::read(path).map(Some).map_err(unreadable)
    }

    /// A client without a session.
    pub(super) fn client(&self) -> Result<Client, Failure> {
        let mut client = Client::builder(&self.server).deadline(DEADLINE);
        if let Some(token) = &self.token {
            client = client.token(token);
        }
        if let Some(authority) = self.authority()? {
            client = client.certificate_authority(authority);
        }
        Ok(client.build()?)
    }

    /// A session about to be opened.
    pub(super) fn session(&self, identity: IdentityArgs) -> Result<Connecting, Failure> {
        let program = ("rialto", env!("CARGO_PKG_VERSION"));
        let mut session = Session::connect(&self.server).program(program.0, program.1).deadline(DEADLINE);
        if let Some(token) = &self.token {
            session = session.token(token);
        }
        if let Some(user) = identity.user {
            session = session.user(user);
        }
        for (key, value) in identity.attribute {
            session = session.attribute(key, value);
        }
        if let Some(authority) = self.authority()? {
            session = session.certificate_authority(authority);
        }
        Ok(session)
    }
}

/// Reads `key=value`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("it is not of the form key=value".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_hold_the_sign_itself() {
        assert_eq!(pair("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert_eq!(pair("a="), Ok(("a".into(), String::new())));
        pair("=b").unwrap_err();
        pair("a").unwrap_err();
    }
}
