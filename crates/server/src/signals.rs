//! Being told to stop.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// Ctrl-C or SIGTERM. Watched from its making on.
pub struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    /// Begins to watch; call within a runtime.
    ///
    /// # Errors
    /// The system does not permit it.
    pub fn new() -> Result<Stop, Failure> {
        let watch = |kind| {
            signal(kind).map_err(|error| {
                Failure::refused(format!("signals cannot be watched: {error}"), "try again")
            })
        };
        let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
        Ok(Stop { interrupt: watch(interrupt)?, terminate: watch(terminate)? })
    }

    /// Waits for the next signal; one that came before the call counts.
    pub async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
