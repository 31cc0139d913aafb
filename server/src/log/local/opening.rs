//! Opening: first a survey that changes nothing and refuses what is not as it was written, then the repairs that a crash
//! makes necessary. What was torn is cut; what is kept at the end is written once more and synced, because a sync that
//! failed before the restart may have left it in the cache of the system and nowhere else.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    disk::Disk,
    error::OpenError,
    layout::{BODY, Extent, LogId, SECTOR, Sector, look},
    manifest::{MANIFEST, Manifest},
    scan::{self, End, Ending},
    segment::{self, Segment, Segments},
    snapshot,
    tail::Tail,
};
use crate::log::Position;

/// What is there.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) manifest: Manifest,
    pub(super) segments: Segments,
    pub(super) end: End,
    /// Files that a crash has left and that nobody needs.
    pub(super) leftovers: Vec<String>,
}

/// The names in the folder that mean something.
#[derive(Debug, Default)]
struct Names {
    segments: BTreeSet<u64>,
    snapshots: BTreeSet<Position>,
    unfinished: Vec<String>,
}

impl Names {
    fn read(disk: &dyn Disk) -> Result<Self, OpenError> {
        let mut names = Self::default();
        for name in disk.list().map_err(OpenError::disk(".", "list"))? {
            if let Some(base) = segment::base_of(&name) {
                names.segments.insert(base?);
            } else if let Some(at) = snapshot::position_of(&name) {
                names.snapshots.insert(at?);
            } else if [segment::UNFINISHED, snapshot::UNFINISHED].contains(&name.as_str()) {
                // That of the manifest is taken when the manifest is written again.
                names.unfinished.push(name);
            }
        }
        Ok(names)
    }
}

/// Which records are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Those that the last snapshot does not cover: those before are checked when they are read.
    AfterSnapshot,
    /// All.
    Everything,
}

/// Looks and changes nothing. `None` when there is no log yet.
pub(super) fn survey(disk: &dyn Disk, depth: Depth) -> Result<Option<Survey>, OpenError> {
    let names = Names::read(disk)?;
    let Some(mut manifest) = Manifest::read(disk)? else {
        return if is_begun(disk, &names)? {
            Ok(None)
        } else {
            Err(OpenError::damaged(MANIFEST, "the file is missing", 0))
        };
    };
    let mut leftovers = names.unfinished;
    leftovers.extend(names.segments.range(..manifest.first).map(|base| segment::name(*base)));
    let required = manifest.snapshot;
    manifest.snapshot =
        names.snapshots.last().copied().filter(|at| required.is_none_or(|required| *at >= required));
    if let (Some(required), None) = (required, manifest.snapshot) {
        return Err(OpenError::damaged(&snapshot::name(required), "the snapshot is missing", 0));
    }
    leftovers.extend(
        names.snapshots.iter().filter(|at| manifest.snapshot != Some(**at)).map(|at| snapshot::name(*at)),
    );
    let segments = open_segments(disk, &manifest, names.segments.range(manifest.first..))?;
    let covered = manifest.snapshot.filter(|_| depth == Depth::AfterSnapshot);
    let needed = covered.map_or(manifest.first, |at| at.0);
    let from = segments.range(..=needed).next_back().map_or(manifest.first, |(base, _)| *base);
    let end = scan::find_end(&segments, manifest.id, (from, manifest.durable))?;
    if let Some(at) = manifest.snapshot {
        snapshot::open(disk, manifest.id, at)?.show(&mut |_| ())?;
        if at > end.position() {
            let byte = end.position().0 - end.active.base;
            let name = segment::name(end.active.base);
            return Err(OpenError::damaged(&name, "the log ends before its snapshot,", byte));
        }
    }
    Ok(Some(Survey { manifest, segments, end, leftovers }))
}

/// Whether a folder without manifest is one in which no record was ever taken: the manifest is made before that.
fn is_begun(disk: &dyn Disk, names: &Names) -> Result<bool, OpenError> {
    if !names.snapshots.is_empty() || names.segments.iter().any(|base| *base > 0) {
        return Ok(false);
    }
    if names.segments.is_empty() {
        return Ok(true);
    }
    let (segment, id) = Segment::open(disk, 0)?;
    let ending = scan::scan(&segment, id)?;
    Ok(ending.offset == 0 && ending.torn_until.is_none())
}

fn open_segments<'a>(
    disk: &dyn Disk,
    manifest: &Manifest,
    bases: impl Iterator<Item = &'a u64>,
) -> Result<Segments, OpenError> {
    let (mut segments, mut expected) = (Segments::new(), manifest.first);
    for base in bases {
        if *base != expected {
            return Err(OpenError::damaged(&segment::name(expected), "the segment is missing", 0));
        }
        let (segment, id) = Segment::open(disk, *base)?;
        if id != manifest.id {
            let what = "the segment belongs to another log: the first sector begins";
            return Err(OpenError::damaged(&segment.name, what, 0));
        }
        expected = segment.extent.end();
        segments.insert(*base, Arc::new(segment));
    }
    Ok(segments)
}

