//! Rules about documents: one title each, links that lead somewhere, and an index that names every decision. Text
//! between code fences is not looked at.

use std::collections::BTreeSet;

use crate::source::{Breach, File};

const DECISIONS: &str = "docs/adr/";
const INDEX: &str = "docs/adr/README.md";
const INDEX_RULE: &str = "every decision is in the index of docs/adr/README.md";
const TITLE_RULE: &str = "a document has one title";
const TEST_RULE: &str = "a test that a document names exists in the file that it names";
/// Where a file is that is not named from the root.
const TESTS: &str = "tests/tests/";
const LINK_RULE: &str = "a relative link leads to a file, a folder or a heading that exists";

/// The index names every decision.
pub(crate) fn every_decision_is_in_the_index(files: &[File]) -> Vec<Breach> {
    let index = files.iter().find(|file| file.path == INDEX).map_or("", |file| &file.text);
    let decisions = files.iter().filter(|file| file.path.starts_with(DECISIONS) && file.is_document());
    let missing =
        decisions.filter(|file| file.path != INDEX && !index.contains(&format!("({})", file.name())));
    missing.map(|file| Breach::new(file, 1, "not in the index", INDEX_RULE)).collect()
}

/// Each document has one title.
pub(crate) fn every_document_has_one_title(files: &[File]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for file in files.iter().filter(|file| file.is_document()) {
        let titles: Vec<usize> =
            prose(&file.text).filter(|(_, line)| line.starts_with("# ")).map(|(at, _)| at).collect();
        if titles.len() != 1 {
            let line = titles.get(1).copied().unwrap_or(1);
            breaches.push(Breach::new(file, line, format!("{} titles", titles.len()), TITLE_RULE));
        }
    }
    breaches
}

/// Each relative link leads somewhere.
pub(crate) fn every_link_leads_somewhere(files: &[File]) -> Vec<Breach> {
    let places: BTreeSet<&str> = files.iter().flat_map(|file| with_folders(&file.path)).collect();
    let mut breaches = Vec::new();
    for file in files.iter().filter(|file| file.is_document()) {
        for (line, text) in prose(&file.text) {
            for target in
                links(text).filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
            {
                if !leads_somewhere(file, target, &places, files) {
                    breaches.push(Breach::new(file, line, target, LINK_RULE));
                }
            }
        }
    }
    breaches
}

/// Each test that is named as `file: name` is there.
pub(crate) fn every_test_that_is_named_exists(files: &[File]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for file in files.iter().filter(|file| file.is_document()) {
        for (line, text) in prose(&file.text) {
            for (at, name) in tests_named(text) {
                let below = format!("{TESTS}{at}");
                let titles = ["fn {}(", "test(\"{}\"", "func {}(", "def {}(", "void {}("]
                    .map(|title| title.replace("{}", name));
                let found = files.iter().find(|file| file.path == at || file.path == below);
                if !found.is_some_and(|file| titles.iter().any(|title| file.text.contains(title))) {
                    breaches.push(Breach::new(file, line, format!("{at}: {name}"), TEST_RULE));
                }
            }
        }
    }
    breaches
}

/// Tests that a line names, each with its file.
fn tests_named(line: &str) -> impl Iterator<Item = (&str, &str)> {
    let code = line.split('`').skip(1).step_by(2);
    code.filter_map(|code| code.split_once(": "))
        .filter(|(at, _)| [".rs", ".mjs", ".go", ".py", ".java"].iter().any(|end| at.ends_with(end)))
}

fn leads_somewhere(from: &File, target: &str, places: &BTreeSet<&str>, files: &[File]) -> bool {
    let (path, heading) =
        target.split_once('#').map_or((target, None), |(path, heading)| (path, Some(heading)));
    let path = if path.is_empty() { Some(from.path.clone()) } else { resolve(&from.path, path) };
    let Some(path) = path else { return false };
    let Some(heading) = heading else {
        return path.is_empty() || places.contains(path.as_str());
    };
    let Some(document) = files.iter().find(|file| file.path == path) else {
        return false;
    };
    prose(&document.text).any(|(_, line)| line.starts_with('#') && slug(line) == heading)
}

/// The path that `target` means in the document `from`; `None` when it leaves the repository.
fn resolve(from: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The path itself and all folders that it is in.
fn with_folders(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at]).chain([path])
}

/// What a heading is called in links.
fn slug(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    words
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// Targets of the links in a line.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
}

/// Lines outside of code fences, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            return None;
        }
        (!fenced).then_some((index + 1, line))
    })
}

#[cfg(test)]
const NONE: [usize; 0] = [];

#[cfg(test)]
fn lines(rule: fn(&[File]) -> Vec<Breach>, files: &[(&str, &str)]) -> Vec<usize> {
    let files: Vec<File> = files.iter().map(|(path, text)| File::new(path, text)).collect();
    rule(&files).iter().map(|breach| breach.line).collect()
}

#[test]
fn a_decision_that_the_index_forgot_is_found() {
    let index = (INDEX, "# Decisions\n[one](0001-one.md)");
    let files = [index, ("docs/adr/0001-one.md", ""), ("docs/adr/0002-two.md", "")];
    assert_eq!(lines(every_decision_is_in_the_index, &files), [1]);
}

#[test]
fn a_second_title_is_found_and_a_fence_is_none() {
    assert_eq!(lines(every_document_has_one_title, &[("a.md", "# A\n\n# B")]), [3]);
    assert_eq!(lines(every_document_has_one_title, &[("a.md", "no title")]), [1]);
    assert_eq!(lines(every_document_has_one_title, &[("a.md", "# A\n```sh\n# comment\n```")]), NONE);
}

#[test]
fn a_link_to_nowhere_is_found() {
    let files = [
        (
            "docs/a.md",
            "# A b!\n[x](../src/)\n[y](b.md)\n[z](c.md)\n[o](https://x.y)\n[h](#a-b)\n[i](#c)\n[k](../../x)",
        ),
        ("docs/b.md", "# B"),
        ("src/main.rs", ""),
    ];
    assert_eq!(lines(every_link_leads_somewhere, &files), [4, 7, 8]);
}

#[test]
fn a_test_that_is_not_there_is_found() {
    let files = [
        (
            "docs/a.md",
            "* `a.rs: it_works`\n* `a.rs: it_fails`\n* `web/b.mjs: it shows`, `web/b.mjs: it hides`\n* `n/c.rs: x`, `n/c.rs: y`\n`d: e`",
        ),
        ("tests/tests/a.rs", "fn it_works() {}"),
        ("tests/tests/n/c.rs", "fn x() {}"),
        ("web/b.mjs", "test(\"it shows\", () => {})"),
    ];
    assert_eq!(lines(every_test_that_is_named_exists, &files), [2, 3, 4]);
}
