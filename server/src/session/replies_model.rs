//! The table of waits against a naive model of it: a list of questions, searched anew at each step.

#![allow(clippy::panic, clippy::unwrap_used, reason = "this is test code")]

use std::time::Duration;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Ask { by: u64, asked: BTreeSet<u64>, nodes: BTreeSet<usize>, after: u64 },
    AnswerOf { token: u64, node: usize },
    NodeDone { token: u64, node: usize, missing: u32 },
    NodeGone { node: usize },
    Answer { token: u64, receiver: u64 },
    Unreached { token: u64, receiver: u64 },
    Gone { session: u64 },
    Forget { token: u64 },
    Pass { ms: u64 },
}

const SESSIONS: u64 = 5;
const NODES: usize = 3;

fn step() -> impl Strategy<Value = Step> {
    let session = || 0..SESSIONS;
    // Tokens are counted up from 0, so that these are known ones most of the time.
    let token = || 0..12_u64;
    let nodes = prop::collection::btree_set(0..NODES, 0..3);
    prop_oneof![
        4 => (session(), prop::collection::btree_set(session(), 0..5), nodes, 1..50_u64)
            .prop_map(|(by, asked, nodes, after)| Step::Ask { by, asked, nodes, after }),
        2 => (token(), 0..NODES).prop_map(|(token, node)| Step::AnswerOf { token, node }),
        3 => (token(), 0..NODES, 0..3_u32)
            .prop_map(|(token, node, missing)| Step::NodeDone { token, node, missing }),
        1 => (0..NODES).prop_map(|node| Step::NodeGone { node }),
        6 => (token(), session()).prop_map(|(token, receiver)| Step::Answer { token, receiver }),
        1 => (token(), session()).prop_map(|(token, receiver)| Step::Unreached { token, receiver }),
        1 => session().prop_map(|session| Step::Gone { session }),
        1 => token().prop_map(|token| Step::Forget { token }),
        1 => (0..30_u64).prop_map(|ms| Step::Pass { ms }),
    ]
}

/// A question that is open.
#[derive(Debug, Clone)]
struct Open {
    token: u64,
    by: u64,
    deadline: Instant,
    silent: BTreeSet<u64>,
    left: BTreeSet<u64>,
    answered: u32,
    nodes: BTreeSet<usize>,
    nodes_gone: BTreeSet<usize>,
    beyond: u32,
    /// Those who were silent when their time was over.
    silent_before: BTreeSet<u64>,
    late: bool,
}

/// How a question ended: token, who left, who was silent, answers, whether by the clock, who is missing elsewhere, nodes
/// that are missing.
type Ending = (u64, BTreeSet<String>, BTreeSet<String>, u32, bool, u32, usize);

fn names(sessions: &BTreeSet<u64>) -> BTreeSet<String> {
    sessions.iter().map(u64::to_string).collect()
}

impl Open {
    fn ending(&self, timed_out: bool) -> Ending {
        let nodes = self.nodes.len() + self.nodes_gone.len();
        (
            self.token,
            names(&self.left),
            names(&(&self.silent | &self.silent_before)),
            self.answered,
            timed_out || self.late,
            self.beyond,
            nodes,
        )
    }
}

fn seen(done: &Done<u64>) -> Ending {
    let Done { asker, summary } = done;
    let missing = |left: bool| {
        let missing = summary.missing.iter().filter(move |missing| missing.left == left);
        missing.map(|missing| missing.from.as_ref().unwrap().session.clone()).collect::<BTreeSet<_>>()
    };
    let beyond = summary.missing_count - u32::try_from(summary.missing.len()).unwrap();
    let nodes = summary.nodes_missing.len();
    (*asker, missing(true), missing(false), summary.answered, summary.timed_out, beyond, nodes)
}

#[derive(Debug, Default)]
struct Model {
    open: Vec<Open>,
    /// What has ended since it was last asked for.
    ended: Vec<Ending>,
}

impl Model {
    fn settle(&mut self) {
        let (ended, open) =
            self.open.drain(..).partition(|open: &Open| open.silent.is_empty() && open.nodes.is_empty());
        self.open = open;
        self.ended.extend(ended.iter().map(|open: &Open| open.ending(false)));
    }

    fn lose(&mut self, receiver: u64, of: impl Fn(&Open) -> bool) {
        for open in self.open.iter_mut().filter(|open| of(open)) {
            if open.silent.remove(&receiver) {
                open.left.insert(receiver);
            }
        }
        self.settle();
    }

    fn expire(&mut self, now: Instant) {
        for open in &mut self.open {
            if open.deadline <= now && !open.late && !open.nodes.is_empty() {
                open.silent_before = std::mem::take(&mut open.silent);
                (open.late, open.deadline) = (true, open.deadline + NODES_GRACE);
            }
        }
        let (ended, open) = self.open.drain(..).partition(|open: &Open| open.deadline <= now);
        self.open = open;
        self.ended.extend(ended.iter().map(|open: &Open| open.ending(true)));
    }
}

/// Both of them, driven side by side.
struct Pair {
    replies: Replies<u64, u64>,
    nodes: [NodeId; NODES],
    model: Model,
    now: Instant,
    next: u64,
}

impl Pair {
    fn step(&mut self, step: Step) {
        let ended = match step {
            Step::Ask { by, asked, nodes, after } => self.ask(by, asked, nodes, after),
            Step::AnswerOf { .. } | Step::NodeDone { .. } | Step::NodeGone { .. } => {
                self.step_elsewhere(step)
            }
            _ => self.step_here(step),
        };
        self.compare(&ended);
    }

