//! The command line as scripts use it: real processes, real pipes, exit codes.

use rialto_tests::{
    access::{accept_key, demand_tokens},
    node::TestNode,
    program::{Running, run},
    talker::text,
};

/// A `rialto listen` in `chat/general` that has joined.
async fn listener(url: &str, more: &[&str]) -> Running {
    let place = ["listen", "--server", url, "--namespace", "chat", "--room", "general"];
    let mut listener = Running::start(&[&place, more].concat());
    let joined = listener.complaint().await.expect("it says that it has joined");
    assert!(joined.contains("joined chat/general"), "{joined}");
    listener
}

#[tokio::test]
async fn what_one_terminal_emits_another_one_that_listens_prints_as_it_comes() {
    let node = TestNode::start().await;
    let url = node.url();
    let mut listener = listener(&url, &["--json", "--count", "2"]).await;

    for said in ["hi", "hi again"] {
        let place = ["emit", "--server", &url, "--namespace", "chat", "--room", "general"];
        let emitted =
            run(&[place.as_slice(), &["--event", "message", "--data", said, "--json"]].concat()).await;
        assert_eq!(emitted.code, 0, "{emitted:?}");
        let accepted: serde_json::Value = serde_json::from_str(&emitted.out).unwrap();
        assert_eq!(accepted["recipients"], 1);

        let event = listener.json().await;
        assert_eq!(event["text"], said);
        assert_eq!(event["event"], "message");
        assert_eq!(event["rooms"][0], "general");
        assert_eq!(event["event_id"], accepted["event_id"]);
    }
    assert_eq!(listener.code().await, 0, "it ends after --count events");
}

#[tokio::test]
async fn a_terminal_and_a_program_hear_each_other() {
    let node = TestNode::start().await;
    let url = node.url();
    let mut ann = node.member("ann", "general").await;
    let mut listener = listener(&url, &["--json"]).await;

    ann.emit("general", "message", "from the program").await;
    let heard = listener.json().await;
    assert_eq!(heard["text"], "from the program");
    assert_eq!(heard["sender"]["user"], "ann");

    let place = ["emit", "--server", &url, "--namespace", "chat", "--room", "general"];
    let said =
        run(&[place.as_slice(), &["--event", "message", "--data", "from the terminal"]].concat()).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(text(&ann.expect_event("message").await), "from the terminal");
    assert_eq!(listener.interrupt().await, 0, "Ctrl-C ends it well");
}

