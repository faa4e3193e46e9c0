//! A disk in memory that loses and tears what was not synced.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use conclave_storage::{Disk, OpenMode};
use redb::StorageBackend;

use crate::Dice;

/// The unit that a real disk writes whole.
const SECTOR: usize = 512;

/// A simulated data directory; clones share it.
///
/// A write reaches the durable bytes when its file is synced, a name when its directory is.
/// [`SimDisk::crash`] decides by a seed which unsynced writes survive, whole or in part, and fences
/// the disk: every later call through an old handle fails, as calls of a dead process would.
/// Nothing here depends on time or on the order of threads, so one seed gives one history.
#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Clone, Default)]
struct State {
    files: Vec<Inode>,
    /// Names as programs see them: directory and name, in one string.
    names: BTreeMap<String, usize>,
    /// Names as they would be after a crash.
    durable_names: BTreeMap<String, usize>,
    /// Changes to names since the last sync of their directory, in order.
    pending_names: Vec<NameChange>,
    calls: u64,
    crash_at: Option<u64>,
    fail_syncs_from: Option<u64>,
    syncs: u64,
    fenced: bool,
    commit_delay: Duration,
}

#[derive(Clone, Default)]
struct Inode {
    current: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<FileChange>,
}

#[derive(Clone)]
enum FileChange {
    Write { offset: usize, data: Vec<u8> },
    Length(usize),
}

#[derive(Clone)]
struct NameChange {
    name: String,
    /// The file that has the name now, or `None` if it has gone.
    file: Option<usize>,
    /// Changes that belong together (a rename) have one number: they survive together.
    group: u64,
}

impl Default for SimDisk {
    fn default() -> Self {
        SimDisk { state: Arc::new(Mutex::new(State::default())) }
    }
}

impl SimDisk {
    /// Loses, tears or keeps each unsynced change as the seed says, fences this disk and gives the
    /// disk that the next process finds.
    pub fn crash(&self, seed: u64) -> SimDisk {
        let mut old = self.state();
        old.fenced = true;
        let mut dice = Dice::new(seed);
        let names = old.surviving_names(&mut dice);
        let files = old.files.iter().map(|file| file.survivor(&mut dice)).collect();
        let state = State {
            files,
            durable_names: names.clone(),
            names,
            commit_delay: old.commit_delay,
            ..State::default()
        };
        SimDisk { state: Arc::new(Mutex::new(state)) }
    }

    /// A disk of its own with the same bytes, synced or not, and the same names.
    pub fn copy(&self) -> SimDisk {
        SimDisk { state: Arc::new(Mutex::new(self.state().clone())) }
    }

    /// Number of writing calls so far (writes, lengths, syncs, names).
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Lets the writing call with this number, and every call after it, fail as if the machine had
    /// stopped there. Follow it with [`SimDisk::crash`].
    pub fn stop_at_call(&self, call: u64) {
        self.state().crash_at = Some(call);
    }

    /// Number of syncs of files so far.
    pub fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// Lets this sync of a file (0 is the first ever) and all later ones fail; what they should have
    /// synced stays unsynced.
    pub fn fail_syncs_from(&self, sync: u64) {
        self.state().fail_syncs_from = Some(sync);
    }

    /// How long the log writer waits before a commit, in virtual time.
    pub fn set_commit_delay(&self, delay: Duration) {
        self.state().commit_delay = delay;
    }

    /// The bytes of a file as programs see them.
    pub fn content(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state();
        state.names.get(name).map(|&file| state.files[file].current.clone())
    }

