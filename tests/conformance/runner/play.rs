//! Carries out the steps of one scenario with one driver, one after the other.

use std::{cell::RefCell, collections::BTreeMap, time::Duration};

use rialto_tests::{PATIENCE, proxy::Proxy};
use serde_json::{Map, Value, json};
use tokio::time::{interval, timeout};

use crate::{
    client::Client,
    driver::Driver,
    load,
    matching::Bound,
    scenario::Scenario,
    scene::{Scene, lay_over},
    step::{End, Order, Step},
};

/// How often a command is repeated that is to end in a certain way.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// Addresses of scenarios that have ended.
pub(crate) type Kept = RefCell<Vec<Proxy>>;

/// One scenario under way.
struct Play<'a> {
    client: &'a Client,
    driver: &'a Driver,
    scene: Scene,
    /// Before every name, so that scenarios of one driver do not meet.
    prefix: String,
    bound: Bound,
    /// Numbers of the commands whose end is asked for later.
    begun: BTreeMap<String, u64>,
}

/// Plays a scenario.
///
/// *Errors*: a sentence that says which step failed and how.
pub(crate) async fn play(
    client: &Client,
    driver: &Driver,
    number: usize,
    scenario: &Scenario,
    kept: &Kept,
) -> Result<(), String> {
    let scene = Scene::start(scenario).await?;
    let prefix = format!("{number}/");
    let mut play = Play {
        client,
        driver,
        scene,
        prefix: prefix.clone(),
        bound: Bound::default(),
        begun: BTreeMap::new(),
    };
    let mut outcome = match &scenario.load {
        Some(load) => load::play(load, driver, &prefix, &mut play.scene, client.shape.as_deref()).await,
        None => Ok(()),
    };
    for (index, step) in scenario.steps.iter().enumerate() {
        outcome = play.step(step).await.map_err(|wrong| format!("step {} ({step}): {wrong}", index + 1));
        if outcome.is_err() {
            break;
        }
    }
    if let Err(wrong) = &mut outcome {
        let unasked = driver.unasked(&prefix);
        wrong.push_str(&unasked.iter().map(|one| format!("\n    not asked for: {one}")).collect::<String>());
    }
    driver.forget(&prefix);
    kept.borrow_mut().extend(play.scene.end());
    outcome
}

