//! The floors of the server: the table of `ARCHITECTURE.md` as data, and the two rules that follow from it. A file sees
//! what is below it and its own folder; each library is known in one place.

use crate::source::{Breach, File, code, line_of};

const FLOOR_RULE: &str = "a file imports only from floors below its own or from its own folder; neighbours on one floor never see each other";
const CLIMB_RULE: &str = "`super::` stays inside the folder; what lies outside is named from `crate::`";
const UNKNOWN_RULE: &str =
    "every folder of the server has a floor in tests/tests/tidy/floors.rs and ARCHITECTURE.md";

/// Folder or file of `server/src`, and its floor. `auth` decides and never asks, so that a session may hold an identity;
/// the command line starts a node, so it is above it.
const FLOORS: [(&str, u8); 18] = [
    ("base", 0),
    ("wire", 1),
    ("log", 1),
    ("uploads", 1),
    ("auth", 1),
    ("session", 2),
    ("hub", 3),
    ("history", 3),
    ("bridge", 3),
    ("owners", 3),
    ("jobs", 3),
    ("router", 4),
    ("grpc", 5),
    ("node", 6),
    ("cli", 7),
    ("main", 8),
    ("lib", 8),
    ("build", 8),
];

/// A word, the paths that may use it, and why.
const MENTIONS: [(&str, &[&str], &str); 6] = [
    (
        "tonic::",
        &["server/src/grpc/", "server/src/wire/codec.rs", "server/src/cli/"],
        "only grpc/ knows tonic (wire/codec.rs its codec trait, cli/ its client)",
    ),
    (
        "Status",
        &["server/src/grpc/", "server/src/wire/codec.rs", "server/src/cli/"],
        "only grpc/ knows `tonic::Status`",
    ),
    (
        "async_nats",
        &[
            "server/src/bridge/nats.rs",
            "server/src/log/jetstream/",
            "server/src/owners/nats.rs",
            "server/src/uploads/jetstream.rs",
        ],
        "each use of NATS is known in one place",
    ),
    (
        "tokio::spawn",
        &["server/src/base/tasks.rs"],
        "tasks are spawned by base::tasks, which names and tracks them",
    ),
    ("unbounded", &[], "every queue has a bound"),
    (
        "std::time::Instant",
        &["server/src/base/clock.rs"],
        "time comes from base::clock, so that tests can move it",
    ),
];

/// Folders whose code takes time and events as input and never waits.
const PURE: [(&str, &[&str]); 2] =
    [("server/src/wire/", &["tokio", "async fn", ".await"]), ("server/src/hub/", &[".await"])];

/// Imports point down.
pub(crate) fn imports_point_down(files: &[File]) -> Vec<Breach> {
    files.iter().flat_map(imports_of_one).collect()
}

fn imports_of_one(file: &File) -> Vec<Breach> {
    let Some(inner) = file.path.strip_prefix("server/src/").filter(|_| file.is_rust()) else {
        return Vec::new();
    };
    let own = inner.split(['/', '.']).next().unwrap_or(inner);
    let Some(floor) = floor(own) else {
        return vec![Breach::new(file, 1, own, UNKNOWN_RULE)];
    };
    if matches!(own, "lib" | "main") {
        return Vec::new();
    }
    let code = code(&file.text);
    let mut breaches = Vec::new();
    for (at, target) in crate_paths(&code) {
        let Some(below) = self::floor(&target) else {
            continue;
        };
        if target != own && below >= floor {
            let what = format!("{own} (floor {floor}) imports {target} (floor {below})");
            breaches.push(Breach::new(file, line_of(&code, at), what, FLOOR_RULE));
        }
    }
    breaches.extend(climbs(file, inner, &code));
    breaches
}

fn floor(name: &str) -> Option<u8> {
    FLOORS.iter().find(|(folder, _)| *folder == name).map(|(_, floor)| *floor)
}

/// Every `crate::name`, also in groups over several lines, with its place.
fn crate_paths(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let start = at + "crate::".len();
        if code[start..].starts_with('{') {
            found.extend(group(code, start));
        } else {
            found.push((at, identifier(&code[start..]).to_owned()));
        }
    }
    found
}

/// The first identifiers of a `{a, b::c, d::{e}}` that begins at `start`.
fn group(code: &str, start: usize) -> Vec<(usize, String)> {
    let (mut found, mut depth, mut expected) = (Vec::new(), 0, false);
    for (offset, c) in code[start..].char_indices() {
        match c {
            '{' => {
                depth += 1;
                expected = depth == 1;
            }
            '}' if depth == 1 => break,
            '}' => depth -= 1,
            ',' => expected = depth == 1,
            c if expected && !c.is_whitespace() => {
                found.push((start + offset, identifier(&code[start + offset..]).to_owned()));
                expected = false;
            }
            _ => {}
        }
    }
    found
}

