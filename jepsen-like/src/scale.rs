//! How long runs are, and the seed that makes one again.

use std::fmt;
use std::str::FromStr;

use rand::SeedableRng;
use rand::rngs::StdRng;
use uuid::Uuid;

/// Environment variable that scales all long counts.
pub const SCALE_VARIABLE: &str = "CONCLAVE_TEST_SCALE";
/// Environment variable with the seed of a run that is to be made again.
pub const SEED_VARIABLE: &str = "CONCLAVE_TEST_SEED";

/// Short counts for every change, long ones for a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Minutes on two cores, debug build.
    Ci,
    /// The counts that the figures ask for.
    Full,
}

impl Scale {
    /// The scale of the environment; `ci` if it says nothing, for a plain `cargo test`.
    pub fn from_env() -> Result<Scale, String> {
        match std::env::var(SCALE_VARIABLE) {
            Ok(text) => text.parse(),
            Err(_) => Ok(Scale::Ci),
        }
    }

    /// One of two counts.
    pub fn pick<T>(self, ci: T, full: T) -> T {
        match self {
            Scale::Ci => ci,
            Scale::Full => full,
        }
    }
}

impl FromStr for Scale {
    type Err = String;

    fn from_str(text: &str) -> Result<Scale, String> {
        match text {
            "ci" => Ok(Scale::Ci),
            "full" => Ok(Scale::Full),
            other => Err(format!("scale {other:?} is unknown; allowed are ci and full")),
        }
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.pick("ci", "full"))
    }
}

/// The seed of the environment, or a fresh one.
pub fn seed_from_env() -> Result<u64, String> {
    match std::env::var(SEED_VARIABLE) {
        Ok(text) => text
            .trim()
            .parse()
            .map_err(|error| format!("{SEED_VARIABLE}={text:?} is not a whole number: {error}")),
        Err(_) => Ok(Uuid::new_v4().as_u64_pair().0),
    }
}

/// The generator of one part of a run: parts do not disturb each other's draws.
pub fn generator(seed: u64, part: u64) -> StdRng {
    StdRng::seed_from_u64(seed ^ part.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    #[test]
    fn a_seed_gives_the_same_draws_and_parts_differ() {
        let draw = |seed, part| generator(seed, part).random::<u64>();
        assert_eq!(draw(7, 1), draw(7, 1));
        assert_ne!(draw(7, 1), draw(7, 2));
        assert_ne!(draw(7, 1), draw(8, 1));
    }

    #[test]
    fn only_two_scales_are_known() {
        assert_eq!("full".parse(), Ok(Scale::Full));
        assert!("fast".parse::<Scale>().unwrap_err().contains("ci and full"));
    }
}
