//! Rules about how files are written: what stands at their top, how long they are, what their names say, and what must
//! not be left in them. The words that are looked for are put together here, so that this file does not find itself.

use crate::source::{Breach, File, code};

const HEADER_RULE: &str = "a file begins with `//!`: what it owns, what it never does, who calls it";
const HEADER_CHARS_MIN: usize = 24;
const LINES_MAX: usize = 450;
const LENGTH_RULE: &str = "a file is one thought of at most 450 lines";
const WRITTEN: [&str; 8] = [".rs", ".ts", ".svelte", ".mjs", ".cjs", ".js", ".py", ".go"];
const NAME_RULE: &str = "a name says what a thing is; these words say nothing";
const EMPTY_WORDS: [&str; 9] =
    ["manager", "handler", "helper", "helpers", "util", "utils", "common", "misc", "stuff"];
const DEFINING: [&str; 6] = ["struct ", "enum ", "trait ", "mod ", "fn ", "type "];
const MARKS: [&str; 4] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX"), concat!("HA", "CK")];
const MARK_RULE: &str = "what is left for later is an issue, not a mark in the source";
const EXPORT_RULE: &str = "exports are named one by one";
const IGNORE_RULE: &str = "a test runs or does not exist";
const SLEEP_RULE: &str = "a test waits for what it expects, with a deadline, never for time to pass";
const PLACE_RULE: &str = "no file names a machine's folders or the host of a package registry";
const PLACES: [&str; 14] = [
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/wo", "rk/"),
    concat!("/Us", "ers/"),
    concat!("C:", "\\Users"),
    concat!("registry.npm", "js"),
    concat!("npm", "mirror"),
    concat!("static.cra", "tes.io"),
    concat!("index.cra", "tes.io"),
    concat!("py", "pi.org"),
    concat!("python", "hosted"),
    concat!("proxy.go", "lang"),
    concat!("sum.go", "lang"),
    concat!("deb.deb", "ian"),
];

/// Each Rust file says what it is.
pub(crate) fn every_file_says_what_it_is(files: &[File]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for file in files.iter().filter(|file| file.is_rust() && file.by_hand()) {
        let header = file.text.lines().map_while(|line| line.strip_prefix("//!"));
        if header.map(|line| line.trim().chars().count()).sum::<usize>() < HEADER_CHARS_MIN {
            breaches.push(Breach::new(file, 1, "no header", HEADER_RULE));
        }
    }
    breaches
}

/// No file is too long to be read at once.
pub(crate) fn files_are_one_thought(files: &[File]) -> Vec<Breach> {
    let written = |file: &&File| file.by_hand() && WRITTEN.iter().any(|end| file.path.ends_with(end));
    let mut breaches = Vec::new();
    for file in files.iter().filter(written) {
        let lines = file.text.lines().count();
        if lines > LINES_MAX {
            breaches.push(Breach::new(file, LINES_MAX, format!("{lines} lines"), LENGTH_RULE));
        }
    }
    breaches
}

/// Files, folders and what Rust defines have names that say something.
pub(crate) fn names_say_something(files: &[File]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for file in files.iter().filter(|file| file.by_hand()) {
        if let Some(part) = file.path.split(['/', '.']).find(|part| is_empty_name(part)) {
            breaches.push(Breach::new(file, 1, part, NAME_RULE));
        }
        if !file.is_rust() {
            continue;
        }
        for (index, line) in code(&file.text).lines().enumerate() {
            let words = line.trim_start().trim_start_matches("pub ").trim_start_matches("async ");
            let Some(name) = DEFINING.iter().find_map(|keyword| words.strip_prefix(keyword)) else {
                continue;
            };
            let end = name.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(name.len());
            if is_empty_name(&name[..end]) {
                breaches.push(Breach::new(file, index + 1, &name[..end], NAME_RULE));
            }
        }
    }
    breaches
}

/// Whether one of the words of `name`, in either way of writing, is empty.
fn is_empty_name(name: &str) -> bool {
    let mut spaced = String::new();
    for c in name.chars() {
        if c.is_uppercase() {
            spaced.push('_');
        }
        spaced.extend(c.to_lowercase());
    }
    spaced.split(['_', '-']).any(|word| EMPTY_WORDS.contains(&word))
}

/// Nothing is marked for later.
pub(crate) fn nothing_is_left_for_later(files: &[File]) -> Vec<Breach> {
    let by_hand = files.iter().filter(|file| file.by_hand());
    find_in_lines(by_hand, MARK_RULE, |line| {
        let word = |mark: &str| line.split(|c: char| !c.is_alphanumeric()).any(|word| word == mark);
        MARKS.iter().any(|mark| word(mark))
    })
}