    fn ask(&mut self, by: u64, asked: BTreeSet<u64>, nodes: BTreeSet<usize>, after: u64) -> Vec<Done<u64>> {
        let mut ended = Vec::new();
        let (token, deadline) = (self.next, self.now + Duration::from_millis(after));
        self.next += 1;
        let names = asked.iter().map(|key| (*key, Sender { session: key.to_string(), user: String::new() }));
        let ids = nodes.iter().map(|node| self.nodes[*node]).collect();
        let wanted = Wanted { asker: token, by: Some(by), asked: names.collect(), nodes: ids, deadline };
        self.replies.wait(token, wanted);
        ended.extend(self.replies.settle(token));
        let (left, answered) = (BTreeSet::new(), 0);
        let (nodes_gone, beyond) = (BTreeSet::new(), 0);
        let open = Open {
            token,
            by,
            deadline,
            silent: asked,
            left,
            answered,
            nodes,
            nodes_gone,
            beyond,
            silent_before: BTreeSet::new(),
            late: false,
        };
        self.model.open.push(open);
        self.model.settle();
        ended
    }

    /// Something that another node does.
    fn step_elsewhere(&mut self, step: Step) -> Vec<Done<u64>> {
        let mut ended = Vec::new();
        match step {
            Step::AnswerOf { token, node } => {
                let asked = |open: &&mut Open| open.token == token && open.nodes.contains(&node);
                let expected = self.model.open.iter_mut().find(asked).map(|open| {
                    open.answered += 1;
                    token
                });
                let id = self.nodes[node];
                assert_eq!(self.replies.expecting_of(token, id).ok(), expected.as_ref());
                assert_eq!(self.replies.answer_of(token, id).ok(), expected);
            }
            Step::NodeDone { token, node, missing } => {
                let summary = RepliesDone { missing_count: missing, ..RepliesDone::default() };
                ended.extend(self.replies.node_done(token, self.nodes[node], summary));
                for open in self.model.open.iter_mut().filter(|open| open.token == token) {
                    open.beyond += if open.nodes.remove(&node) { missing } else { 0 };
                }
                self.model.settle();
            }
            Step::NodeGone { node } => {
                ended.extend(self.replies.node_gone(self.nodes[node]));
                for open in &mut self.model.open {
                    if open.nodes.remove(&node) {
                        open.nodes_gone.insert(node);
                    }
                }
                self.model.settle();
            }
            other => panic!("{other:?}"),
        }
        ended
    }

    fn step_here(&mut self, step: Step) -> Vec<Done<u64>> {
        let mut ended = Vec::new();
        match step {
            Step::Answer { token, receiver } => {
                let asked = |open: &&mut Open| open.token == token && open.silent.contains(&receiver);
                let expected = self.model.open.iter_mut().find(asked).map(|open| {
                    open.silent.remove(&receiver);
                    open.answered += 1;
                    receiver.to_string()
                });
                self.model.settle();
                assert_eq!(self.replies.expecting(token, receiver).ok(), expected.as_ref().map(|_| &token));
                let answer = self.replies.answer(token, receiver);
                assert_eq!(answer.as_ref().ok().map(|(from, _)| from.session.clone()), expected);
                if let Ok((_, progress)) = answer {
                    assert_eq!(progress.asker, token);
                    ended.extend(progress.done.map(|summary| Done { asker: token, summary }));
                }
            }
            Step::Unreached { token, receiver } => {
                ended.extend(self.replies.unreached(token, receiver));
                self.model.lose(receiver, |open| open.token == token);
            }
            Step::Gone { session } => {
                self.replies.asker_gone(session);
                self.model.open.retain(|open| open.by != session);
                ended.extend(self.replies.gone(session));
                self.model.lose(session, |_| true);
            }
            Step::Forget { token } => {
                self.replies.forget(token);
                self.model.open.retain(|open| open.token != token);
            }
            Step::Pass { ms } => {
                self.now += Duration::from_millis(ms);
                ended.extend(self.replies.expire(self.now));
                self.model.expire(self.now);
            }
            other => panic!("{other:?}"),
        }
        ended
    }

    fn compare(&mut self, ended: &[Done<u64>]) {
        let by_token = |endings: &mut Vec<Ending>| endings.sort_by_key(|ending| ending.0);
        let mut seen: Vec<Ending> = ended.iter().map(seen).collect();
        by_token(&mut seen);
        by_token(&mut self.model.ended);
        assert_eq!(seen, std::mem::take(&mut self.model.ended));
        self.replies.check();
        assert_eq!(self.replies.len(), self.model.open.len());
        let next = self.model.open.iter().map(|open| open.deadline).min();
        assert_eq!(self.replies.next_deadline(), next);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_waits_do_what_their_model_does(steps in prop::collection::vec(step(), 1..80)) {
        let (replies, model) = (Replies::default(), Model::default());
        let nodes = std::array::from_fn(|_| NodeId::random());
        let mut pair = Pair { replies, nodes, model, now: Instant::now(), next: 0 };
        for step in steps {
            pair.step(step);
        }
        pair.step(Step::Pass { ms: 1_000 });
        pair.step(Step::Pass { ms: 1_000 });
        prop_assert!(pair.replies.is_empty());
    }
}

#[test]
fn of_very_many_who_are_missing_256_are_named_and_all_are_counted() {
    let now = Instant::now();
    let mut replies = Replies::default();
    let asked = (0..1_000_u64).map(|key| (key, Sender { session: key.to_string(), user: String::new() }));
    let nodes = BTreeSet::new();
    replies.wait(1, Wanted { asker: (), by: None, asked: asked.collect(), nodes, deadline: now });
    for receiver in 0..400 {
        assert!(replies.gone(receiver).is_empty());
        replies.check();
    }
    let done = replies.expire(now).remove(0).summary;
    assert_eq!((done.missing.len(), done.missing_count), (SESSIONS_PER_COMMAND_MAX, 1_000));
    assert!(replies.is_empty());
}
