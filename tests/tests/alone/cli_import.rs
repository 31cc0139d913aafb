//! `rialto import`: files that are handed over in a queue are read row by row, whatever is in them and whoever does it.

use std::{fmt::Write, fs, path::Path};

use rialto_tests::{
    eventually,
    node::TestNode,
    program::{Running, run},
};
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

/// A node, a worker of its imports, and where that puts rows.
struct Place {
    node: TestNode,
    folder: TempDir,
}

impl Place {
    async fn new() -> Self {
        Self { node: TestNode::start().await, folder: tempdir().expect("a folder") }
    }

    fn worker(&self) -> Running {
        let into = self.rows();
        let words = ["import", "--server", &self.node.url(), "--namespace", "chat", "--into"];
        Running::start(&[&words[..], &[into.to_str().expect("text")]].concat())
    }

    fn rows(&self) -> std::path::PathBuf {
        self.folder.path().join("rows")
    }

    /// `rialto jobs` about the queue of imports, as JSON.
    async fn jobs(&self, words: &[&str]) -> Value {
        let url = self.node.url();
        let which = ["--server", &url, "--namespace", "chat", "--queue", "imports", "--json"];
        let ended = run(&[&["jobs", words[0]], &which[..], &words[1..]].concat()).await;
        serde_json::from_str(ended.out.lines().last().unwrap_or_else(|| panic!("{}", ended.err)))
            .expect("JSON")
    }

    /// Hands a file over and waits for what becomes of it.
    async fn import(&self, id: &str, content: &[u8]) -> Value {
        let file = self.file(content);
        self.jobs(&["enqueue", "--file", &file, "--id", id, "--attempts", "1", "--wait", "15s"]).await
    }

    /// Hands a large file over as `large`, waits until some of it is imported, and says how many bytes it has.
    async fn begin(&self, content: &str) -> usize {
        let file = self.file(content.as_bytes());
        self.jobs(&["enqueue", "--file", &file, "--id", "large"]).await;
        let progress = async || self.jobs(&["status", "large"]).await["progress"]["done"].as_u64();
        eventually("some rows were read", async || progress().await.is_some_and(|done| done > 0)).await;
        content.len()
    }

    fn file(&self, content: &[u8]) -> String {
        let path = self.folder.path().join("file.csv");
        fs::write(&path, content).expect("a file");
        path.to_str().expect("text").to_owned()
    }

    /// The rows that a job has put in.
    fn taken(&self, id: &str) -> Vec<Value> {
        let rows = fs::read_to_string(self.rows().join(format!("{id}.jsonl"))).expect("rows");
        rows.lines().map(|row| serde_json::from_str(row).expect("JSON")).collect()
    }
}

/// What an import has found.
fn found(job: &Value) -> Value {
    assert_eq!(job["state"], "completed", "{job}");
    let text = job["text"].as_str().unwrap_or_else(|| panic!("no text: {job}"));
    serde_json::from_str(text).expect("JSON")
}

/// So many rows, each tenth of which is wrong.
fn many(rows: usize) -> String {
    let mut text = "name,email,amount\n".to_owned();
    for row in 0..rows {
        let email = if row % 10 == 9 { "nobody" } else { "somebody@example.org" };
        writeln!(text, "person {row},{email},{row}").expect("it is text");
    }
    text
}

#[tokio::test]
async fn rows_that_are_right_are_kept_and_it_is_said_which_are_not_and_why() {
    let place = Place::new().await;
    let _worker = place.worker();
    let text = "name;email;amount\r\n\
                ann;ann@example.org;1\r\n\
                bob;nobody;2\r\n\
                \r\n\
                \"cid; the second\";\"cid@example.org\";\r\n\
                dan;dan@example.org\r\n";
    let found = found(&place.import("small", text.as_bytes()).await);
    assert_eq!((&found["rows"], &found["accepted"], &found["rejected"]), (&json!(4), &json!(2), &json!(2)));
    let expected = json!([
        { "line": 3, "column": "email", "reason": "is not an address" },
        { "line": 6, "column": "", "reason": "has 2 fields instead of 3" },
    ]);
    assert_eq!(found["reasons"], expected);
    let expected = [
        json!({ "line": 2, "row": { "name": "ann", "email": "ann@example.org", "amount": "1" } }),
        json!({ "line": 5, "row": { "name": "cid; the second", "email": "cid@example.org", "amount": "" } }),
    ];
    assert_eq!(place.taken("small"), expected);
}

