//! A network in memory that carries messages as NATS does, only at other times: what one link publishes is heard by another in
//! that order, but each pair of links has delays of its own, and no two messages of different links have an order. What is lost
//! is told by [`LinkState::losses`], as with NATS; unless the network is told to lose in silence, or to say twice. Chance comes
//! from the seed of the simulation. For simulations only.
//!
//! A message is *taken* by the network a little after it was published: what a link has published and nobody has taken goes
//! with it. What was taken *passes* to each other link by itself, in the moment in which is decided whether that listens, and
//! *arrives* a little later.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::BoxStream};
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, mpsc, watch},
    task::yield_now,
    time::{sleep, sleep_until},
};
use tokio_stream::wrappers::ReceiverStream;

use super::{
    link::{Link, LinkError, LinkState},
    subjects::covers,
};
use crate::{
    base::clock::{self, Instant},
    log::simulated::Way,
};

/// Messages of one subject that wait for a link; what comes beyond is lost, and told.
const LISTENING_MAX: usize = 16 << 10;
/// Until a link has taken what was published, and until it is known that it listens.
const NEAR_MAX_MS: u64 = 3;
/// Delays that a pair of links may have, in milliseconds; far below the time that nodes wait for each other.
const FAR_MS: [u64; 8] = [0, 1, 2, 4, 9, 25, 60, 120];
/// How long is waited for an answer while nobody is reached.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);

/// A network; clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct SimulatedNetwork {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
    changed: Notify,
}

/// What the network does beside delaying. Once in so many messages; 0: never.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mischief {
    /// A message is lost between two links, and nobody is told.
    pub lost_every: u64,
    /// A message is heard twice.
    pub twice_every: u64,
}

#[derive(Debug, Default)]
struct State {
    links: Vec<End>,
    pairs: BTreeMap<(usize, usize), Pair>,
    /// What will happen, and when; what happens at the same time in the order in which it was decided.
    events: BTreeMap<(Instant, u64), Event>,
    decided: u64,
    mischief: Mischief,
    counts: NetworkCounts,
}

/// How much a network has done.
#[derive(Debug, Default, Clone, Copy)]
pub struct NetworkCounts {
    /// Messages that were heard.
    pub heard: u64,
    /// Messages that were lost, whether or not that was told.
    pub lost: u64,
    /// Messages that were heard twice.
    pub twice: u64,
}

/// One link, as the network knows it.
#[derive(Debug)]
struct End {
    state: watch::Sender<LinkState>,
    /// What was on its way over another connection is lost.
    way: Way,
    gone: bool,
    listenings: BTreeMap<u64, (String, mpsc::Sender<Message>)>,
    /// Published while it was known that nobody is reached.
    held: VecDeque<Message>,
    taken_until: Option<Instant>,
    /// So many messages are lost by being slow.
    slow: u64,
}

/// The way from one link to another.
#[derive(Debug, Clone, Copy)]
struct Pair {
    delay_ms: u64,
    passes_until: Instant,
    arrives_until: Instant,
}

#[derive(Debug, Clone)]
struct Message {
    subject: String,
    bytes: Bytes,
}

#[derive(Debug)]
enum Event {
    /// The network has it.
    Taken { from: usize, life: u64, message: Message },
    /// It is decided whether a link hears it.
    Passes { pair: (usize, usize), life: u64, message: Message },
    /// A link hears it.
    Arrives { to: usize, life: u64, listening: u64, message: Message },
    /// A link notices that it reaches nobody.
    Noticed { link: usize, life: u64 },
}