    /// Changes the bytes of a file behind everybody's back, durably: rot, or a cut.
    pub fn tamper(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let file = *state.names.get(name).unwrap_or_else(|| panic!("no file {name}"));
        let inode = &mut state.files[file];
        change(&mut inode.current);
        inode.durable = inode.current.clone();
        inode.pending.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Disk for SimDisk {
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Box<dyn StorageBackend>> {
        let mut state = self.state();
        state.reading()?;
        let known = state.names.get(name).copied();
        let file = match (mode, known) {
            (OpenMode::Existing, Some(file)) => file,
            (OpenMode::Existing, None) => return Err(io::ErrorKind::NotFound.into()),
            (OpenMode::New, Some(_)) => return Err(io::ErrorKind::AlreadyExists.into()),
            (OpenMode::New, None) => {
                state.writing()?;
                state.files.push(Inode::default());
                let file = state.files.len() - 1;
                state.change_names(&[(name, Some(file))]);
                file
            }
        };
        Ok(Box::new(SimFile { disk: self.clone(), file }))
    }

    fn exists(&self, name: &str) -> io::Result<bool> {
        let state = self.state();
        state.reading()?;
        Ok(state.names.contains_key(name))
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        let state = self.state();
        state.reading()?;
        let inside = state.names.keys().filter(|name| directory_of(name) == directory);
        Ok(inside.map(|name| name.rsplit('/').next().unwrap_or(name).to_owned()).collect())
    }

    fn make_directory(&self, _name: &str) -> io::Result<()> {
        self.state().reading()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        state.writing()?;
        let file = *state.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        state.change_names(&[(from, None), (to, Some(file))]);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.writing()?;
        if !state.names.contains_key(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change_names(&[(name, None)]);
        Ok(())
    }

    fn sync_dir(&self, directory: &str) -> io::Result<()> {
        let mut state = self.state();
        state.writing()?;
        let pending = std::mem::take(&mut state.pending_names);
        for change in pending {
            if directory_of(&change.name) == directory {
                apply(&mut state.durable_names, &change);
            } else {
                state.pending_names.push(change);
            }
        }
        Ok(())
    }

    fn commit_delay(&self) -> Duration {
        self.state().commit_delay
    }
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimDisk").field("calls", &self.calls()).finish()
    }
}

/// An open file.
#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    file: usize,
}

impl StorageBackend for SimFile {
    fn len(&self) -> io::Result<u64> {
        let state = self.disk.state();
        state.reading()?;
        Ok(state.files[self.file].current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.disk.state();
        state.reading()?;
        let start = offset as usize;
        let bytes = state.files[self.file].current.get(start..start + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.writing()?;
        state.files[self.file].change(FileChange::Length(len as usize));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.writing()?;
        state.syncs += 1;
        if state.fail_syncs_from.is_some_and(|first| state.syncs > first) {
            return Err(io::Error::other("simulated I/O error in sync"));
        }
        let inode = &mut state.files[self.file];
        for change in std::mem::take(&mut inode.pending) {
            change.apply(&mut inode.durable);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        // The write at which the machine stops is under way: it may survive, whole or torn.
        let result = state.writing();
        if result.is_ok() || state.crash_at == Some(state.calls) {
            let change = FileChange::Write { offset: offset as usize, data: data.to_vec() };
            state.files[self.file].change(change);
        }
        result
    }
}

impl State {
    fn reading(&self) -> io::Result<()> {
        if self.fenced { Err(io::Error::other("simulated crash")) } else { Ok(()) }
    }

    fn writing(&mut self) -> io::Result<()> {
        self.reading()?;
        self.calls += 1;
        if self.crash_at.is_some_and(|call| self.calls >= call) {
            self.fenced = true;
        }
        self.reading()
    }

    fn change_names(&mut self, changes: &[(&str, Option<usize>)]) {
        for (name, file) in changes {
            let change = NameChange { name: (*name).to_owned(), file: *file, group: self.calls };
            apply(&mut self.names, &change);
            self.pending_names.push(change);
        }
    }

    /// A journal keeps the order of changes to names, so some first part of them survives.
    fn surviving_names(&self, dice: &mut Dice) -> BTreeMap<String, usize> {
        let mut names = self.durable_names.clone();
        let kept = dice.below(self.pending_names.len() as u64 + 1) as usize;
        let last_group = self.pending_names[..kept].last().map(|change| change.group);
        let whole = self.pending_names.iter().enumerate();
        whole
            .filter(|(at, change)| *at < kept || Some(change.group) == last_group)
            .for_each(|(_, change)| apply(&mut names, change));
        names
    }
}

impl Inode {
    fn change(&mut self, change: FileChange) {
        change.apply(&mut self.current);
        self.pending.push(change);
    }

    fn survivor(&self, dice: &mut Dice) -> Inode {
        let mut bytes = self.durable.clone();
        // Some crashes lose everything, some nothing, most a part.
        let percent = [0, 50, 90, 100][dice.below(4) as usize];
        for change in &self.pending {
            if dice.chance(percent) {
                change.torn(dice, &mut bytes);
            }
        }
        Inode { current: bytes.clone(), durable: bytes, pending: Vec::new() }
    }
}

impl FileChange {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            FileChange::Length(length) => bytes.resize(*length, 0),
            FileChange::Write { offset, data } => put(bytes, *offset, data),
        }
    }

    /// Applies it, in one case of four with only some of its sectors.
    fn torn(&self, dice: &mut Dice, bytes: &mut Vec<u8>) {
        match self {
            FileChange::Write { offset, data } if dice.chance(25) => {
                let mut at = *offset;
                for sector in data.chunks(SECTOR) {
                    if dice.chance(50) {
                        put(bytes, at, sector);
                    }
                    at += sector.len();
                }
            }
            whole => whole.apply(bytes),
        }
    }
}

fn put(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
    if bytes.len() < offset + data.len() {
        bytes.resize(offset + data.len(), 0);
    }
    bytes[offset..offset + data.len()].copy_from_slice(data);
}

fn apply(names: &mut BTreeMap<String, usize>, change: &NameChange) {
    match change.file {
        Some(file) => names.insert(change.name.clone(), file),
        None => names.remove(&change.name),
    };
}

fn directory_of(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(directory, _)| directory)
}
