//! How bytes lie in a segment, and nothing else: pure, known to everything else in the folder. A segment is a row of
//! sectors of 512 bytes. The first says what the file is; each other holds 16 bytes about itself and a piece of the
//! stream of records. The format is told in `docs/storage.md`.
//!
//! A sector is the unit that a disk writes whole or not at all, and each has its own checksum. So every sector is one of
//! three things and nobody has to guess: blank, as it was before it was written; written; or damaged.

use crate::log::Position;

/// What a disk writes whole or not at all.
pub(super) const SECTOR: usize = 512;
/// What a sector says about itself: checksum, bytes used, first record, what was durable before.
const SECTOR_HEADER: usize = 16;
/// Bytes of the stream in one sector.
pub(super) const BODY: usize = SECTOR - SECTOR_HEADER;
/// Checksum and length.
pub(super) const RECORD_HEADER: usize = 8;
/// No record begins in this sector.
const NO_START: u16 = u16::MAX;
/// In place of a length: the stream goes on in the next segment.
pub(super) const SEAL: u32 = u32::MAX;
/// Positions end here, far from where sums overflow.
pub(super) const ADDRESS_MAX: u64 = 1 << 62;

const MAGIC: [u8; 8] = *b"rialtolg";
const VERSION: u32 = 1;

/// Which log something belongs to. It enters every checksum, together with the address, so that nothing is taken for
/// what stood elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LogId(pub(super) u64);

impl LogId {
    /// A checksum over `parts`, at `address`.
    pub(super) fn checksum(self, address: u64, parts: [&[u8]; 2]) -> u32 {
        let seed = crc32c::crc32c_append(crc32c::crc32c(&self.0.to_le_bytes()), &address.to_le_bytes());
        crc32c::crc32c_append(crc32c::crc32c_append(seed, parts[0]), parts[1])
    }
}

/// Where a segment lies in the endless log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) base: u64,
    pub(super) bytes: u64,
}

impl Extent {
    /// The base of the segment that follows.
    pub(super) fn end(self) -> u64 {
        self.base + self.bytes
    }

    /// Sectors, the first one included.
    pub(super) fn sectors(self) -> u64 {
        self.bytes / SECTOR as u64
    }

    /// Bytes of the stream that it takes.
    pub(super) fn capacity(self) -> u64 {
        self.sectors().saturating_sub(1) * BODY as u64
    }

    /// The longest record that it takes, if that is the only one: the end is kept for the seal.
    pub(super) fn record_bytes_max(self) -> usize {
        usize::try_from(self.capacity()).unwrap_or(usize::MAX).saturating_sub(2 * RECORD_HEADER)
    }

    /// The sector in which the byte of the stream lies.
    pub(super) fn sector_of(offset: u64) -> u64 {
        1 + offset / BODY as u64
    }

    /// The position of a byte of the stream.
    pub(super) fn position(self, offset: u64) -> Position {
        let inside = SECTOR_HEADER as u64 + offset % BODY as u64;
        Position(self.base + Self::sector_of(offset) * SECTOR as u64 + inside)
    }
}

/// What a file says about itself in its first sector, and nothing but that: what kind it is, of which log, three numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Title {
    pub(super) kind: [u8; 4],
    pub(super) id: LogId,
    pub(super) numbers: [u64; 3],
}

impl Title {
    pub(super) fn encode(self) -> [u8; SECTOR] {
        let mut sector = [0; SECTOR];
        sector[4..12].copy_from_slice(&MAGIC);
        sector[12..16].copy_from_slice(&VERSION.to_le_bytes());
        sector[16..20].copy_from_slice(&self.kind);
        sector[24..32].copy_from_slice(&self.id.0.to_le_bytes());
        for (place, number) in sector[32..].chunks_mut(8).zip(self.numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        let checksum = crc32c::crc32c(&sector[4..]);
        sector[..4].copy_from_slice(&checksum.to_le_bytes());
        sector
    }

    /// What `sector` says, or what is wrong with it.
    pub(super) fn decode(sector: &[u8; SECTOR], kind: [u8; 4]) -> Result<Self, &'static str> {
        if sector[4..12] != MAGIC || crc32c::crc32c(&sector[4..]) != number32(&sector[..4]) {
            return Err("the first sector is damaged");
        }
        if number32(&sector[12..16]) != VERSION {
            return Err("the format has a version that this program does not know");
        }
        if sector[16..20] != kind {
            return Err("the file is not what its name says");
        }
        let numbers = [32, 40, 48].map(|at| number64(&sector[at..at + 8]));
        Ok(Self { kind, id: LogId(number64(&sector[24..32])), numbers })
    }
}

/// What a sector of the stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sector {
    /// As it was before it was written.
    Blank,
    /// Written, and whole.
    Written(Filled),
    /// Neither.
    Damaged,
}