/// Begins a log. The manifest comes last: without it there is none.
pub(super) fn begin(disk: &dyn Disk, id: LogId, segment_bytes: u64) -> Result<(Survey, Tail), OpenError> {
    let extent = Extent { base: 0, bytes: segment_bytes };
    let segment = segment::make(disk, id, extent)?;
    let manifest = Manifest { id, first: 0, snapshot: None, durable: Position(0) };
    manifest.write(disk)?;
    let ending = scan::scan(&segment, id)?;
    let end = End { active: extent, ending, sealed: None, records: 0 };
    let segments = Segments::from([(0, Arc::new(segment))]);
    Ok((Survey { manifest, segments, end, leftovers: Vec::new() }, Tail::new(id, extent)))
}

/// Cuts what was torn, makes durable what is kept, and removes what a crash has left.
pub(super) fn repair(disk: &dyn Disk, survey: &mut Survey, segment_bytes: u64) -> Result<Tail, OpenError> {
    let id = survey.manifest.id;
    if let Some((base, ending)) = &survey.end.sealed
        && let Some(segment) = survey.segments.get(base)
    {
        rewrite_end(segment, id, ending)?;
    }
    let active = survey.segments.get(&survey.end.active.base);
    let missing = || OpenError::damaged(&segment::name(survey.end.active.base), "the segment is missing", 0);
    let tail = rewrite_end(active.ok_or_else(missing)?, id, &survey.end.ending)?;
    // Who stopped between a snapshot and this could have left the manifest behind.
    survey.manifest.durable = survey.end.position();
    survey.manifest.write(disk)?;
    for name in &survey.leftovers {
        disk.remove(name).map_err(OpenError::disk(name, "remove"))?;
    }
    keep_one_prepared(disk, survey, segment_bytes)?;
    disk.sync_folder().map_err(OpenError::disk(".", "sync"))?;
    Ok(tail)
}

/// The tail of a segment, as it is after the repair.
pub(super) fn tail_of(segment: &Segment, id: LogId, ending: &Ending) -> Result<Tail, OpenError> {
    let mut tail = Tail::new(id, segment.extent).at(ending.offset);
    if ending.offset.is_multiple_of(BODY as u64) {
        return Ok(tail);
    }
    let mut sector = [0; SECTOR];
    segment.read(tail.number(), &mut sector)?;
    match look(&sector, id, segment.extent.base + tail.number() * SECTOR as u64) {
        Sector::Written(filled) => tail.keep(&sector, filled),
        Sector::Blank | Sector::Damaged => {
            let byte = tail.number() * SECTOR as u64;
            return Err(OpenError::damaged(&segment.name, "a damaged sector begins", byte));
        }
    }
    Ok(tail)
}

/// Writes again what may not have reached the disk, up to the end, and zeros after it.
fn rewrite_end(segment: &Segment, id: LogId, ending: &Ending) -> Result<Tail, OpenError> {
    let tail = tail_of(segment, id, ending)?;
    let last = tail.number();
    let used = !ending.offset.is_multiple_of(BODY as u64);
    let first = ((ending.synced.0 - segment.extent.base) / SECTOR as u64).clamp(1, last);
    let until = ending.torn_until.unwrap_or(0).max(last + u64::from(used));
    let mut sectors = vec![0; (until - first) as usize * SECTOR];
    segment.read(first, &mut sectors)?;
    let end = &mut sectors[(last - first) as usize * SECTOR..];
    end.fill(0);
    if let Some(end) = end.first_chunk_mut::<SECTOR>().filter(|_| used) {
        *end = tail.sector;
    }
    segment.write(first, &sectors)?;
    segment.sync()?;
    Ok(tail)
}

/// Of the segments after the end, which are blank, keeps one if it has the right length.
fn keep_one_prepared(disk: &dyn Disk, survey: &mut Survey, segment_bytes: u64) -> Result<(), OpenError> {
    let next = survey.end.active.end();
    let fits = survey.segments.get(&next).is_some_and(|segment| segment.extent.bytes == segment_bytes);
    let from = if fits { next + segment_bytes } else { next };
    // From the end, so that a crash leaves no gap.
    while let Some(entry) = survey.segments.last_entry().filter(|entry| *entry.key() >= from) {
        let name = &entry.remove().name;
        disk.remove(name).map_err(OpenError::disk(name, "remove"))?;
        disk.sync_folder().map_err(OpenError::disk(name, "sync the folder of"))?;
    }
    Ok(())
}