fn below(bound: u64) -> u64 {
    clock::random_u64() % bound.max(1)
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

impl SimulatedNetwork {
    /// A link to all others, and its number.
    pub fn link(&self) -> (SimulatedLink, usize) {
        let mut state = self.inner.state.lock();
        let number = state.links.len();
        state.links.push(End {
            state: watch::Sender::new(LinkState { up: true, losses: 0 }),
            way: Way::default(),
            gone: false,
            listenings: BTreeMap::new(),
            held: VecDeque::new(),
            taken_until: None,
            slow: 0,
        });
        (SimulatedLink { inner: Arc::clone(&self.inner), number }, number)
    }

    /// Carries messages. It has to run.
    pub async fn run(self) {
        loop {
            let next = self.inner.state.lock().events.first_key_value().map(|((at, _), _)| *at);
            match next {
                Some(at) if at <= clock::now() => {
                    self.inner.state.lock().step();
                    // Whoever has heard something may do something about it before the next one is heard.
                    yield_now().await;
                }
                Some(at) => tokio::select! {
                    biased;
                    () = self.inner.changed.notified() => {}
                    () = sleep_until(at) => {}
                },
                None => self.inner.changed.notified().await,
            }
        }
    }

    /// Loses in silence and says twice from now on.
    pub fn misbehave(&self, mischief: Mischief) {
        self.inner.state.lock().mischief = mischief;
    }

    /// A link reaches nobody any more, and notices that after a while. What was on its way from it and to it is lost.
    pub fn part(&self, link: usize, noticed_after: Duration) {
        let mut state = self.inner.state.lock();
        let end = &mut state.links[link];
        if end.way.is_open() && !end.gone {
            end.way.set(false);
            let life = end.way.life();
            state.decide(clock::now() + noticed_after, Event::Noticed { link, life });
            self.inner.changed.notify_one();
        }
    }

    /// A link reaches the others again.
    pub fn join(&self, link: usize) {
        let mut state = self.inner.state.lock();
        let end = &mut state.links[link];
        if end.way.is_open() || end.gone {
            return;
        }
        end.way.set(true);
        end.state.send_modify(|state| (state.up, state.losses) = (true, state.losses + 1));
        for message in std::mem::take(&mut end.held) {
            state.publish(link, message);
        }
        self.inner.changed.notify_one();
    }

    /// A link loses some of what it hears next, and is told.
    pub fn slow_down(&self, link: usize, messages: u64) {
        self.inner.state.lock().links[link].slow = messages;
    }

    /// A link is gone, with all that was not taken.
    pub fn end(&self, link: usize) {
        let mut state = self.inner.state.lock();
        let end = &mut state.links[link];
        end.way.set(false);
        end.gone = true;
        end.listenings.clear();
        end.held.clear();
    }

    /// Some ways between links are faster or slower from now on.
    pub fn stir(&self) {
        for pair in self.inner.state.lock().pairs.values_mut() {
            if below(2) == 0 {
                pair.delay_ms = FAR_MS[below(FAR_MS.len() as u64) as usize];
            }
        }
    }

    /// The way of a link, for what else goes over it: closed also before the link has noticed.
    pub fn way(&self, link: usize) -> Way {
        self.inner.state.lock().links[link].way.clone()
    }

    /// How much it has done.
    pub fn counts(&self) -> NetworkCounts {
        self.inner.state.lock().counts
    }
}

impl State {
    fn decide(&mut self, at: Instant, event: Event) {
        self.decided += 1;
        self.events.insert((at, self.decided), event);
    }

    /// What is next happens.
    fn step(&mut self) {
        let Some((_, event)) = self.events.pop_first() else { return };
        match event {
            Event::Taken { from, life, message } => self.taken(from, life, message),
            Event::Passes { pair, life, message } => self.passes(pair, life, &message),
            Event::Arrives { to, life, listening, message } => self.arrives(to, life, (listening, message)),
            Event::Noticed { link, life } => {
                let end = &mut self.links[link];
                if end.way.life() == life {
                    end.state.send_modify(|state| state.up = false);
                }
            }
        }
    }

    fn publish(&mut self, from: usize, message: Message) {
        let end = &mut self.links[from];
        if !end.way.is_open() {
            let knows = !end.state.borrow().up;
            if knows {
                end.held.push_back(message)
            } else {
                self.counts.lost += 1
            }
            return;
        }
        let soon = clock::now() + ms(below(NEAR_MAX_MS));
        let at = end.taken_until.map_or(soon, |until| until.max(soon));
        end.taken_until = Some(at);
        let life = end.way.life();
        self.decide(at, Event::Taken { from, life, message });
    }

    fn taken(&mut self, from: usize, life: u64, message: Message) {
        if self.links[from].way.life() != life {
            self.counts.lost += 1;
            return;
        }
        let now = clock::now();
        let others = (0..self.links.len()).filter(|to| *to != from && !self.links[*to].gone);
        for to in others.collect::<Vec<_>>() {
            let new = || Pair {
                delay_ms: FAR_MS[below(FAR_MS.len() as u64) as usize],
                passes_until: now,
                arrives_until: now,
            };
            let pair = self.pairs.entry((from, to)).or_insert_with(new);
            let at = pair.passes_until.max(now + ms(below(pair.delay_ms + 1)));
            pair.passes_until = at;
            let life = self.links[to].way.life();
            self.decide(at, Event::Passes { pair: (from, to), life, message: message.clone() });
        }
    }

    fn passes(&mut self, pair: (usize, usize), life: u64, message: &Message) {
        let end = &self.links[pair.1];
        let listens = end.listenings.iter().filter(|(_, (subject, _))| covers(subject, &message.subject));
        let listening: Vec<u64> = listens.map(|(listening, _)| *listening).collect();
        if listening.is_empty() {
            return;
        }
        let once_in = |times: u64| times > 0 && below(times) == 0;
        if end.way.life() != life || !end.way.is_open() || once_in(self.mischief.lost_every) {
            self.counts.lost += 1;
            return;
        }
        let times = if once_in(self.mischief.twice_every) { 2 } else { 1 };
        self.counts.twice += times - 1;
        let Some(way) = self.pairs.get_mut(&pair) else { return };
        let at = way.arrives_until.max(clock::now() + ms(below(way.delay_ms + 1)));
        way.arrives_until = at;
        for listening in listening.iter().flat_map(|listening| (0..times).map(|_| *listening)) {
            self.decide(at, Event::Arrives { to: pair.1, life, listening, message: message.clone() });
        }
    }

    /// When all that has passed to a link will have arrived.
    fn arrive_until(&self, to: usize) -> Instant {
        let ways = self.pairs.iter().filter(|((_, link), _)| *link == to);
        ways.map(|(_, pair)| pair.arrives_until).max().unwrap_or_else(clock::now)
    }

    fn arrives(&mut self, to: usize, life: u64, (listening, message): (u64, Message)) {
        let end = &mut self.links[to];
        if end.way.life() != life {
            self.counts.lost += 1;
            return;
        }
        let Some((_, hears)) = end.listenings.get(&listening) else { return };
        let slow = end.slow > 0;
        end.slow = end.slow.saturating_sub(1);
        if slow || hears.try_send(message).is_err() {
            self.counts.lost += 1;
            end.state.send_modify(|state| state.losses += 1);
        } else {
            self.counts.heard += 1;
        }
    }
}

/// A link of a [`SimulatedNetwork`].
#[derive(Debug)]
pub struct SimulatedLink {
    inner: Arc<Inner>,
    number: usize,
}

/// As long as this is held it is listened.
struct Listening {
    inner: Arc<Inner>,
    link: usize,
    number: u64,
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(end) = self.inner.state.lock().links.get_mut(self.link) {
            end.listenings.remove(&self.number);
        }
    }
}