/// What a written sector says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Filled {
    /// Bytes of the stream in it.
    pub(super) used: usize,
    /// Where in them the first record begins.
    pub(super) start: Option<usize>,
    /// Everything before this was durable before the sector was written: the group to which it belongs begins here.
    pub(super) synced: Position,
}

impl Filled {
    /// Writes it, and the checksum, before the stream's bytes in `sector`.
    pub(super) fn stamp(self, sector: &mut [u8; SECTOR], id: LogId, address: u64) {
        let used = u16::try_from(self.used).unwrap_or(u16::MAX);
        let start = self.start.map_or(NO_START, |start| u16::try_from(start).unwrap_or(NO_START));
        sector[4..6].copy_from_slice(&used.to_le_bytes());
        sector[6..8].copy_from_slice(&start.to_le_bytes());
        sector[8..16].copy_from_slice(&self.synced.0.to_le_bytes());
        let checksum = id.checksum(address, [&sector[4..], &[]]);
        sector[..4].copy_from_slice(&checksum.to_le_bytes());
    }
}

/// Looks at the sector at `address`.
pub(super) fn look(sector: &[u8; SECTOR], id: LogId, address: u64) -> Sector {
    if sector == &[0; SECTOR] {
        return Sector::Blank;
    }
    if id.checksum(address, [&sector[4..], &[]]) != number32(&sector[..4]) {
        return Sector::Damaged;
    }
    let used = usize::from(u16::from_le_bytes([sector[4], sector[5]]));
    let start = Some(u16::from_le_bytes([sector[6], sector[7]])).filter(|start| *start != NO_START);
    let start = start.map(usize::from);
    if used == 0 || used > BODY || start.is_some_and(|start| start >= used) {
        return Sector::Damaged;
    }
    Sector::Written(Filled { used, start, synced: Position(number64(&sector[8..16])) })
}

/// The stream's bytes in `sector`.
pub(super) fn body(sector: &[u8; SECTOR]) -> &[u8] {
    &sector[SECTOR_HEADER..]
}

/// The stream's bytes in `sector`, for writing.
pub(super) fn body_mut(sector: &mut [u8; SECTOR]) -> &mut [u8] {
    &mut sector[SECTOR_HEADER..]
}

/// What stands at some place of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item<'a> {
    /// A record, with its payload.
    Record(&'a [u8]),
    /// The stream goes on in the next segment.
    Seal,
    /// More bytes are needed to say so.
    Unfinished,
    /// Nothing that was ever written.
    Damaged,
}

/// Appends a record to `stream`, where it will have this position.
pub(super) fn put_record(stream: &mut Vec<u8>, id: LogId, at: Position, record: &[u8]) {
    put(stream, id, at, (u32::try_from(record.len()).unwrap_or(SEAL), record));
}

/// Appends a seal.
pub(super) fn put_seal(stream: &mut Vec<u8>, id: LogId, at: Position) {
    put(stream, id, at, (SEAL, &[]));
}

fn put(stream: &mut Vec<u8>, id: LogId, at: Position, (length, payload): (u32, &[u8])) {
    let length = length.to_le_bytes();
    stream.extend_from_slice(&id.checksum(at.0, [&length, payload]).to_le_bytes());
    stream.extend_from_slice(&length);
    stream.extend_from_slice(payload);
}

/// Bytes in the stream of what begins with `head`, or 0 when that is too short to say.
pub(super) fn item_bytes(head: &[u8]) -> usize {
    match head.get(4..RECORD_HEADER).map(number32) {
        None => 0,
        Some(SEAL) => RECORD_HEADER,
        Some(length) => RECORD_HEADER + length as usize,
    }
}

/// What `stream` begins with, when that stands at position `at`. A payload of more than `bytes_max` was never written.
pub(super) fn take_item(stream: &[u8], id: LogId, at: Position, bytes_max: usize) -> Item<'_> {
    let Some(length) = stream.get(4..RECORD_HEADER) else {
        return Item::Unfinished;
    };
    let is_seal = number32(length) == SEAL;
    let bytes = if is_seal { 0 } else { number32(length) as usize };
    if bytes > bytes_max {
        return Item::Damaged;
    }
    let Some(payload) = stream.get(RECORD_HEADER..RECORD_HEADER + bytes) else {
        return Item::Unfinished;
    };
    if id.checksum(at.0, [length, payload]) != number32(&stream[..4]) {
        return Item::Damaged;
    }
    if is_seal { Item::Seal } else { Item::Record(payload) }
}

/// A number of four bytes; 0 for anything else.
pub(super) fn number32(bytes: &[u8]) -> u32 {
    bytes.try_into().map_or(0, u32::from_le_bytes)
}

/// A number of eight bytes; 0 for anything else.
pub(super) fn number64(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_le_bytes)
}
