//! A disk whose power is cut a hundred times while durable events are published: what a node had acknowledged or handed
//! out before the cut is there afterwards, at its place, and no place is taken twice.

use std::{collections::HashMap, path::PathBuf, time::Duration};

use rand::RngExt;
use rialto_proto::v1::{GetHistoryRequest, GetHistoryResponse, PublishRequest};
use rialto_tests::{
    checks::{Done, Message, Position, Recorder, Room, Run, Seen, Stamped},
    node::TestNode,
    reliability::{Client, PoweredDisk, Seed, pass_over, said},
    talker::{content, rooms},
    within,
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, timeout},
};

const CUTS: usize = 100;
/// From one cut to the next, at most.
const BETWEEN_MS_MAX: u64 = 40;
const SENDERS: usize = 3;
/// Emits of one sender that wait for answers.
const UNANSWERED_MAX: usize = 8;
/// Events that a room keeps, and one page of them.
const KEPT: u32 = 200;
/// Events that fill segments, so that new ones are begun: bytes of each.
const FILLING_BYTES: usize = 60_000;
/// Acknowledged messages below which the run says nothing.
const SUCCESSES_MIN: usize = 1_000;

fn places() -> Vec<Room> {
    ["one", "two", "three"].map(|name| Room::new("chat", name)).into()
}

async fn node_on(folder: PathBuf) -> TestNode {
    TestNode::keeping_with(&folder, |config| {
        for namespace in &mut config.namespaces {
            namespace.settings.history_events_max = KEPT;
        }
    })
    .await
}

async fn speak(mut client: Client, over: watch::Receiver<bool>) {
    let rooms = places();
    client.connect().await.unwrap();
    for n in 0_usize.. {
        if *over.borrow() {
            break;
        }
        client.say(&rooms[n % rooms.len()]);
        while client.unanswered() >= UNANSWERED_MAX {
            within("answers", client.turn()).await.unwrap();
        }
    }
    within("answers", client.settle()).await.unwrap();
}

async fn hear(mut client: Client, mut over: watch::Receiver<bool>, ready: watch::Sender<bool>) {
    client.connect().await.unwrap();
    client.catch_up().await.unwrap();
    ready.send_replace(true);
    loop {
        tokio::select! {
            turned = client.turn() => turned.unwrap(),
            () = async { drop(over.wait_for(|over| *over).await) } => return,
        }
    }
}

/// Fills segments of the log, so that cuts meet the beginning of new ones.
async fn fill(node_url: String, over: watch::Receiver<bool>) {
    let mut stub =
        rialto_proto::v1::messaging_service_client::MessagingServiceClient::connect(node_url).await.unwrap();
    let text = "x".repeat(FILLING_BYTES);
    while !*over.borrow() {
        let request = PublishRequest {
            namespace: "chat".to_owned(),
            target: Some(rooms(&["filling"])),
            content: Some(content("message", &text)),
            ..PublishRequest::default()
        };
        within("an answer", stub.publish(request)).await.unwrap();
    }
}

/// What is known of every place, and since when.
struct Known {
    places: HashMap<(Room, u64), (Message, u64)>,
    /// For each room, offset and since when, by time.
    epochs: HashMap<Room, std::sync::Arc<str>>,
    cuts: Vec<u64>,
}

