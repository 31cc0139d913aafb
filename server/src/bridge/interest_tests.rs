//! Where a node listens, over a link that does as it is told.

#![allow(clippy::unwrap_used, reason = "this is test code")]

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio_stream::wrappers::ReceiverStream;

use super::*;
use crate::{base::hash::HashMap, bridge::LinkState};

/// A link that listens, or does not, as it is told, and over which comes what is said in the test.
#[derive(Debug)]
struct Scripted {
    listens: Result<(), LinkError>,
    said: Mutex<HashMap<String, mpsc::Sender<(String, Bytes)>>>,
}

impl Scripted {
    fn new(listens: Result<(), LinkError>) -> Arc<Self> {
        Arc::new(Self { listens, said: Mutex::default() })
    }

    fn hears(&self, subject: String) -> Result<BoxStream<'static, (String, Bytes)>, LinkError> {
        self.listens.clone()?;
        let (says, hears) = mpsc::channel(10);
        self.said.lock().insert(subject, says);
        Ok(ReceiverStream::new(hears).boxed())
    }

    /// Something comes to who listens to `listening`.
    fn say(&self, listening: &str, subject: &str, message: &'static str) {
        let said = self.said.lock();
        said[listening].try_send((subject.to_owned(), Bytes::from_static(message.as_bytes()))).unwrap();
    }
}

impl Link for Scripted {
    fn publish(&self, _: String, _: Bytes) -> BoxFuture<'_, Result<(), LinkError>> {
        async { Ok(()) }.boxed()
    }

    fn listen(&self, subject: String) -> BoxFuture<'_, Result<BoxStream<'static, Bytes>, LinkError>> {
        async { Ok(self.hears(subject)?.map(|(_, message)| message).boxed()) }.boxed()
    }

    fn listen_all(
        &self,
        subject: String,
    ) -> BoxFuture<'_, Result<BoxStream<'static, (String, Bytes)>, LinkError>> {
        async { self.hears(subject) }.boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), LinkError>> {
        async { Ok(()) }.boxed()
    }

    fn state(&self) -> watch::Receiver<LinkState> {
        watch::channel(LinkState::default()).1
    }
}

fn interest(listens: Result<(), LinkError>) -> (Arc<Interest>, mpsc::Receiver<Listening>) {
    let (listenings, begun) = mpsc::channel(10);
    (Arc::new(Interest::new(("main", 1_000_000), Scripted::new(listens), listenings)), begun)
}

fn room(number: u32) -> Place {
    Place::room("chat", &number.to_string())
}

#[tokio::test]
async fn a_place_is_listened_to_until_nobody_has_been_there_for_some_time() {
    let ((interest, mut begun), now) = (interest(Ok(())), clock::now());
    let (new, pin) = interest.pin(vec![room(1)], now).unwrap();
    let (again, other) = interest.pin(vec![room(1)], now).unwrap();
    assert_eq!((new.as_slice(), again.len(), pin.state()), (&[room(1)][..], 0, None));
    Arc::clone(&interest).open(room(1)).await;
    assert_eq!((pin.state(), other.ready().await), (Some(Ok(())), Ok(())));
    let mut listening = begun.recv().await.unwrap();

    let empty = |_: &Place| true;
    let later = |seconds| now + Duration::from_secs(seconds);
    assert_eq!(interest.sweep(later(100), empty), [], "it is pinned");
    drop((pin, other));
    assert_eq!(interest.sweep(later(101), empty), []);
    assert_eq!(interest.sweep(later(103), |_| false), [], "somebody has come");
    assert_eq!(interest.sweep(later(104), empty), []);
    assert_eq!(interest.sweep(later(108), empty), []);
    assert_eq!(interest.sweep(later(109), empty), [room(1)]);
    assert!(listening.next().await.is_none() && interest.all().is_empty());
}

#[tokio::test]
async fn a_place_that_could_not_be_listened_to_is_tried_again_by_who_comes_next() {
    let away = Err(LinkError::Away("away".to_owned()));
    let ((interest, _begun), now) = (interest(away.clone()), clock::now());
    let (_, pin) = interest.pin(vec![room(1), room(2)], now).unwrap();
    let (waits, ()) = tokio::join!(pin.ready(), Arc::clone(&interest).open(room(1)));
    assert_eq!(waits, away);
    assert_eq!(interest.pin(vec![room(1), room(2)], now).unwrap().0, [room(1)]);
}

