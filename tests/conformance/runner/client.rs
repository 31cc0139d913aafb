//! The clients that there are, each a column of the table: `clients.toml`.

use std::{collections::BTreeSet, fs, path::Path};

use serde::Deserialize;

use crate::Failure;

/// One column.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Client {
    /// Its name.
    pub(crate) name: String,
    /// What starts its driver, from the top of the repository.
    pub(crate) command: Vec<String>,
    /// Which shape of a session it is asked for, of a client that has both.
    #[serde(default)]
    pub(crate) shape: Option<String>,
    /// What it cannot have, and needs no scenario for: `signals` in a browser.
    #[serde(default)]
    pub(crate) lacks: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Clients {
    client: Vec<Client>,
}

/// All of them, in the order of the file.
pub(crate) fn read_all(path: &Path) -> Result<Vec<Client>, Failure> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let clients: Clients = toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(clients.client)
}
