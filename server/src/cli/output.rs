//! The one place where commands of the client write: results to standard output, line by line and at once, everything
//! else to standard error. Text of others is made harmless here before a terminal sees it.

use std::{
    borrow::Cow,
    fmt::Write as _,
    io::{self, IsTerminal, Write},
};

use super::failure::Failure;

/// Where a command writes.
#[derive(Debug)]
pub(super) struct Output {
    terminal: bool,
    colour: bool,
}

/// How a part of a line looks on a terminal.
#[derive(Debug, Clone, Copy)]
pub(super) enum Tone {
    /// Less important than the rest.
    Faint,
    /// What the eye looks for.
    Strong,
}

impl Output {
    /// Standard output and standard error. Colour only on a terminal, and not against `NO_COLOR`.
    pub(super) fn new() -> Self {
        let terminal = io::stdout().is_terminal();
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { terminal, colour: terminal && !unwanted }
    }

    /// Writes one result.
    pub(super) fn line(&self, text: &str) -> Result<(), Failure> {
        self.raw(format!("{text}\n").as_bytes())
    }

    /// Writes one result as JSON, on one line.
    pub(super) fn json(&self, value: &serde_json::Value) -> Result<(), Failure> {
        self.line(&value.to_string())
    }

    /// Writes a payload: as it is into files and pipes, harmless and on a line of its own to a terminal.
    pub(super) fn payload(&self, bytes: &[u8]) -> Result<(), Failure> {
        if self.terminal {
            return self.line(&harmless(&String::from_utf8_lossy(bytes)));
        }
        self.raw(bytes)?;
        if bytes.ends_with(b"\n") { Ok(()) } else { self.raw(b"\n") }
    }

    /// Writes bytes as they are.
    pub(super) fn raw(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::Unread,
            _ => Failure::Local(format!("cannot write: {error}")),
        })
    }

    /// Says something beside the results.
    pub(super) fn note(&self, text: &str) {
        // There is nobody to tell when standard error is closed.
        writeln!(io::stderr().lock(), "{}", harmless(text)).ok();
    }

    /// Says what went wrong.
    pub(super) fn complain(&self, text: &str) {
        self.note(&format!("rialto: {text}"));
    }

    /// `text` in a tone, where there is colour.
    pub(super) fn tinted(&self, text: &str, tone: Tone) -> String {
        let text = harmless(text);
        match (self.colour, tone) {
            (false, _) => text.into_owned(),
            (true, Tone::Faint) => format!("\u{1b}[2m{text}\u{1b}[0m"),
            (true, Tone::Strong) => format!("\u{1b}[1m{text}\u{1b}[0m"),
        }
    }
}

/// A number with its noun: `1 member`, `2 members`.
pub(super) fn counted(count: impl Into<u64>, noun: &str) -> String {
    match count.into() {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
}

/// Text of others with its control characters shown and not obeyed: they could rewrite a terminal's screen.
pub(super) fn harmless(text: &str) -> Cow<'_, str> {
    let obeyed = |c: char| c.is_control() && c != '\t' && c != '\n';
    if !text.contains(obeyed) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if obeyed(c) {
            write!(shown, "{}", c.escape_default()).ok();
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_many() {
        assert_eq!(
            [0_u64, 1, 2].map(|count| counted(count, "member")),
            ["0 members", "1 member", "2 members"]
        );
    }

    #[test]
    fn control_characters_of_others_are_shown_and_not_obeyed() {
        assert_eq!(harmless("a\u{1b}[2Jb\r\u{9b}"), "a\\u{1b}[2Jb\\r\\u{9b}");
        assert_eq!(harmless("zwei\tZeilen\nTëxt"), "zwei\tZeilen\nTëxt");
    }
}
