//! A file that is written in small portions.

use std::io;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::{BackendError, StorageBackend};

/// A file of which never more than some bytes wait for the disk. A sync of another file waits for what
/// was handed to the disk before, so whoever writes thousands of pages at once and then syncs them holds
/// up the log for as long as the disk needs for all of them. Lock methods included (without them redb
/// would not lock the file).
#[derive(Debug)]
pub(crate) struct Paced {
    file: Box<dyn StorageBackend>,
    unsynced: AtomicU64,
    at_most: u64,
}

impl Paced {
    /// A sync follows as soon as `at_most` bytes wait for one.
    pub(crate) fn new(file: Box<dyn StorageBackend>, at_most: u64) -> Paced {
        Paced { file, unsynced: AtomicU64::new(0), at_most }
    }
}

impl StorageBackend for Paced {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.unsynced.store(0, Ordering::Relaxed);
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write(offset, data)?;
        let written = data.len() as u64;
        let unsynced = self.unsynced.fetch_add(written, Ordering::Relaxed) + written;
        if unsynced < self.at_most { Ok(()) } else { self.sync_data() }
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// How much is written and not synced: now, and at most so far.
    #[derive(Debug, Default)]
    struct Waiting {
        now: AtomicU64,
        most: AtomicU64,
    }

    #[derive(Debug)]
    struct Watched(Arc<Waiting>);

    impl StorageBackend for Watched {
        fn len(&self) -> io::Result<u64> {
            Ok(0)
        }
        fn read(&self, _: u64, _: &mut [u8]) -> io::Result<()> {
            Ok(())
        }
        fn set_len(&self, _: u64) -> io::Result<()> {
            Ok(())
        }
        fn sync_data(&self) -> io::Result<()> {
            self.0.now.store(0, Ordering::SeqCst);
            Ok(())
        }
        fn write(&self, _: u64, data: &[u8]) -> io::Result<()> {
            let bytes = data.len() as u64;
            let now = self.0.now.fetch_add(bytes, Ordering::SeqCst) + bytes;
            self.0.most.fetch_max(now, Ordering::SeqCst);
            Ok(())
        }
    }

    #[test]
    fn never_much_waits_for_a_sync() {
        let waiting = Arc::new(Waiting::default());
        let file = Paced::new(Box::new(Watched(waiting.clone())), 8 * 4096);
        let page = [0; 4096];
        for number in 0..32 {
            file.write(number * 4096, &page).unwrap();
        }
        assert_eq!(waiting.most.load(Ordering::SeqCst), 8 * 4096);
        assert_eq!(waiting.now.load(Ordering::SeqCst), 0);
        // Whoever syncs has begun anew.
        file.write(0, &page).unwrap();
        file.sync_data().unwrap();
        for number in 1..8 {
            file.write(number * 4096, &page).unwrap();
        }
        assert_eq!(waiting.now.load(Ordering::SeqCst), 7 * 4096);
    }
}
