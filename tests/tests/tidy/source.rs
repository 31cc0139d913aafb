//! The files that the rules look at, and Rust code without its comments and texts, so that a rule about code does not
//! stumble over words. Knows no rule.

use std::{fmt, fs, path::Path, process::Command};

/// One file that git knows, or would add.
#[derive(Debug, Clone)]
pub(crate) struct File {
    /// Path from the root of the repository, with `/`.
    pub(crate) path: String,
    /// Its text; empty for a file that is not UTF-8.
    pub(crate) text: String,
}

impl File {
    /// A file for the test of a rule.
    #[cfg(test)]
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// Whether it is Rust.
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether it is a document.
    pub(crate) fn is_document(&self) -> bool {
        self.path.ends_with(".md")
    }

    /// Whether somebody wrote it: not a lock file, nor built, nor generated.
    pub(crate) fn by_hand(&self) -> bool {
        let locked = matches!(self.name(), "Cargo.lock" | "package-lock.json" | "go.sum");
        !locked && !self.path.split('/').any(|folder| matches!(folder, "dist" | "gen"))
    }

    /// Its last part.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

/// One place that breaks a rule.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Breach {
    /// The file.
    pub(crate) path: String,
    /// The line, counted from one.
    pub(crate) line: usize,
    /// What stands there.
    pub(crate) what: String,
    /// The sentence that it breaks.
    pub(crate) rule: &'static str,
}

impl Breach {
    /// A breach in `file`.
    pub(crate) fn new(file: &File, line: usize, what: impl Into<String>, rule: &'static str) -> Self {
        Self { path: file.path.clone(), line, what: what.into(), rule }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line, self.what, self.rule)
    }
}

/// All files that git knows, and those that it would add.
pub(crate) fn tracked() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository");
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .expect("git is needed to list the files");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut paths: Vec<String> = String::from_utf8(output.stdout)
        .expect("paths are UTF-8")
        .split_terminator('\0')
        .map(str::to_owned)
        .collect();
    paths.sort();
    paths.dedup();
    let read = |path: String| {
        let text = String::from_utf8(fs::read(root.join(&path)).ok()?).unwrap_or_default();
        Some(File { path, text })
    };
    paths.into_iter().filter_map(read).collect()
}

/// Rust code with comments, texts and characters blanked; lines and columns stay where they are.
pub(crate) fn code(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = blank_end(text, at);
        if end == at {
            let step = text[at..].chars().next().map_or(1, char::len_utf8);
            out.push_str(&text[at..at + step]);
            at += step;
        } else {
            out.extend(text[at..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    out
}

/// Where the comment, text or character that begins at `at` ends; `at` itself when none begins there.
fn blank_end(text: &str, at: usize) -> usize {
    let rest = &text[at..];
    let word_before = at > 0 && text.as_bytes()[at - 1].is_ascii_alphanumeric();
    if rest.starts_with("//") {
        return at + rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return at + rest.find("*/").map_or(rest.len(), |end| end + 2);
    }
    if rest.starts_with('r') && !word_before {
        let hashes = rest[1..].bytes().take_while(|byte| *byte == b'#').count();
        if rest[1 + hashes..].starts_with('"') {
            let close = format!("\"{}", "#".repeat(hashes));
            let body = 2 + hashes;
            return at + rest[body..].find(&close).map_or(rest.len(), |end| body + end + close.len());
        }
    }
    if rest.starts_with('"') {
        return at + quoted_len(rest, '"');
    }
    if rest.starts_with('\'') {
        let mut chars = rest.chars().skip(1);
        let (first, second) = (chars.next(), chars.next());
        if first == Some('\\') || second == Some('\'') {
            return at + quoted_len(rest, '\'');
        }
    }
    at
}

/// Bytes of the text at the start of `rest`, both quotes included.
fn quoted_len(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (index, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return index + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The line of a byte of `text`, counted from one.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

#[test]
fn words_in_comments_and_texts_are_no_code() {
    let text = "let a = \"x // \\\" y\"; // z\nlet c = '\"'; let b: &'static str = r#\"q\"w\"#; /* v */ done";
    let code = code(text);
    for word in ["x", "y", "z", "q", "w", "v"] {
        assert!(!code.contains(word), "{word} is left in {code:?}");
    }
    assert!(code.contains("'static str") && code.contains("done"));
    assert_eq!(code.matches('\n').count(), 1);
}

#[test]
fn lines_are_counted_from_one() {
    assert_eq!(line_of("a\nb\nc", 4), 3);
}
