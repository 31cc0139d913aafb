//! What is missing, as the model notes and tells it.

use super::*;

/// Events of one room that are missing, one after the other: how many, and which.
pub(super) type Hole = (u32, Option<(u64, u64)>);

/// Notes the events of a frame as missing.
pub(super) fn note(missed: &mut Vec<(String, Vec<Hole>)>, frame: &Frame) {
    for event in frame.events() {
        note_hole(missed, &event.rooms[0], (1, event.offset.map(|offset| (offset, offset))));
    }
}

pub(super) fn note_hole(missed: &mut Vec<(String, Vec<Hole>)>, room: &str, (count, range): Hole) {
    if !missed.iter().any(|(known, _)| known == room) {
        missed.push((room.to_owned(), Vec::new()));
        missed.sort();
    }
    let holes = &mut missed.iter_mut().find(|(known, _)| known == room).unwrap().1;
    match (holes.last_mut(), range) {
        (Some((known, None)), None) => *known += count,
        (Some((known, Some((_, last)))), Some((from, to))) if *last + 1 == from => {
            (*known, *last) = (*known + count, to)
        }
        (_, range) => holes.push((count, range)),
    }
}

pub(super) fn told_of(missed: Vec<(String, Vec<Hole>)>) -> Vec<Waiting> {
    let tell = |room: String, (count, range): Hole| {
        let missed = Missed {
            rooms: vec![room],
            count,
            from_offset: range.map(|(from, _)| from),
            to_offset: range.map(|(_, to)| to),
            epoch: range.map(|_| "e".to_owned()).unwrap_or_default(),
            ..Missed::default()
        };
        Waiting { words: vec![missed_word(&missed)], frame: Frame::missed(missed) }
    };
    missed
        .into_iter()
        .flat_map(|(room, holes)| holes.into_iter().map(move |hole| tell(room.clone(), hole)))
        .collect()
}
