//! A server that says what a scenario tells it to, for what no node says at will: closes of every kind, refused greetings, frames
//! that come twice, are missing or are unknown, and silence. Behind the edge of a real node, so that browsers reach it too. It
//! carries nothing out: what clients say is kept until the scenario asks for it.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use rialto_server::{
    base::{config::WebConfig, limits::ConnectionLimits, metrics::Metrics, tasks::Tasks},
    grpc::edge::{App, Edge, Health},
};
use rialto_tests::PATIENCE;
use serde_json::{Map, Value};
use tokio::{
    net::TcpListener,
    sync::{Mutex as AsyncMutex, mpsc},
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::{
    schema::{Schema, told, written},
    toy::services,
};

/// What clients have said and nobody has asked for yet.
const HEARD_MAX: usize = 4096;
/// Messages on their way down a stream.
const SENT_MAX: usize = 64;

/// What clients say without being asked.
const SIGNS_OF_LIFE: [&str; 3] = ["seen", "ping", "pong"];

/// A server that runs.
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    script: Arc<Script>,
    heard: AsyncMutex<mpsc::Receiver<Heard>>,
    farewell: CancellationToken,
    _tasks: Tasks,
}

/// One message, or one frame of those that gather frames.
#[derive(Debug)]
pub(crate) struct Heard {
    /// What it says.
    pub(crate) said: Value,
    at: Instant,
}

/// What a stream is given to send.
pub(crate) type Sent = Result<Bytes, Status>;

/// What service and scenario share.
pub(crate) struct Script {
    pub(crate) schema: Schema,
    heard: mpsc::Sender<Heard>,
    /// The last stream of each call, by its name.
    streams: Mutex<BTreeMap<String, (String, mpsc::Sender<Sent>)>>,
    /// What single calls are answered that come, by their name.
    answers: Mutex<BTreeMap<String, VecDeque<Result<Value, Status>>>>,
}

impl Scripted {
    /// Starts it on a free port.
    pub(crate) async fn start() -> Result<Self, String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| error.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let (heard, receiver) = mpsc::channel(HEARD_MAX);
        let schema = Schema::read()?;
        let script = Arc::new(Script { schema, heard, streams: Mutex::default(), answers: Mutex::default() });
        let (limits, metrics, tasks) =
            (ConnectionLimits::default(), Arc::<Metrics>::default(), Tasks::default());
        let (farewell, health) = (CancellationToken::new(), Health::default());
        let app = App {
            limits: limits.clone(),
            web: WebConfig::default(),
            authenticates: false,
            metrics: Arc::clone(&metrics),
            health: health.clone(),
            services: services(&script),
        };
        let app = app.router().map_err(|error| error.to_string())?;
        let edge = Edge { limits, tls: None, metrics, tasks: tasks.clone(), farewell: farewell.clone() };
        health.serve();
        tasks.spawn("edge", edge.serve(listener, app));
        Ok(Self { address, script, heard: AsyncMutex::new(receiver), farewell, _tasks: tasks })
    }

    /// Something happens at the server that nobody waits for.
    pub(crate) async fn does(&self, what: &str, arguments: &Map<String, Value>) -> Result<(), String> {
        let call = arguments.get("call").and_then(Value::as_str).unwrap_or("Attach");
        match what {
            "sends" => self.sends(call, message(arguments)).await,
            "ends" => self.ends(call, arguments).await,
            "will_answer" => {
                let answer = match status(arguments)? {
                    Some(status) => Err(status),
                    None => Ok(arguments.get("message").cloned().unwrap_or_default()),
                };
                self.script.answers.lock().entry(call.to_owned()).or_default().push_back(answer);
                Ok(())
            }
            _ => Err(format!("nobody knows how a server {what:?}")),
        }
    }

    /// The next thing that a client says. Signs of life are passed over, unless they are of the kind that is `wanted`. It must not
    /// come sooner than `not_before` from now.
    pub(crate) async fn hears(&self, wanted: &Value, not_before: Duration) -> Result<Heard, String> {
        let passed = |said: &Value, kind: &str| said.get(kind).is_some() && wanted.get(kind).is_none();
        let since = Instant::now();
        let mut heard = self.heard.lock().await;
        loop {
            let next = timeout(PATIENCE, heard.recv()).await.map_err(|_| "nothing came")?;
            let next = next.ok_or("the server has ended")?;
            if SIGNS_OF_LIFE.iter().any(|kind| passed(&next.said, kind)) {
                continue;
            }
            let waited = next.at.saturating_duration_since(since);
            if waited < not_before {
                return Err(format!("it came after {waited:?}: {}", next.said));
            }
            return Ok(next);
        }
    }

    async fn sends(&self, call: &str, message: Value) -> Result<(), String> {
        let (path, stream) = self.stream(call)?;
        let (_, output) = self.script.schema.call(&path).ok_or("an unknown call")?;
        let bytes = written(&output, spelled_out(message))?;
        stream.send(Ok(bytes)).await.map_err(|_| "the stream has ended".to_owned())
    }

    async fn ends(&self, call: &str, arguments: &Map<String, Value>) -> Result<(), String> {
        let (path, stream) = self.stream(call)?;
        if let Some(status) = status(arguments)? {
            // Its reader may be gone already, which is an end as well.
            stream.send(Err(status)).await.unwrap_or_default();
        }
        self.script.streams.lock().remove(&name(&path));
        Ok(())
    }

    /// The last stream of a call; a session may be in halves.
    fn stream(&self, call: &str) -> Result<(String, mpsc::Sender<Sent>), String> {
        let streams = self.script.streams.lock();
        let halves = if call == "Attach" { streams.get("Listen") } else { None };
        let stream = streams.get(call).or(halves).cloned();
        stream.ok_or_else(|| format!("there is no stream of {call}"))
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.farewell.cancel();
    }
}

