//! Fakes for the tests of this crate: a clock and entropy that the test decides.

mod clock;
mod entropy;

pub(crate) use clock::ManualClock;
pub(crate) use entropy::SeededEntropy;
