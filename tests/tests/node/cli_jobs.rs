//! `rialto jobs` as people and scripts use it: hand over, run a program for each job, look, cancel, redrive.

use rialto_tests::{
    eventually,
    node::TestNode,
    program::{Ended, Running, run},
};
use serde_json::Value;

/// `rialto jobs` with these words about the queue `mail`.
async fn jobs(node: &TestNode, words: &[&str]) -> Ended {
    let url = node.url();
    run(&[&["jobs", words[0], "--server", &url, "--queue", "mail"], &words[1..]].concat()).await
}

/// The same, as JSON.
async fn json(node: &TestNode, words: &[&str]) -> Value {
    let ended = jobs(node, &[words, &["--json"]].concat()).await;
    assert_eq!(ended.code, 0, "{}", ended.err);
    serde_json::from_str(ended.out.lines().last().expect("a line")).expect("JSON")
}

/// A worker of the queue `mail` that runs `command`.
fn worker(node: &TestNode, command: &str) -> Running {
    let url = node.url();
    Running::start(&["jobs", "work", "--server", &url, "--queue", "mail", "--lease", "2s", "--exec", command])
}

#[tokio::test]
async fn a_program_is_run_for_each_job_and_what_it_prints_is_the_result() {
    let node = TestNode::start().await;
    let _worker = worker(&node, "tr a-z A-Z; printf ' %s' \"$RIALTO_JOB_TYPE\"");
    let ended = jobs(&node, &["enqueue", "--payload", "hello", "--type", "shout", "--wait", "15s"]).await;
    assert_eq!((ended.code, ended.out.as_str()), (0, "HELLO shout\n"), "{}", ended.err);
}

#[tokio::test]
async fn the_exit_code_of_the_program_decides() {
    let node = TestNode::start().await;
    let _worker = worker(&node, "echo sorry >&2; exit $(cat)");
    let dead = jobs(&node, &["enqueue", "--payload", "100", "--id", "bad", "--wait", "15s"]).await;
    assert_eq!(dead.code, 1);
    assert!(dead.err.contains("bad") && dead.err.contains("sorry"), "{}", dead.err);
    let failed = jobs(&node, &["enqueue", "--payload", "1", "--attempts", "1", "--wait", "15s"]).await;
    assert_eq!(failed.code, 1);
    let listed = jobs(&node, &["list", "--state", "dead"]).await;
    assert_eq!(listed.out.lines().count(), 2, "{}", listed.out);
    assert_eq!(jobs(&node, &["list", "--since", "1h"]).await.out.lines().count(), 2);
    assert_eq!(jobs(&node, &["list", "--before", "1h"]).await.out, "");
    assert_eq!(json(&node, &["redrive", "--all"]).await["count"], 2);
}

#[tokio::test]
async fn a_program_says_how_far_it_has_come_and_leaves_something_for_the_next_attempt() {
    let node = TestNode::start().await;
    let command = "if [ -z \"$RIALTO_JOB_CHECKPOINT\" ]; then \
                   echo '::checkpoint row 30' >&2; \
                   while sleep 0.1; do echo '::progress 30/100 reading rows' >&2; done; fi; printf 'after %s' \"$RIALTO_JOB_CHECKPOINT\"";
    let first = worker(&node, command);
    jobs(&node, &["enqueue", "--payload", "", "--id", "import"]).await;
    eventually("the progress is seen", async || {
        let job = json(&node, &["status", "import"]).await;
        job["progress"]["message"] == "reading rows" && job["progress"]["done"] == 30
    })
    .await;
    first.kill().await;
    let _second = worker(&node, command);
    let ended = jobs(&node, &["watch", "import"]).await;
    assert_eq!(ended.code, 0, "{}", ended.err);
    let job = json(&node, &["status", "import"]).await;
    assert_eq!((job["state"].as_str(), job["text"].as_str()), (Some("completed"), Some("after row 30")));
    assert_eq!(job["attempt"], 2);
}

#[tokio::test]
async fn a_program_is_ended_when_its_job_is_cancelled() {
    let node = TestNode::start().await;
    let _worker = worker(&node, "sleep 600");
    jobs(&node, &["enqueue", "--payload", "", "--id", "long"]).await;
    eventually("it runs", async || json(&node, &["status", "long"]).await["state"] == "running").await;
    assert_eq!(json(&node, &["cancel", "long", "--reason", "enough"]).await["cancelling"], true);
    let watched = jobs(&node, &["watch", "long"]).await;
    assert_eq!(watched.code, 1);
    assert!(watched.err.contains("enough"), "{}", watched.err);
}

