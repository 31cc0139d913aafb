//! Scenarios under load: members of a room say numbered messages, as many at once as a window allows, while nodes are lost and
//! come back. What they do and hear is recorded and judged by the checkers of all reliability tests.

use std::collections::BTreeMap;

use futures_util::{StreamExt, future::try_join_all, stream};
use rialto_tests::checks::{Done, Durability, Message, Position, Recorder, Room, Seen, check_all};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use crate::{driver::Driver, scene::Scene};

/// Messages of one member that wait for their answers at a time.
const AT_ONCE: usize = 16;
const NAMESPACE: &str = "chat";
const ROOM: &str = "hall";

/// How much is said, and what happens meanwhile.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Load {
    /// Members of the room.
    members: usize,
    /// What each of them says.
    messages: u64,
    /// What nodes do, one after the other, at equal distances.
    faults: Vec<String>,
}

/// One run.
struct Run<'a> {
    load: &'a Load,
    driver: &'a Driver,
    prefix: &'a str,
    recorder: Recorder,
    accepted: watch::Sender<u64>,
}

/// Plays it.
///
/// *Errors*: what the checkers found, or why there was no end.
pub(crate) async fn play(
    load: &Load,
    driver: &Driver,
    prefix: &str,
    scene: &mut Scene,
    shape: Option<&str>,
) -> Result<(), String> {
    // Nearly all must succeed: nothing is refused, and what is unknown is so because a node was lost.
    let enough = load.messages * load.members as u64 * 9 / 10;
    let run = Run { load, driver, prefix, recorder: Recorder::new(enough), accepted: watch::Sender::new(0) };
    run.begin_history(&scene.url(false)).await?;
    let names: Vec<String> = (0..load.members).map(|number| format!("member-{number}")).collect();
    for name in &names {
        run.join(name, &scene.url(false), shape).await?;
    }
    let speaking = try_join_all(names.iter().map(|name| run.speak(name)));
    let hearing = try_join_all(names.iter().map(|name| run.hear(name)));
    tokio::try_join!(speaking, hearing, run.break_things(scene))?;
    run.read_history(&names[0]).await?;
    let missed = names.iter().find_map(|name| driver.left(&run.name(name), "missed"));
    if let Some(missed) = missed {
        return Err(format!("something was missed: {missed}"));
    }
    let verdict = check_all(&run.recorder.run());
    if verdict.holds() { Ok(()) } else { Err(verdict.to_string()) }
}

