//! One command as it comes in, and its arguments by their kinds.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Map, Value};

/// What is to be done, by whom.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    pub(crate) id: u64,
    pub(crate) by: String,
    pub(crate) verb: String,
    pub(crate) arguments: Map<String, Value>,
}

impl Command {
    /// Reads a line. `None` when it is no command.
    pub(crate) fn read(line: &str) -> Option<Self> {
        let Ok(Value::Object(mut arguments)) = serde_json::from_str(line) else { return None };
        let id = arguments.remove("id")?.as_u64()?;
        let mut text = |key: &str| Some(arguments.remove(key)?.as_str()?.to_owned());
        Some(Self { id, by: text("by")?, verb: text("do")?, arguments })
    }

    /// The same command with a table of it as its arguments.
    pub(crate) fn of(&self, arguments: &Map<String, Value>) -> Self {
        Self { arguments: arguments.clone(), ..self.clone() }
    }

    /// A text; empty when it is absent.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.given(key).unwrap_or_default()
    }

    /// A text, if it is there.
    pub(crate) fn given(&self, key: &str) -> Option<&str> {
        self.arguments.get(key)?.as_str()
    }

    /// A number that is not negative.
    pub(crate) fn number(&self, key: &str) -> Option<u64> {
        self.arguments.get(key)?.as_u64()
    }

    /// The same in 32 bits.
    pub(crate) fn count(&self, key: &str) -> Option<u32> {
        u32::try_from(self.number(key)?).ok()
    }

    /// A span of time, given in milliseconds.
    pub(crate) fn span(&self, key: &str) -> Option<Duration> {
        self.number(key).map(Duration::from_millis)
    }

    /// Whether something is wanted.
    pub(crate) fn flag(&self, key: &str) -> bool {
        self.arguments.get(key).and_then(Value::as_bool).unwrap_or_default()
    }

    /// A table; empty when it is absent.
    pub(crate) fn table(&self, key: &str) -> Map<String, Value> {
        self.arguments.get(key).and_then(Value::as_object).cloned().unwrap_or_default()
    }

    /// A table of texts.
    pub(crate) fn texts_by_key(&self, key: &str) -> BTreeMap<String, String> {
        let table = self.table(key).into_iter();
        table.filter_map(|(key, value)| Some((key, value.as_str()?.to_owned()))).collect()
    }

    /// A list; empty when it is absent.
    pub(crate) fn list(&self, key: &str) -> Vec<Value> {
        self.arguments.get(key).and_then(Value::as_array).cloned().unwrap_or_default()
    }

    /// A list of texts.
    pub(crate) fn texts(&self, key: &str) -> Vec<String> {
        self.list(key).iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
    }
}