#[tokio::test]
async fn a_worker_that_is_told_to_end_finishes_what_it_has() {
    let node = TestNode::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let (begun, go) = (folder.path().join("begun"), folder.path().join("go"));
    let command = format!(
        "touch {}; while [ ! -e {} ]; do printf .; sleep 0.05; done; printf done",
        begun.display(),
        go.display()
    );
    let mut worker = worker(&node, &command);
    jobs(&node, &["enqueue", "--payload", "", "--id", "one"]).await;
    jobs(&node, &["enqueue", "--payload", "", "--id", "two"]).await;
    eventually("it has begun", async || begun.exists()).await;
    worker.signal("-TERM").await;
    let noticed = worker.complaint().await.expect("it says so");
    assert!(noticed.contains("no more jobs"), "{noticed}");
    std::fs::write(&go, "").expect("a file");
    assert_eq!(worker.code().await, 0);
    let text = json(&node, &["status", "one"]).await["text"].as_str().map(str::to_owned);
    assert!(text.as_deref().is_some_and(|text| text.ends_with("done")), "{text:?}");
    assert_eq!(json(&node, &["status", "two"]).await["state"], "waiting");
}

#[tokio::test]
async fn queues_are_listed_paused_and_purged() {
    let node = TestNode::start().await;
    jobs(&node, &["enqueue", "--payload", "a"]).await;
    let twice = ["enqueue", "--payload", "b", "--id", "b"];
    assert_eq!(json(&node, &twice).await["duplicate"], false);
    assert_eq!(json(&node, &twice).await["duplicate"], true);
    assert_eq!(json(&node, &["pause"]).await["paused"], true);
    assert_eq!(json(&node, &["resume"]).await["paused"], false);
    let url = node.url();
    let queues = run(&["jobs", "queues", "--server", &url]).await;
    assert!(queues.out.starts_with("mail  2 waiting"), "{}", queues.out);
    assert_eq!(json(&node, &["purge"]).await["count"], 2);
    assert_eq!(jobs(&node, &["status", "none"]).await.code, 1);
}

#[tokio::test]
async fn a_batch_a_chain_and_a_schedule_are_put_in_and_shown() {
    let node = TestNode::start().await;
    jobs(&node, &["enqueue", "--payload", "sum up", "--id", "letters", "--completes-batch"]).await;
    jobs(&node, &["enqueue", "--payload", "a", "--id", "a", "--batch", "letters", "--then", "mail"]).await;
    let refused = jobs(&node, &["enqueue", "--payload", "a", "--batch", "none"]).await;
    assert_eq!(refused.code, 1, "{}", refused.err);
    jobs(&node, &["enqueue", "--payload", "b", "--batch", "letters"]).await;
    let shown = jobs(&node, &["status", "letters"]).await;
    assert!(shown.out.contains("blocked  1 job of its batch left, and it is open"), "{}", shown.out);
    assert_eq!(json(&node, &["close-batch", "letters"]).await["batch"]["closed"], true);
    jobs(&node, &["enqueue", "--payload", "hello", "--id", "first", "--then", "mail"]).await;
    let _worker = worker(&node, "cat; printf '|'");
    let listed = "every job is done";
    eventually(listed, async || {
        jobs(&node, &["list", "--state", "completed"]).await.out.lines().count() == 4
    })
    .await;
    let all = jobs(&node, &["list"]).await.out;
    assert!(all.contains("first  completed  hello|") && all.contains("completed  hello||"), "{all}");
    let put = ["schedule", "put"];
    let url = node.url();
    let words = ["--server", &url, "--queue", "mail"];
    let rest =
        ["nightly", "--cron", "0 2 * * *", "--time-zone", "Europe/Berlin", "--payload", "", "--one-live"];
    let ended = run(&[&["jobs"], &put[..], &words[..], &rest[..]].concat()).await;
    assert!(
        ended.out.starts_with("nightly  0 2 * * * Europe/Berlin  next at "),
        "{} {}",
        ended.out,
        ended.err
    );
    let ended = run(&[&["jobs", "schedule", "list"], &words[..]].concat()).await;
    assert_eq!(ended.out.lines().count(), 1, "{}", ended.err);
    let ended = run(&[&["jobs", "schedule", "delete"], &words[..], &["nightly"]].concat()).await;
    assert_eq!(ended.code, 0, "{}", ended.err);
}

#[tokio::test]
async fn a_file_of_any_size_is_handed_over_and_a_program_reads_it_from_its_standard_input() {
    let node = TestNode::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("large");
    let lines: String = (0..200_000).map(|n| format!("{n}\n")).collect();
    std::fs::write(&file, &lines).unwrap();
    let _worker = worker(&node, "wc -c | tr -d ' \n'; printf ' bytes'");
    let put = ["enqueue", "--file", file.to_str().unwrap(), "--wait", "15s"];
    let ended = jobs(&node, &put).await;
    assert_eq!((ended.code, ended.out), (0, format!("{} bytes\n", lines.len())), "{}", ended.err);
    // A program need not read it.
    let _idle =
        Running::start(&["jobs", "work", "--server", &node.url(), "--queue", "idle", "--exec", "true"]);
    let url = node.url();
    let words = ["jobs", "enqueue", "--server", &url, "--queue", "idle", "--file", put[2], "--wait", "15s"];
    assert_eq!(run(&words).await.code, 0);
}
