//! How clients behave is written down by paragraphs, and each of them is shown somewhere.

use std::collections::BTreeSet;

use super::source::{Breach, File};

const BEHAVIOUR: &str = "clients/BEHAVIOUR.md";
const SCENARIOS: &str = "tests/conformance/scenarios/";
const ELSEWHERE: &str = "tests/conformance/README.md";

/// Each paragraph is shown by a scenario, or is said to be shown elsewhere; and only paragraphs that there are.
pub(crate) fn every_paragraph_is_shown(files: &[File]) -> Vec<Breach> {
    let shown = places(files, |file| file.path.starts_with(SCENARIOS), in_scenario);
    let elsewhere = places(files, |file| file.path == ELSEWHERE, in_table);
    let there = places(files, |file| file.path == BEHAVIOUR, in_behaviour);
    let known: BTreeSet<&str> = there.iter().map(|(.., paragraph)| *paragraph).collect();
    let by_scenario: BTreeSet<&str> = shown.iter().map(|(.., paragraph)| *paragraph).collect();
    let by_hand: BTreeSet<&str> = elsewhere.iter().map(|(.., paragraph)| *paragraph).collect();
    let unshown = there
        .iter()
        .filter(|(.., paragraph)| !by_scenario.contains(paragraph) && !by_hand.contains(paragraph));
    let unknown = shown.iter().chain(&elsewhere).filter(|(.., paragraph)| !known.contains(paragraph));
    let twice = elsewhere.iter().filter(|(.., paragraph)| by_scenario.contains(paragraph));
    let breach = |rule: &'static str| {
        move |(file, line, paragraph): &(&File, usize, &str)| Breach::new(file, *line, *paragraph, rule)
    };
    unshown
        .map(breach("a paragraph is shown by a scenario, or by what the README of the scenarios names"))
        .chain(unknown.map(breach("there is no such paragraph")))
        .chain(twice.map(breach("a scenario shows it")))
        .collect()
}

/// Paragraphs that files name, with their places.
fn places<'a>(
    files: &'a [File],
    wanted: fn(&File) -> bool,
    named: fn(&'a str) -> Vec<&'a str>,
) -> Vec<(&'a File, usize, &'a str)> {
    let lines = files
        .iter()
        .filter(|file| wanted(file))
        .flat_map(|file| file.text.lines().enumerate().map(move |(index, line)| (file, index + 1, line)));
    lines
        .flat_map(|(file, line, text)| named(text).into_iter().map(move |paragraph| (file, line, paragraph)))
        .collect()
}

/// `**1.2** Names are …`.
fn in_behaviour(line: &str) -> Vec<&str> {
    let named = line.strip_prefix("**").and_then(|rest| rest.split_once("**"));
    named.map(|(paragraph, _)| paragraph).filter(|word| is_paragraph(word)).into_iter().collect()
}

/// `shows = ["1.2", "3.4"]`.
fn in_scenario(line: &str) -> Vec<&str> {
    let Some(list) = line.strip_prefix("shows = ") else { return Vec::new() };
    list.split('"').skip(1).step_by(2).collect()
}

/// `| 1.2, 3.4 | why | by what |`.
fn in_table(line: &str) -> Vec<&str> {
    let first = line.strip_prefix("| ").and_then(|rest| rest.split_once(" |"));
    let words: Vec<&str> = first.map(|(cell, _)| cell.split(", ").collect()).unwrap_or_default();
    if words.iter().all(|word| is_paragraph(word)) { words } else { Vec::new() }
}

fn is_paragraph(word: &str) -> bool {
    let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    word.split_once('.').is_some_and(|(section, paragraph)| number(section) && number(paragraph))
}

#[test]
fn a_paragraph_that_nothing_shows_and_one_that_is_none_are_found() {
    let files = [
        (BEHAVIOUR, "**1.1** Shown.\n**1.2** Shown elsewhere.\n**1.3** Not shown.\n**bold** no paragraph"),
        ("tests/conformance/scenarios/a.toml", "shows = [\"1.1\", \"9.9\"]"),
        (ELSEWHERE, "| 1.2 | x | y |\n| `x` | y | z |\n| 1.1, 8.8 | x | y |"),
    ];
    let files: Vec<File> = files.iter().map(|(path, text)| File::new(path, text)).collect();
    let found: Vec<(String, String)> =
        every_paragraph_is_shown(&files).into_iter().map(|breach| (breach.path, breach.what)).collect();
    let expected = [
        (BEHAVIOUR, "1.3"),
        ("tests/conformance/scenarios/a.toml", "9.9"),
        (ELSEWHERE, "8.8"),
        (ELSEWHERE, "1.1"),
    ];
    assert_eq!(found, expected.map(|(path, what)| (path.to_owned(), what.to_owned())));
}
