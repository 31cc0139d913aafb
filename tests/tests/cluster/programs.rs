//! Programs that speak NATS and not Rialto: what they publish is said in rooms, and what is said in rooms they hear.

use std::{collections::BTreeSet, time::Duration};

use async_nats::{Client, HeaderMap, Request, RequestErrorKind, Subscriber};
use futures_util::{StreamExt, future::join_all, stream::FuturesUnordered};
use rialto_proto::v1::{Event, GetHistoryRequest, content::Body, get_history_request::Start};
use rialto_server::base::config::{Config, NamespaceConfig};
use rialto_tests::{
    cluster::Cluster,
    histories::{history, of, texts},
    nats::NatsServer,
    node::TestNode,
    talker::{emit_in, rooms},
    within,
};
use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};

/// Programs take part in `chat`, which keeps what is said, and in `news`, which does not; not in `closed`.
fn taking_part(config: &mut Config) {
    let mut news = NamespaceConfig::named("news");
    config.namespaces.iter_mut().chain([&mut news]).for_each(|namespace| {
        (namespace.settings.nats_in, namespace.settings.nats_out) = (true, true);
    });
    config.namespaces.extend([news, NamespaceConfig::named("closed")]);
}

/// Some nodes, and a program beside them.
struct Site {
    nats: NatsServer,
    nodes: Vec<TestNode>,
    program: Client,
}

impl Site {
    async fn of(count: usize) -> Self {
        let nats = NatsServer::start().await;
        let mut nodes = Vec::new();
        for _ in 0..count {
            nodes.push(Cluster::node(&nats, taking_part).await);
        }
        let program = connected(&nats).await;
        Self { nats, nodes, program }
    }

    /// What a program is answered.
    async fn ask(&self, place: &str, headers: &[(&str, &str)], payload: &[u8]) -> Value {
        self.ask_at(format!("rl.main.in.{place}"), headers, payload).await
    }

    /// What a program is answered that puts a job in.
    async fn enqueue(&self, queue: &str, headers: &[(&str, &str)], payload: &[u8]) -> Value {
        self.ask_at(format!("rl.main.enqueue.{queue}"), headers, payload).await
    }

    async fn ask_at(&self, subject: String, headers: &[(&str, &str)], payload: &[u8]) -> Value {
        let asked = self.program.request_with_headers(subject, header_map(headers), payload.to_vec().into());
        let answer = within("an answer", asked).await.expect("somebody answers");
        serde_json::from_slice(&answer.payload).expect("JSON")
    }

    /// A program that listens to rooms.
    async fn hearing(&self, place: &str) -> Subscriber {
        self.hearing_at(format!("rl.main.out.{place}")).await
    }

    async fn hearing_at(&self, subject: String) -> Subscriber {
        let heard = self.program.subscribe(subject).await.expect("it may");
        self.program.flush().await.expect("it is connected");
        heard
    }
}

async fn connected(nats: &NatsServer) -> Client {
    within("a connection", async_nats::connect(nats.url())).await.expect("it may")
}

fn header_map(headers: &[(&str, &str)]) -> HeaderMap {
    headers.iter().map(|(name, value)| (*name, *value)).fold(HeaderMap::new(), |mut map, (name, value)| {
        map.insert(name, value);
        map
    })
}

async fn hear(heard: &mut Subscriber) -> async_nats::Message {
    within("a message for a program", heard.next()).await.expect("it listens")
}

fn header(message: &async_nats::Message, name: &str) -> String {
    let value = message.headers.as_ref().and_then(|headers| headers.get(name));
    value.map(ToString::to_string).unwrap_or_default()
}

fn body(event: Event) -> Body {
    event.content.and_then(|content| content.body).expect("a body")
}

