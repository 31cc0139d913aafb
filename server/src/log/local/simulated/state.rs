//! What a simulated disk remembers, and what of it is left when the power goes or a sync fails.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use super::Fault;

pub(super) const SECTOR: usize = 512;

#[derive(Debug)]
pub(super) struct State {
    pub(super) chance: u64,
    pub(super) files: Vec<File>,
    /// What programs see.
    pub(super) names: BTreeMap<String, usize>,
    /// What is durable.
    pub(super) durable_names: BTreeMap<String, usize>,
    /// Changes of names since the folder was synced.
    pub(super) changes: Vec<Change>,
    pub(super) faults: Vec<Fault>,
    /// Bytes that all files may have together.
    pub(super) space_bytes: Option<u64>,
    pub(super) power: bool,
    /// Rises with each crash: what was opened before does not work any more.
    pub(super) life: u64,
    pub(super) locked: bool,
    pub(super) operations: u64,
}

#[derive(Debug, Clone)]
pub(super) enum Change {
    Create(String, usize),
    /// Which file it is goes with the name, as it does in a folder on a disk.
    Rename(String, String, usize),
    Remove(String),
}

#[derive(Debug, Default, Clone)]
pub(super) struct File {
    pub(super) cache: Vec<u8>,
    pub(super) durable: Vec<u8>,
    /// Versions of each sector that were written since the last sync, oldest first.
    pub(super) unsynced: BTreeMap<usize, Vec<[u8; SECTOR]>>,
}

impl State {
    /// An empty disk.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            chance: seed,
            files: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            changes: Vec::new(),
            faults: Vec::new(),
            space_bytes: None,
            power: true,
            life: 0,
            locked: false,
            operations: 0,
        }
    }

    /// A number below `bound`. The generator is written out so that a seed means the same for ever.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.chance;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    pub(super) fn begin_life(&mut self) {
        self.life += 1;
        self.power = true;
        self.locked = false;
        self.faults.clear();
    }

    pub(super) fn crash(&mut self) {
        self.begin_life();
        // Any of the changes may have reached the disk, in their order.
        let mut names = self.durable_names.clone();
        for change in std::mem::take(&mut self.changes) {
            if self.below(2) == 0 {
                apply(&mut names, change);
            }
        }
        self.durable_names.clone_from(&names);
        self.names = names;
        let named: BTreeSet<usize> = self.names.values().copied().collect();
        for index in 0..self.files.len() {
            let mut file = std::mem::take(&mut self.files[index]);
            if !named.contains(&index) {
                continue;
            }
            let bytes = if self.below(2) == 0 { file.cache.len() } else { file.durable.len() };
            file.durable.resize(bytes.next_multiple_of(SECTOR), 0);
            for (sector, versions) in std::mem::take(&mut file.unsynced) {
                // None of them, or any one.
                let chosen = self.below(versions.len() + 1).checked_sub(1).map(|chosen| versions[chosen]);
                let place = file.durable.get_mut(sector * SECTOR..(sector + 1) * SECTOR);
                if let (Some(chosen), Some(place)) = (chosen, place) {
                    place.copy_from_slice(&chosen);
                }
            }
            file.durable.truncate(bytes);
            file.cache.clone_from(&file.durable);
            self.files[index] = file;
        }
    }

    /// Counts an operation of life `life`, and lets fail what is to fail now.
    pub(super) fn operate(&mut self, life: u64, fault: Option<fn(u64) -> Fault>) -> io::Result<()> {
        self.alive(life)?;
        self.operations += 1;
        if self.strikes(Fault::Power) {
            self.power = false;
            return Err(io::Error::other("the power is gone"));
        }
        if fault.is_some_and(|fault| self.strikes(fault)) {
            return Err(io::Error::other("simulated input/output error"));
        }
        Ok(())
    }

    pub(super) fn alive(&self, life: u64) -> io::Result<()> {
        if self.power && life == self.life { Ok(()) } else { Err(io::Error::other("the power is gone")) }
    }

    /// Counts down faults of this kind; whether one of them is due.
    pub(super) fn strikes(&mut self, fault: fn(u64) -> Fault) -> bool {
        let mut due = false;
        self.faults.retain_mut(|planned| {
            let (Fault::Write(left) | Fault::ShortWrite(left) | Fault::Sync(left) | Fault::Power(left)) =
                *planned;
            if *planned != fault(left) {
                return true;
            }
            due |= left <= 1;
            *planned = fault(left.saturating_sub(1));
            left > 1
        });
        due
    }

    pub(super) fn used_bytes(&self) -> u64 {
        let named: BTreeSet<usize> = self.names.values().copied().collect();
        named.iter().map(|index| self.files[*index].cache.len() as u64).sum()
    }
}

pub(super) fn apply(names: &mut BTreeMap<String, usize>, change: Change) {
    match change {
        Change::Create(name, index) => {
            names.insert(name, index);
        }
        Change::Rename(from, to, index) => {
            names.retain(|name, there| *name != from || *there != index);
            names.insert(to, index);
        }
        Change::Remove(name) => {
            names.remove(&name);
        }
    }
}

impl State {
    /// As systems do after a failed sync: what was not written is taken for written.
    pub(super) fn forget_dirt(&mut self, index: usize) {
        for (sector, versions) in std::mem::take(&mut self.files[index].unsynced) {
            let chosen = self.below(versions.len() + 1).checked_sub(1).map(|chosen| versions[chosen]);
            let place = self.files[index].durable.get_mut(sector * SECTOR..(sector + 1) * SECTOR);
            if let (Some(chosen), Some(place)) = (chosen, place) {
                place.copy_from_slice(&chosen);
            }
        }
    }
}

impl File {
    pub(super) fn write(&mut self, bytes: &[u8], offset: usize) {
        let end = offset + bytes.len();
        if self.cache.len() < end {
            self.cache.resize(end, 0);
        }
        self.cache[offset..end].copy_from_slice(bytes);
        if bytes.is_empty() {
            return;
        }
        for sector in offset / SECTOR..=(end - 1) / SECTOR {
            let mut version = [0; SECTOR];
            let range = sector * SECTOR..((sector + 1) * SECTOR).min(self.cache.len());
            version[..range.len()].copy_from_slice(&self.cache[range]);
            self.unsynced.entry(sector).or_default().push(version);
        }
    }
}