#[tokio::test]
async fn a_file_is_emitted_as_it_is() {
    let node = TestNode::start().await;
    let url = node.url();
    let mut listener = listener(&url, &["--json", "--count", "1"]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("payload");
    std::fs::write(&file, [0, 255, 1, 254]).unwrap();

    let place = ["emit", "--server", &url, "--namespace", "chat", "--room", "general"];
    let file = ["--event", "blob", "--file", file.to_str().unwrap()];
    assert_eq!(run(&[place.as_slice(), &file].concat()).await.code, 0);

    assert_eq!(listener.json().await["base64"], "AP8B/g==");
}

#[tokio::test]
async fn a_call_prints_what_a_listener_replies() {
    let node = TestNode::start().await;
    let url = node.url();
    let _listener = listener(&url, &["--reply", "42"]).await;
    let ask = ["call", "--server", &url, "--namespace", "chat", "--event", "price", "--data", "apples"];

    let answered = run(&[ask.as_slice(), &["--any-of", "general"]].concat()).await;
    assert_eq!((answered.code, answered.out.trim_end()), (0, "42"), "{answered:?}");

    let nobody = run(&[ask.as_slice(), &["--any-of", "empty"]].concat()).await;
    assert_eq!((nobody.code, nobody.out.as_str()), (1, ""));
    assert!(nobody.err.contains("nobody could take the call"), "{}", nobody.err);
}

#[tokio::test]
async fn rooms_and_members_are_listed() {
    let node = TestNode::start().await;
    let url = node.url();
    let ann = node.member("ann", "general").await;
    let bob = node.member("bob", "side").await;

    let rooms = run(&["rooms", "--server", &url, "--namespace", "chat", "--json"]).await;
    let names: Vec<_> = rooms.out.lines().map(|line| line.parse::<serde_json::Value>().unwrap()).collect();
    assert_eq!((rooms.code, names.len()), (0, 2), "{rooms:?}");
    assert_eq!((&names[0]["room"], &names[1]["room"]), (&"general".into(), &"side".into()));

    let members =
        run(&["members", "--server", &url, "--namespace", "chat", "--room", "side", "--json"]).await;
    let member: serde_json::Value = members.out.parse().unwrap();
    assert_eq!((member["session"].as_str(), member["user"].as_str()), (Some(bob.id().as_str()), Some("bob")));
    drop(ann);
}

#[tokio::test]
async fn what_goes_wrong_is_one_sentence_and_an_exit_code() {
    let node = TestNode::start().await;
    let url = node.url();
    let emit = |server: &str, namespace: &str| {
        let arguments = ["emit", "--server", server, "--namespace", namespace, "--room", "r", "--event", "e"];
        arguments
            .map(str::to_owned)
            .into_iter()
            .chain(["--data".to_owned(), "x".to_owned()])
            .collect::<Vec<_>>()
    };
    let refused = emit(&url, "nowhere");
    let unreachable = emit("http://127.0.0.1:1", "chat");
    for (arguments, code, sentence) in [
        (refused.iter().map(String::as_str).collect::<Vec<_>>(), 1, "there is no such namespace"),
        (unreachable.iter().map(String::as_str).collect(), 3, "127.0.0.1:1"),
        (vec!["emit", "--server", &url], 2, "required"),
        (vec!["sing"], 2, "unrecognized subcommand"),
    ] {
        let ended = run(&arguments).await;
        assert_eq!((ended.code, ended.out.as_str()), (code, ""), "{arguments:?}: {ended:?}");
        assert!(ended.err.contains(sentence), "{arguments:?}: {}", ended.err);
    }
}

#[tokio::test]
async fn a_server_is_started_used_with_a_minted_token_and_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("rialto.toml");
    let secret = "a secret of at least thirty-two bytes";
    std::fs::write(
        &config,
        format!(
            "[auth.token]\nissuer = \"test\"\naudience = \"rialto\"\n[[auth.token.key]]\nid = \"k\"\n\
             algorithm = \"HS256\"\nsecret = \"{secret}\"\n[[namespace]]\nname = \"chat\"\n"
        ),
    )
    .unwrap();
    let (config, data) = (config.to_str().unwrap(), folder.path().join("data"));
    let serve = ["serve", "--listen", "127.0.0.1:0", "--config", config, "--data", data.to_str().unwrap()];
    let mut server = Running::start(&serve);
    let url = loop {
        let line = server.line().await.expect("it says where it listens");
        if let Some(at) = line.find("http://") {
            break line[at..].trim_end_matches('/').to_owned();
        }
    };
    let minted = run(&[
        "token",
        "mint",
        "--config",
        config,
        "--user",
        "ann",
        "--namespace",
        "chat",
        "--room",
        "general",
        "--can",
        "emit",
    ])
    .await;
    assert_eq!(minted.code, 0, "{minted:?}");
    let emit = ["emit", "--server", &url, "--namespace", "chat", "--event", "message", "--data", "hi"];

    let allowed =
        run(&[emit.as_slice(), &["--room", "general", "--token", minted.out.trim()]].concat()).await;
    assert_eq!(allowed.code, 0, "{allowed:?}");
    let elsewhere = run(&[emit.as_slice(), &["--room", "side", "--token", minted.out.trim()]].concat()).await;
    assert_eq!(elsewhere.code, 1, "{elsewhere:?}");
    let nobody = run(&[emit.as_slice(), &["--room", "general"]].concat()).await;
    assert_eq!(nobody.code, 1, "{nobody:?}");
    assert!(nobody.err.contains("token"), "{}", nobody.err);
    assert_eq!(server.interrupt().await, 0);
}

#[tokio::test]
async fn a_public_address_without_authentication_is_refused_unless_told_insecure() {
    let refused = run(&["serve", "--listen", "0.0.0.0:0", "--check"]).await;
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.err.contains("--insecure") || refused.err.contains("insecure"), "{}", refused.err);
    assert_eq!(run(&["serve", "--listen", "0.0.0.0:0", "--insecure", "--check"]).await.code, 0);
}

#[tokio::test]
async fn an_api_key_opens_the_door_too() {
    let mut key = String::new();
    let node = TestNode::with(|config| {
        demand_tokens(config);
        key = accept_key(config, "robot", Vec::new());
    })
    .await;
    let url = node.url();
    let ask = ["rooms", "--server", &url, "--namespace", "chat", "--token", &key];

    let forbidden = run(&ask).await;

    assert_eq!(forbidden.code, 1, "a key without rights is known and may do nothing: {forbidden:?}");
    assert!(forbidden.err.contains("right"), "{}", forbidden.err);
}

#[tokio::test]
async fn completions_are_scripts_of_their_shell() {
    for (shell, sign) in [("bash", "complete -F"), ("zsh", "#compdef rialto"), ("fish", "complete -c rialto")]
    {
        let printed = run(&["completions", shell]).await;
        assert_eq!(printed.code, 0);
        assert!(printed.out.contains(sign), "{shell}");
    }
}
