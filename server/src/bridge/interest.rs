//! Where this node listens. It begins before the first session is told that it has joined, and ends some time after the last
//! one has gone, because those who go often come back. Whoever relies on it holds a [`Pin`].

use std::{
    pin::Pin as Pinned,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{
    Stream, StreamExt,
    future::{BoxFuture, ready},
    stream::BoxStream,
};
use parking_lot::Mutex;
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::{
    hearing::{Hearing, Hearings, Way},
    link::{Link, LinkError},
    partitions::{Ready, Whole},
    plain::Plain,
    subjects::{Place, all_of},
};
use crate::base::{
    clock::{self, Instant},
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
    state: Mutex<Hearings>,
    /// How many more new places it may listen to now.
    rate: Mutex<Bucket>,
    listenings: mpsc::Sender<Listening>,
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
    /// No more than `rooms_max` rooms are listened to one by one.
    pub(super) fn new(
        (cluster, rooms_max): (&str, usize),
        link: Arc<dyn Link>,
        listenings: mpsc::Sender<Listening>,
    ) -> Self {
        let rate = Mutex::new(Bucket::full(new_places(), clock::now()));
        let state = Mutex::new(Hearings::new(rooms_max));
        Self { cluster: cluster.to_owned(), link, state, rate, listenings }
    }

    /// Listens at these places, those where it does not yet. Returns the places that are new and must be [opened](Self::open),
    /// and a hold on all of them; or after which time there may be so many new ones.
    pub(super) fn pin(
        self: &Arc<Self>,
        places: Vec<Place>,
        now: Instant,
    ) -> Result<(Vec<Place>, Pin), Duration> {
        let heard = &mut self.state.lock().places;
        let fresh = places.iter().filter(|place| !heard.contains_key(place)).count();
        self.rate.lock().take_many(new_places(), u32::try_from(fresh).unwrap_or(u32::MAX), now)?;
        let mut new = Vec::new();
        for place in &places {
            let hearing = heard.entry(place.clone()).or_insert_with(|| {
                new.push(place.clone());
                let way = Way::Single(CancellationToken::new());
                Hearing { pins: 0, ready: Arc::default(), way, empty_since: None }
            });
            hearing.pins += 1;
        }
        Ok((new, Pin { interest: Arc::clone(self), places }))
    }

    /// Begins to listen at a new place.
    pub(super) async fn open(self: Arc<Self>, place: Place) {
        let outcome = match self.join_partition(&place) {
            Some(ready) => ready.wait().await.clone(),
            None => self.open_single(&place).await,
        };
        {
            let mut state = self.state.lock();
            if let Some(hearing) = state.places.get(&place) {
                let failed = outcome.is_err();
                // One opens a place, once.
                drop(hearing.ready.set(outcome));
                if failed {
                    // Whoever comes next tries again.
                    state.forget(&place, &self.cluster);
                }
            }
            // It may have been begun while this place was opened.
            state.join_partition(&place, &self.cluster);
        }
        self.widen().await;
    }

    /// A room is wanted of its partition, if that is listened to as a whole or is about to be: then its outcome is also the room's.
    fn join_partition(&self, place: &Place) -> Option<Ready> {
        let state = &mut *self.state.lock();
        let whole = state.partitions.whole(place.partition()?)?;
        state.places.get_mut(place)?.way = Way::Partition;
        whole.rooms.lock().insert(place.subject(&self.cluster), place.clone());
        Some(Arc::clone(&whole.ready))
    }

    async fn open_single(&self, place: &Place) -> Result<(), LinkError> {
        let ends = {
            let state = &mut *self.state.lock();
            let hearing = state.places.get(place);
            let Some(Way::Single(ends)) = hearing.map(|hearing| &hearing.way) else { return Ok(()) };
            place.partition().into_iter().for_each(|partition| state.partitions.count(partition, true));
            ends.clone()
        };
        let messages = in_time(self.link.listen(place.subject(&self.cluster))).await?;
        let at = place.clone();
        let messages = messages.map(move |message| (at.clone(), message)).boxed();
        self.begin(messages, ends).await
    }

    async fn begin(&self, messages: Listening, ends: CancellationToken) -> Result<(), LinkError> {
        let gone = |_| LinkError::Away("the node is stopping".to_owned());
        let messages = Until { messages, ended: Box::pin(ends.cancelled_owned()) };
        self.listenings.send(messages.boxed()).await.map_err(gone)
    }

    /// Listens to whole partitions as long as too many rooms are listened to one by one.
    async fn widen(&self) {
        loop {
            let Some((partition, whole)) = self.state.lock().partitions.widen() else { return };
            let outcome = self.open_partition(partition, &whole).await;
            let failed = outcome.is_err();
            let mut state = self.state.lock();
            // One begins it, once.
            drop(whole.ready.set(outcome));
            if failed {
                // Another room will try again.
                return state.partitions.end(partition);
            }
            state.join_all(partition, &self.cluster);
        }
    }

    async fn open_partition(&self, partition: u32, whole: &Whole) -> Result<(), LinkError> {
        let messages = in_time(self.link.listen_all(all_of(&self.cluster, partition))).await?;
        let rooms = Arc::clone(&whole.rooms);
        let wanted = messages.filter_map(move |(subject, message)| {
            let place = rooms.lock().get(&subject).cloned();
            ready(place.map(|place| (place, message)))
        });
        self.begin(wanted.boxed(), whole.ends.clone()).await
    }

    /// Whether a place is listened to: `None` while that is not known.
    fn state(&self, place: &Place) -> Option<Result<(), LinkError>> {
        let state = self.state.lock();
        let nowhere = || Some(Err(LinkError::Away("it is not listened to".to_owned())));
        state.places.get(place).map_or_else(nowhere, |hearing| hearing.ready.get().cloned())
    }

    async fn ready(&self, place: &Place) -> Result<(), LinkError> {
        let ready = self.state.lock().places.get(place).map(|hearing| Arc::clone(&hearing.ready));
        let failed = || LinkError::Away("it could not be listened to".to_owned());
        ready.ok_or_else(failed)?.wait().await.clone()
    }

    /// Ends listening where nobody has been for some time. Returns where it has ended.
    pub(super) fn sweep(&self, now: Instant, is_empty: impl Fn(&Place) -> bool) -> Vec<Place> {
        let mut ended = Vec::new();
        let state = &mut *self.state.lock();
        for (place, hearing) in &mut state.places {
            if hearing.pins > 0 || !hearing.ready.initialized() || !is_empty(place) {
                hearing.empty_since = None;
                continue;
            }
            let since = *hearing.empty_since.get_or_insert(now);
            if now.saturating_duration_since(since) >= LINGER {
                ended.push(place.clone());
            }
        }
        ended.iter().for_each(|place| state.forget(place, &self.cluster));
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
        self.state.lock().places.keys().cloned().collect()
    }

    /// How many partitions are listened to as a whole.
    pub(super) fn partitions(&self) -> usize {
        self.state.lock().partitions.wholes()
    }
}

/// The outcome of what the link does, which may not take long.
async fn in_time<T>(outcome: BoxFuture<'_, Result<T, LinkError>>) -> Result<T, LinkError> {
    let slow = |_| LinkError::Away("it takes too long to listen".to_owned());
    timeout(LISTEN_MAX, outcome).await.map_err(slow)?
}

/// What is heard until it is to end, and what has come by then.
struct Until {
    messages: Listening,
    ended: Pinned<Box<WaitForCancellationFutureOwned>>,
}

impl Stream for Until {
    type Item = (Place, Bytes);

    fn poll_next(mut self: Pinned<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.messages.poll_next_unpin(cx) {
            Poll::Pending => self.ended.as_mut().poll(cx).map(|()| None),
            next => next,
        }
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
        let mut state = self.interest.state.lock();
        for place in &self.places {
            if let Some(hearing) = state.places.get_mut(place) {
                hearing.pins = hearing.pins.saturating_sub(1);
            }
        }
    }
}

#[cfg(test)]
#[path = "interest_tests.rs"]
mod tests;
