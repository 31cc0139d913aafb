//! What is made here is accepted there.

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: TokenArgs,
}

const SIGNER: &str = "--secret 0123456789abcdef0123456789abcdef --issuer i --audience a";

/// What `rialto token LINE` writes, or its exit code and complaint.
fn answer(line: &str, now: SystemTime) -> Result<String, (u8, String)> {
    let words = ["token"].into_iter().chain(line.split_whitespace());
    let said = match Line::try_parse_from(words).unwrap().args.command {
        TokenCommand::Mint(args) => make(&args, now),
        TokenCommand::Check(args) => check(&args, now),
        TokenCommand::Key(args) => make_key(&args),
    };
    match said {
        Ok((0, text)) => Ok(text),
        Ok((code, text)) | Err(Failure(code, text)) => Err((code, text)),
    }
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

#[test]
fn a_minted_token_is_valid_until_it_expires() {
    let mint = format!(
        "mint --user ann --namespace chat --room general --room team-* --can join,emit --expires 15m {SIGNER}"
    );
    let token = answer(&mint, now()).unwrap();
    let check = format!("check {token} {SIGNER}");
    assert_eq!(
        answer(&check, now()).unwrap(),
        "valid\nuser     ann\nexpires  2027-01-15T08:15:00Z, in 15m\ngrant    chat: join, emit in general, team-*"
    );
    let later = now() + Duration::from_secs(15 * 60);
    assert_eq!(answer(&check, later), Err((1, "refused: the token has expired".to_owned())));
    let other = check.replace("--audience a", "--audience b");
    assert_eq!(answer(&other, now()), Err((1, "refused: the token is meant for another service".to_owned())));
    let wrong = check.replace("0123", "3210");
    assert_eq!(answer(&wrong, now()), Err((1, "refused: the token is not accepted".to_owned())));
}

#[test]
fn json_says_the_same() {
    let mint = format!("mint --json --user ann --namespace chat --key-id main {SIGNER}");
    let minted: serde_json::Value = serde_json::from_str(&answer(&mint, now()).unwrap()).unwrap();
    assert_eq!(minted["claims"]["exp"], 1_800_003_600);
    let check = format!("check --json {} --key-id main {SIGNER}", minted["token"].as_str().unwrap());
    let checked: serde_json::Value = serde_json::from_str(&answer(&check, now()).unwrap()).unwrap();
    assert_eq!((&checked["valid"], &checked["user"]), (&json!(true), &json!("ann")));
    assert_eq!(checked["claims"], minted["claims"]);
    let (code, said) = answer(&format!("check --json x {SIGNER}"), now()).unwrap_err();
    assert_eq!((code, said.as_str()), (1, r#"{"reason":"the token is not accepted","valid":false}"#));
}

#[test]
fn a_token_that_a_node_would_refuse_is_not_made() {
    for (line, says) in [
        (format!("mint --user $SYS --namespace chat {SIGNER}"), "no user name"),
        (format!("mint --user ann --namespace chat --can join {SIGNER}"), "rights but no rooms"),
        (
            format!("mint --user ann --namespace chat --room {{user}}* --can join {SIGNER}"),
            "with a character between",
        ),
        (format!("mint --user ann --namespace chat --expires 0s {SIGNER}"), "expired"),
        (format!("mint --user ann --namespace chat --expires 20years {SIGNER}"), "ten years"),
        (
            "mint --user ann --namespace chat --secret short --issuer i --audience a".to_owned(),
            "must have 32",
        ),
        ("mint --user ann --namespace chat --secret short --audience a".to_owned(), "--issuer is needed"),
        ("mint --user ann --namespace chat".to_owned(), "--secret-file, --secret or --config is needed"),
        ("mint --user ann --namespace chat --config /nowhere".to_owned(), "cannot read /nowhere"),
    ] {
        let (code, said) = answer(&line, now()).expect_err(&line);
        assert!(code == 2 && said.contains(says), "{line}\nsaid: {said}");
    }
    assert!(Line::try_parse_from("token mint --user a --namespace b --can fly".split(' ')).is_err());
}

#[test]
fn a_new_key_and_its_lines_belong_together() {
    let made =
        answer("key --name billing --user bill --namespace chat --room inbox-{user} --can emit", now())
            .unwrap();
    let (key, lines) = made.split_once('\n').unwrap();
    assert!(!lines.contains(key));
    let auth = Config::from_toml(lines, "lines").unwrap().auth;
    let identity = Authenticator::new(&auth).unwrap().authenticate(key, now()).unwrap();
    assert_eq!(identity.user.as_ref().unwrap().as_str(), "bill");
    assert!(identity.may(Right::Emit, "chat", Some("inbox-bill")));
    let (code, said) = answer("key --name billing --namespace a*b", now()).unwrap_err();
    assert!(code == 2 && said.contains("\"a*b\""), "{said}");
}

#[test]
fn the_nodes_own_file_signs_and_checks() {
    let made = answer("key --name billing --namespace chat", now()).unwrap();
    let (key, lines) = made.split_once('\n').unwrap();
    let tokens = "[auth.token]\nissuer = \"i\"\naudience = \"a\"\n\
        [[auth.token.key]]\nid = \"old\"\nsecret = \"0123456789abcdef0123456789abcdef\"\n\
        [[auth.token.key]]\nid = \"new\"\nsecret = \"fedcba9876543210fedcba9876543210\"\n";
    let path = std::env::temp_dir().join(format!("rialto-token-{}.toml", clock::random_u64()));
    std::fs::write(&path, format!("{tokens}{lines}")).unwrap();
    let config = format!("--config {}", path.display());
    let token = answer(&format!("mint --user ann --namespace chat --key-id new {config}"), now());
    let without = answer(&format!("mint --user ann --namespace chat {config}"), now());
    let checked = answer(&format!("check {} {config}", token.as_deref().unwrap_or_default()), now());
    let key_checked = answer(&format!("check {key} {config}"), now());
    std::fs::remove_file(&path).unwrap();
    assert!(without.unwrap_err().1.contains("--key-id is needed"));
    assert!(checked.unwrap().ends_with("grant    chat: enter"));
    assert_eq!(key_checked.unwrap(), "valid\nuser     (nobody in particular)\nexpires  never");
}
