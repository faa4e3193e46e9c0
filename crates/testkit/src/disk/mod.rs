//! A disk in memory that loses and tears what was not synced, fills up, fails and is slow.

mod inode;
mod sparse;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use conclave_storage::{Disk, OpenMode};
use redb::StorageBackend;

use crate::Dice;
use crate::sim::trace::Trace;
use inode::{FileChange, Inode};
use sparse::Sparse;
use watch::{Call, Watch};

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
    writes: u64,
    syncs: u64,
    crash_at: Option<u64>,
    fail_writes_from: Option<u64>,
    fail_syncs_from: Option<u64>,
    full: bool,
    fenced: bool,
    commit_delay: Duration,
    watch: Option<Watch>,
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
    /// disk that the next process finds: as slow and as watched as this one, but with room, and
    /// without errors.
    pub fn crash(&self, seed: u64) -> SimDisk {
        let mut old = self.state();
        old.fenced = true;
        let mut dice = Dice::new(seed);
        let names = old.surviving_names(&mut dice);
        let (mut files, mut kept) = (Vec::new(), 0);
        for file in &old.files {
            let (survivor, bytes) = file.survivor(&mut dice);
            files.push(survivor);
            kept += bytes;
        }
        free_nameless(&mut files, &names);
        let state = State {
            files,
            durable_names: names.clone(),
            names,
            commit_delay: old.commit_delay,
            watch: old.watch.take(),
            ..State::default()
        };
        state.note(None, Call::Crash { kept }, true);
        SimDisk { state: Arc::new(Mutex::new(state)) }
    }

    /// The process has ended in order: fences this disk and gives the one that the next process finds, with
    /// all bytes, synced or not.
    pub fn hand_over(&self) -> SimDisk {
        let mut old = self.state();
        let next = State { watch: old.watch.take(), ..old.clone() };
        old.fenced = true;
        SimDisk { state: Arc::new(Mutex::new(next)) }
    }

    /// A disk of its own with the same bytes, synced or not, and the same names. Nobody watches it.
    pub fn copy(&self) -> SimDisk {
        let state = State { watch: None, ..self.state().clone() };
        SimDisk { state: Arc::new(Mutex::new(state)) }
    }

    /// From now on, here and after a crash, each writing call that reaches the disk goes into the
    /// trace: what it was, where, its bytes, and whether it succeeded.
    pub fn watch(&self, trace: Trace, node: u32) {
        self.state().watch = Some(Watch { trace, node });
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

    /// Number of writes of bytes to files so far.
    pub fn writes(&self) -> u64 {
        self.state().writes
    }

    /// Lets this write to a file (0 is the first ever) and all later ones fail with an I/O error;
    /// they change nothing. Lengths, syncs and names still work.
    pub fn fail_writes_from(&self, write: u64) {
        self.state().fail_writes_from = Some(write);
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

    /// Takes all free space away, or gives it back.
    ///
    /// As on a file system with sparse files that writes in place (ext4, XFS), space is given out by
    /// blocks, when they are first written. So on a full disk a write works where the file has its
    /// blocks already, and fails with `StorageFull` from the first that it has not, after what comes
    /// before it was written. A longer length is granted, for a hole needs no space: who grew a file
    /// first learns of the full disk from the write. Names and syncs need no space either.
    pub fn set_full(&self, full: bool) {
        self.state().full = full;
    }

    /// How long the log writer waits before a commit, in virtual time.
    pub fn set_commit_delay(&self, delay: Duration) {
        self.state().commit_delay = delay;
    }

    /// The bytes of a file as programs see them.
    pub fn content(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state();
        state.names.get(name).map(|&file| state.files[file].current.to_vec())
    }

    /// How many changes (writes, lengths) of a file a crash could lose now, or `None` if there is
    /// no such file.
    pub fn unsynced(&self, name: &str) -> Option<usize> {
        let state = self.state();
        state.names.get(name).map(|&file| state.files[file].pending.len())
    }

    /// Changes the bytes of a file behind everybody's back, durably: rot, or a cut.
    pub fn tamper(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let file = *state.names.get(name).unwrap_or_else(|| panic!("no file {name}"));
        let mut bytes = state.files[file].current.to_vec();
        change(&mut bytes);
        state.files[file] = Inode::synced(Sparse::from_bytes(bytes));
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
                let file = state.files.len();
                state.calling(Some(file), Call::Create(name), |state| {
                    state.files.push(Inode::default());
                    state.change_names(&[(name, Some(file))]);
                    Ok(())
                })?;
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
        let file = state.names.get(from).copied();
        state.calling(file, Call::Rename { from, to }, |state| {
            let file = file.ok_or(io::ErrorKind::NotFound)?;
            state.change_names(&[(from, None), (to, Some(file))]);
            Ok(())
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        let file = state.names.get(name).copied();
        state.calling(file, Call::Remove(name), |state| {
            file.ok_or(io::ErrorKind::NotFound)?;
            state.change_names(&[(name, None)]);
            Ok(())
        })
    }

    fn sync_dir(&self, directory: &str) -> io::Result<()> {
        self.state().calling(None, Call::SyncDirectory(directory), |state| {
            state.sync_names(directory);
            Ok(())
        })
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
        let whole = state.files[self.file].current.read(offset as usize, out);
        whole.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.state().calling(Some(self.file), Call::Length(len), |state| {
            state.files[self.file].change(FileChange::Length(len as usize));
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.state().calling(Some(self.file), Call::Sync, |state| state.sync(self.file))
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        state.reading()?;
        let result = state.write(self.file, offset as usize, data);
        state.note(Some(self.file), Call::Write { offset, data }, result.is_ok());
        result
    }
}

impl State {
    fn reading(&self) -> io::Result<()> {
        if self.fenced { Err(io::Error::other("simulated crash")) } else { Ok(()) }
    }

    /// Counts a writing call; fails if the machine stops at it.
    fn writing(&mut self) -> io::Result<()> {
        self.calls += 1;
        self.fenced = self.crash_at.is_some_and(|call| self.calls >= call);
        self.reading()
    }

    /// A writing call other than a write. A dead process reaches nothing, and is not noted.
    fn calling(
        &mut self,
        file: Option<usize>,
        call: Call<'_>,
        act: impl FnOnce(&mut State) -> io::Result<()>,
    ) -> io::Result<()> {
        self.reading()?;
        let result = self.writing().and_then(|()| act(self));
        self.note(file, call, result.is_ok());
        result
    }

    fn note(&self, file: Option<usize>, call: Call<'_>, succeeded: bool) {
        if let Some(watch) = &self.watch {
            watch.note(file, call, succeeded);
        }
    }

    fn write(&mut self, file: usize, offset: usize, data: &[u8]) -> io::Result<()> {
        // The write at which the machine stops is under way: it may survive, whole or torn.
        let going_on = self.writing();
        self.writes += 1;
        if self.fail_writes_from.is_some_and(|first| self.writes > first) {
            return Err(io::Error::other("simulated I/O error in write"));
        }
        let inode = &mut self.files[file];
        let room = if self.full { inode.current.room(offset, data.len()) } else { data.len() };
        if room > 0 {
            inode.change(FileChange::Write { offset, data: data[..room].into() });
        }
        going_on?;
        if room < data.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync(&mut self, file: usize) -> io::Result<()> {
        self.syncs += 1;
        if self.fail_syncs_from.is_some_and(|first| self.syncs > first) {
            return Err(io::Error::other("simulated I/O error in sync"));
        }
        self.files[file].sync();
        Ok(())
    }

    fn sync_names(&mut self, directory: &str) {
        for change in std::mem::take(&mut self.pending_names) {
            if directory_of(&change.name) == directory {
                apply(&mut self.durable_names, &change);
            } else {
                self.pending_names.push(change);
            }
        }
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

/// Gives up the bytes of files that lost their name. They keep their numbers.
fn free_nameless(files: &mut [Inode], names: &BTreeMap<String, usize>) {
    for (number, file) in files.iter_mut().enumerate() {
        if !names.values().any(|&named| named == number) {
            *file = Inode::default();
        }
    }
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
