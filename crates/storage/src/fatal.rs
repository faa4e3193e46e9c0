//! The end of the node: what happens when something cannot be made durable or a record is damaged.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Called once, with the reason, when something cannot be made durable or a stored record is
/// damaged (invariant 12: the node stops instead of pretending).
///
/// In production the hook ends the process and does not return. In simulation and in tests it
/// records the reason or panics, which ends the task that called. Either way the code that called
/// does not go on: [`FatalHook::stop`] unwinds if the hook returns. Clones share the "once".
#[derive(Clone)]
pub struct FatalHook {
    inner: Arc<Inner>,
}

struct Inner {
    raised: AtomicBool,
    hook: Box<dyn Fn(&str) + Send + Sync>,
}

/// The payload of the unwinding that [`FatalHook::stop`] starts if the hook returned.
#[derive(Debug)]
pub struct StorageStopped(
    /// Why storage stopped.
    pub String,
);

impl FatalHook {
    /// A hook that hands the reason to `hook`.
    pub fn new(hook: impl Fn(&str) + Send + Sync + 'static) -> FatalHook {
        let inner = Inner { raised: AtomicBool::new(false), hook: Box::new(hook) };
        FatalHook { inner: Arc::new(inner) }
    }

    /// Hands `reason` to the hook, the first time; later reasons only follow from the first one.
    pub fn raise(&self, reason: &str) {
        if !self.inner.raised.swap(true, Ordering::AcqRel) {
            tracing::error!(reason, "the node cannot go on and stops");
            (self.inner.hook)(reason);
        }
    }

    /// Raises and never returns: if the hook does, the calling thread or task unwinds with
    /// [`StorageStopped`] (in a build with `panic = "abort"` that ends the process).
    pub fn stop(&self, reason: &str) -> ! {
        self.raise(reason);
        std::panic::resume_unwind(Box::new(StorageStopped(reason.to_owned())))
    }

    /// Whether the hook has been called.
    pub fn raised(&self) -> bool {
        self.inner.raised.load(Ordering::Acquire)
    }
}

impl fmt::Debug for FatalHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FatalHook").field("raised", &self.raised()).finish()
    }
}