#[tokio::test]
async fn what_a_program_publishes_is_said_to_members_on_all_nodes_and_answered() {
    let site = Site::of(2).await;
    let mut ann = site.nodes[0].member("ann", "my room").await;
    let mut bob = site.nodes[1].member("bob", "my room").await;
    let headers = [("Rialto-Event", "order"), ("Content-Type", "application/json"), ("traceparent", "00-1")];
    let answer = site.ask("chat.my=20room", &headers, b"{\"id\":7}").await;
    for member in [&mut ann, &mut bob] {
        let event = member.expect_event("order").await;
        assert_eq!((event.rooms.as_slice(), event.offset), (["my room".to_owned()].as_slice(), Some(1)));
        assert_eq!(event.sender.clone().unwrap_or_default(), Default::default(), "nobody has sent it");
        let content = event.content.clone().unwrap();
        assert_eq!(
            (content.content_type.as_str(), content.headers["traceparent"].as_str()),
            ("application/json", "00-1")
        );
        let wanted = json!({
            "event_id": event.event_id, "durability": "FSYNC", "duplicate": false,
            "offset": 1, "epoch": event.epoch,
        });
        assert_eq!(answer, wanted);
        assert_eq!(body(event), Body::Text("{\"id\":7}".to_owned()));
    }
    // A name that nobody gave, and bytes that are no text.
    site.ask("chat.my=20room", &[], b"\xff").await;
    assert_eq!(body(ann.expect_event("message").await), Body::Binary(b"\xff".as_slice().into()));
}

#[tokio::test]
async fn whoever_waits_for_no_answer_may_just_publish() {
    let site = Site::of(1).await;
    let mut ann = site.nodes[0].member("ann", "general").await;
    site.program.publish("rl.main.in.chat.general", "hello".into()).await.unwrap();
    assert_eq!(ann.expect_text("message").await, "hello");
}

#[tokio::test]
async fn a_program_hears_what_is_said_in_rooms_that_keep_it_and_in_those_that_do_not() {
    let site = Site::of(2).await;
    let mut kept = site.hearing("chat.*").await;
    let mut unkept = site.hearing("news.a=2Eb").await;
    let mut ann = site.nodes[1].attach("ann").await;
    ann.enter("chat").await.unwrap();
    ann.enter("news").await.unwrap();

    let accepted = ann.emit("general", "message", "hello").await;
    let heard = hear(&mut kept).await;
    assert_eq!(
        (heard.subject.as_str(), heard.payload.as_ref()),
        ("rl.main.out.chat.general", b"hello".as_slice())
    );
    let of_ann = |heard: &async_nats::Message| {
        ["Rialto-Event", "Rialto-User", "Rialto-Session", "Rialto-Event-Id", "Nats-Msg-Id"]
            .map(|name| header(heard, name))
    };
    let (id, session) = (accepted.event_id.as_str(), ann.id());
    assert_eq!(of_ann(&heard), ["message", "ann", &session, id, id]);
    assert_eq!(
        [header(&heard, "Rialto-Offset"), header(&heard, "Rialto-Epoch")],
        ["1".to_owned(), accepted.epoch]
    );

    let accepted = ann.try_emit(emit_in("news", rooms(&["a.b"]), "moved", "here")).await.unwrap();
    let heard = hear(&mut unkept).await;
    assert_eq!(heard.payload, "here");
    assert_eq!(of_ann(&heard), ["moved", "ann", &session, &accepted.event_id, &accepted.event_id]);
    assert_eq!(header(&heard, "Rialto-Offset"), "");
}

/// What an event that one program has published looks like to another one: the same subject, payload and headers.
#[tokio::test]
async fn programs_hear_each_other_through_a_room_once_each() {
    let site = Site::of(3).await;
    let mut listeners = join_all((0..2).map(|_| site.hearing("chat.general"))).await;
    for number in 0..20 {
        let answer = site.ask("chat.general", &[], number.to_string().as_bytes()).await;
        assert_eq!(answer["offset"], number + 1);
    }
    for heard in &mut listeners {
        for number in 0..20 {
            assert_eq!(hear(heard).await.payload, number.to_string());
        }
    }
}

