//! A disk in memory that forgets and fails as a real one may, only more often: what was not synced is lost, kept or torn
//! at sectors when the power goes; files that were made, renamed or removed come back as they were unless the folder was
//! synced; after a sync that failed the cache still shows what the disk does not have. Chance comes from a seed, so that
//! a run can be repeated. For tests and simulations only.

mod state;

use std::{collections::BTreeMap, io, sync::Arc};

use parking_lot::Mutex;

use self::state::{Change, File, SECTOR, State, apply};
use super::disk::{Disk, DiskFile, DiskLock};

/// What goes wrong, once, counted from now: 1 is the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// This write of a file fails.
    Write(u64),
    /// This write of a file takes only a part, and says so.
    ShortWrite(u64),
    /// This sync, of a file or of the folder, fails.
    Sync(u64),
    /// The power goes before this write, sync, creation, renaming or removal, and nothing works until
    /// [`SimulatedDisk::crash`].
    Power(u64),
}

/// A disk in memory, as whoever simulates it sees it; clones are the same disk.
#[derive(Debug, Clone)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
}

impl SimulatedDisk {
    /// An empty disk.
    pub fn new(seed: u64) -> Self {
        Self { state: Arc::new(Mutex::new(State::new(seed))) }
    }

    /// The disk for one process, until [`SimulatedDisk::kill`] or [`SimulatedDisk::crash`].
    pub fn mount(&self) -> Arc<dyn Disk> {
        let life = self.state.lock().life;
        Arc::new(Mounted { state: Arc::clone(&self.state), life })
    }

    /// Lets something go wrong.
    pub fn fail(&self, fault: Fault) {
        self.state.lock().faults.push(fault);
    }

    /// Nothing goes wrong any more of what was to.
    pub fn heal(&self) {
        self.state.lock().faults.clear();
    }

    /// Bounds what all files may have together, or not any more.
    pub fn set_space(&self, bytes: Option<u64>) {
        self.state.lock().space_bytes = bytes;
    }

    /// The power goes and comes back. Everything that was open is dead.
    pub fn crash(&self) {
        self.state.lock().crash();
    }

    /// The process ends and another begins: nothing is lost, everything that was open is dead.
    pub fn kill(&self) {
        self.state.lock().begin_life();
    }

    /// How many writes, syncs, creations, renamings and removals there were.
    pub fn operations(&self) -> u64 {
        self.state.lock().operations
    }

    /// What is in a file, as programs see it.
    pub fn contents(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state.lock();
        state.names.get(name).and_then(|index| state.files.get(*index)).map(|file| file.cache.clone())
    }

    /// Puts a file there durably, whatever was there before.
    pub fn put(&self, name: &str, contents: &[u8]) {
        let mut state = self.state.lock();
        let index = state.files.len();
        let file = File { cache: contents.to_vec(), durable: contents.to_vec(), unsynced: BTreeMap::new() };
        state.files.push(file);
        state.names.insert(name.to_owned(), index);
        state.durable_names.insert(name.to_owned(), index);
    }

    /// Takes a file away durably.
    pub fn take_away(&self, name: &str) {
        let mut state = self.state.lock();
        state.names.remove(name);
        state.durable_names.remove(name);
    }

    /// A disk with the same contents, all of them durable, and a seed of its own.
    pub fn copy(&self, seed: u64) -> Self {
        let copy = Self::new(seed);
        let state = self.state.lock();
        for (name, index) in &state.names {
            copy.put(name, &state.files[*index].cache);
        }
        copy
    }
}

/// The disk as one process sees it, until the process or the power ends.
#[derive(Debug)]
struct Mounted {
    state: Arc<Mutex<State>>,
    life: u64,
}

impl Mounted {
    fn change(&self, change: Change) -> io::Result<()> {
        let mut state = self.state.lock();
        state.operate(self.life, None)?;
        apply(&mut state.names, change.clone());
        state.changes.push(change);
        Ok(())
    }

    fn file(&self, index: usize) -> Arc<dyn DiskFile> {
        Arc::new(SimulatedFile { state: Arc::clone(&self.state), index, life: self.life })
    }

    fn find(&self, name: &str) -> io::Result<usize> {
        let state = self.state.lock();
        state.alive(self.life)?;
        state.names.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Disk for Mounted {
    fn list(&self) -> io::Result<Vec<String>> {
        let state = self.state.lock();
        state.alive(self.life)?;
        Ok(state.names.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.file(self.find(name)?))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let index = {
            let mut state = self.state.lock();
            state.files.push(File::default());
            state.files.len() - 1
        };
        self.change(Change::Create(name.to_owned(), index))?;
        Ok(self.file(index))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let index = self.find(from)?;
        self.change(Change::Rename(from.to_owned(), to.to_owned(), index))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.find(name)?;
        self.change(Change::Remove(name.to_owned()))
    }

    fn sync_folder(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        state.operate(self.life, Some(Fault::Sync))?;
        state.durable_names = state.names.clone();
        state.changes.clear();
        Ok(())
    }

    fn lock(&self) -> io::Result<Option<DiskLock>> {
        let mut state = self.state.lock();
        state.alive(self.life)?;
        if std::mem::replace(&mut state.locked, true) {
            return Ok(None);
        }
        Ok(Some(DiskLock::new(Held { state: Arc::clone(&self.state), life: self.life })))
    }
}

#[derive(Debug)]
struct Held {
    state: Arc<Mutex<State>>,
    life: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.state.lock();
        if state.life == self.life {
            state.locked = false;
        }
    }
}

#[derive(Debug)]
struct SimulatedFile {
    state: Arc<Mutex<State>>,
    index: usize,
    life: u64,
}

impl DiskFile for SimulatedFile {
    fn bytes(&self) -> io::Result<u64> {
        let state = self.state.lock();
        state.alive(self.life)?;
        Ok(state.files[self.index].cache.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.state.lock();
        state.alive(self.life)?;
        let cache = &state.files[self.index].cache;
        let begin = cache.len().min(offset as usize);
        let bytes = buffer.len().min(cache.len() - begin);
        buffer[..bytes].copy_from_slice(&cache[begin..begin + bytes]);
        Ok(bytes)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut state = self.state.lock();
        state.operate(self.life, Some(Fault::Write))?;
        let mut taken = bytes.len();
        if state.strikes(Fault::ShortWrite) {
            // Systems stop between pages, so never inside of a sector.
            taken = state.below(taken.div_ceil(SECTOR).max(1)) * SECTOR;
        }
        let grown = (offset + taken as u64).saturating_sub(state.files[self.index].cache.len() as u64);
        if grown > 0
            && let Some(space) = state.space_bytes
        {
            let left = space.saturating_sub(state.used_bytes());
            taken -= grown.saturating_sub(left).min(taken as u64) as usize;
            if taken == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        state.files[self.index].write(&bytes[..taken], offset as usize);
        Ok(taken)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        if let Err(error) = state.operate(self.life, Some(Fault::Sync)) {
            if state.power && state.life == self.life {
                state.forget_dirt(self.index);
            }
            return Err(error);
        }
        let file = &mut state.files[self.index];
        let dirty = std::mem::take(&mut file.unsynced);
        file.durable.resize(file.cache.len(), 0);
        for sector in dirty.keys() {
            let range = sector * SECTOR..((sector + 1) * SECTOR).min(file.cache.len());
            file.durable[range.clone()].copy_from_slice(&file.cache[range]);
        }
        Ok(())
    }
}
