//! The canonical encoding of everything that is authenticated or fed to a key derivation: a label,
//! then fields in a fixed order, each as its length (u32, big endian) and its bytes. Nothing is
//! ever omitted, so two different lists of fields never have the same encoding.

use uuid::Uuid;

/// An encoding under construction.
pub(crate) struct Canonical(Vec<u8>);

impl Canonical {
    /// Begins with the label that separates this use from all others.
    pub(crate) fn new(label: &str) -> Canonical {
        Canonical(Vec::new()).bytes(label.as_bytes())
    }

    /// Adds a field of any length. Callers bound what comes from outside far below 4 GiB.
    pub(crate) fn bytes(mut self, field: &[u8]) -> Canonical {
        let len =
            u32::try_from(field.len()).expect("authenticated fields are bounded by limits.rs");
        self.0.reserve(4 + field.len());
        self.0.extend_from_slice(&len.to_be_bytes());
        self.0.extend_from_slice(field);
        self
    }

    /// Adds an id.
    pub(crate) fn uuid(self, field: Uuid) -> Canonical {
        self.bytes(field.as_bytes())
    }

    /// Adds a small number.
    pub(crate) fn u8(self, field: u8) -> Canonical {
        self.bytes(&[field])
    }

    /// Adds a number, big endian.
    pub(crate) fn u32(self, field: u32) -> Canonical {
        self.bytes(&field.to_be_bytes())
    }

    /// Adds a number, big endian.
    pub(crate) fn u64(self, field: u64) -> Canonical {
        self.bytes(&field.to_be_bytes())
    }

    /// The encoding.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_pinned() {
        let encoding = Canonical::new("ab").u8(1).u32(2).u64(3).bytes(b"").finish();
        let expected: &[u8] = &[
            0, 0, 0, 2, b'a', b'b', 0, 0, 0, 1, 1, 0, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0, 8, 0, 0, 0, 0,
            0, 0, 0, 3, 0, 0, 0, 0,
        ];
        assert_eq!(encoding, expected);
    }

    #[test]
    fn moving_a_byte_between_fields_changes_the_encoding() {
        let encode = |a: &[u8], b: &[u8]| Canonical::new("x").bytes(a).bytes(b).finish();
        assert_ne!(encode(b"ab", b"c"), encode(b"a", b"bc"));
        assert_ne!(encode(b"", b"abc"), encode(b"abc", b""));
    }
}
