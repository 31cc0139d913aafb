//! Floor 3: the other nodes. What this node says to them and what it hears from them, over a [`Link`] that carries bytes between
//! subjects. It knows places, targets and encoded events; it knows no session and no member: who is where the hub knows, and
//! the router asks both.
//!
//! * [`subjects`]: places as subjects; `envelope`: what is said as bytes, checked when it is heard
//! * `outgoing`: what is said, numbered; `interest`: where is listened, beyond a bound by `partitions`
//! * `nodes`: which other nodes there are
//! * `inbox`: what is heard; `order`: what came by many ways in the order in which it was said; `gaps`: what is missing
//! * [`plain`] and [`plain_jobs`]: what programs say and hear that speak NATS and not Rialto
//! * [`link`]: what carries it; `nats`: the real one; `simulated`: one that a seed decides over
//!
//! # Order
//! What one node says is heard by each other node in that order, whatever the places; what it says at several places is heard
//! once. What several nodes say has no order among them.

mod envelope;
mod gaps;
mod hearing;
mod inbox;
mod interest;
pub mod link;
mod nats;
mod nodes;
mod order;
mod outgoing;
mod partitions;
pub mod plain;
pub mod plain_jobs;
#[cfg(feature = "simulation")]
pub mod simulated;
pub mod subjects;

use std::{sync::Arc, time::Duration};

