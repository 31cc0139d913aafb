//! The answers to the last commands that must not be carried out twice: who sends one again gets the first answer.
//! Pure, bounded.

use std::collections::VecDeque;

use crate::wire::Frame;

/// Commands that are remembered. A client learns with `Welcome.last_ref` what was taken, so it sends again only what
/// was not; this is for those that do not look.
const REMEMBERED: usize = 128;

/// The last commands of a session and their answers.
#[derive(Debug, Default)]
pub struct Answers {
    taken: VecDeque<Taken>,
}

#[derive(Debug)]
struct Taken {
    reference: u32,
    digest: u64,
    answer: Option<Frame>,
}

/// What is known of a command that comes again.
#[derive(Debug)]
pub enum Recall {
    /// It was answered so.
    Answered(Frame),
    /// It was taken; the answer will come.
    Pending,
    /// Another command had that number.
    Other,
    /// Nothing any more.
    Nothing,
}

impl Answers {
    /// Notes that a command was taken. 0 is not a number.
    pub fn taken(&mut self, reference: u32, digest: u64) {
        if reference == 0 {
            return;
        }
        if self.taken.len() >= REMEMBERED {
            self.taken.pop_front();
        }
        self.taken.push_back(Taken { reference, digest, answer: None });
    }

    /// Notes the first answer to a command that was noted.
    pub fn answered(&mut self, frame: &Frame) {
        if frame.reference() != 0
            && let Some(taken) = self.find(frame.reference())
            && taken.answer.is_none()
        {
            taken.answer = Some(frame.clone());
        }
    }

    /// What is known of a command that comes again.
    pub fn recall(&mut self, reference: u32, digest: u64) -> Recall {
        match self.find(reference) {
            None => Recall::Nothing,
            Some(taken) if taken.digest != digest => Recall::Other,
            Some(Taken { answer: Some(frame), .. }) => Recall::Answered(frame.clone()),
            Some(_) => Recall::Pending,
        }
    }

    /// Everything that is remembered: numbers, digests and answers.
    pub fn parts(&self) -> impl Iterator<Item = (u32, u64, Option<&Frame>)> {
        self.taken.iter().map(|taken| (taken.reference, taken.digest, taken.answer.as_ref()))
    }

    /// The same as another node has remembered it, by rising number.
    pub fn of_parts(parts: impl IntoIterator<Item = (u32, u64, Option<Frame>)>) -> Self {
        let mut answers = Self::default();
        for (reference, digest, answer) in parts {
            answers.taken(reference, digest);
            answer.iter().for_each(|frame| answers.answered(frame));
        }
        answers
    }

    /// Refs rise, so the list is sorted.
    fn find(&mut self, reference: u32) -> Option<&mut Taken> {
        let at = self.taken.binary_search_by_key(&reference, |taken| taken.reference).ok()?;
        self.taken.get_mut(at)
    }
}

#[cfg(test)]
mod tests {
    use rialto_proto::v1::{Accepted, server_frame::Frame as Body};

    use super::*;

    fn answer(reference: u32) -> Frame {
        Frame::answer(reference, Body::Accepted(Accepted::default()))
    }

    #[test]
    fn a_command_that_comes_again_gets_its_first_answer() {
        let mut answers = Answers::default();
        answers.taken(3, 77);
        assert!(matches!(answers.recall(3, 77), Recall::Pending));
        answers.answered(&answer(3));
        assert!(matches!(answers.recall(3, 77), Recall::Answered(frame) if frame.reference() == 3));
        assert!(matches!(answers.recall(3, 78), Recall::Other));
        assert!(matches!(answers.recall(2, 77), Recall::Nothing));
    }

    #[test]
    fn only_the_newest_are_remembered() {
        let mut answers = Answers::default();
        (1..=500).for_each(|reference| answers.taken(reference, 0));
        assert!(matches!(answers.recall(372, 0), Recall::Nothing));
        assert!(matches!(answers.recall(373, 0), Recall::Pending));
        assert!(matches!(answers.recall(500, 0), Recall::Pending));
    }
}
