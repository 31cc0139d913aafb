//! What this node says to others, on its way to the link: numbered in the order in which it is said, bounded, and published by
//! one task. What finds no place is not said; its number tells others that something is missing.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::{link::Link, plain::Plain};
use crate::base::tasks::Tasks;

/// Messages that wait for the link.
const MESSAGES_MAX: usize = 16 << 10;
/// Bytes of them.
const BYTES_MAX: usize = 64 << 20;
/// Subjects of which is known what was said last, twice: the older half goes when the newer one is full.
const SUBJECTS_MAX: usize = 32 << 10;

/// Something that is said.
#[derive(Debug)]
enum Said {
    /// To other nodes.
    Nodes(String, Bytes),
    /// To programs.
    Programs(Plain),
}

/// What waits for the link.
#[derive(Debug)]
pub(super) struct Outgoing {
    numbers: Mutex<Numbers>,
    waiting: mpsc::Sender<Said>,
    bytes: Arc<AtomicUsize>,
}

/// What has to be published.
#[derive(Debug)]
pub struct Waiting {
    messages: mpsc::Receiver<Said>,
    bytes: Arc<AtomicUsize>,
}

/// The numbers of what was said.
#[derive(Debug, Default)]
struct Numbers {
    seq: u64,
    newer: HashMap<String, u64>,
    older: HashMap<String, u64>,
}

impl Numbers {
    /// Notes that `seq` is said to a subject. Returns what was said to it before; 0 when that is not known.
    fn say(&mut self, subject: &str, seq: u64) -> u64 {
        let previous = match self.newer.get_mut(subject) {
            Some(known) => return std::mem::replace(known, seq),
            None => self.older.remove(subject).unwrap_or_default(),
        };
        if self.newer.len() >= SUBJECTS_MAX {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(subject.to_owned(), seq);
        previous
    }

    /// What was said to a subject last, of what counts; 0 when that is not known.
    fn last(&self, subject: &str) -> u64 {
        self.newer.get(subject).or_else(|| self.older.get(subject)).copied().unwrap_or_default()
    }
}

impl Outgoing {
    pub(super) fn new() -> (Self, Waiting) {
        let (waiting, messages) = mpsc::channel(MESSAGES_MAX);
        let bytes = Arc::new(AtomicUsize::new(0));
        let outgoing = Self { numbers: Mutex::default(), waiting, bytes: Arc::clone(&bytes) };
        (outgoing, Waiting { messages, bytes })
    }

    /// Says the same to several subjects; `make` makes the message from its number and that of the one before that counts.
    /// Returns how many subjects had no place for it.
    ///
    /// *Order*: what is said first is published first.
    pub(super) fn say(
        &self,
        subjects: Vec<String>,
        counts: bool,
        make: impl Fn((u64, u64)) -> Bytes,
    ) -> usize {
        let mut numbers = self.numbers.lock();
        numbers.seq += 1;
        let seq = numbers.seq;
        let mut lost = 0;
        for subject in subjects {
            let previous = if counts { numbers.say(&subject, seq) } else { numbers.last(&subject) };
            let message = make((seq, previous));
            let bytes = message.len();
            lost += usize::from(!self.put(Said::Nodes(subject, message), bytes));
        }
        lost
    }

    /// Says something to programs. False when there was no room for it.
    pub(super) fn say_plain(&self, plain: Plain) -> bool {
        let bytes = plain.payload.len();
        self.put(Said::Programs(plain), bytes)
    }

    fn put(&self, said: Said, bytes: usize) -> bool {
        let fits = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes <= BYTES_MAX;
        let put = fits && self.waiting.try_send(said).is_ok();
        if !put {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        put
    }
}

impl Waiting {
    /// Publishes what is said, until the node stops.
    pub async fn publish(mut self, link: Arc<dyn Link>, tasks: Tasks) {
        let all = async {
            while let Some(said) = self.messages.recv().await {
                let (bytes, published) = match said {
                    Said::Nodes(subject, message) => (message.len(), link.publish(subject, message).await),
                    Said::Programs(plain) => (plain.payload.len(), link.publish_plain(plain).await),
                };
                if let Err(error) = published {
                    // Other nodes notice that it is missing.
                    tracing::warn!(%error, "a message was not published");
                }
                self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            }
        };
        tokio::select! {
            biased;
            () = tasks.stopping().cancelled() => {}
            () = all => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(waiting: &mut Waiting) -> Vec<(String, Bytes)> {
        let all = std::iter::from_fn(|| waiting.messages.try_recv().ok());
        all.filter_map(
            |said| if let Said::Nodes(subject, message) = said { Some((subject, message)) } else { None },
        )
        .collect()
    }

    fn numbers((seq, previous): (u64, u64)) -> Bytes {
        format!("{seq} after {previous}").into()
    }

    #[test]
    fn each_message_names_the_one_before_to_the_same_subject() {
        let (outgoing, mut waiting) = Outgoing::new();
        for subjects in [vec!["a"], vec!["b"], vec!["a", "b"], vec!["a"]] {
            assert_eq!(outgoing.say(subjects.into_iter().map(str::to_owned).collect(), true, numbers), 0);
        }
        let said = said(&mut waiting);
        let said: Vec<_> =
            said.iter().map(|(subject, bytes)| (&**subject, std::str::from_utf8(bytes).unwrap())).collect();
        assert_eq!(
            said,
            [
                ("a", "1 after 0"),
                ("b", "2 after 0"),
                ("a", "3 after 1"),
                ("b", "3 after 2"),
                ("a", "4 after 3")
            ]
        );
    }

    #[test]
    fn what_finds_no_place_is_missing_by_its_number() {
        let (outgoing, mut waiting) = Outgoing::new();
        let large = |_| Bytes::from(vec![0; BYTES_MAX / 2]);
        assert_eq!([0, 1, 2].map(|_| outgoing.say(vec!["a".into()], true, large)), [0, 0, 1]);
        said(&mut waiting);
        waiting.bytes.store(0, Ordering::Relaxed);
        assert_eq!(outgoing.say(vec!["a".into()], true, numbers), 0);
        assert_eq!(said(&mut waiting)[0].1, "4 after 3");
    }

    #[test]
    fn subjects_are_remembered_within_a_bound() {
        let mut numbers = Numbers::default();
        for seq in 1..=3 * SUBJECTS_MAX as u64 {
            assert_eq!(numbers.say(&seq.to_string(), seq), 0);
            assert!(numbers.newer.len() <= SUBJECTS_MAX && numbers.older.len() <= SUBJECTS_MAX);
        }
        assert_eq!(numbers.say("1", 100_000), 0, "forgotten");
        assert_eq!(numbers.say(&(3 * SUBJECTS_MAX).to_string(), 100_001), 3 * SUBJECTS_MAX as u64);
    }
}
