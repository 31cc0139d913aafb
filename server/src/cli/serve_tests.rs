//! Where settings come from, and what people are told.

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: ServeArgs,
}

fn configuration(flags: &[&str]) -> Result<Config, ConfigError> {
    let line = Line::try_parse_from([&["serve"], flags].concat()).unwrap();
    line.args.configuration()
}

fn file(content: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("rialto-serve-{}.toml", crate::base::clock::random_u64()));
    std::fs::write(&path, content).unwrap();
    path
}

#[test]
fn without_flags_the_defaults_hold() {
    assert_eq!(configuration(&[]).unwrap(), Config::default());
}

#[test]
fn flags_go_before_the_file_and_the_file_before_defaults() {
    let path = file(
        "listen = \"127.0.0.1:1\"\ndata = \"/from/file\"\n[log]\nlevel = \"warn\"\n[stop]\ndrain = \"1s\"",
    );
    let config = configuration(&[
        "--config",
        path.to_str().unwrap(),
        "--listen",
        "127.0.0.1:2",
        "--log-format",
        "json",
    ]);
    std::fs::remove_file(&path).unwrap();
    let config = config.unwrap();
    assert_eq!(config.listen.port(), 2);
    assert_eq!(config.data, PathBuf::from("/from/file"));
    assert_eq!((config.log.level.as_str(), config.log.format), ("warn", LogFormat::Json));
    assert_eq!(config.stop.drain.as_secs(), 1);
    assert_eq!(config.stop.flush, Config::default().stop.flush);
}

#[test]
fn what_is_wrong_is_found_before_starting() {
    for (flags, says) in [
        (&["--listen", "0.0.0.0:7400"][..], "nothing is authenticated"),
        (&["--log", "rialto=loud"], "log.level"),
        (&["--config", "/nowhere.toml"], "cannot read /nowhere.toml"),
        (&["--tls-cert", "/nowhere.crt", "--tls-key", "/nowhere.key"], "cannot read /nowhere.crt"),
        (&["--tls-cert", "/", "--tls-key", "/"], "cannot read /"),
    ] {
        match configuration(flags) {
            Err(error) => assert!(error.to_string().contains(says), "{error}"),
            Ok(_) => panic!("{flags:?}"),
        }
    }
    configuration(&["--listen", "0.0.0.0:7400", "--insecure"]).unwrap();
}

#[test]
fn a_secret_that_is_too_short_is_found_before_starting() {
    let path = file("[auth.token]\nissuer = \"a\"\naudience = \"b\"\n[[auth.token.key]]\nsecret = \"short\"");
    let error = configuration(&["--config", path.to_str().unwrap()]).expect_err("too short");
    std::fs::remove_file(&path).unwrap();
    assert!(error.to_string().contains("must have 32"), "{error}");
}

#[test]
fn flags_that_need_each_other_are_asked_for() {
    assert!(Line::try_parse_from(["serve", "--tls-cert", "a"]).is_err());
    assert!(Line::try_parse_from(["serve", "--tls-key", "a"]).is_err());
    assert!(Line::try_parse_from(["serve", "--check", "--print-config"]).is_err());
    assert!(Line::try_parse_from(["serve", "--listen", "7400"]).is_err());
}

#[test]
fn a_person_is_told_where_the_chat_is_and_who_may_enter() {
    let text = welcome(&Config::default(), "127.0.0.1:7400".parse().unwrap());
    assert!(text.contains("chat    http://127.0.0.1:7400/\n"), "{text}");
    assert!(text.contains("open to everybody on this machine"), "{text}");
    let text = welcome(&Config::default(), "[::]:7400".parse().unwrap());
    assert!(text.contains("listening on [::]:7400") && text.contains("http://[::1]:7400/"), "{text}");
    assert!(text.contains("OPEN TO EVERYBODY"), "{text}");
}

#[test]
fn a_taken_port_is_a_clear_sentence() {
    #[derive(Debug, thiserror::Error)]
    #[error("cannot listen")]
    struct StartFailed(#[source] io::Error);
    let listen = "127.0.0.1:7400".parse().unwrap();
    let taken = StartFailed(io::ErrorKind::AddrInUse.into());
    assert_eq!(
        explain(&taken, listen),
        "127.0.0.1:7400 is taken by another program; choose another address with --listen"
    );
    let other = StartFailed(io::ErrorKind::PermissionDenied.into());
    assert_eq!(explain(&other, listen), "cannot listen");
}
