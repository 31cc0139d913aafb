//! The binary `rialto` as people and scripts start it: in a process of its own, told by arguments, read by its output.

use std::{net::SocketAddr, path::PathBuf, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStderr, ChildStdout, Command},
};

use crate::{eventually, within};

/// The binary that was built beside this test.
///
/// *Panics* with a sentence when it was not built.
pub fn path() -> PathBuf {
    let test = std::env::current_exe().expect("a test is a program");
    let profile = test.parent().and_then(|deps| deps.parent()).expect("target/<profile>/deps");
    let path = profile.join("rialto");
    assert!(path.exists(), "{} is missing: `cargo build --workspace` makes it", path.display());
    path
}

/// What a program that has ended has printed, and its exit code.
#[derive(Debug)]
pub struct Ended {
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
    /// The exit code; -1 when it was killed.
    pub code: i32,
}

/// Runs `rialto` with these arguments to its end. No `RIALTO_*` variable of the surroundings reaches it.
pub async fn run(arguments: &[&str]) -> Ended {
    let output = within("the end of rialto", command(arguments).output()).await.expect("rialto starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("rialto prints text");
    Ended { out: text(output.stdout), err: text(output.stderr), code: output.status.code().unwrap_or(-1) }
}

/// A `rialto` that goes on. Killed when it is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    out: Lines<BufReader<ChildStdout>>,
    err: Lines<BufReader<ChildStderr>>,
}

impl Running {
    /// Starts it with these arguments.
    pub fn start(arguments: &[&str]) -> Self {
        Self::of(command(arguments))
    }

    fn of(mut command: Command) -> Self {
        let mut child = command.spawn().expect("rialto starts");
        let out = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let err = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        Self { child, out, err }
    }

    /// The same under another program, for example one that makes its system calls fail.
    pub fn start_under(wrapper: &[&str], arguments: &[&str]) -> Self {
        let mut all = wrapper[1..].to_vec();
        let program = path();
        all.push(program.to_str().expect("a path that is text"));
        all.extend(arguments);
        Self::of(prepared(Command::new(wrapper[0]), &all))
    }

    /// Starts `rialto serve` with these arguments and waits until it listens. `Err` is what it complains when it ends
    /// instead.
    pub async fn serve(arguments: &[&str]) -> Result<(Self, SocketAddr), String> {
        Self::start(&[&["serve"], arguments].concat()).listening().await
    }

    /// Waits until a node listens.
    pub async fn listening(mut self) -> Result<(Self, SocketAddr), String> {
        if let Some(line) = self.line().await {
            let address = line.split(" is listening on ").nth(1).and_then(|address| address.parse().ok());
            return Ok((self, address.unwrap_or_else(|| panic!("no address in {line:?}"))));
        }
        let mut complaints = Vec::new();
        while let Some(complaint) = self.complaint().await {
            complaints.push(complaint);
        }
        Err(complaints.join("\n"))
    }

    /// Ends it at once, as a crash does (SIGKILL), and waits until it is gone.
    pub async fn kill(mut self) {
        within("the end of rialto", self.child.kill()).await.expect("it was there");
    }

    /// The next line that it prints; `None` at the end.
    pub async fn line(&mut self) -> Option<String> {
        within("a line", self.out.next_line()).await.expect("rialto prints text")
    }

    /// The next line that it complains.
    pub async fn complaint(&mut self) -> Option<String> {
        within("a line on standard error", self.err.next_line()).await.expect("rialto prints text")
    }

    /// The next line, read as JSON.
    pub async fn json(&mut self) -> serde_json::Value {
        let line = self.line().await.expect("a line");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?} is no JSON: {error}"))
    }

    /// Asks it politely to end, as Ctrl-C does, and gives its exit code.
    pub async fn interrupt(mut self) -> i32 {
        self.signal("-INT").await;
        self.code().await
    }

    /// Sends it a signal, by its name as `kill` takes it. After `-STOP` no thread of it runs any more.
    pub async fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs");
        let sent = within("kill", Command::new("kill").args([name, &id.to_string()]).status()).await;
        assert!(sent.expect("kill starts").success());
        if name == "-STOP" {
            // One thread takes the signal when it gets a processor, and stops the others.
            eventually("that it stands still", async || stands_still(id)).await;
        }
    }

    /// Its exit code, when it has ended by itself.
    pub async fn code(&mut self) -> i32 {
        within("the end of rialto", self.child.wait()).await.expect("it ends").code().unwrap_or(-1)
    }
}

/// Whether each thread of a process is stopped.
fn stands_still(id: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{id}/task")).expect("its threads");
    threads.map(|thread| thread.expect("a thread").path().join("stat")).all(|stat| {
        // One that has ended meanwhile does not run either. The state stands behind the name, which is in parentheses.
        std::fs::read_to_string(stat).map_or(true, |stat| {
            stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('T'))
        })
    })
}

fn command(arguments: &[&str]) -> Command {
    prepared(Command::new(path()), arguments)
}

fn prepared(mut command: Command, arguments: &[&str]) -> Command {
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("RIALTO_")) {
        command.env_remove(name);
    }
    command
        .args(arguments)
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}
