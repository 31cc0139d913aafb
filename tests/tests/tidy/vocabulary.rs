//! What exists has a row in the documents, and what has a row exists: codes in `docs/errors.md`, metrics and settings in
//! `docs/operating.md`. Reads the sources as text, so that nothing can be forgotten by not being imported.

use std::collections::BTreeSet;

use crate::source::{Breach, File, line_of};

const ERRORS: &str = "docs/errors.md";
const OPERATING: &str = "docs/operating.md";
const CODE_RULE: &str = "every code has a row in docs/errors.md, and every row is a code";
const METRIC_RULE: &str = "every metric has a row in docs/operating.md, and every row is a metric";
const SETTING_RULE: &str = "every setting has a row in docs/operating.md";

/// Codes and their rows are the same.
pub(crate) fn every_code_is_documented(files: &[File]) -> Vec<Breach> {
    let Some(proto) = find(files, "proto/rialto/v1/code.proto") else {
        return Vec::new();
    };
    let rows = rows(files, ERRORS);
    let mut codes = BTreeSet::new();
    let mut breaches = Vec::new();
    for (index, line) in proto.text.lines().enumerate() {
        let Some((name, _)) = line.trim().split_once(" = ") else {
            continue;
        };
        let stripped = ["REFUSAL_CODE_", "CLOSE_CODE_"].iter().find_map(|prefix| name.strip_prefix(prefix));
        let Some(code) = stripped.filter(|code| *code != "UNSPECIFIED") else {
            continue;
        };
        codes.insert(code.to_owned());
        if !rows.contains(code) {
            breaches.push(Breach::new(proto, index + 1, code, CODE_RULE));
        }
    }
    let is_code = |row: &&String| row.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    breaches.extend(surplus(files, ERRORS, rows.iter().filter(is_code), &codes, CODE_RULE));
    breaches
}

/// Metrics and their rows are the same. Counters end in `_total`, as they do for those who read them.
pub(crate) fn every_metric_is_documented(files: &[File]) -> Vec<Breach> {
    let Some(source) = find(files, "server/src/base/metrics.rs") else {
        return Vec::new();
    };
    let rows = rows(files, OPERATING);
    let mut metrics = BTreeSet::new();
    let mut breaches = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        let Some((kind, name)) = line.trim().trim_end_matches("\",").split_once(" = \"") else {
            continue;
        };
        if !kind.contains(": ") || !(kind.contains("Counter") || kind.contains("Gauge")) {
            continue;
        }
        let end = if kind.contains("Counter") { "_total" } else { "" };
        let metric = format!("rialto_{name}{end}");
        if !rows.contains(&metric) {
            breaches.push(Breach::new(source, index + 1, &metric, METRIC_RULE));
        }
        metrics.insert(metric);
    }
    let is_metric = |row: &&String| row.starts_with("rialto_");
    breaches.extend(surplus(files, OPERATING, rows.iter().filter(is_metric), &metrics, METRIC_RULE));
    breaches
}

/// Settings have rows; a row may name a setting with the table it is in, as `limits.session.rooms_max`.
pub(crate) fn every_setting_is_documented(files: &[File]) -> Vec<Breach> {
    let rows = rows(files, OPERATING);
    let last = |row: &String| row.rsplit(['.', ']']).next().unwrap_or(row).to_owned();
    let documented: BTreeSet<String> = rows.iter().map(last).collect();
    let settings = |file: &&File| {
        file.path == "server/src/base/limits.rs"
            || file.path.starts_with("server/src/base/config") && file.is_rust()
    };
    let mut breaches = Vec::new();
    for file in files.iter().filter(settings) {
        for (line, name) in settings_of(&file.text) {
            if !documented.contains(&name) {
                breaches.push(Breach::new(file, line, name, SETTING_RULE));
            }
        }
    }
    breaches
}

/// Fields of the structs that are read from the configuration, under the name they have there.
fn settings_of(text: &str) -> Vec<(usize, String)> {
    let (mut found, mut readable, mut inside) = (Vec::new(), false, false);
    let mut name_given: Option<&str> = None;
    let mut flattened = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_end();
        if line.starts_with("#[derive(") {
            readable = line.contains("Deserialize");
        } else if line.starts_with("pub struct ") || line.starts_with("pub(crate) struct ") {
            inside = readable && line.ends_with('{');
        } else if line == "}" {
            inside = false;
        }
        if !inside {
            continue;
        }
        let line = line.trim();
        if line.starts_with("#[serde(") {
            flattened |= line.contains("flatten") || line.contains("skip)");
            name_given =
                line.split_once("rename = \"").and_then(|(_, rest)| rest.split('"').next()).or(name_given);
        } else if let Some((name, _)) = line.strip_prefix("pub ").and_then(|field| field.split_once(": ")) {
            if !flattened {
                found.push((index + 1, name_given.unwrap_or(name).to_owned()));
            }
            (flattened, name_given) = (false, None);
        }
    }
    found
}

