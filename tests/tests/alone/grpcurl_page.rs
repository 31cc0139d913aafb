//! `docs/grpcurl.md` typed from top to bottom, in one shell, beside a fresh node: each command ends well and prints what the page says.

use std::path::Path;

use rialto_tests::{histories::folder, program::Running, tools::path_with_tools, within};
use tokio::process::Command;

/// Between what two commands print.
const MARK: &str = "-- the end of a command --";

/// A command of the page, and what it prints.
struct Typed {
    command: String,
    printed: Vec<String>,
}

#[tokio::test]
async fn each_command_of_the_page_about_grpcurl_prints_what_the_page_says() {
    let (data, here) = (folder(), folder());
    let arguments = ["--listen", "127.0.0.1:0", "--data", data.path().to_str().unwrap()];
    let (node, address) = Running::serve(&arguments).await.unwrap();
    let typed = page();
    assert!(typed.len() > 30, "{} commands", typed.len());
    let script: String = typed
        .iter()
        .map(|typed| format!("{}\necho '{MARK}'\n", typed.command))
        .collect::<String>()
        .replace("127.0.0.1:7400", &address.to_string());
    let printed = shell(&script, here.path()).await;
    let mark = format!("{MARK}\n");
    let mut outputs = printed.split(&mark);
    for Typed { command, printed } in typed {
        let output = outputs.next().unwrap_or_default();
        let lines: Vec<&str> = output.lines().collect();
        assert!(
            fits(&printed, &lines),
            "{command}\nshould print\n{}\nand prints\n{output}",
            printed.join("\n")
        );
    }
    assert_eq!(node.interrupt().await, 0);
}

/// The commands of the page, each with what follows it.
fn page() -> Vec<Typed> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/grpcurl.md");
    let page = std::fs::read_to_string(path).unwrap();
    let mut all: Vec<Typed> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match (inside, line) {
            (_, "```console") => inside = true,
            (true, "```") => inside = false,
            (false, _) => {}
            (true, line) => {
                if let Some(command) = line.strip_prefix("$ ") {
                    all.push(Typed { command: command.to_owned(), printed: Vec::new() });
                } else if let (Some(more), Some(last)) = (line.strip_prefix("> "), all.last_mut()) {
                    last.command.push('\n');
                    last.command.push_str(more);
                } else if let Some(last) = all.last_mut() {
                    last.printed.push(line.to_owned());
                }
            }
        }
    }
    all
}

/// What one shell prints that runs all of it, errors as well.
async fn shell(script: &str, here: &Path) -> String {
    let mut shell = Command::new("bash");
    shell.args(["-c", &format!("exec 2>&1\n{script}")]);
    shell.env("PATH", path_with_tools()).current_dir(here).kill_on_drop(true);
    let output = within("the end of the shell", shell.output()).await.unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Whether what is printed is what the page says: `…` stands for any text, alone on a line for any lines.
fn fits(said: &[String], printed: &[&str]) -> bool {
    match said.split_first() {
        None => printed.is_empty(),
        Some((line, more)) if line == "…" => {
            (0..=printed.len()).any(|skipped| fits(more, &printed[skipped..]))
        }
        Some((line, more)) => {
            printed.split_first().is_some_and(|(first, rest)| line_fits(line, first) && fits(more, rest))
        }
    }
}

fn line_fits(said: &str, printed: &str) -> bool {
    match said.split_once('…') {
        None => said == printed,
        Some((before, after)) => printed.starts_with(before) && printed[before.len()..].ends_with(after),
    }
}

#[test]
fn what_is_left_out_of_the_page_may_be_anything_and_the_rest_may_not() {
    let said = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    assert!(fits(&said(&["a", "…", "d"]), &["a", "b", "c", "d"]));
    assert!(fits(&said(&["id \"…\","]), &["id \"77\","]));
    assert!(!fits(&said(&["a", "…", "d"]), &["a", "b", "c"]));
    assert!(!fits(&said(&["a"]), &["a", "b"]));
    assert!(!fits(&said(&["id \"…\","]), &["id \"77\""]));
}
