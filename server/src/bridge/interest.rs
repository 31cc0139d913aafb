//! Where this node listens. It begins before the first session is told that it has joined, and ends some time after the last
//! one has gone, because those who go often come back. Whoever relies on it holds a [`Pin`].

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};
use parking_lot::Mutex;
use tokio::{
    sync::{SetOnce, mpsc},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    link::{Link, LinkError},
    plain::Plain,
    subjects::Place,
};
use crate::base::{
    clock::{self, Instant},
    hash::HashMap,
    limits::LISTENS_PER_SECOND,
    rate::{Bucket, Rate},
};

/// How long a node goes on listening where it has nobody.
const LINGER: Duration = Duration::from_secs(5);
/// How long the link may take to listen.
const LISTEN_MAX: Duration = Duration::from_secs(5);

/// What is heard at one place, as long as it is listened to.
pub(super) type Listening = BoxStream<'static, (Place, Bytes)>;

/// Everywhere that this node listens.
#[derive(Debug)]
pub(super) struct Interest {
    cluster: String,
    link: Arc<dyn Link>,
    places: Mutex<HashMap<Place, Hearing>>,
    /// How many more new places it may listen to now.
    rate: Mutex<Bucket>,
    listenings: mpsc::Sender<Listening>,
}

/// One place.
#[derive(Debug)]
struct Hearing {
    /// Who relies on it at this moment beside its members.
    pins: u32,
    /// Set when it is known whether it is listened to.
    ready: Arc<SetOnce<Result<(), LinkError>>>,
    ends: CancellationToken,
    /// Since when nobody is there.
    empty_since: Option<Instant>,
}

/// As long as this is held the places are listened to, members or not.
#[derive(Debug)]
pub struct Pin {
    interest: Arc<Interest>,
    places: Vec<Place>,
}

/// How fast new places may be listened to: whoever joins rooms that do not exist must not flood NATS.
fn new_places() -> Rate {
    Rate::per_second(LISTENS_PER_SECOND, LISTENS_PER_SECOND)
}

impl Interest {
    pub(super) fn new(cluster: String, link: Arc<dyn Link>, listenings: mpsc::Sender<Listening>) -> Self {
        let rate = Mutex::new(Bucket::full(new_places(), clock::now()));
        Self { cluster, link, places: Mutex::default(), rate, listenings }
    }

    /// Listens at these places, those where it does not yet. Returns the places that are new and must be [opened](Self::open),
    /// and a hold on all of them; or after which time there may be so many new ones.
    pub(super) fn pin(
        self: &Arc<Self>,
        places: Vec<Place>,
        now: Instant,
    ) -> Result<(Vec<Place>, Pin), Duration> {
        let mut heard = self.places.lock();
        let fresh = places.iter().filter(|place| !heard.contains_key(place)).count();
        self.rate.lock().take_many(new_places(), u32::try_from(fresh).unwrap_or(u32::MAX), now)?;
        let mut new = Vec::new();
        for place in &places {
            let hearing = heard.entry(place.clone()).or_insert_with(|| {
                new.push(place.clone());
                Hearing { pins: 0, ready: Arc::default(), ends: CancellationToken::new(), empty_since: None }
            });
            hearing.pins += 1;
        }
        Ok((new, Pin { interest: Arc::clone(self), places }))
    }

    /// Begins to listen at a new place.
    pub(super) async fn open(self: Arc<Self>, place: Place) {
        let subject = place.subject(&self.cluster);
        let listening = timeout(LISTEN_MAX, self.link.listen(subject)).await;
        let slow = || Err(LinkError::Away("it takes too long to listen".to_owned()));
        let listening = listening.unwrap_or_else(|_| slow());
        let Some(ends) = self.places.lock().get(&place).map(|hearing| hearing.ends.clone()) else { return };
        let outcome = match listening {
            Ok(messages) => {
                let at = place.clone();
                let messages = messages.map(move |message| (at.clone(), message));
                let messages = messages.take_until(ends.cancelled_owned()).boxed();
                let gone = |_| LinkError::Away("the node is stopping".to_owned());
                self.listenings.send(messages).await.map_err(gone)
            }
            Err(error) => Err(error),
        };
        let mut places = self.places.lock();
        if let Some(hearing) = places.get(&place) {
            let failed = outcome.is_err();
            // One opens a place, once.
            drop(hearing.ready.set(outcome));
            if failed {
                // Whoever comes next tries again.
                places.remove(&place);
            }
        }
    }