/// What stands between backticks in the first cell of the rows of a document's tables.
fn rows(files: &[File], document: &str) -> BTreeSet<String> {
    let text = find(files, document).map_or("", |file| &file.text);
    let first_cells = text.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    let in_backticks = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    first_cells.flat_map(in_backticks).collect()
}

fn surplus<'a>(
    files: &[File],
    document: &str,
    rows: impl Iterator<Item = &'a String>,
    known: &BTreeSet<String>,
    rule: &'static str,
) -> Vec<Breach> {
    let Some(file) = find(files, document) else {
        return Vec::new();
    };
    let unknown = rows.filter(|row| !known.contains(*row));
    let place = |row: &String| file.text.find(row.as_str()).map_or(1, |at| line_of(&file.text, at));
    unknown.map(|row| Breach::new(file, place(row), row, rule)).collect()
}

fn find<'a>(files: &'a [File], path: &str) -> Option<&'a File> {
    files.iter().find(|file| file.path == path)
}

#[cfg(test)]
fn found(rule: fn(&[File]) -> Vec<Breach>, files: [(&str, &str); 2]) -> Vec<String> {
    let files = files.map(|(path, text)| File::new(path, text));
    rule(&files).into_iter().map(|breach| breach.what).collect()
}

#[test]
fn a_code_without_a_row_and_a_row_without_a_code_are_found() {
    let proto = "enum RefusalCode {\n  REFUSAL_CODE_UNSPECIFIED = 0;\n  REFUSAL_CODE_OLD = 1;\n  REFUSAL_CODE_NEW = 2;\n}";
    let errors = "| `OLD` | x |\n| `GONE` | x |";
    assert_eq!(
        found(every_code_is_documented, [("proto/rialto/v1/code.proto", proto), (ERRORS, errors)]),
        ["NEW", "GONE"]
    );
}

#[test]
fn a_metric_without_a_row_is_found() {
    let source = "    /// x\n    events: Counter = \"events\",\n    rooms: Gauge = \"rooms\",\n";
    let operating = "| `rialto_rooms` | x |";
    assert_eq!(
        found(every_metric_is_documented, [("server/src/base/metrics.rs", source), (OPERATING, operating)]),
        ["rialto_events_total"]
    );
}

#[test]
fn a_setting_without_a_row_is_found_under_the_name_that_people_write() {
    let source = "#[derive(Debug, Deserialize)]\npub struct A {\n    pub one: u32,\n    #[serde(rename = \"other\")]\n    \
                  pub two: u32,\n    #[serde(flatten)]\n    pub rest: B,\n}\n#[derive(Debug)]\npub struct C {\n    \
                  pub inner: u32,\n}\n";
    let operating = "| `limits.one` | x |";
    assert_eq!(
        found(
            every_setting_is_documented,
            [("server/src/base/config/mod.rs", source), (OPERATING, operating)]
        ),
        ["other"]
    );
}

/// The status in the last column but one of a code's row.
#[cfg(test)]
fn documented_status(text: &str, code: &str, cells: usize) -> String {
    let row = text
        .lines()
        .find(|line| line.starts_with(&format!("| `{code}` |")) && line.matches(" | ").count() == cells);
    let row = row.unwrap_or_else(|| panic!("{code} has no row of {cells} cells"));
    row.split(" | ").nth(cells - 1).unwrap_or_default().to_owned()
}

#[test]
fn statuses_are_those_that_the_document_names() {
    use rialto_proto::v1::{CloseCode, RefusalCode};
    use rialto_server::{
        base::refusal::{Closing, Refusal},
        grpc::status,
    };

    let files = crate::source::tracked();
    let text = &find(&files, ERRORS).expect("docs/errors.md").text;
    let name = |status: Option<tonic::Status>| {
        let code = status.map_or(tonic::Code::Ok, |status| status.code());
        let mut name = String::new();
        for c in format!("{code:?}").chars() {
            if c.is_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.push(c.to_ascii_uppercase());
        }
        name
    };
    for code in (1..).map_while(|number| RefusalCode::try_from(number).ok()) {
        let short = code.as_str_name().trim_start_matches("REFUSAL_CODE_");
        let actual = name(Some(status::refused(&Refusal::new(code, ""))));
        assert_eq!(documented_status(text, short, 3), actual, "{short}");
    }
    for code in (100..400).filter_map(|number| CloseCode::try_from(number).ok()) {
        let short = code.as_str_name().trim_start_matches("CLOSE_CODE_");
        let actual = name(status::closed(&Closing::new(code, "")));
        assert_eq!(documented_status(text, short, 4), actual, "{short}");
    }
}
