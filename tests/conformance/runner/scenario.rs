//! Scenarios as they are written down. Nothing is carried out here.

use std::{fs, path::Path};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{Failure, load::Load, step::Step};

/// One row of the table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// What it shows, as a sentence.
    pub(crate) name: String,
    /// The paragraphs of BEHAVIOUR.md that it shows.
    pub(crate) shows: Vec<String>,
    /// What a client must be able to have; one that `lacks` it is left out.
    #[serde(default)]
    pub(crate) needs: Vec<String>,
    /// Settings of the node, laid over those of tests, as in the configuration file.
    #[serde(default)]
    pub(crate) node: Map<String, Value>,
    /// There is no node, but a server that says what the steps tell it to.
    #[serde(default)]
    pub(crate) scripted: bool,
    /// How many nodes there are, that are one. Those of several keep their histories in NATS.
    #[serde(default = "one")]
    pub(crate) nodes: usize,
    /// The node lets nobody in without a token.
    #[serde(default)]
    pub(crate) tokens: bool,
    /// The driver has this scenario alone, for example because it is sent a signal.
    #[serde(default)]
    pub(crate) own_process: bool,
    /// What happens.
    #[serde(default)]
    pub(crate) steps: Vec<Step>,
    /// What is said meanwhile, of a scenario under load; it has no steps.
    #[serde(default)]
    pub(crate) load: Option<Load>,
    /// The name of its file.
    #[serde(skip)]
    file: String,
}

fn one() -> usize {
    1
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenarios {
    scenario: Vec<Scenario>,
}

impl Scenario {
    /// Whether somebody who asks for `part` means it.
    pub(crate) fn is_about(&self, part: &str) -> bool {
        self.name.contains(part) || self.file.contains(part) || self.shows.iter().any(|shown| shown == part)
    }
}

/// All scenarios of a folder, file by file.
pub(crate) fn read_all(folder: &Path) -> Result<Vec<Scenario>, Failure> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))? {
        paths.push(entry?.path());
    }
    paths.sort();
    let mut all = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path)?;
        let wrong = |error: toml::de::Error| format!("{}: {error}", path.display());
        let scenarios: Scenarios = toml::from_str(&text).map_err(wrong)?;
        let file = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        all.extend(
            scenarios.scenario.into_iter().map(|scenario| Scenario { file: file.clone(), ..scenario }),
        );
    }
    Ok(all)
}