#[tokio::test]
async fn only_so_many_new_places_are_listened_to_in_a_second() {
    let ((interest, _begun), now) = (interest(Ok(())), clock::now());
    let all = (0..LISTENS_PER_SECOND).map(room).collect();
    let (new, pin) = interest.pin(all, now).unwrap();
    assert_eq!(new.len(), LISTENS_PER_SECOND as usize);
    let second = Duration::from_secs(1);
    assert_eq!(interest.pin(vec![room(LISTENS_PER_SECOND)], now).unwrap_err(), second / LISTENS_PER_SECOND);
    assert!(interest.pin(vec![room(0)], now).unwrap().0.is_empty(), "it is known");
    assert_eq!(interest.pin(vec![room(LISTENS_PER_SECOND)], now + second).unwrap().0.len(), 1);
    drop(pin);
}

/// Rooms of one partition.
fn neighbours() -> [Place; 3] {
    let partition = room(0).partition();
    let mut rooms = (0..).map(room).filter(|place| place.partition() == partition);
    std::array::from_fn(|_| rooms.next().unwrap())
}

#[tokio::test]
async fn rooms_beyond_the_bound_are_heard_with_their_partition_and_what_came_before_is_not_lost() {
    let (listenings, mut begun) = mpsc::channel(10);
    let link = Scripted::new(Ok(()));
    let interest = Arc::new(Interest::new(("main", 1), Arc::clone(&link) as Arc<dyn Link>, listenings));
    let [one, two, three] = neighbours();
    let subject = |place: &Place| place.subject("main");
    let all = all_of("main", one.partition().unwrap());
    let (_, pin) = interest.pin(vec![one.clone(), two.clone(), three.clone()], clock::now()).unwrap();

    Arc::clone(&interest).open(one.clone()).await;
    let mut single = begun.recv().await.unwrap();
    link.say(&subject(&one), &subject(&one), "before");
    assert_eq!(interest.partitions(), 0);
    Arc::clone(&interest).open(two.clone()).await;
    assert_eq!(interest.partitions(), 1);
    assert_eq!(single.next().await.unwrap(), (one.clone(), Bytes::from_static(b"before")));
    assert!(single.next().await.is_none(), "it is not heard twice for ever");

    let (mut second, mut whole) = (begun.recv().await.unwrap(), begun.recv().await.unwrap());
    assert!(second.next().await.is_none());
    // The third is not heard before it is opened, and then at once.
    link.say(&all, &subject(&three), "too early");
    link.say(&all, &subject(&two), "two");
    assert_eq!(whole.next().await.unwrap(), (two.clone(), Bytes::from_static(b"two")));
    Arc::clone(&interest).open(three.clone()).await;
    link.say(&all, &subject(&three), "three");
    assert_eq!(whole.next().await.unwrap().0, three);

    drop(pin);
    let later = |seconds| clock::now() + Duration::from_secs(seconds);
    interest.sweep(later(1), |place| *place != two);
    assert_eq!(interest.sweep(later(9), |place| *place != two).len(), 2);
    assert_eq!(interest.partitions(), 1);
    interest.sweep(later(10), |_| true);
    interest.sweep(later(20), |_| true);
    assert_eq!(interest.partitions(), 0);
    assert!(whole.next().await.is_none());
}

#[tokio::test]
async fn a_partition_that_is_not_permitted_leaves_its_rooms_as_they_are() {
    let (listenings, mut begun) = mpsc::channel(10);
    let link = Arc::new(Narrow(Scripted::new(Ok(()))));
    let interest = Arc::new(Interest::new(("main", 0), link, listenings));
    let [one, two, _] = neighbours();
    let (_, pin) = interest.pin(vec![one.clone(), two.clone()], clock::now()).unwrap();
    for place in [one, two] {
        Arc::clone(&interest).open(place).await;
        drop(begun.recv().await.unwrap());
    }
    assert_eq!((pin.ready().await, interest.partitions()), (Ok(()), 0));
}

/// A link that does not listen to a partition.
#[derive(Debug)]
struct Narrow(Arc<Scripted>);

impl Link for Narrow {
    fn publish(&self, subject: String, message: Bytes) -> BoxFuture<'_, Result<(), LinkError>> {
        self.0.publish(subject, message)
    }

    fn listen(&self, subject: String) -> BoxFuture<'_, Result<BoxStream<'static, Bytes>, LinkError>> {
        self.0.listen(subject)
    }

    fn listen_all(&self, _: String) -> BoxFuture<'_, Result<BoxStream<'static, (String, Bytes)>, LinkError>> {
        async { Err(LinkError::Away("it is not permitted".to_owned())) }.boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), LinkError>> {
        self.0.probe()
    }

    fn state(&self) -> watch::Receiver<LinkState> {
        self.0.state()
    }
}