impl Play<'_> {
    async fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Command { by, verb, arguments, end: End::Until(expected) } => {
                self.until(by, verb, arguments, expected).await
            }
            Step::Command { by, verb, arguments, end } => {
                let number = self.begin(by, verb, arguments).await?;
                self.ends(number, end).await
            }
            Step::Begin { name, by, verb, arguments } => {
                let number = self.begin(by, verb, arguments).await?;
                self.begun.insert(name.clone(), number);
                Ok(())
            }
            Step::Ends { name, end } => {
                let number = self.begun.remove(name).ok_or_else(|| format!("{name} was not begun"))?;
                self.ends(number, end).await
            }
            Step::Told { by, kind, expected, order: Order::All } => self.told_all(by, kind, expected).await,
            Step::Told { by, kind, expected, order } => self.told(by, kind, expected, *order).await,
            Step::Untold { by, kind } => match self.driver.left(&self.name(by), kind) {
                Some(report) => Err(format!("{by} was told {report}")),
                None => Ok(()),
            },
            Step::Network(what) => self.scene.network(what),
            Step::Node(what) => self.scene.node_does(what).await,
            Step::Operator { verb, arguments } => {
                self.scene.operator(verb, &self.bound.fill(arguments)?).await
            }
            Step::Server { what, arguments } => self.server(what, arguments).await,
            Step::Signal(name) => self.driver.signal(name).await,
        }
    }

    fn name(&self, by: &str) -> String {
        format!("{}{by}", self.prefix)
    }

    async fn begin(&self, by: &str, verb: &str, arguments: &Map<String, Value>) -> Result<u64, String> {
        let mut command = self.bound.fill(arguments)?;
        self.complete(by, verb, &mut command)?;
        command.insert("by".to_owned(), self.name(by).into());
        command.insert("do".to_owned(), verb.into());
        self.driver.send(command).await
    }

    /// Fills in what scenarios leave out.
    fn complete(&self, by: &str, verb: &str, command: &mut Map<String, Value>) -> Result<(), String> {
        fill_in(verb, command);
        if let Some(Value::Array(items)) = command.get_mut("items") {
            items.iter_mut().filter_map(Value::as_object_mut).for_each(|item| fill_in("publish", item));
        }
        if let Some(Value::String(name)) = command.get("as") {
            let name = self.name(name);
            command.insert("as".to_owned(), name.into());
        }
        if let Some(Value::String(name)) = command.get("command") {
            let number = self.begun.get(name).ok_or_else(|| format!("{name} was not begun"))?;
            command.insert("command".to_owned(), (*number).into());
        }
        for key in ["text", "result", "message"] {
            if let Some(bytes) = command.remove(&format!("{key}_bytes")).and_then(|bytes| bytes.as_u64()) {
                command.insert(key.to_owned(), "x".repeat(usize::try_from(bytes).unwrap_or_default()).into());
            }
        }
        for token in command.iter_mut().filter(|(key, _)| *key == "token").map(|(_, token)| token) {
            mint(by, token);
        }
        if let Some(Value::Array(tokens)) = command.get_mut("tokens") {
            tokens.iter_mut().for_each(|token| mint(by, token));
        }
        if matches!(verb, "connect" | "client") {
            self.connect(by, verb, command);
        }
        Ok(())
    }

    fn connect(&self, by: &str, verb: &str, command: &mut Map<String, Value>) {
        let url = self.scene.url(command.remove("direct") == Some(Value::Bool(true)));
        command.entry("url").or_insert_with(|| url.into());
        if let Some(shape) = self.client.shape.as_ref().filter(|_| verb == "connect") {
            command.entry("shape").or_insert_with(|| shape.clone().into());
        }
        if !self.scene.demands_tokens() {
            if verb == "connect" {
                command.entry("user").or_insert_with(|| by.into());
            }
        } else if !command.contains_key("tokens") {
            command.entry("token").or_insert_with(|| Scene::token(by, None).into());
        }
    }

    /// Something happens at the scripted server. `greets` hears a greeting and welcomes, `hears` hears what comes next, and
    /// `hears_some` what comes some time.
    async fn server(&mut self, what: &str, arguments: &Map<String, Value>) -> Result<(), String> {
        let mut arguments = arguments.clone();
        let expected = match what {
            "greets" => json!({"hello": arguments.remove("hello").unwrap_or_else(|| json!({}))}),
            "hears" | "hears_some" => arguments.remove("frame").unwrap_or_else(|| json!({})),
            _ => return self.scene.server()?.does(what, &self.bound.fill(&arguments)?).await,
        };
        let not_before = arguments.get("not_before_ms").and_then(Value::as_u64).unwrap_or_default();
        loop {
            let heard = self.scene.server()?.hears(&expected, Duration::from_millis(not_before)).await?;
            match self.bound.check(&expected, &heard.said) {
                Ok(()) => break,
                Err(_) if what == "hears_some" => {}
                Err(wrong) => return Err(format!("{wrong}, in {}", heard.said)),
            }
        }
        if what != "greets" {
            return Ok(());
        }
        let arguments = self.bound.fill(&arguments)?;
        let welcome = arguments.get("welcome").cloned().unwrap_or_else(|| json!({}));
        self.scene.server()?.does("sends", &welcoming(&welcome)).await
    }

    async fn ends(&mut self, number: u64, end: &End) -> Result<(), String> {
        let answer = self.driver.answer(number).await?;
        let (key, expected) = match end {
            End::Done(expected) | End::Until(expected) => ("done", expected),
            End::Failed(expected) => ("failed", expected),
        };
        match answer.get(key) {
            Some(actual) => {
                self.bound.check(expected, actual).map_err(|wrong| format!("{wrong}, in {actual}"))
            }
            None => Err(format!("the answer is {answer}")),
        }
    }

    async fn until(
        &mut self,
        by: &str,
        verb: &str,
        arguments: &Map<String, Value>,
        expected: &Value,
    ) -> Result<(), String> {
        let end = End::Done(expected.clone());
        let mut ticks = interval(ASK_AGAIN);
        let mut wrong = "it was never asked".to_owned();
        let asking = async {
            loop {
                ticks.tick().await;
                let number = self.begin(by, verb, arguments).await?;
                match self.ends(number, &end).await {
                    Ok(()) => return Ok(()),
                    Err(now) => wrong = now,
                }
            }
        };
        match timeout(PATIENCE, asking).await {
            Ok(ended) => ended,
            Err(_) => Err(wrong),
        }
    }

    async fn told(&mut self, by: &str, kind: &str, expected: &Value, order: Order) -> Result<(), String> {
        let name = self.name(by);
        let mut passed = Vec::new();
        loop {
            let report = self.driver.report(&name, kind).await?;
            let Some(report) = report else {
                return Err(format!("{by} was told of no such {kind}; passed over: {passed:?}"));
            };
            match self.bound.check(expected, &report) {
                Ok(()) => return Ok(()),
                Err(wrong) if order == Order::Next => return Err(format!("{wrong}, in {report}")),
                Err(_) => passed.push(report.to_string()),
            }
        }
    }

    /// As many reports as are expected come, each once, in whatever order.
    async fn told_all(&mut self, by: &str, kind: &str, expected: &Value) -> Result<(), String> {
        let mut left = expected.as_array().cloned().ok_or("what is told in whatever order is a list")?;
        while !left.is_empty() {
            let report = self.driver.report(&self.name(by), kind).await?;
            let report = report.ok_or_else(|| format!("{by} was not told of {left:?}"))?;
            let place = left.iter().position(|one| self.bound.check(one, &report).is_ok());
            left.remove(place.ok_or_else(|| format!("none of {left:?} is {report}"))?);
        }
        Ok(())
    }
}

