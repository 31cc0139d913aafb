//! A session as nodes hand it over, and back. What comes from another node is checked here.

use std::{sync::Arc, time::Duration};

use rialto_proto::node::{
    self, MovingAnswer, MovingFrame, MovingSent, MovingSession, MovingWait, StateAfter, Stretch,
    moving_wait::What,
};

use crate::{
    base::clock::Instant,
    session::{
        answers::Answers,
        moving::{Luggage, Waits},
        owed::{self, Owed},
        replay::Replay,
    },
    wire::{Class, Frame, frame::Parts},
};

/// A frame.
pub(in super::super) fn frame(frame: &Frame) -> MovingFrame {
    let Parts { record, count, reference, class, kept, based, notice, topic } = frame.clone().into_parts();
    let class = match class {
        Class::Answer => 0,
        Class::Reliable => 1,
        Class::Volatile => 2,
        Class::Latest => 3,
    };
    MovingFrame { record, count, r#ref: reference, class, kept, based, notice, topic }
}

/// The same, read.
pub(super) fn read_frame(frame: MovingFrame) -> Option<Frame> {
    let MovingFrame { record, count, r#ref: reference, class, kept, based, notice, topic } = frame;
    let class = match class {
        0 => Class::Answer,
        1 => Class::Reliable,
        2 => Class::Volatile,
        3 => Class::Latest,
        _ => return None,
    };
    Frame::of_parts(Parts { record, count, reference, class, kept, based, notice, topic })
}

/// What a session takes along; where it was a member and what it was asked is said beside it.
pub(super) fn luggage(luggage: Luggage, now: Instant) -> MovingSession {
    let Luggage { last_ref, pushed_seq, answers, replay, waits, fresh, dropped } = luggage;
    let age = |at| u32::try_from(now.saturating_duration_since(at).as_millis()).unwrap_or(u32::MAX);
    let sent = replay.parts().map(|(record, count, at)| MovingSent {
        record: record.clone(),
        count,
        age_ms: age(at),
    });
    let answers = answers.parts().map(|(reference, digest, answer)| MovingAnswer {
        r#ref: reference,
        digest,
        answer: answer.map(frame),
    });
    MovingSession {
        last_ref,
        pushed_seq,
        answers: answers.collect(),
        last_seq: replay.last_seq(),
        sent: sent.collect(),
        waits: waits.into_iter().map(wait).collect(),
        fresh: u32::try_from(fresh).unwrap_or(u32::MAX),
        dropped,
        ..MovingSession::default()
    }
}

/// The same, read. `None` when something in it is wrong.
pub(super) fn read_luggage(session: &mut MovingSession, now: Instant) -> Option<Luggage> {
    let answers = std::mem::take(&mut session.answers).into_iter();
    let answers: Option<Vec<_>> = answers
        .map(|MovingAnswer { r#ref: reference, digest, answer }| {
            let answer = answer.map(|answer| read_frame(answer).ok_or(())).transpose().ok()?;
            Some((reference, digest, answer))
        })
        .collect();
    let sent = std::mem::take(&mut session.sent).into_iter();
    let sent: Option<Vec<_>> = sent
        .map(|MovingSent { record, count, age_ms }| {
            let at = now.checked_sub(Duration::from_millis(age_ms.into())).unwrap_or(now);
            Frame::holds(&record, count).then_some((record, count, at))
        })
        .collect();
    let waits = std::mem::take(&mut session.waits).into_iter().map(read_wait).collect::<Option<_>>();
    Some(Luggage {
        last_ref: session.last_ref,
        pushed_seq: session.pushed_seq,
        answers: Answers::of_parts(answers?),
        replay: Replay::of_parts(session.last_seq, sent?),
        waits: waits?,
        fresh: session.fresh as usize,
        dropped: std::mem::take(&mut session.dropped),
    })
}

fn wait(waits: Waits) -> MovingWait {
    let what = match waits {
        Waits::Frame(waiting) => What::Frame(frame(&waiting)),
        Waits::Owed(Owed::Events(owed)) => What::Events(Stretch {
            namespace: owed.namespace.to_string(),
            room: owed.room.to_string(),
            epoch: owed.epoch,
            from: owed.from,
            to: owed.to,
        }),
        Waits::Owed(Owed::State(owed)) => What::State(StateAfter {
            namespace: owed.namespace.to_string(),
            room: owed.room.to_string(),
            epoch: owed.epoch,
            revision: owed.revision,
            known: owed.known,
        }),
    };
    MovingWait { what: Some(what) }
}

fn read_wait(wait: MovingWait) -> Option<Waits> {
    Some(match wait.what? {
        What::Frame(frame) => Waits::Frame(read_frame(frame)?),
        What::Events(node::Stretch { namespace, room, epoch, from, to }) => {
            let (namespace, room): (Arc<str>, Arc<str>) = (namespace.into(), room.into());
            (0 < from && from <= to).then_some(Waits::Owed(Owed::Events(owed::Stretch {
                namespace,
                room,
                epoch,
                from,
                to,
            })))?
        }
        What::State(node::StateAfter { namespace, room, epoch, revision, known }) => {
            let (namespace, room) = (namespace.into(), room.into());
            Waits::Owed(Owed::State(owed::StateAfter { namespace, room, epoch, revision, known }))
        }
    })
}