impl Known {
    fn of(run: &Run) -> Self {
        let mut known = Self { places: HashMap::new(), epochs: HashMap::new(), cuts: Vec::new() };
        let mut rooms = HashMap::new();
        for Stamped { at, what } in &run.done {
            match what {
                Done::Invoked { room, message } => drop(rooms.insert(message.clone(), room.clone())),
                Done::Accepted { message, position, .. } => {
                    known.note(&rooms[message], position.as_ref(), message, *at);
                }
                Done::Crashed => known.cuts.push(*at),
                other => panic!("{other:?}"),
            }
        }
        for Stamped { at, what } in run.receivers.values().flat_map(|receiver| &receiver.seen) {
            match what {
                Seen::Event { room, position, message } => known.note(room, position.as_ref(), message, *at),
                Seen::Joined { .. } | Seen::Reset { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        known
    }

    fn note(&mut self, room: &Room, position: Option<&Position>, message: &Message, at: u64) {
        let Position { epoch, offset } = position.expect("every room keeps a history");
        let place = self.places.entry((room.clone(), *offset)).or_insert_with(|| (message.clone(), at));
        assert_eq!(place.0, *message, "two events at {room} {offset}");
        place.1 = at.min(place.1);
        let known = self.epochs.entry(room.clone()).or_insert_with(|| epoch.clone());
        assert_eq!(known, epoch, "{room}");
    }

    /// What of `room` was acknowledged or handed out before `cut`, from `first` on.
    fn before<'a>(
        &'a self,
        room: &'a Room,
        cut: u64,
        first: u64,
    ) -> impl Iterator<Item = (u64, &'a Message)> {
        let in_room = move |((of, offset), (message, at)): (&'a (Room, u64), &'a (Message, u64))| {
            (of == room && *at < cut && *offset >= first).then_some((*offset, message))
        };
        self.places.iter().filter_map(in_room)
    }

    /// Compares what is there after a cut with what was known before it. Returns how many places were known.
    fn compare(&self, room: &Room, number: usize, page: &GetHistoryResponse) -> usize {
        let cut = self.cuts[number];
        let there: HashMap<u64, Message> =
            page.events.iter().map(|event| (event.offset.unwrap(), said(event))).collect();
        let first = page.events.first().map_or(page.next_offset, |event| event.offset.unwrap());
        assert!(page.events.len() < KEPT as usize || first > 0);
        let mut count = 0;
        for (offset, message) in self.before(room, cut, first) {
            count += 1;
            assert_eq!(
                there.get(&offset),
                Some(message),
                "cut {number}: {room} {offset} was acknowledged or seen; next {}",
                page.next_offset
            );
        }
        let last = self.before(room, cut, 0).map(|(offset, _)| offset).max().unwrap_or_default();
        assert!(
            page.next_offset > last,
            "cut {number}: {room} has {last}, and the next is {}",
            page.next_offset
        );
        for (offset, message) in &there {
            let known = self.places.get(&(room.clone(), *offset));
            assert!(
                known.is_none_or(|(known, _)| known == message),
                "cut {number}: {room} {offset} is {message}"
            );
        }
        if last > 0 {
            assert_eq!(*page.epoch, *self.epochs[room], "cut {number}: {room}");
        }
        count
    }
}

/// The newest events of a room, as many as it keeps.
async fn newest(node: &TestNode, room: &Room) -> GetHistoryResponse {
    let request = GetHistoryRequest {
        namespace: room.namespace.to_string(),
        room: room.name.to_string(),
        page_size: Some(KEPT),
        ..GetHistoryRequest::default()
    };
    within("a page", node.rooms().await.get_history(request)).await.unwrap().into_inner()
}

/// Takes up what a cut has left, compares, and goes on from there.
async fn verify(disk: &PoweredDisk, known: &Known, number: usize, image: &PathBuf) -> usize {
    let restored = disk.restored(image).unwrap_or_else(|missing| panic!("cut {number}: {missing:?}"));
    let node = node_on(restored.path().join("data")).await;
    let mut count = 0;
    for room in places() {
        let page = newest(&node, &room).await;
        count += known.compare(&room, number, &page);
        let request = PublishRequest {
            namespace: room.namespace.to_string(),
            target: Some(rooms(&[&room.name])),
            content: Some(content("message", "after")),
            ..PublishRequest::default()
        };
        let published = within("an answer", async { node.messaging().await.publish(request).await }).await;
        let offset = published.unwrap().into_inner().accepted.unwrap().offset;
        assert_eq!(offset, Some(page.next_offset), "cut {number}: {room}");
    }
    node.stop().await;
    drop(restored);
    std::fs::remove_file(image).unwrap();
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_or_seen_is_there_after_a_hundred_power_cuts() {
    let disk = match PoweredDisk::make() {
        Ok(disk) => disk,
        Err(missing) => return pass_over("a disk whose power is cut", &missing),
    };
    let mut rng = Seed::of("power").rng(0);
    let node = node_on(disk.path().join("data")).await;
    let recorder = Recorder::new(0);
    let (over, told) = watch::channel(false);
    let (ready, mut is_ready) = watch::channel(false);
    let mut tasks = JoinSet::new();
    tasks.spawn(hear(Client::new("receiver", &node.url(), &recorder, &places()), told.clone(), ready));
    within("the receiver", is_ready.wait_for(|ready| *ready)).await.unwrap();
    for number in 0..SENDERS {
        let client = Client::new(&format!("sender{number}"), &node.url(), &recorder, &[]).speaking(&places());
        tasks.spawn(speak(client, told.clone()));
    }
    tasks.spawn(fill(node.url(), told));

    let mut images = Vec::new();
    for number in 0..CUTS {
        let pause = Duration::from_millis(rng.random_range(0..=BETWEEN_MS_MAX));
        drop(timeout(pause, std::future::pending::<()>()).await);
        // What was acknowledged before this stands before the cut.
        recorder.done(Done::Crashed);
        images.push(disk.cut(number).unwrap_or_else(|missing| panic!("cut {number}: {missing:?}")));
    }
    over.send_replace(true);
    while let Some(ended) = within("the end of all", tasks.join_next()).await {
        ended.unwrap();
    }
    node.stop().await;

    let known = Known::of(&recorder.run());
    assert!(known.places.len() >= SUCCESSES_MIN, "inconclusive: only {} events", known.places.len());
    let (began, mut compared) = (Instant::now(), 0);
    for (number, image) in images.iter().enumerate() {
        compared += verify(&disk, &known, number, image).await;
    }
    println!(
        "power: {CUTS} cuts over {} events, {compared} places compared in {:?}",
        known.places.len(),
        began.elapsed()
    );
}
