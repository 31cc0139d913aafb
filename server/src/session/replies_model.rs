//! The table of waits against a naive model of it: a list of questions, searched anew at each step.

#![allow(clippy::panic, clippy::unwrap_used, reason = "this is test code")]

use std::time::Duration;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Ask { by: u64, asked: BTreeSet<u64>, after: u64 },
    Answer { token: u64, receiver: u64 },
    Unreached { token: u64, receiver: u64 },
    Gone { session: u64 },
    Forget { token: u64 },
    Pass { ms: u64 },
}

const SESSIONS: u64 = 5;

fn step() -> impl Strategy<Value = Step> {
    let session = || 0..SESSIONS;
    // Tokens are counted up from 0, so that these are known ones most of the time.
    let token = || 0..12_u64;
    prop_oneof![
        4 => (session(), prop::collection::btree_set(session(), 0..5), 1..50_u64)
            .prop_map(|(by, asked, after)| Step::Ask { by, asked, after }),
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
}

/// How a question ended: token, who left, who was silent, answers, whether by the clock.
type Ending = (u64, BTreeSet<String>, BTreeSet<String>, u32, bool);

fn names(sessions: &BTreeSet<u64>) -> BTreeSet<String> {
    sessions.iter().map(u64::to_string).collect()
}

impl Open {
    fn ending(&self, timed_out: bool) -> Ending {
        (self.token, names(&self.left), names(&self.silent), self.answered, timed_out)
    }
}

fn seen(done: &Done<u64>) -> Ending {
    let Done { asker, summary } = done;
    let missing = |left: bool| {
        let missing = summary.missing.iter().filter(move |missing| missing.left == left);
        missing.map(|missing| missing.from.as_ref().unwrap().session.clone()).collect::<BTreeSet<_>>()
    };
    assert_eq!(summary.missing_count as usize, summary.missing.len());
    (*asker, missing(true), missing(false), summary.answered, summary.timed_out)
}

#[derive(Debug, Default)]
struct Model {
    open: Vec<Open>,
    /// What has ended since it was last asked for.
    ended: Vec<Ending>,
}

impl Model {
    fn settle(&mut self) {
        let (ended, open) = self.open.drain(..).partition(|open: &Open| open.silent.is_empty());
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
        let (ended, open) = self.open.drain(..).partition(|open: &Open| open.deadline <= now);
        self.open = open;
        let mut ended: Vec<Open> = ended;
        ended.sort_by_key(|open| (open.deadline, open.token));
        self.ended.extend(ended.iter().map(|open| open.ending(true)));
    }
}

/// Both of them, driven side by side.
struct Pair {
    replies: Replies<u64>,
    model: Model,
    now: Instant,
    next: u64,
}

impl Pair {
    fn step(&mut self, step: Step) {
        let mut ended: Vec<Done<u64>> = Vec::new();
        match step {
            Step::Ask { by, asked, after } => {
                let (token, deadline) = (self.next, self.now + Duration::from_millis(after));
                self.next += 1;
                let names =
                    asked.iter().map(|key| (*key, Sender { session: key.to_string(), user: String::new() }));
                let wanted = Wanted { asker: token, by: Some(by), asked: names.collect(), deadline };
                self.replies.wait(token, wanted);
                ended.extend(self.replies.settle(token));
                let (left, answered) = (BTreeSet::new(), 0);
                self.model.open.push(Open { token, by, deadline, silent: asked, left, answered });
                self.model.settle();
            }
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
        }
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
        let mut pair = Pair { replies, model, now: Instant::now(), next: 0 };
        for step in steps {
            pair.step(step);
        }
        pair.step(Step::Pass { ms: 1_000 });
        prop_assert!(pair.replies.is_empty());
    }
}

#[test]
fn of_very_many_who_are_missing_256_are_named_and_all_are_counted() {
    let now = Instant::now();
    let mut replies = Replies::default();
    let asked = (0..1_000_u64).map(|key| (key, Sender { session: key.to_string(), user: String::new() }));
    replies.wait(1, Wanted { asker: (), by: None, asked: asked.collect(), deadline: now });
    for receiver in 0..400 {
        assert!(replies.gone(receiver).is_empty());
        replies.check();
    }
    let done = replies.expire(now).remove(0).summary;
    assert_eq!((done.missing.len(), done.missing_count), (SESSIONS_PER_COMMAND_MAX, 1_000));
    assert!(replies.is_empty());
}