#[tokio::test]
async fn what_comes_again_under_the_same_id_is_said_once() {
    let site = Site::of(2).await;
    let mut ann = site.nodes[0].member("ann", "general").await;
    let first = site.ask("chat.general", &[("Nats-Msg-Id", "order-1")], b"one").await;
    let again = site.ask("chat.general", &[("Nats-Msg-Id", "order-1")], b"one").await;
    assert_eq!((&first["duplicate"], &again["duplicate"]), (&json!(false), &json!(true)));
    assert_eq!(first["event_id"], again["event_id"]);
    assert_eq!(ann.expect_text("message").await, "one");
    ann.expect_nothing().await;
    let other = site.ask("chat.general", &[("Nats-Msg-Id", "order-1")], b"two").await;
    assert_eq!(other["error"]["code"], "REF_REUSED", "{other}");
}

/// Where, headers, payload; the code and the field of the answer.
type Wrong<'w> = (&'w str, &'w [(&'w str, &'w str)], &'w [u8], &'w str, &'w str);

#[tokio::test]
async fn what_is_wrong_is_refused_with_its_reason() {
    let site = Site::of(1).await;
    let json = [("Content-Type", "application/json")];
    let (large, long) = (vec![b'x'; 65_537], "x".repeat(129));
    let wrong: [Wrong<'_>; 9] = [
        ("closed.general", &[], b"", "FORBIDDEN", ""),
        ("nowhere.general", &[], b"", "NAMESPACE_UNKNOWN", "namespace"),
        ("chat.a=2", &[], b"", "INVALID", "subject"),
        ("chat.=00", &[], b"", "NAME_INVALID", "target.rooms"),
        ("chat.general", &json, b"\xff", "INVALID", "payload"),
        ("chat.general", &[("Rialto-Delivery", "fast")], b"", "INVALID", "Rialto-Delivery"),
        ("chat.general", &[("Rialto-Evnt", "x")], b"", "INVALID", "headers"),
        ("chat.general", &[("Rialto-Event", &long)], b"", "NAME_INVALID", "content.event"),
        ("chat.general", &[], &large, "PAYLOAD_TOO_LARGE", ""),
    ];
    for (place, headers, payload, code, field) in wrong {
        let answer = site.ask(place, headers, payload).await;
        assert_eq!(answer["error"]["code"], code, "{place} {headers:?}: {answer}");
        assert!(answer["error"]["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{answer}");
        assert_eq!(answer["error"]["field"].as_str().unwrap_or_default(), field, "{answer}");
    }
    assert!(history(&site.nodes[0], of("chat", "general")).await.unwrap().events.is_empty());
}

#[tokio::test]
async fn programs_take_no_part_where_they_are_not_let() {
    let site = Site::of(1).await;
    let mut heard = site.hearing(">").await;
    let mut ann = site.nodes[0].attach("ann").await;
    ann.enter("closed").await.unwrap();
    ann.enter("news").await.unwrap();
    ann.try_emit(emit_in("closed", rooms(&["red"]), "message", "secret")).await.unwrap();
    ann.try_emit(emit_in("news", rooms(&["red"]), "message", "public")).await.unwrap();
    assert_eq!(hear(&mut heard).await.subject.as_str(), "rl.main.out.news.red");
}

/// Fewer than a room keeps, so that the first can be found there at the end.
const KEPT_MAX: u32 = 900;

/// Asks until it is answered, always under the same id.
async fn surely(program: Client, number: u32) {
    loop {
        let headers = header_map(&[("Nats-Msg-Id", &format!("order-{number}"))]);
        let request = Request::new().headers(headers).payload(number.to_string().into());
        let request = request.timeout(Some(Duration::from_secs(1)));
        match program.send_request("rl.main.in.chat.general", request).await {
            Ok(answer) => {
                let answer: Value = serde_json::from_slice(&answer.payload).expect("JSON");
                return assert!(answer["offset"].is_u64(), "{answer}");
            }
            Err(error) => assert_eq!(error.kind(), RequestErrorKind::TimedOut),
        }
    }
}

#[tokio::test]
async fn a_program_that_asks_again_under_the_same_id_loses_nothing_when_nodes_stop() {
    let Site { nats: _nats, mut nodes, program } = Site::of(3).await;
    let last = nodes.remove(2);
    let (stopped, goes_on) = watch::channel(false);
    let (begun, begins) = oneshot::channel();
    let publishing = async {
        let (mut count, mut begun, mut asked) = (0, Some(begun), FuturesUnordered::new());
        while !*goes_on.borrow() || !asked.is_empty() {
            while !*goes_on.borrow() && count < KEPT_MAX && asked.len() < 8 {
                asked.push(surely(program.clone(), count));
                count += 1;
            }
            match within("an answer", asked.next()).await {
                Some(()) => _ = begun.take().map(|begun| begun.send(())),
                // All that the room keeps has been said.
                None => break,
            }
        }
        count
    };
    let stopping = async {
        begins.await.expect("some are answered");
        for node in nodes {
            node.stop().await;
        }
        stopped.send_replace(true);
    };
    let (count, ()) = tokio::join!(publishing, stopping);
    let mut kept: Vec<u32> = all(&last).await.iter().map(|text| text.parse().unwrap()).collect();
    kept.sort_unstable();
    let (first, missing): (BTreeSet<u32>, BTreeSet<u32>) =
        (kept.iter().copied().collect(), (0..count).collect());
    let missing: Vec<_> = missing.difference(&first).collect();
    let twice: Vec<_> = kept.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(missing.is_empty() && twice.is_empty(), "of {count} missing: {missing:?}, twice: {twice:?}");
}

/// What the room keeps.
async fn all(node: &TestNode) -> Vec<String> {
    let (mut before, mut kept) = (None, Vec::new());
    loop {
        let start = before.map(Start::BeforeOffset);
        let request = GetHistoryRequest { start, page_size: Some(200), ..of("chat", "general") };
        let page = history(node, request).await.unwrap().events;
        kept.extend(texts(&page));
        before = page.iter().filter_map(|event| event.offset).min().filter(|first| *first > 1);
        if before.is_none() {
            return kept;
        }
    }
}

#[tokio::test]
async fn a_program_puts_jobs_in_and_hears_what_becomes_of_them() {
    let site = Site::of(2).await;
    let mut heard = site.hearing_at("rl.main.jobs.events.news.*".to_owned()).await;
    let headers = [("Nats-Msg-Id", "one"), ("Rialto-Type", "welcome"), ("tenant", "a")];
    let answer = site.enqueue("news.my=20mail", &headers, b"to ann").await;
    assert_eq!(answer, json!({ "job_id": "one", "duplicate": false, "durability": "FSYNC" }));
    let again = site.enqueue("news.my=20mail", &headers, b"to ann").await;
    assert_eq!(again["duplicate"], json!(true));
    let client = rialto_client::Client::new(site.nodes[1].url()).unwrap();
    let worker = client.worker("w").queue("news", "my mail");
    let work = worker.run(async |job| {
        assert_eq!((job.text(), job.kind()), (Ok("to ann"), "welcome"));
        Ok(rialto_client::Payload::from("sent"))
    });
    let told = async {
        loop {
            let message = hear(&mut heard).await;
            let job: Value = serde_json::from_slice(&message.payload).expect("JSON");
            if header(&message, "Rialto-Event") == "job.completed" {
                return (message.subject.to_string(), job);
            }
        }
    };
    let (subject, job) = tokio::select! {
        ended = work => panic!("the worker has ended: {ended:?}"),
        told = told => told,
    };
    assert_eq!(subject, "rl.main.jobs.events.news.my=20mail");
    assert_eq!((&job["jobId"], &job["attributes"]["tenant"]), (&json!("one"), &json!("a")));
    assert_eq!(job["result"]["text"], json!("sent"));
}

#[tokio::test]
async fn what_a_program_cannot_put_in_is_refused_with_its_reason() {
    let site = Site::of(1).await;
    let closed = site.enqueue("closed.mail", &[], b"x").await;
    assert_eq!(closed["error"]["code"], json!("FORBIDDEN"));
    let unknown = site.enqueue("nowhere.mail", &[], b"x").await;
    assert_eq!(unknown["error"]["code"], json!("NAMESPACE_UNKNOWN"));
    let header = site.enqueue("news.mail", &[("Rialto-Priority", "high")], b"x").await;
    assert_eq!(header["error"]["field"], json!("headers"));
    let priority = site.enqueue("news.mail", &[("Rialto-Priority", "99")], b"x").await;
    assert_eq!(priority["error"]["code"], json!("INVALID"));
}
