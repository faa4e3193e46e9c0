//! Whether one life of a node is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// One life of a node, from a start to the end of its process; clones share it. It ends once, for good.
#[derive(Clone, Debug, Default)]
pub struct Alive(Arc<Life>);

#[derive(Debug, Default)]
struct Life {
    ended: AtomicBool,
    bell: Notify,
}

impl Alive {
    /// A life that has begun.
    pub fn new() -> Alive {
        Alive::default()
    }

    /// Ends it.
    pub fn end(&self) {
        self.0.ended.store(true, Ordering::SeqCst);
        self.0.bell.notify_waiters();
    }

    /// Whether it goes on.
    pub fn is(&self) -> bool {
        !self.0.ended.load(Ordering::SeqCst)
    }

    /// Resolves as soon as it has ended.
    pub async fn ended(&self) {
        // Made before the look: an end after it is heard.
        let rung = self.0.bell.notified();
        if self.is() {
            rung.await;
        }
    }

    /// Whether it is the same life.
    pub(super) fn is_same(&self, other: &Alive) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
