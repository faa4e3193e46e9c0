//! The seams behind which the outside world hangs: time and entropy. `core` only names them (it
//! draws no randomness and reads no clock); one file of `server` implements them with the operating
//! system, the simulator with a seed.

/// A source of time. Both readings are in milliseconds.
pub trait Clock: Send + Sync + 'static {
    /// Wall clock: milliseconds since the Unix epoch, UTC.
    fn wall_ms(&self) -> u64;

    /// Elapsed time since an arbitrary fixed point; never goes back, counts while suspended.
    fn elapsed_ms(&self) -> u64;
}

/// A source of random bytes fit for keys.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `buffer` with fresh random bytes. A source that cannot deliver ends the process.
    fn fill(&self, buffer: &mut [u8]);
}

/// Draws a random (version 4) UUID.
pub fn random_uuid(entropy: &dyn Entropy) -> uuid::Uuid {
    let mut bytes = [0u8; 16];
    entropy.fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

/// Draws a UUID that begins with the time (version 7; 74 bits are random). What is made together lies
/// together in a table in order of ids: a new record costs the same however many there are. Nothing
/// rests on the time in it.
pub fn time_ordered_uuid(clock: &dyn Clock, entropy: &dyn Entropy) -> uuid::Uuid {
    let mut bytes = [0u8; 10];
    entropy.fill(&mut bytes);
    uuid::Builder::from_unix_timestamp_millis(clock.wall_ms(), &bytes).into_uuid()
}
