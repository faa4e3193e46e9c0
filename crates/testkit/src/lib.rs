//! Test tools behind the seams: a simulated disk, a clock that is set by hand, a writer that is a
//! task, and a record of fatal reasons. Everything random comes from a seed.

#![allow(clippy::unwrap_used, clippy::panic)]

mod clock;
mod dice;
mod disk;
mod fatal;
pub mod measure;
pub mod sim;
mod spawner;

pub use clock::ManualClock;
pub use dice::Dice;
pub use disk::SimDisk;
pub use fatal::FatalLog;
pub use spawner::TaskSpawner;
