//! One step of a scenario: what is done by whom, and what must come of it. Read from the table that it is written as.

use std::fmt;

use serde::{Deserialize, de::Error};
use serde_json::{Map, Value};

/// How a command must end.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum End {
    /// Well, with at least this.
    Done(Value),
    /// By a failure with at least this.
    Failed(Value),
    /// Well, with at least this, some time, when it is repeated.
    Until(Value),
}

/// Where among the reports of its kind something is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// It is the next one.
    Next,
    /// Others may come before it.
    Some,
    /// It is a list, and the next reports are these, in whatever order.
    All,
}

/// What happens in a step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    /// The driver is told to do something, and it ends so.
    Command { by: String, verb: String, arguments: Map<String, Value>, end: End },
    /// It is told to do something, whose end a later step asks for by a name.
    Begin { name: String, by: String, verb: String, arguments: Map<String, Value> },
    /// What was begun ends so.
    Ends { name: String, end: End },
    /// The driver reports this.
    Told { by: String, kind: String, expected: Value, order: Order },
    /// There is no report of this kind left.
    Untold { by: String, kind: String },
    /// Something happens to the network.
    Network(String),
    /// Something happens to the node.
    Node(String),
    /// An operator does something.
    Operator { verb: String, arguments: Map<String, Value> },
    /// Something happens at a scripted server.
    Server { what: String, arguments: Map<String, Value> },
    /// The process of the driver is sent a signal.
    Signal(String),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command { by, verb, .. } => write!(f, "{by} does {verb}"),
            Self::Begin { name, by, verb, .. } => write!(f, "{by} begins {verb}, {name}"),
            Self::Ends { name, .. } => write!(f, "{name} ends"),
            Self::Told { by, kind, .. } => write!(f, "{by} is told of {kind}"),
            Self::Untold { by, kind } => write!(f, "{by} is not told of {kind}"),
            Self::Network(what) => write!(f, "network: {what}"),
            Self::Node(what) => write!(f, "node: {what}"),
            Self::Operator { verb, .. } => write!(f, "operator: {verb}"),
            Self::Server { what, .. } => write!(f, "the server {what}"),
            Self::Signal(name) => write!(f, "signal {name}"),
        }
    }
}

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = Map::deserialize(deserializer)?;
        Self::read(table.clone())
            .map_err(|what| D::Error::custom(format!("{what}, in the step {}", Value::Object(table))))
    }
}

impl Step {
    fn read(mut table: Map<String, Value>) -> Result<Self, String> {
        let mut text = |key: &str| match table.remove(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(format!("`{key}` is no text")),
        };
        let step = match (text("by")?, text("do")?) {
            (Some(by), Some(verb)) => return Self::command(by, verb, table),
            (Some(by), None) => Self::report(by, &mut table)?,
            (None, Some(_)) => return Err("nobody does it".to_owned()),
            (None, None) => {
                let (operator, server) = (text("operator")?, text("server")?);
                if let Some(verb) = operator {
                    return Ok(Self::Operator { verb, arguments: table });
                }
                if let Some(what) = server {
                    return Ok(Self::Server { what, arguments: table });
                }
                let signal = text("signal")?.map(Self::Signal);
                let network = text("network")?.map(Self::Network);
                let node = text("node")?.map(Self::Node);
                match (signal.or(network).or(node), text("ends")?) {
                    (Some(step), None) => step,
                    (None, Some(name)) => Self::Ends { name, end: end(&mut table)? },
                    _ => return Err("it is not known what happens".to_owned()),
                }
            }
        };
        table.keys().next().map_or(Ok(step), |key| Err(format!("`{key}` has no meaning")))
    }

    fn command(by: String, verb: String, mut arguments: Map<String, Value>) -> Result<Self, String> {
        match arguments.remove("later") {
            Some(Value::String(name)) => Ok(Self::Begin { name, by, verb, arguments }),
            Some(_) => Err("`later` is no name".to_owned()),
            None => {
                let end = end(&mut arguments)?;
                Ok(Self::Command { by, verb, arguments, end })
            }
        }
    }

    fn report(by: String, table: &mut Map<String, Value>) -> Result<Self, String> {
        if let Some(kind) = table.remove("untold") {
            let kind = kind.as_str().ok_or("`untold` is no kind of report")?.to_owned();
            return Ok(Self::Untold { by, kind });
        }
        let orders = [("told", Order::Next), ("told_some", Order::Some), ("told_all", Order::All)];
        let mut told = orders.iter().filter_map(|(key, order)| Some((table.remove(*key)?, *order)));
        let (Some((told, order)), None) = (told.next(), told.next()) else {
            return Err("it is neither done nor told".to_owned());
        };
        let Value::Object(told) = told else { return Err("what is told is no table".to_owned()) };
        let mut told = told.into_iter();
        match (told.next(), told.next()) {
            (Some((kind, expected)), None) => Ok(Self::Told { by, kind, expected, order }),
            _ => Err("one kind of report is told".to_owned()),
        }
    }
}

fn end(table: &mut Map<String, Value>) -> Result<End, String> {
    let done = table.remove("done").map(End::Done);
    let failed = table.remove("failed").map(End::Failed);
    let until = table.remove("until").map(End::Until);
    let mut ends = [done, failed, until].into_iter().flatten();
    match (ends.next(), ends.next()) {
        (None, _) => Ok(End::Done(Value::Object(Map::new()))),
        (Some(end), None) => Ok(end),
        _ => Err("it cannot end in two ways".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(text: &str) -> Result<Step, String> {
        #[derive(Deserialize)]
        struct One {
            step: Step,
        }
        toml::from_str::<One>(&format!("step = {{ {text} }}"))
            .map(|one| one.step)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_command_keeps_its_arguments_and_knows_how_it_ends() {
        let read = step("by = 'ann', do = 'emit', text = 'x', done = { offset = 1 }").unwrap();
        let Step::Command { by, verb, arguments, end } = read else { panic!("{read:?}") };
        assert_eq!((by.as_str(), verb.as_str()), ("ann", "emit"));
        assert_eq!(Value::Object(arguments), serde_json::json!({"text": "x"}));
        assert_eq!(end, End::Done(serde_json::json!({"offset": 1})));
    }

    #[test]
    fn what_has_no_meaning_is_refused_with_the_step() {
        for (text, sentence) in [
            ("do = 'emit'", "nobody does it"),
            ("network = 'part', now = true", "`now` has no meaning"),
            ("by = 'ann'", "neither done nor told"),
            ("by = 'ann', told = { event = {}, status = 'x' }", "one kind"),
            ("by = 'ann', do = 'ping', done = {}, failed = {}", "two ways"),
        ] {
            let error = step(text).unwrap_err();
            assert!(error.contains(sentence), "{error}");
        }
    }
}
