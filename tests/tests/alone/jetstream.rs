//! The log in a stream of JetStream, over a real nats-server: what it has taken is there for whoever takes it over, and
//! nobody writes beside its owner.

use bytes::Bytes;
use rialto_proto::v1::Durability;
use rialto_server::{
    base::config::ClusterConfig,
    base::tasks::Tasks,
    bridge::NatsLink,
    log::{Claimed, Log, LogError, Logs, Position, jetstream::Streams},
};
use rialto_tests::nats::NatsServer;
use tokio::task::spawn_blocking;

async fn streams(nats: &NatsServer) -> Streams {
    let link = NatsLink::connect(&ClusterConfig { nats: nats.url(), ..ClusterConfig::default() }, 1024)
        .await
        .expect("a connection");
    Streams::new(link.client(), "main", 1, Durability::Fsync).await.expect("JetStream")
}

/// A log that is written.
struct Owner {
    log: std::sync::Arc<dyn Log>,
    before: Position,
}

async fn claim(nats: &NatsServer) -> Owner {
    let Claimed { log, writer, before } = streams(nats).await.claim("rooms-0").await.expect("it is claimed");
    Tasks::default().spawn("log", writer);
    Owner { log, before }
}

impl Owner {
    /// Does what may wait for the network.
    async fn wait<T: Send + 'static>(&self, work: impl FnOnce(&dyn Log) -> T + Send + 'static) -> T {
        let log = std::sync::Arc::clone(&self.log);
        spawn_blocking(move || work(&*log)).await.expect("it ends")
    }

    async fn records(&self, from: Position) -> Result<Vec<(Position, Bytes)>, LogError> {
        self.wait(move |log| {
            let mut records = Vec::new();
            log.replay(from, &mut |at, record| {
                records.push((at, record));
                true
            })?;
            Ok(records)
        })
        .await
    }

    async fn append(&self, records: &[&str]) -> Vec<Position> {
        let at = records.iter().map(|record| self.log.append(record.as_bytes()).expect("it is taken"));
        let at = at.collect();
        self.wait(|log| log.flush()).await.expect("it becomes durable");
        at
    }

    async fn snapshot(&self, at: Position, chunks: &'static [&'static str]) {
        let taken = self.wait(move |log| {
            log.snapshot(at, &mut chunks.iter().map(|chunk| Bytes::from_static(chunk.as_bytes())))
        });
        taken.await.expect("a snapshot is taken");
    }

    async fn last_snapshot(&self) -> (Option<Position>, Vec<Bytes>) {
        self.wait(|log| {
            let mut chunks = Vec::new();
            let at = log.last_snapshot(&mut |chunk| chunks.push(chunk));
            (at.expect("it is read"), chunks)
        })
        .await
    }
}

#[tokio::test]
async fn what_was_appended_is_read_where_it_is_and_shown_in_its_order() {
    let nats = NatsServer::start().await;
    let owner = claim(&nats).await;
    let long = "x".repeat(300 << 10);
    let texts = ["", "one", &long, "two", "three"];
    let at = owner.append(&texts).await;
    assert!(at.windows(2).all(|pair| pair[0] < pair[1]));
    for (at, text) in at.iter().zip(texts) {
        let at = *at;
        assert_eq!(owner.wait(move |log| log.read(at)).await.unwrap(), text);
    }
    let shown = owner.records(at[1]).await.unwrap();
    assert_eq!(
        shown,
        at[1..]
            .iter()
            .copied()
            .zip(texts[1..].iter().map(|text| Bytes::from(text.to_string())))
            .collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn whoever_takes_a_log_over_finds_everything_and_the_former_owner_writes_nothing_more() {
    let nats = NatsServer::start().await;
    let first = claim(&nats).await;
    let at = first.append(&["1", "2"]).await;
    let second = claim(&nats).await;
    assert_eq!(second.before, first.log.bounds().1);
    // It does not know yet, so it takes it, and finds out.
    first.log.append(b"3").unwrap();
    let failed = first.wait(|log| log.flush()).await.unwrap_err();
    assert!(matches!(&failed, LogError::Failed(what) if what.contains("another node")), "{failed}");
    assert_eq!(first.log.append(b"4"), Err(failed));
    let after = second.append(&["5"]).await;
    let shown = second.records(Position(0)).await.unwrap();
    assert_eq!(shown, [(at[0], "1".into()), (at[1], "2".into()), (after[0], "5".into())]);
}

#[tokio::test]
async fn a_snapshot_is_there_for_the_next_owner_and_what_was_before_it_can_go() {
    let nats = NatsServer::start().await;
    let first = claim(&nats).await;
    first.append(&["1"]).await;
    let at = first.append(&["2", "3"]).await[0];
    assert_eq!(first.last_snapshot().await, (None, Vec::new()));
    first.snapshot(at, &["a", "", "b"]).await;
    first.snapshot(at, &["c", "d"]).await;
    first.wait(move |log| log.truncate(at)).await.unwrap();
    first.append(&["4"]).await;
    let second = claim(&nats).await;
    assert_eq!(second.last_snapshot().await, (Some(at), vec!["c".into(), "d".into()]));
    let shown = second.records(Position(0)).await.unwrap();
    let texts: Vec<&[u8]> = shown.iter().map(|(_, record)| &record[..]).collect();
    assert_eq!((shown[0].0, texts), (at, vec![&b"2"[..], b"3", b"4"]));
    assert_eq!(second.wait(|log| log.read(Position(1 << 16))).await, Err(LogError::Gone(Position(1 << 16))));
}

#[tokio::test]
async fn what_is_on_its_way_while_the_server_is_away_is_written_when_it_is_back_and_once() {
    let mut nats = NatsServer::start().await;
    let owner = claim(&nats).await;
    owner.append(&["0"]).await;
    for round in 1..=3 {
        let log = std::sync::Arc::clone(&owner.log);
        let text = round.to_string();
        for _ in 0..100 {
            log.append(text.as_bytes()).unwrap();
        }
        nats.kill().await;
        nats.again().await;
        owner.wait(|log| log.flush()).await.expect("it becomes durable");
    }
    let shown = owner.records(Position(0)).await.unwrap();
    let texts: Vec<&[u8]> = shown.iter().map(|(_, record)| &record[..]).collect();
    let expected: Vec<String> =
        std::iter::once(0).chain((1..=3).flat_map(|round| [round; 100])).map(|n| n.to_string()).collect();
    assert_eq!(texts, expected.iter().map(String::as_bytes).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_stream_that_is_gone_is_noticed_and_nothing_is_taken_as_if_it_were_there() {
    let mut nats = NatsServer::start().await;
    let owner = claim(&nats).await;
    owner.append(&["1", "2"]).await;
    let end = owner.log.bounds().1;
    nats.kill().await;
    nats.forget();
    nats.again().await;
    let next = claim(&nats).await;
    assert!(next.before < end, "it says where it had ended");
    owner.log.append(b"3").unwrap();
    assert!(owner.wait(|log| log.flush()).await.is_err());
}