impl Script {
    /// Takes note of a message that has come by a call.
    pub(crate) fn hear(&self, path: &str, bytes: Bytes) -> Result<Value, Status> {
        let wrong = |what: String| Status::invalid_argument(what);
        let (input, _) = self.schema.call(path).ok_or_else(|| Status::unimplemented(path.to_owned()))?;
        let message = told(&input, bytes).map_err(wrong)?;
        let call = name(path);
        for said in frames(&call, &message) {
            let heard = Heard { said, at: Instant::now() };
            self.heard.try_send(heard).map_err(|_| Status::resource_exhausted("too much was said"))?;
        }
        Ok(message)
    }

    /// A stream of a call has begun. The one before it is forgotten, and ends when all was sent.
    pub(crate) fn begin(&self, path: &str) -> mpsc::Receiver<Sent> {
        let (sender, receiver) = mpsc::channel(SENT_MAX);
        self.streams.lock().insert(name(path), (path.to_owned(), sender));
        receiver
    }

    /// What a single call is answered: what the scenario says, for a push that all was taken, else that there is no such call.
    pub(crate) fn answer(&self, path: &str, message: &Value) -> Sent {
        let (_, output) = self.schema.call(path).ok_or_else(|| Status::unimplemented(path.to_owned()))?;
        let scripted = self.answers.lock().get_mut(&name(path)).and_then(VecDeque::pop_front);
        let answer = match scripted {
            Some(answer) => answer?,
            None if name(path) == "Push" => accepted(message),
            None => return Err(Status::unimplemented(path.to_owned())),
        };
        written(&output, answer).map_err(Status::internal)
    }
}

/// `Attach` of `/rialto.v1.MessagingService/Attach`.
fn name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

/// What a message says, one by one. Frames that were pushed say under which number.
fn frames(call: &str, message: &Value) -> Vec<Value> {
    if !matches!(call, "Attach" | "Push") {
        return vec![message.clone()];
    }
    let mut frames = message.get("frames").and_then(Value::as_array).cloned().unwrap_or_default();
    if let Some(first) = message.get("first_seq").and_then(Value::as_u64) {
        for (number, frame) in (first..).zip(frames.iter_mut()) {
            if let Some(frame) = frame.as_object_mut() {
                frame.insert("push_seq".to_owned(), number.into());
            }
        }
    }
    frames
}

fn accepted(push: &Value) -> Value {
    let first = push.get("first_seq").and_then(Value::as_u64).unwrap_or_default();
    let count = push.get("frames").and_then(Value::as_array).map_or(0, Vec::len) as u64;
    serde_json::json!({"accepted_seq": (first + count).saturating_sub(1)})
}

/// What is to be sent: `message`, or `frames` with `first_seq`.
fn message(arguments: &Map<String, Value>) -> Value {
    if let Some(message) = arguments.get("message") {
        return message.clone();
    }
    let parts = ["first_seq", "frames", "raw"];
    let given = parts.iter().filter_map(|key| Some(((*key).to_owned(), arguments.get(*key)?.clone())));
    Value::Object(given.collect())
}

/// The same with a text of n letters for each `text_bytes = n`.
fn spelled_out(value: Value) -> Value {
    let spelled = |(key, value): (String, Value)| match (key.as_str(), value.as_u64()) {
        ("text_bytes", Some(bytes)) => {
            ("text".to_owned(), "x".repeat(usize::try_from(bytes).unwrap_or_default()).into())
        }
        _ => (key, spelled_out(value)),
    };
    match value {
        Value::Object(fields) => Value::Object(fields.into_iter().map(spelled).collect()),
        Value::Array(items) => Value::Array(items.into_iter().map(spelled_out).collect()),
        value => value,
    }
}

/// The status of a step, with the details that it names; `None` for an end without one.
fn status(arguments: &Map<String, Value>) -> Result<Option<Status>, String> {
    let text = |key: &str| arguments.get(key).and_then(Value::as_str);
    let Some(code) = text("status") else { return Ok(None) };
    let code = code_of(code).ok_or_else(|| format!("there is no status {code}"))?;
    let mut details = ErrorDetails::new();
    if let Some(reason) = text("reason") {
        details.set_error_info(reason, "rialto", []);
    }
    if let Some(wait) = arguments.get("retry_after_ms").and_then(Value::as_u64) {
        details.set_retry_info(Some(Duration::from_millis(wait)));
    }
    let says = text("says").unwrap_or("as the scenario says");
    let plain = text("reason").is_none() && !arguments.contains_key("retry_after_ms");
    Ok(Some(if plain { Status::new(code, says) } else { Status::with_error_details(code, says, details) }))
}

fn code_of(name: &str) -> Option<Code> {
    let all = (0..=16).map(Code::from_i32);
    all.into_iter().find(|code| {
        let words = format!("{code:?}");
        let shouted = words.chars().enumerate().fold(String::new(), |mut shouted, (at, letter)| {
            if at > 0 && letter.is_uppercase() {
                shouted.push('_');
            }
            shouted.push(letter.to_ascii_uppercase());
            shouted
        });
        shouted == name
    })
}