    /// Whether a place is listened to: `None` while that is not known.
    fn state(&self, place: &Place) -> Option<Result<(), LinkError>> {
        let places = self.places.lock();
        let nowhere = || Some(Err(LinkError::Away("it is not listened to".to_owned())));
        places.get(place).map_or_else(nowhere, |hearing| hearing.ready.get().cloned())
    }

    async fn ready(&self, place: &Place) -> Result<(), LinkError> {
        let ready = self.places.lock().get(place).map(|hearing| Arc::clone(&hearing.ready));
        let failed = || LinkError::Away("it could not be listened to".to_owned());
        ready.ok_or_else(failed)?.wait().await.clone()
    }

    /// Ends listening where nobody has been for some time. Returns where it has ended.
    pub(super) fn sweep(&self, now: Instant, is_empty: impl Fn(&Place) -> bool) -> Vec<Place> {
        let mut ended = Vec::new();
        self.places.lock().retain(|place, hearing| {
            if hearing.pins > 0 || !hearing.ready.initialized() || !is_empty(place) {
                hearing.empty_since = None;
                return true;
            }
            let since = *hearing.empty_since.get_or_insert(now);
            if now.saturating_duration_since(since) < LINGER {
                return true;
            }
            hearing.ends.cancel();
            ended.push(place.clone());
            false
        });
        ended
    }

    /// Sends something over the link and waits until it has come back.
    pub(super) async fn probe(&self) -> Result<(), LinkError> {
        self.link.probe().await
    }

    /// What programs publish at a subject, until `ends`.
    pub(super) async fn take_plain(
        &self,
        subject: String,
        ends: CancellationToken,
    ) -> Result<BoxStream<'static, Plain>, LinkError> {
        self.link.take_plain(subject, ends).await
    }

    /// Leaves the other side of the link for another one.
    pub(super) async fn leave(&self) {
        self.link.leave().await;
    }

    /// Everywhere that is listened to.
    pub(super) fn all(&self) -> Vec<Place> {
        self.places.lock().keys().cloned().collect()
    }
}

impl Pin {
    /// Whether all places are listened to: `None` while that is not known.
    pub fn state(&self) -> Option<Result<(), LinkError>> {
        let mut all = Some(Ok(()));
        for place in &self.places {
            match self.interest.state(place) {
                Some(Ok(())) => {}
                Some(Err(error)) => return Some(Err(error)),
                None => all = None,
            }
        }
        all
    }

    /// Waits until all places are listened to.
    pub async fn ready(&self) -> Result<(), LinkError> {
        for place in &self.places {
            self.interest.ready(place).await?;
        }
        Ok(())
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut heard = self.interest.places.lock();
        for place in &self.places {
            if let Some(hearing) = heard.get_mut(place) {
                hearing.pins = hearing.pins.saturating_sub(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, future::BoxFuture, stream};
    use tokio::sync::watch;

    use super::*;
    use crate::bridge::LinkState;

    /// A link over which nothing comes, and which listens, or does not, as it is told.
    #[derive(Debug)]
    struct Silence(Result<(), LinkError>);

    impl Link for Silence {
        fn publish(&self, _: String, _: Bytes) -> BoxFuture<'_, Result<(), LinkError>> {
            async { Ok(()) }.boxed()
        }

        fn listen(&self, _: String) -> BoxFuture<'_, Result<BoxStream<'static, Bytes>, LinkError>> {
            let outcome = self.0.clone().map(|()| stream::pending().boxed());
            async { outcome }.boxed()
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
        (Arc::new(Interest::new("main".to_owned(), Arc::new(Silence(listens)), listenings)), begun)
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
        assert_eq!(
            interest.pin(vec![room(LISTENS_PER_SECOND)], now).unwrap_err(),
            second / LISTENS_PER_SECOND
        );
        assert!(interest.pin(vec![room(0)], now).unwrap().0.is_empty(), "it is known");
        assert_eq!(interest.pin(vec![room(LISTENS_PER_SECOND)], now + second).unwrap().0.len(), 1);
        drop(pin);
    }
}
