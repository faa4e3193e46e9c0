//! The seams behind which the operating system hangs: the disk and the writer's thread. The
//! simulator implements both on one thread; everything else in this crate is the same code.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Once;
use std::time::Duration;

use redb::StorageBackend;

/// What a new thread or task runs to its end.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How [`Disk::open`] treats the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// The file must be there.
    Existing,
    /// The file must not be there; it is created, empty.
    New,
}

/// The data directory of one node.
///
/// Names are relative, `/` between directory and file, and never leave the directory; `""` is the
/// data directory itself. What the rest of the crate relies on, and no more:
///
/// - a write is durable once `sync_data` of its file has returned, and may be lost, torn or
///   reordered before;
/// - creating, renaming and removing a name is atomic, and durable once [`Disk::sync_dir`] of its
///   directory has returned;
/// - an open file stays usable after its name was replaced or removed.
pub trait Disk: Send + Sync + 'static {
    /// Opens a file for random access. Errors: `NotFound` or `AlreadyExists` as the mode says, else
    /// whatever the disk answers.
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Box<dyn StorageBackend>>;

    /// Whether there is a file with this name.
    fn exists(&self, name: &str) -> io::Result<bool>;

    /// The names of the files in a directory, in ascending order, without the directory's name.
    fn list(&self, directory: &str) -> io::Result<Vec<String>>;

    /// Makes a directory (durably) if it is not there.
    fn make_directory(&self, name: &str) -> io::Result<()>;

    /// Renames a file, replacing what had the new name. Both names lie in one directory.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a name. Fails with `NotFound` if there is none.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes what happened to the names in a directory durable.
    fn sync_dir(&self, directory: &str) -> io::Result<()>;

    /// How long the log writer waits before each commit: zero on a real disk, where the sync itself
    /// takes its time; the simulator's share of virtual time otherwise.
    fn commit_delay(&self) -> Duration {
        Duration::ZERO
    }
}

/// What a thread is to the others when all cores are busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Somebody waits for what it does.
    Normal,
    /// It gives way to those that somebody waits for.
    Background,
}

/// Runs the writer loop: on a thread of its own in production, as a task in the simulator.
pub trait Spawner: Send + Sync {
    /// Starts `task` under a name for humans. Fails if no thread can be had.
    fn spawn(&self, name: &str, priority: Priority, task: Task) -> io::Result<()>;
}

/// One operating system thread for each task, with a small executor that waits for nothing but the
/// task (no network, no timer), so that a blocking sync disturbs nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThreadSpawner;

impl Spawner for ThreadSpawner {
    fn spawn(&self, name: &str, priority: Priority, task: Task) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let run = move || {
            if priority == Priority::Background {
                give_way();
            }
            runtime.block_on(task);
        };
        std::thread::Builder::new().name(name.to_owned()).spawn(run).map(drop)
    }
}

/// How much nicer than its process a thread in the background is (`nice(2)`): beside a busy thread it
/// has a tenth of a core.
const BACKGROUND: i32 = 10;

/// Lowers the priority of this thread, where the system lets it; on Linux `nice(2)` is of the thread.
fn give_way() {
    static REFUSED: Once = Once::new();
    if let Err(error) = rustix::process::nice(BACKGROUND) {
        REFUSED.call_once(|| {
            tracing::warn!(
                %error,
                "work in the background has the priority of everything else: allow setpriority(2)"
            );
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::getpriority_process;

    /// The priority of a thread for this, by `getpriority(2)`.
    fn nice_of(priority: Priority) -> i32 {
        let (tell, told) = std::sync::mpsc::channel();
        let task = async move { tell.send(getpriority_process(None).unwrap()).unwrap() };
        ThreadSpawner.spawn("test", priority, Box::pin(task)).unwrap();
        told.recv().unwrap()
    }

    #[test]
    fn a_thread_in_the_background_is_nicer_than_others() {
        let own = getpriority_process(None).unwrap();
        assert_eq!(nice_of(Priority::Normal), own);
        assert_eq!(nice_of(Priority::Background), (own + BACKGROUND).min(19));
        assert_eq!(getpriority_process(None).unwrap(), own, "others stay as they are");
    }
}
