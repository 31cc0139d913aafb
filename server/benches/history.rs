//! What histories cost on a real disk: taking events with group commit, reading the newest of a room with a million
//! stored, and starting. `cargo bench -p rialto-server --bench history [-- <folder>]`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "this measures and prints")]

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use rialto_proto::v1::{Content, Event, Sender, content};
use rialto_server::{
    base::{
        clock,
        config::{HistoryKind, NamespaceSettings},
        ids::RoomName,
    },
    history::{Draft, Histories, Outcome, Tuning},
    log::{
        Log,
        local::{LocalLog, LocalOptions},
    },
    wire::Class,
};

const ROOMS: u64 = 1_000;
const EVENTS: u64 = 1_000_000;
const WRITERS: u64 = 2;
const PAYLOAD_BYTES: usize = 128;
const READS: usize = 20_000;

fn settings() -> Arc<NamespaceSettings> {
    Arc::new(NamespaceSettings {
        history: HistoryKind::Durable,
        history_events_max: 1_000_000,
        history_bytes_max: 1 << 30,
        ..NamespaceSettings::default()
    })
}

fn open(folder: &Path) -> (Arc<dyn Log>, Histories) {
    let log: Arc<dyn Log> = Arc::new(LocalLog::open(folder, &LocalOptions::default()).unwrap());
    let settings = settings();
    let settings = Arc::new(move |_: &str| Some(Arc::clone(&settings)));
    let histories = Histories::open(Some(Arc::clone(&log)), settings, clock::wall(), Tuning::default());
    (log, histories.unwrap())
}

fn room(number: u64) -> RoomName {
    format!("room-{number}").parse().unwrap()
}

fn event(number: u64) -> Event {
    Event {
        namespace: "bench".to_owned(),
        event_id: format!("00000000{number:013}"),
        content: Some(Content {
            event: "message".to_owned(),
            body: Some(content::Body::Text("x".repeat(PAYLOAD_BYTES))),
            ..Content::default()
        }),
        sender: Some(Sender { session: "00000000-0000000000000".to_owned(), user: "alice".to_owned() }),
        sent_at: Some(clock::wall().into()),
        ..Event::default()
    }
}

/// Takes a share of the events, as fast as the log takes them, and shows each when it is durable.
fn write(log: &Arc<dyn Log>, histories: &Histories, writer: u64) -> u64 {
    let (settings, progress) = (settings(), log.progress());
    let (mut waiting, mut busy) = (VecDeque::new(), 0);
    let rooms: Vec<RoomName> = (0..ROOMS).filter(|number| number % WRITERS == writer).map(room).collect();
    for number in (writer..EVENTS).step_by(WRITERS as usize) {
        let place = (number / WRITERS) as usize % rooms.len();
        loop {
            let outcome = histories.stage(Draft {
                namespace: "bench",
                settings: &settings,
                rooms: &rooms[place..=place],
                event: event(number),
                class: Class::Reliable,
                excluded: None,
                idempotency: None,
                now: clock::wall(),
            });
            match outcome {
                Ok(Outcome::Staged(staged)) => {
                    waiting.push_back(staged);
                    break;
                }
                Ok(Outcome::Seen(_)) => panic!("no key was given"),
                Err(_) => {
                    busy += 1;
                    thread::sleep(Duration::from_micros(200));
                }
            }
        }
        let durable = progress.borrow().durable;
        while let Some(staged) = waiting.pop_front_if(|staged| staged.position < Some(durable)) {
            histories.publish(&staged);
        }
    }
    log.flush().unwrap();
    waiting.iter().for_each(|staged| histories.publish(staged));
    busy
}

fn newest(histories: &Histories, name: &str, reads: usize) -> String {
    let mut took: Vec<Duration> = (0..reads)
        .map(|read| {
            let room = format!("room-{}", read as u64 * 7_919 % ROOMS);
            let start = clock::now();
            let page = histories.read_back(("bench", &room), None, None, (50, 1 << 20)).unwrap();
            assert_eq!(page.events.len(), 50, "{name}");
            start.elapsed()
        })
        .collect();
    took.sort_unstable();
    let at = |part: f64| took[((took.len() - 1) as f64 * part) as usize];
    format!("{name}: p50 {:?}, p99 {:?}, most {:?}", at(0.5), at(0.99), at(1.0))
}

fn main() {
    let given = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let folder = given.map_or_else(|| std::env::temp_dir().join("rialto-history-bench"), PathBuf::from);
    std::fs::remove_dir_all(&folder).ok();
    let (log, histories) = open(&folder);
    let start = clock::now();
    let busy: u64 = thread::scope(|scope| {
        let write = |writer| {
            scope.spawn({
                let (log, histories) = (&log, &histories);
                move || write(log, histories, writer)
            })
        };
        let writers: Vec<_> = (0..WRITERS).map(write).collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).sum()
    });
    let took = start.elapsed();
    let per_second = EVENTS as f64 / took.as_secs_f64();
    println!(
        "take, make durable and show {EVENTS} events of {PAYLOAD_BYTES} bytes in {ROOMS} rooms by {WRITERS} threads:"
    );
    println!(
        "  {took:?}, {per_second:.0} events/s, the log was busy {busy} times, {} MiB",
        log.bytes() >> 20
    );
    println!("{}", newest(&histories, "newest 50 of a room, at hand", READS));
    let start = clock::now();
    histories.maintain().unwrap();
    println!("snapshot: {:?}", start.elapsed());
    drop((log, histories));
    let start = clock::now();
    let (log, histories) = open(&folder);
    println!("start: {:?}", start.elapsed());
    println!("{}", newest(&histories, "newest 50 of a room, first time after the start", ROOMS as usize));
    println!("{}", newest(&histories, "newest 50 of a room, again", READS));
    drop((log, histories));
    std::fs::remove_dir_all(&folder).unwrap();
}