fn identifier(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    &text[..end]
}

/// `super::` chains that leave the folder. A module inside the file may climb one step more than the file itself.
fn climbs(file: &File, inner: &str, code: &str) -> Vec<Breach> {
    let parts = inner.trim_end_matches(".rs").split('/').filter(|part| *part != "mod").count();
    let mut breaches = Vec::new();
    for (index, line) in code.lines().enumerate() {
        for (at, _) in line.match_indices("super::") {
            if line[..at].ends_with("super::") {
                continue;
            }
            let steps = line[at..].split("::").take_while(|part| *part == "super").count();
            let nested = line.starts_with(' ');
            if steps >= parts + usize::from(nested) {
                breaches.push(Breach::new(file, index + 1, line.trim(), CLIMB_RULE));
            }
        }
    }
    breaches
}

/// Each library is known in one place, and pure folders do not wait.
pub(crate) fn libraries_stay_where_they_belong(files: &[File]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for file in files.iter().filter(|file| file.is_rust() && file.path.starts_with("server/src/")) {
        let code = code(&file.text);
        for (index, line) in code.lines().enumerate() {
            for (word, allowed, rule) in MENTIONS {
                let here = allowed.iter().any(|path| file.path.starts_with(path));
                if !here && has_word(line, word) {
                    breaches.push(Breach::new(file, index + 1, line.trim(), rule));
                }
            }
            for (folder, words) in PURE {
                if file.path.starts_with(folder) && words.iter().any(|word| has_word(line, word)) {
                    breaches.push(Breach::new(
                        file,
                        index + 1,
                        line.trim(),
                        "this folder is pure: it never waits",
                    ));
                }
            }
        }
    }
    breaches
}

/// Whether `word` stands in `line` and not inside a longer one.
fn has_word(line: &str, word: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = word.starts_with('.') || !line[..at].ends_with(inside);
        let after =
            word.ends_with(':') || word == "unbounded" || !line[at + word.len()..].starts_with(inside);
        before && after
    })
}

#[cfg(test)]
const NONE: [usize; 0] = [];

#[cfg(test)]
fn breaches_in(rule: fn(&[File]) -> Vec<Breach>, path: &str, text: &str) -> Vec<usize> {
    rule(&[File::new(path, text)]).iter().map(|breach| breach.line).collect()
}

#[test]
fn an_import_from_a_neighbour_or_from_above_is_found() {
    let check = |path, text| breaches_in(imports_point_down, path, text);
    assert_eq!(check("server/src/hub/room.rs", "use crate::wire::Frame;\nuse crate::bridge::Link;"), [2]);
    assert_eq!(check("server/src/hub/room.rs", "use crate::{\n    base::ids,\n    router::Router,\n};"), [3]);
    assert_eq!(check("server/src/wire/frame.rs", "fn f() { crate::grpc::x() }"), [1]);
    assert_eq!(check("server/src/wire/frame.rs", "use crate::log::Log;"), [1]);
    assert_eq!(check("server/src/router/mod.rs", "use crate::{hub::{Hub, Room}, session::Session};"), NONE);
    assert_eq!(check("server/src/hub/room.rs", "// crate::grpc is above\nuse crate::hub::Shard;"), NONE);
}

#[test]
fn a_climb_out_of_the_folder_is_found() {
    let check = |path, text| breaches_in(imports_point_down, path, text);
    assert_eq!(check("server/src/hub/room.rs", "use super::super::router::Router;"), [1]);
    assert_eq!(check("server/src/hub/mod.rs", "use super::router::Router;"), [1]);
    assert_eq!(check("server/src/hub/room.rs", "use super::Shard;\nmod tests {\n    use super::*;\n}"), NONE);
}

#[test]
fn a_folder_without_a_floor_is_found() {
    assert_eq!(breaches_in(imports_point_down, "server/src/extras/mod.rs", ""), [1]);
}

#[test]
fn a_library_in_the_wrong_place_is_found() {
    let check = |path, text| breaches_in(libraries_stay_where_they_belong, path, text);
    assert_eq!(check("server/src/hub/room.rs", "use tonic::Code;"), [1]);
    assert_eq!(check("server/src/router/mod.rs", "fn f() -> Status {}\nlet is_Statuses = 1;"), [1]);
    assert_eq!(check("server/src/grpc/status.rs", "use tonic::Status;"), NONE);
    assert_eq!(check("server/src/hub/shard.rs", "lock().await"), [1]);
    assert_eq!(check("server/src/wire/command.rs", "async fn read() {}"), [1]);
    assert_eq!(check("server/src/session/mod.rs", "mpsc::unbounded_channel()"), [1]);
}