impl SimulatedLink {
    /// Waits for the other side, and says over which connection it has answered.
    async fn answered(&self) -> Result<u64, LinkError> {
        let life = || {
            let state = self.inner.state.lock();
            let end = &state.links[self.number];
            end.way.is_open().then_some(end.way.life())
        };
        let asked = life();
        sleep(ms(below(NEAR_MAX_MS))).await;
        match asked.filter(|_| asked == life()) {
            Some(life) => Ok(life),
            None => {
                sleep(ANSWERED_WITHIN).await;
                Err(LinkError::Away("nobody has answered".to_owned()))
            }
        }
    }

    async fn begin(&self, subject: String) -> Result<BoxStream<'static, Message>, LinkError> {
        if !self.inner.state.lock().links[self.number].state.borrow().up {
            return Err(LinkError::Away("the network is away".to_owned()));
        }
        self.answered().await?;
        let (tells, hears) = mpsc::channel(LISTENING_MAX);
        let number = {
            let mut state = self.inner.state.lock();
            state.decided += 1;
            let number = state.decided;
            state.links[self.number].listenings.insert(number, (subject, tells));
            number
        };
        let listening = Listening { inner: Arc::clone(&self.inner), link: self.number, number };
        self.answered().await?;
        // Answers come behind what was on its way.
        let until = self.inner.state.lock().arrive_until(self.number);
        sleep_until(until).await;
        let listens = move |message| {
            let _held = &listening;
            message
        };
        Ok(ReceiverStream::new(hears).map(listens).boxed())
    }
}

impl Link for SimulatedLink {
    fn publish(&self, subject: String, message: Bytes) -> BoxFuture<'_, Result<(), LinkError>> {
        let mut state = self.inner.state.lock();
        let published = if state.links[self.number].gone {
            Err(LinkError::Away("the node has ended".to_owned()))
        } else {
            state.publish(self.number, Message { subject, bytes: message });
            Ok(())
        };
        self.inner.changed.notify_one();
        async { published }.boxed()
    }

    fn listen(&self, subject: String) -> BoxFuture<'_, Result<BoxStream<'static, Bytes>, LinkError>> {
        async { Ok(self.begin(subject).await?.map(|message| message.bytes).boxed()) }.boxed()
    }

    fn listen_all(
        &self,
        subject: String,
    ) -> BoxFuture<'_, Result<BoxStream<'static, (String, Bytes)>, LinkError>> {
        async {
            let messages = self.begin(subject).await?;
            Ok(messages.map(|message| (message.subject, message.bytes)).boxed())
        }
        .boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), LinkError>> {
        async { self.answered().await.map(drop) }.boxed()
    }

    fn state(&self) -> watch::Receiver<LinkState> {
        self.inner.state.lock().links[self.number].state.subscribe()
    }
}