impl Run<'_> {
    fn name(&self, of: &str) -> String {
        format!("{}{of}", self.prefix)
    }

    /// Tells the driver to do something. Its number.
    async fn begin(&self, by: &str, verb: &str, mut arguments: Value) -> Result<u64, String> {
        let mut command = Map::from_iter([("by".to_owned(), by.into()), ("do".to_owned(), verb.into())]);
        command.append(arguments.as_object_mut().unwrap_or(&mut Map::new()));
        self.driver.send(command).await
    }

    async fn does(&self, by: &str, verb: &str, arguments: Value) -> Result<Value, String> {
        let number = self.begin(by, verb, arguments).await?;
        let answer = self.driver.answer(number).await?;
        answer.get("done").cloned().ok_or_else(|| format!("{verb}: {answer}"))
    }

    /// Says one message before anybody comes, so that the history has begun and everybody knows which one it is.
    async fn begin_history(&self, url: &str) -> Result<(), String> {
        let (by, message) = (self.name("opener"), Message::new("opener", ROOM, 0));
        self.does(&by, "client", json!({"url": url})).await?;
        self.recorder.done(Done::Invoked { room: room(), message: message.clone() });
        let publish = json!({
            "namespace": NAMESPACE, "room": ROOM, "event": "said", "text": message.to_string(),
        });
        let done = self.does(&by, "publish", publish).await?;
        let (position, durability) = (position(&done), durability(&done));
        self.recorder.done(Done::Accepted { message, position, durability });
        Ok(())
    }

    async fn join(&self, name: &str, url: &str, shape: Option<&str>) -> Result<(), String> {
        let by = self.name(name);
        let mut connect = json!({"url": url, "user": name, "deadline_ms": 60_000});
        if let Some(shape) = shape {
            connect["shape"] = shape.into();
        }
        self.does(&by, "connect", connect).await?;
        let heard = json!({"as": self.name(&heard(name)), "namespace": NAMESPACE, "room": ROOM, "event": ""});
        self.does(&by, "listen", heard).await?;
        let joined = self.does(&by, "join", json!({"namespace": NAMESPACE, "room": ROOM})).await?;
        self.recorder.hears_not_itself(name, name);
        let at = Some(position(&joined).unwrap_or_else(|| Position::new("", 0)));
        self.recorder.seen(name, Seen::Joined { room: room(), at, recovers: None });
        Ok(())
    }

    /// Says all messages of a member, in their order.
    async fn speak(&self, name: &str) -> Result<(), String> {
        let saying = stream::iter(0..self.load.messages).map(|number| self.say(name, number));
        saying.buffered(AT_ONCE).collect::<Vec<_>>().await.into_iter().collect()
    }

    async fn say(&self, name: &str, number: u64) -> Result<(), String> {
        let message = Message::new(name, ROOM, number);
        self.recorder.done(Done::Invoked { room: room(), message: message.clone() });
        let emit = json!({
            "namespace": NAMESPACE, "room": ROOM, "event": "said", "text": message.to_string(),
            "deadline_ms": 60_000,
        });
        let command = self.begin(&self.name(name), "emit", emit).await?;
        let answer = self.driver.answer_within(command).await?;
        let done = match (answer.get("done"), answer["failed"]["kind"].as_str()) {
            (Some(done), _) => {
                self.accepted.send_modify(|accepted| *accepted += 1);
                Done::Accepted { message, position: position(done), durability: durability(done) }
            }
            (None, Some("refused")) => return Err(format!("{name} was refused: {answer}")),
            _ => Done::Unknown { message },
        };
        self.recorder.done(done);
        Ok(())
    }

    /// Hears until the last message of each of the others has come.
    async fn hear(&self, name: &str) -> Result<(), String> {
        let mut left: BTreeMap<String, ()> = (0..self.load.members)
            .map(|number| (format!("member-{number}"), ()))
            .filter(|(other, ())| other != name)
            .collect();
        while !left.is_empty() {
            let event = self.driver.report_within(&self.name(&heard(name)), "event").await?;
            let message = Message::read(event["text"].as_str().unwrap_or_default());
            if message.n + 1 == self.load.messages {
                left.remove(&*message.sender);
            }
            self.recorder.seen(name, Seen::Event { room: room(), position: position(&event), message });
        }
        Ok(())
    }

    /// Has nodes do what they do, each when so much more was taken.
    async fn break_things(&self, scene: &mut Scene) -> Result<(), String> {
        let all = self.load.messages * self.load.members as u64;
        let parts = self.load.faults.len() as u64 + 1;
        for (fault, part) in self.load.faults.iter().zip(1..) {
            let mut accepted = self.accepted.subscribe();
            let enough = accepted.wait_for(|accepted| *accepted >= all * part / parts);
            enough.await.map_err(|error| error.to_string())?;
            scene.node_does(fault).await?;
            scene.network("heal")?;
        }
        Ok(())
    }

    /// Reads what the room has kept, which is the same for everybody.
    async fn read_history(&self, name: &str) -> Result<(), String> {
        let read = json!({"namespace": NAMESPACE, "room": ROOM, "from": 0, "page_size": 300});
        let read = self.does(&self.name(name), "history", read).await?;
        let kept = read["events"].as_array().cloned().unwrap_or_default();
        let entry = |event: &Value| {
            let message = Message::read(event["text"].as_str().unwrap_or_default());
            Some((event["offset"].as_u64()?, message))
        };
        let epoch =
            kept.first().and_then(position).map(|position| position.epoch).unwrap_or_else(|| "".into());
        let events = kept.iter().filter_map(entry).collect();
        self.recorder.seen(name, Seen::HistoryRead { room: room(), epoch, first_offset: 1, events });
        Ok(())
    }
}

/// Name of what a member hears.
fn heard(name: &str) -> String {
    format!("{name}-heard")
}

fn room() -> Room {
    Room::new(NAMESPACE, ROOM)
}

fn position(of: &Value) -> Option<Position> {
    Some(Position::new(of["epoch"].as_str()?, of["offset"].as_u64()?))
}

fn durability(of: &Value) -> Durability {
    match of["durability"].as_str() {
        Some("fsync") => Durability::Fsync,
        Some("replicated") => Durability::Replicated,
        _ => Durability::Memory,
    }
}
