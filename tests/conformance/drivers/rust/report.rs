//! Lines that go out: answers to commands, and reports about somebody. Each is written at once and whole.

use std::io::Write;

use serde_json::{Value, json};

use crate::Outcome;

/// The answer to a command.
pub(crate) fn answer(id: u64, outcome: Outcome) {
    line(&match outcome {
        Ok(Value::Null) => json!({"id": id, "done": {}}),
        Ok(done) => json!({"id": id, "done": done}),
        Err(failure) => json!({"id": id, "failed": failure.0}),
    });
}

/// A report about somebody.
pub(crate) fn tell(by: &str, kind: &str, what: Value) {
    line(&json!({"by": by, kind: what}));
}

fn line(line: &Value) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = writeln!(out, "{line}").and_then(|()| out.flush()) {
        eprintln!("nobody reads what the driver says: {error}");
        std::process::exit(1);
    }
}
