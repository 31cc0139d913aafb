//! What must be there: where the first segment begins, whether there is a snapshot, and how far records were durable
//! at the last of these changes or when the log was closed. Without it nobody could tell a
//! file that was given up from one that was lost. It is replaced before anything that it no longer names is removed.

use super::{
    disk::Disk,
    error::OpenError,
    layout::{LogId, SECTOR, Title},
    segment::write_all,
};
use crate::log::Position;

const KIND: [u8; 4] = *b"mani";
/// Its name.
pub(super) const MANIFEST: &str = "manifest";
/// Its name while it is made.
pub(super) const UNFINISHED: &str = "manifest.tmp";
const NO_SNAPSHOT: u64 = u64::MAX;

/// What must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) id: LogId,
    /// Base of the first segment.
    pub(super) first: u64,
    /// There is a snapshot at this position, or a later one.
    pub(super) snapshot: Option<Position>,
    /// All before this was durable when the manifest was written, and more may be.
    pub(super) durable: Position,
}

impl Manifest {
    /// Reads it; `None` when there is none.
    pub(super) fn read(disk: &dyn Disk) -> Result<Option<Self>, OpenError> {
        let file = match disk.open(MANIFEST) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(OpenError::disk(MANIFEST, "open")(error)),
        };
        let bytes = file.bytes().map_err(OpenError::disk(MANIFEST, "look at"))?;
        let mut sector = [0; SECTOR];
        let read = file.read_at(&mut sector, 0).map_err(OpenError::disk(MANIFEST, "read"))?;
        if read < SECTOR || bytes != SECTOR as u64 {
            return Err(OpenError::damaged(MANIFEST, "the file is too short or too long, or ends", bytes));
        }
        let title = Title::decode(&sector, KIND).map_err(|what| OpenError::damaged(MANIFEST, what, 0))?;
        let snapshot = Some(title.numbers[1]).filter(|position| *position != NO_SNAPSHOT);
        Ok(Some(Self {
            id: title.id,
            first: title.numbers[0],
            snapshot: snapshot.map(Position),
            durable: Position(title.numbers[2]),
        }))
    }

    /// Puts it in place of the one before, durably.
    pub(super) fn write(&self, disk: &dyn Disk) -> Result<(), OpenError> {
        let snapshot = self.snapshot.map_or(NO_SNAPSHOT, |position| position.0);
        let title = Title { kind: KIND, id: self.id, numbers: [self.first, snapshot, self.durable.0] };
        let file = disk.create(UNFINISHED).map_err(OpenError::disk(UNFINISHED, "create"))?;
        write_all(&*file, &title.encode(), 0).map_err(OpenError::disk(UNFINISHED, "write"))?;
        file.sync().map_err(OpenError::disk(UNFINISHED, "sync"))?;
        disk.rename(UNFINISHED, MANIFEST).map_err(OpenError::disk(MANIFEST, "rename"))?;
        disk.sync_folder().map_err(OpenError::disk(MANIFEST, "sync the folder of"))
    }
}
