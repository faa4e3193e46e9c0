//! Who may change the state: one at a time.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Gives turns.
#[derive(Clone, Default)]
pub(super) struct Turns {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    taken: Mutex<bool>,
    free: Condvar,
}

impl Turns {
    /// Waits for the end of the turn before.
    pub(super) fn take(&self) -> Turn {
        let mut taken = self.inner.taken();
        while *taken {
            taken = self.inner.free.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        *taken = true;
        drop(taken);
        Turn(self.inner.clone())
    }
}

impl Inner {
    fn taken(&self) -> MutexGuard<'_, bool> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The exclusive right to change the state, until it is dropped.
pub(super) struct Turn(Arc<Inner>);

impl Drop for Turn {
    fn drop(&mut self) {
        *self.0.taken() = false;
        self.0.free.notify_one();
    }
}
