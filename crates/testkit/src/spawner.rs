//! The writer as a task.

use std::io;

use conclave_storage::seams::Task;
use conclave_storage::{Priority, Spawner};

/// Runs what would be a thread as a task of the current tokio runtime, so that a simulation stays on
/// one thread and in one order.
#[derive(Clone, Copy, Debug, Default)]
pub struct TaskSpawner;

impl Spawner for TaskSpawner {
    fn spawn(&self, _name: &str, _priority: Priority, task: Task) -> io::Result<()> {
        drop(tokio::spawn(task));
        Ok(())
    }
}