#[tokio::test]
async fn no_row_ends_an_import_whatever_is_in_it() {
    let place = Place::new().await;
    let _worker = place.worker();
    let mut bytes = b"\xef\xbb\xbfname,note\nann,\xff\xfe\nbob,\0\n,empty\n".to_vec();
    bytes.extend(vec![b','; 5_000]);
    bytes.extend(b"\ncid,fine\n\"never closed,\ndan,lost");
    let found = found(&place.import("wild", &bytes).await);
    assert_eq!((&found["rows"], &found["accepted"], &found["rejected"]), (&json!(6), &json!(2), &json!(4)));
    let lines: Vec<u64> =
        found["reasons"].as_array().unwrap().iter().map(|why| why["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [2, 4, 5, 7]);
}

#[tokio::test]
async fn a_file_that_is_no_table_fails_for_good_and_says_why() {
    let place = Place::new().await;
    let _worker = place.worker();
    for (id, content, why) in [
        ("empty", &b""[..], "the file is empty"),
        ("utf16", b"\xff\xfea\0,\0b\0", "the file is UTF-16: save it as UTF-8"),
        ("twice", b"a,b,a\n1,2,3\n", "the header has the column \"a\" twice"),
    ] {
        let job = place.import(id, content).await;
        assert_eq!((&job["state"], &job["error"]["message"]), (&json!("dead"), &json!(why)));
    }
}

#[tokio::test]
async fn another_worker_goes_on_where_one_was_told_to_end_and_each_row_is_there_once() {
    let place = Place::new().await;
    let first = place.worker();
    let rows = 100_000;
    let bytes = place.begin(&many(rows)).await;
    let running = place.jobs(&["status", "large"]).await;
    assert_eq!(running["state"], "running", "{running}");
    assert_eq!(running["progress"]["total"], bytes);
    assert_eq!(first.interrupt().await, 0);
    let back = place.jobs(&["status", "large"]).await;
    assert_eq!(
        (&back["state"], &back["attempt"]),
        (&json!("waiting"), &json!(0)),
        "it was given back: {back}"
    );
    let _second = place.worker();
    eventually("it is done", async || place.jobs(&["status", "large"]).await["state"] == "completed").await;
    let found = found(&place.jobs(&["status", "large"]).await);
    assert_eq!(found["rows"], rows);
    assert_eq!(found["rejected"], rows / 10);
    assert_eq!(found["reasons"].as_array().unwrap().len(), 100);
    let lines: Vec<u64> = place.taken("large").iter().map(|row| row["line"].as_u64().unwrap()).collect();
    let expected: Vec<u64> = (0..rows as u64).filter(|row| row % 10 != 9).map(|row| row + 2).collect();
    assert!(lines == expected, "{} rows of {}", lines.len(), expected.len());
    assert!(!Path::new(&place.rows().join("large.part")).exists());
}

#[tokio::test]
async fn an_import_that_runs_is_cancelled() {
    let place = Place::new().await;
    let _worker = place.worker();
    let file = place.file(many(100_000).as_bytes());
    place.jobs(&["enqueue", "--file", &file, "--id", "large"]).await;
    eventually("it runs", async || place.jobs(&["status", "large"]).await["state"] == "running").await;
    place.jobs(&["cancel", "large", "--reason", "the wrong file"]).await;
    eventually("it is cancelled", async || place.jobs(&["status", "large"]).await["state"] == "cancelled")
        .await;
}

#[tokio::test]
async fn an_import_is_paused_in_the_middle_and_goes_on_there() {
    let place = Place::new().await;
    let _worker = place.worker();
    let rows = 100_000;
    place.begin(&many(rows)).await;
    let asked = place.jobs(&["pause", "large"]).await;
    assert_eq!((&asked["state"], &asked["pausing"]), (&json!("running"), &json!(true)));
    eventually("it is paused", async || place.jobs(&["status", "large"]).await["state"] == "paused").await;
    let paused = place.jobs(&["status", "large"]).await;
    assert!(paused["progress"]["done"].as_u64() < paused["progress"]["total"].as_u64(), "{paused}");
    place.jobs(&["resume", "large"]).await;
    eventually("it is done", async || place.jobs(&["status", "large"]).await["state"] == "completed").await;
    let done = place.jobs(&["status", "large"]).await;
    assert_eq!((&done["attempt"], &done["deliveries"]), (&json!(1), &json!(2)));
    assert_eq!(found(&done)["rows"], rows);
    assert_eq!(place.taken("large").len(), rows - rows / 10);
}