use futures_util::stream::BoxStream;
use parking_lot::Mutex;
use rialto_proto::{
    node::{
        Announce, Answer, CallGivenUp, Errand, ErrandDone, Fanout, GiveUp, Members, Piece, Question,
        QuestionDone, Relay, Request, Response, RoomChange, RoomCounts, StateChange, envelope::What, errand,
    },
    v1::{Event, RepliesDone, ReplyItem, RoomPosition, StateEntry},
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

pub use self::{
    envelope::{Carried, Changed, Heard, Malformed, Word, class_of, fanout_class},
    gaps::{Gaps, Verdict},
    inbox::Inbox,
    interest::Pin,
    link::{Link, LinkError, LinkState},
    nats::NatsLink,
    nodes::ANNOUNCED_EVERY,
    outgoing::Waiting,
    subjects::Place,
};
use self::{interest::Interest, nodes::Nodes, outgoing::Outgoing, plain::Plain};
use crate::{
    base::{
        clock::Instant,
        ids::{EventId, NodeId, SessionId},
    },
    wire::{Class, Frame, target::Target},
};

/// What programs say, as it comes.
pub type Plains = BoxStream<'static, Plain>;

/// Listenings that have begun and are not heard yet.
const BEGUN_MAX: usize = 1_024;

/// This node's way to the others.
#[derive(Debug)]
pub struct Bridge {
    node: NodeId,
    cluster: String,
    state: watch::Receiver<LinkState>,
    interest: Arc<Interest>,
    outgoing: Outgoing,
    nodes: Mutex<Nodes>,
}

/// What the router has to run.
#[derive(Debug)]
pub struct Ends {
    /// What is heard.
    pub inbox: Inbox,
    /// What is said.
    pub waiting: Waiting,
    /// What carries it.
    pub link: Arc<dyn Link>,
}

/// A place that is new: somebody has to see to it that it is [opened](Bridge::open).
#[derive(Debug)]
pub struct New(Place);

impl Bridge {
    /// A bridge of `node` to the others of a cluster. No more than `rooms_max` rooms are listened to one by one.
    pub fn new(node: NodeId, (cluster, rooms_max): (&str, usize), link: Arc<dyn Link>) -> (Self, Ends) {
        let (listenings, begun) = mpsc::channel(BEGUN_MAX);
        let interest = Arc::new(Interest::new((cluster, rooms_max), Arc::clone(&link), listenings));
        let (outgoing, waiting) = Outgoing::new();
        let inbox = Inbox::new(begun);
        let (state, ends) = (link.state(), Ends { inbox, waiting, link });
        let (cluster, nodes) = (cluster.to_owned(), Mutex::default());
        (Self { node, cluster, state, interest, outgoing, nodes }, ends)
    }

    /// This node.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Says an event to all other nodes that have somebody whom it may be for. Returns at how many places there was no room for
    /// it; others notice that it is missing there.
    pub fn say(
        &self,
        namespace: &str,
        target: &Target,
        frame: &Frame,
        is_here: impl Fn(&SessionId) -> bool,
    ) -> usize {
        // What is worth something only now does not wait until the others are reached again.
        if frame.class() == Class::Volatile && !self.state.borrow().up {
            return 0;
        }
        let places = envelope::places(namespace, target, is_here);
        if places.is_empty() {
            return 0;
        }
        self.say_at(&places, &What::Fanout(envelope::fanout(namespace, target, frame)))
    }

    /// The same of an event that rooms keep. Whether one is missing tells its offset; so it is not numbered among the others.
    pub fn say_kept(
        &self,
        (namespace, target, frame): (&str, &Target, &Frame),
        positions: Vec<RoomPosition>,
        is_here: impl Fn(&SessionId) -> bool,
    ) -> usize {
        let places = envelope::places(namespace, target, is_here);
        let fanout = Fanout { positions, ..envelope::fanout(namespace, target, frame) };
        self.say_beside(&places, &What::Fanout(fanout))
    }

    /// Tells the other nodes that have members in a room that its keyed state has changed.
    pub fn say_state(&self, namespace: &str, room: &str, epoch: &str, entry: StateEntry) -> usize {
        let (entry, epoch) = (Some(entry), epoch.to_owned());
        let change = StateChange { namespace: namespace.to_owned(), room: room.to_owned(), epoch, entry };
        self.say_beside(&[Place::room(namespace, room)], &What::StateChange(change))
    }

    /// Tells who of this node is in a room: one node, or all that listen to the room. False when there was no room for it.
    pub fn say_members(&self, to: Option<NodeId>, members: Members) -> bool {
        let place = to.map_or_else(|| Place::room(&members.namespace, &members.room), Place::Node);
        self.say_beside(&[place], &What::Members(members)) == 0
    }

    /// Tells nodes that watch a namespace that somebody of this node came to a room or went from it.
    pub fn say_room_change(&self, to: impl IntoIterator<Item = NodeId>, change: RoomChange) -> usize {
        let places: Vec<Place> = to.into_iter().map(Place::Node).collect();
        self.say_at(&places, &What::RoomChange(change))
    }

    /// Tells a node how many members rooms of this one have. False when there was no room for it.
    pub fn say_room_counts(&self, to: NodeId, counts: RoomCounts) -> bool {
        self.say_beside(&[Place::Node(to)], &What::RoomCounts(counts)) == 0
    }

    /// Asks the owner of a part. False when there was no room for that.
    pub fn request(&self, node: NodeId, request: Request) -> bool {
        self.say_beside(&[Place::Node(node)], &What::Request(request)) == 0
    }

    /// Answers a node that has asked.
    pub fn respond(&self, node: NodeId, response: Response) {
        self.say_beside(&[Place::Node(node)], &What::Response(response));
    }

    /// Asks a node to do something. False when there was no room for that.
    pub fn send_errand(&self, node: NodeId, errand: Errand) -> bool {
        self.say_beside(&[Place::Node(node)], &What::Errand(errand)) == 0
    }

    /// An event for any one member on another node, as an errand. The other end is [`Carried::parse`].
    pub fn for_any_of(namespace: &str, target: &Target, frame: &Frame) -> errand::What {
        errand::What::AnyOf(envelope::fanout(namespace, target, frame))
    }

    /// Tells a node what became of what it has asked.
    pub fn errand_done(&self, node: NodeId, done: ErrandDone) {
        self.say_beside(&[Place::Node(node)], &What::ErrandDone(done));
    }

    /// Asks a node that keeps a queue, a piece at a time. False when there was no room for it.
    pub fn call_jobs(&self, node: NodeId, piece: Piece) -> bool {
        self.say_beside(&[Place::Node(node)], &What::JobCall(piece)) == 0
    }

    /// Answers that. False when there was no room.
    pub fn answer_jobs(&self, node: NodeId, piece: Piece) -> bool {
        self.say_beside(&[Place::Node(node)], &What::JobAnswer(piece)) == 0
    }

    /// Tells a node that nobody waits for a call any more.
    pub fn give_up_call(&self, node: NodeId, call: u64) {
        self.say_beside(&[Place::Node(node)], &What::CallGivenUp(CallGivenUp { call }));
    }

    /// Asks the receivers of an event on one other node. That node says in the end that it is done.
    pub fn ask(&self, node: NodeId, event: (&str, &Target, &Frame), token: EventId, timeout: Duration) {
        let fanout = Some(envelope::fanout(event.0, event.1, event.2));
        let timeout_ms = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
        let question = Question { fanout, token: token.to_string(), timeout_ms };
        self.say_at(&[Place::Node(node)], &What::Question(question));
    }

    /// Passes an answer on to the node that has asked.
    pub fn answer(&self, token: EventId, item: ReplyItem) {
        let answer = Answer { token: token.to_string(), item: Some(item) };
        self.say_at(&[Place::Node(token.node)], &What::Answer(answer));
    }

    /// Tells the node that has asked that no more answers will come.
    pub fn done(&self, token: EventId, summary: RepliesDone) {
        let done = QuestionDone { token: token.to_string(), summary: Some(summary) };
        self.say_at(&[Place::Node(token.node)], &What::QuestionDone(done));
    }

    /// Tells a node that was asked that nobody wants to know its answers any more.
    pub fn give_up(&self, node: NodeId, token: EventId) {
        self.say_beside(&[Place::Node(node)], &What::GiveUp(GiveUp { token: token.to_string() }));
    }

    /// Passes on what a session is told that has moved to another node.
    pub fn relay(&self, node: NodeId, relay: Relay) {
        self.say_at(&[Place::Node(node)], &What::Relay(relay));
    }

    /// Says that this node is there.
    pub fn announce(&self) {
        self.say_at(&[Place::Cluster], &What::Announce(Announce::default()));
    }

    /// Says that this node leaves, and whether it has answered everything that it has done.
    pub fn say_goodbye(&self, all_answered: bool) {
        self.say_at(&[Place::Cluster], &What::Announce(Announce { leaves: true, all_answered }));
    }

    fn say_at(&self, places: &[Place], what: &What) -> usize {
        self.say_numbered(places, what, true)
    }

    /// Says something of which others notice by themselves when it is missing.
    fn say_beside(&self, places: &[Place], what: &What) -> usize {
        self.say_numbered(places, what, false)
    }

    fn say_numbered(&self, places: &[Place], what: &What, counts: bool) -> usize {
        let subjects: Vec<String> = places.iter().map(|place| place.subject(&self.cluster)).collect();
        let copies = subjects.len();
        self.outgoing
            .say(subjects, counts, |numbers| envelope::message(self.node, numbers, copies, what.clone()))
    }

    /// Notes that a node is there, or that it has said that it leaves. True when that is new.
    pub fn note(&self, node: NodeId, leaves: bool, now: Instant) -> bool {
        let mut nodes = self.nodes.lock();
        if leaves { nodes.leave(node) } else { nodes.hear(node, now) }
    }

    /// The other nodes that are there.
    pub fn nodes(&self) -> Vec<NodeId> {
        self.nodes.lock().all()
    }

    /// For how long a node was not heard; for ever when it is not known.
    pub fn silent(&self, node: NodeId, now: Instant) -> Duration {
        self.nodes.lock().silent(node, now)
    }

    /// Forgets and returns nodes that were not heard for too long.
    pub fn gone(&self, now: Instant) -> Vec<NodeId> {
        self.nodes.lock().gone(now)
    }

    /// Listens at these places as long as the pin is held, and as long as somebody is there; or says after which time so many
    /// new ones can be listened to.
    pub fn pin(&self, places: Vec<Place>, now: Instant) -> Result<(Vec<New>, Pin), Duration> {
        let (new, pin) = self.interest.pin(places, now)?;
        Ok((new.into_iter().map(New).collect(), pin))
    }

    /// Begins to listen at a new place.
    pub fn open(&self, New(place): New) -> impl Future<Output = ()> + Send + 'static {
        Arc::clone(&self.interest).open(place)
    }

    /// Ends listening where nobody has been for some time. Returns where it has ended.
    pub fn sweep(&self, now: Instant, is_empty: impl Fn(&Place) -> bool) -> Vec<Place> {
        self.interest.sweep(now, is_empty)
    }

    /// How many partitions of rooms are listened to as a whole.
    pub fn partitions(&self) -> usize {
        self.interest.partitions()
    }

    /// Everywhere that is listened to.
    pub fn places(&self) -> Vec<Place> {
        self.interest.all()
    }

    /// Sends something to the other side of the link and waits until it has come back.
    pub async fn probe(&self) -> Result<(), LinkError> {
        self.interest.probe().await
    }

    /// What programs publish into rooms, until `ends`.
    pub async fn hear_programs(&self, ends: CancellationToken) -> Result<Plains, LinkError> {
        self.interest.take_plain(plain::all_in(&self.cluster), ends).await
    }

    /// What programs put into queues, until `ends`.
    pub async fn hear_producers(&self, ends: CancellationToken) -> Result<Plains, LinkError> {
        self.interest.take_plain(plain_jobs::all_enqueued(&self.cluster), ends).await
    }

    /// Tells programs what becomes of a job. False when there was no room for that.
    pub fn tell_of_job(&self, queue: (&str, &str), name: &str, job: String) -> bool {
        self.outgoing.say_plain(plain_jobs::event(&self.cluster, queue, name, job))
    }

    /// Tells programs that listen to a room of an event. False when there was no room for that.
    pub fn tell_program(&self, event: &Event, room: &str) -> bool {
        self.outgoing.say_plain(plain::event(&self.cluster, event, room))
    }

    /// Answers a program. It waits no longer than it likes, so that an answer for which there is no room is not missed here.
    pub fn answer_program(&self, subject: String, answer: String) {
        self.outgoing.say_plain(Plain { subject, payload: answer.into(), ..Plain::default() });
    }

    /// Leaves what carries the link for another one that does.
    pub async fn leave(&self) {
        self.interest.leave().await;
    }

    /// How the link is.
    pub fn state(&self) -> watch::Receiver<LinkState> {
        self.state.clone()
    }
}
