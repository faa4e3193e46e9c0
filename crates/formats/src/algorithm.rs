use std::fmt;

/// An algorithm of key material. The number is what ciphertexts, wrapped material and the
/// replicated state carry, so a number is never reused; the name is what people type and read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Algorithm {
    /// AES-256-GCM-SIV (RFC 8452): the default for symmetric keys, because it survives a repeated
    /// nonce, and three nodes draw nonces under one key.
    Aes256GcmSiv = 1,
}

impl Algorithm {
    /// All algorithms, in ascending order of their number.
    pub const ALL: [Algorithm; 1] = [Algorithm::Aes256GcmSiv];

    /// The number that stands for the algorithm in every encoding.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The algorithm with this number, if there is one.
    pub fn from_number(number: u8) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|algorithm| algorithm.number() == number)
    }

    /// The name on the command line, in JSON and in configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Algorithm::Aes256GcmSiv => "aes-256-gcm-siv",
        }
    }

    /// The algorithm with this name (exact, lower case), if there is one.
    pub fn from_name(name: &str) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// Length of the key material in bytes.
    pub const fn key_len(self) -> usize {
        match self {
            Algorithm::Aes256GcmSiv => 32,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_lead_back_to_the_algorithm() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_number(algorithm.number()), Some(algorithm));
            assert_eq!(Algorithm::from_name(algorithm.name()), Some(algorithm));
        }
        assert_eq!(Algorithm::from_number(0), None);
        assert_eq!(Algorithm::from_number(2), None);
        assert_eq!(Algorithm::from_name("AES-256-GCM-SIV"), None);
    }
}