/// Exports are named.
pub(crate) fn exports_are_named(files: &[File]) -> Vec<Breach> {
    let product = |file: &&File| file.is_rust() && file.by_hand();
    let starred = |line: &str| {
        let line = line.trim_start();
        line.starts_with("pub use ") && line.trim_end().ends_with("::*;")
    };
    find_in_lines(files.iter().filter(product), EXPORT_RULE, starred)
}

/// Tests run, and do not wait for time to pass.
pub(crate) fn no_test_is_ignored_or_sleeps(files: &[File]) -> Vec<Breach> {
    let ignore = concat!("#[ig", "nore");
    let sleep = concat!("sle", "ep(");
    let rust = files.iter().filter(|file| file.is_rust());
    let mut breaches = find_in_lines(rust, IGNORE_RULE, |line| line.contains(ignore));
    let tests = files.iter().filter(|file| file.is_rust() && file.path.starts_with("tests/tests/"));
    breaches.extend(find_in_lines(tests, SLEEP_RULE, |line| line.contains(sleep)));
    breaches
}

/// Files are the same on every machine. Lock files and built ones are looked at too.
pub(crate) fn no_machine_is_named(files: &[File]) -> Vec<Breach> {
    find_in_lines(files.iter(), PLACE_RULE, |line| PLACES.iter().any(|place| line.contains(place)))
}

fn find_in_lines<'a>(
    files: impl Iterator<Item = &'a File>,
    rule: &'static str,
    found: impl Fn(&str) -> bool,
) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for file in files {
        for (index, line) in file.text.lines().enumerate().filter(|(_, line)| found(line)) {
            let shown = line.trim().chars().take(80).collect::<String>();
            breaches.push(Breach::new(file, index + 1, shown, rule));
        }
    }
    breaches
}

#[cfg(test)]
const NONE: [usize; 0] = [];

#[cfg(test)]
fn lines(rule: fn(&[File]) -> Vec<Breach>, path: &str, text: &str) -> Vec<usize> {
    rule(&[File::new(path, text)]).iter().map(|breach| breach.line).collect()
}

#[test]
fn a_file_without_a_header_is_found() {
    let good = "//! What is here and what is not, and who calls it.\nfn f() {}";
    assert_eq!(lines(every_file_says_what_it_is, "a.rs", good), NONE);
    assert_eq!(lines(every_file_says_what_it_is, "a.rs", "//! .\nfn f() {}"), [1]);
    assert_eq!(
        lines(every_file_says_what_it_is, "a.rs", "use x;\n//! too late to be a header of this file"),
        [1]
    );
}

#[test]
fn a_long_file_is_found_unless_a_program_wrote_it() {
    let text = "x\n".repeat(LINES_MAX + 1);
    assert_eq!(lines(files_are_one_thought, "a.rs", &text), [LINES_MAX]);
    assert_eq!(lines(files_are_one_thought, "clients/typescript/src/gen/a.ts", &text), NONE);
    assert_eq!(lines(files_are_one_thought, "a.rs", &text[2..]), NONE);
}

#[test]
fn an_empty_name_is_found() {
    assert_eq!(lines(names_say_something, "src/utils.rs", ""), [1]);
    assert_eq!(lines(names_say_something, "src/common/mod.rs", ""), [1]);
    assert_eq!(lines(names_say_something, "a.rs", "\npub struct SessionManager;"), [2]);
    assert_eq!(lines(names_say_something, "a.rs", "    async fn parse_helper() {}"), [1]);
    assert_eq!(lines(names_say_something, "a.rs", "pub struct Utility;\nfn commons() {}"), NONE);
}

#[test]
fn a_mark_a_star_and_an_ignored_test_are_found() {
    assert_eq!(lines(nothing_is_left_for_later, "a.ts", &format!("// {}: x", MARKS[0])), [1]);
    assert_eq!(lines(nothing_is_left_for_later, "a.ts", &format!("{}S", MARKS[0])), NONE);
    assert_eq!(lines(exports_are_named, "a.rs", "pub use self::x::*;\nuse super::*;"), [1]);
    assert_eq!(lines(no_test_is_ignored_or_sleeps, "a.rs", concat!("#[ig", "nore]")), [1]);
    let sleepy = concat!("tokio::time::sle", "ep(SECOND).await;");
    assert_eq!(lines(no_test_is_ignored_or_sleeps, "tests/tests/a.rs", sleepy), [1]);
    assert_eq!(lines(no_test_is_ignored_or_sleeps, "server/src/a.rs", sleepy), NONE);
}

#[test]
fn a_place_of_a_machine_is_found_also_in_lock_files() {
    let path = format!("see {}someone/x", PLACES[1]);
    assert_eq!(lines(no_machine_is_named, "README.md", &path), [1]);
    assert_eq!(lines(no_machine_is_named, "package-lock.json", &format!("https://{}", PLACES[5])), [1]);
}
