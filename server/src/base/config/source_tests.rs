//! Reading: typos are refused by name, secrets are not quoted, and the documented file is the default.

use std::collections::BTreeSet;

use super::*;
use crate::base::config::{ApiKeyConfig, GrantConfig, Secret, TlsConfig, TokenConfig, TokenKeyConfig};

fn error_of(toml: &str) -> String {
    Config::from_toml(toml, "rialto.toml").expect_err(toml).to_string()
}

#[test]
fn a_key_that_does_not_exist_is_refused_by_name_wherever_it_stands() {
    for (toml, line) in [
        ("lisen = \"127.0.0.1:1\"", 1),
        ("\n[limits]\nlisen = 1", 3),
        ("[limits.session]\nlisen = 1", 2),
        ("[limits.connection]\nlisen = 1", 2),
        ("[limits.node]\nlisen = 1", 2),
        ("[[namespace]]\nname = \"a\"\nlisen = 1", 1),
        ("[auth]\nlisen = 1", 2),
        ("[auth.token]\nlisen = 1", 2),
        ("[[auth.token.key]]\nlisen = 1", 2),
        ("[[auth.api_key]]\nlisen = 1", 2),
        ("[[auth.api_key]]\nname=\"a\"\nsha256=\"b\"\n[[auth.api_key.grants]]\nlisen = 1", 5),
        ("[tls]\nlisen = 1", 2),
        ("[web]\nlisen = 1", 2),
        ("[stop]\nlisen = 1", 2),
        ("[log]\nlisen = 1", 2),
    ] {
        let said = error_of(toml);
        assert!(said.contains("unknown field `lisen`"), "{toml}\nsaid: {said}");
        assert!(said.starts_with(&format!("rialto.toml, line {line}: ")), "{toml}\nsaid: {said}");
    }
}

#[test]
fn a_value_of_the_wrong_kind_is_refused_with_its_line() {
    for (toml, says) in [
        ("listen = \"localhost\"", "invalid socket address"),
        ("listen = \"127.0.0.1:99999\"", "invalid socket address"),
        ("[stop]\ndrain = 5", "line 2"),
        ("[stop]\ndrain = \"5 bananas\"", "\"5 bananas\""),
        ("[stop]\ndrain = \"-5s\"", "\"-5s\""),
        ("[limits.session]\nrooms_max = -1", "line 2"),
        ("[limits.session]\nrooms_max = 4294967296", "line 2"),
        ("[[namespace]]\nname = \"a\"\nfalling_behind = \"panic\"", "`close`, `drop`, `latest`"),
        ("[[namespace]]\npayload_bytes_max = 1", "missing field `name`"),
        (
            "[auth.token]\nissuer = \"a\"\naudience = \"b\"\n[[auth.token.key]]\nalgorithm = \"none\"",
            "unknown variant `none`",
        ),
        ("listen = \"127.0.0.1:1\"\nlisten = \"127.0.0.1:2\"", "duplicate key"),
        ("listen = ", "line 1"),
    ] {
        let said = error_of(toml);
        assert!(said.contains(says), "{toml}\nsaid: {said}");
        assert!(!said.contains('\n'), "{said}");
    }
}

#[test]
fn a_misspelt_secret_is_not_quoted() {
    let said = error_of("[[auth.token.key]]\nsecert = \"swordfish\"");
    assert!(said.contains("`secert`") && !said.contains("swordfish"), "{said}");
}

#[test]
fn keys_of_a_namespace_are_set_one_by_one() {
    let config =
        Config::from_toml("[[namespace]]\nname = \"game-*\"\nfalling_behind = \"latest\"", "test").unwrap();
    assert_eq!(config.namespaces.len(), 1);
    let settings = &config.namespaces[0].settings;
    assert_eq!(settings.falling_behind, super::super::BehindPolicy::Latest);
    assert_eq!(settings.rooms_max, super::super::NamespaceSettings::default().rooms_max);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let said = Config::load(Path::new("/nowhere/rialto.toml")).expect_err("no such file").to_string();
    assert!(said.starts_with("cannot read /nowhere/rialto.toml: "), "{said}");
}

#[test]
fn the_documented_file_is_the_default() {
    assert_eq!(Config::from_toml(DEFAULT_TOML, "default").unwrap(), Config::default());
    assert_eq!(Config::from_toml("", "empty").unwrap(), Config::default());
}

#[test]
fn the_documented_file_has_every_key_and_its_examples_are_valid() {
    let shown: String = DEFAULT_TOML.lines().map(|line| format!("{}\n", uncommented(line))).collect();
    Config::from_toml(&shown, "examples").unwrap().check().unwrap();
    let mut documented = BTreeSet::new();
    collect_paths("", &shown.parse::<toml::Table>().unwrap().into(), &mut documented);
    let mut existing = BTreeSet::new();
    collect_paths("", &toml::Value::try_from(full()).unwrap(), &mut existing);
    assert_eq!(documented, existing);
}

#[test]
fn every_key_of_the_documented_file_has_a_comment_before_it() {
    let mut before = "";
    for line in DEFAULT_TOML.lines() {
        let is_key = uncommented(line).split_once(" = ").is_some() && !line.starts_with("# ");
        let is_explained =
            before.starts_with("# ") || before.starts_with("#secret =") || line.starts_with("name = ");
        assert!(!is_key || is_explained, "{line}");
        before = line;
    }
}

/// `#key = value` and `#[table]` without the mark; prose is left as it is.
fn uncommented(line: &str) -> &str {
    match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c == '[' || c.is_ascii_lowercase()) => rest,
        _ => line,
    }
}

fn collect_paths(at: &str, value: &toml::Value, paths: &mut BTreeSet<String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                collect_paths(&format!("{at}.{key}"), value, paths);
            }
        }
        toml::Value::Array(values) if values.iter().any(toml::Value::is_table) => {
            values.iter().for_each(|value| collect_paths(at, value, paths));
        }
        _ => {
            paths.insert(at.to_owned());
        }
    }
}

/// A configuration in which nothing is left out.
fn full() -> Config {
    let mut config =
        Config { tls: Some(TlsConfig { certificate: "c".into(), key: "k".into() }), ..Config::default() };
    config.auth.token = Some(TokenConfig {
        issuer: "i".into(),
        audience: "a".into(),
        leeway: std::time::Duration::ZERO,
        keys: vec![TokenKeyConfig {
            id: Some("id".into()),
            algorithm: Default::default(),
            secret: Some(Secret::new("s")),
            secret_file: Some("f".into()),
        }],
    });
    config.auth.api_keys = vec![ApiKeyConfig {
        name: "n".into(),
        sha256: "h".into(),
        user: Some("u".into()),
        grants: vec![GrantConfig { namespace: "n".into(), rooms: vec!["r".into()], can: Vec::new() }],
    }];
    config
}