/// What a server says that greets a session.
fn welcoming(wishes: &Value) -> Map<String, Value> {
    let mut welcome = json!({
        "session_id": "scripted-1",
        "session_secret": "secret",
        "node": "scripted",
        "resume_window": "120s",
        "ping_interval": "0s",
        "limits": {"payload_bytes_max": 65536, "rooms_max": 128},
    });
    lay_over(&mut welcome, wishes);
    // Who goes on is welcomed without a number.
    let first_seq = u32::from(welcome["resumed"] != true);
    let frames = json!([{"welcome": welcome}]);
    Map::from_iter([("first_seq".to_owned(), first_seq.into()), ("frames".to_owned(), frames)])
}

/// Gives a command what it does not say itself.
fn fill_in(verb: &str, command: &mut Map<String, Value>) {
    for (key, value) in defaults(verb, command) {
        command.entry(key).or_insert_with(|| value.into());
    }
}

/// What a command is given that does not say it itself.
fn defaults(verb: &str, command: &Map<String, Value>) -> Vec<(&'static str, &'static str)> {
    let of_rooms = matches!(
        verb,
        "join"
            | "part"
            | "room"
            | "history"
            | "presence"
            | "who"
            | "watch_presence"
            | "get_state"
            | "all_state"
            | "set_state"
            | "remove_state"
            | "watch_state"
    );
    let says = matches!(verb, "emit" | "ask" | "publish");
    let of_jobs = matches!(
        verb,
        "enqueue"
            | "get_job"
            | "wait_job"
            | "list_jobs"
            | "watch_jobs"
            | "cancel_job"
            | "pause_job"
            | "resume_job"
            | "redrive_jobs"
            | "queue"
            | "pause_queue"
            | "resume_queue"
            | "purge_queue"
            | "put_schedule"
            | "delete_schedule"
            | "schedules"
            | "close_batch"
            | "work"
    );
    let mut all = Vec::new();
    if of_rooms
        || says
        || of_jobs
        || matches!(verb, "enter" | "leave" | "listen" | "call" | "rooms" | "disconnect")
    {
        all.push(("namespace", "chat"));
    }
    if of_rooms || verb == "listen" || (says && !command.contains_key("target")) {
        all.push(("room", "hall"));
    }
    if says || verb == "call" {
        all.push(("event", "message"));
    }
    if of_jobs && verb != "work" {
        all.push(("queue", "work"));
    }
    all
}

/// `{ mint = "…", expires_in_ms = … }`, or `{ mint = true }` for the user itself, becomes the token that it describes.
fn mint(user: &str, value: &mut Value) {
    let Some(wish) = value.as_object() else { return };
    let Some(whose) = wish.get("mint") else { return };
    let whose = whose.as_str().unwrap_or(user);
    let lasts = wish.get("expires_in_ms").and_then(Value::as_u64);
    let mut minted = Map::from_iter([("text".to_owned(), Scene::token(whose, lasts).into())]);
    if let Some(told) = wish.get("told_ms") {
        minted.insert("expires_in_ms".to_owned(), told.clone());
    }
    *value = if minted.len() == 1 { minted["text"].clone() } else { Value::Object(minted) };
}
