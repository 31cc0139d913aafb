//! Where senders and receivers of a run, in whatever tasks, write down what they do and see. It gives the stamps, so
//! that there is one order. It judges nothing.

use std::sync::Arc;

use parking_lot::Mutex;

use super::record::{Done, Receiver, Run, Seen, Stamped};

/// Writes a [`Run`]. Cheap to clone; all clones write the same one.
#[derive(Debug, Clone, Default)]
pub struct Recorder {
    pages: Arc<Mutex<Pages>>,
}

#[derive(Debug, Default)]
struct Pages {
    stamp: u64,
    run: Run,
}

impl Pages {
    fn stamped<T>(&mut self, what: T) -> Stamped<T> {
        self.stamp += 1;
        Stamped { at: self.stamp, what }
    }
}

impl Recorder {
    /// A record of a run that says nothing with fewer acknowledged messages than `successes_min`.
    pub fn new(successes_min: u64) -> Self {
        let recorder = Self::default();
        recorder.pages.lock().run.successes_min = successes_min;
        recorder
    }

    /// A receiver that is also the sender `own`, and does not hear what that one says.
    pub fn hears_not_itself(&self, receiver: &str, own: &str) {
        let mut pages = self.pages.lock();
        pages.run.receivers.entry(receiver.to_owned()).or_default().own = Some(own.into());
    }

    /// Something was done. Before it is invoked, after it was answered.
    pub fn done(&self, done: Done) {
        let mut pages = self.pages.lock();
        let stamped = pages.stamped(done);
        pages.run.done.push(stamped);
    }

    /// `receiver` saw something, after all that it saw before.
    pub fn seen(&self, receiver: &str, seen: Seen) {
        let mut pages = self.pages.lock();
        let stamped = pages.stamped(seen);
        match pages.run.receivers.get_mut(receiver) {
            Some(known) => known.seen.push(stamped),
            None => {
                let new = Receiver { own: None, seen: vec![stamped] };
                pages.run.receivers.insert(receiver.to_owned(), new);
            }
        }
    }

    /// The record so far.
    pub fn run(&self) -> Run {
        self.pages.lock().run.clone()
    }
}
