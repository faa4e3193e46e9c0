//! The canonical form of what is hashed: a domain, then fields in a fixed order, each with its
//! length, nothing omitted. It never changes with a library.

/// Writes a canonical form into a BLAKE3 hash.
#[derive(Debug)]
pub struct Canonical {
    hasher: blake3::Hasher,
}

impl Canonical {
    /// Starts a form; `domain` keeps forms of different purposes apart.
    pub fn new(domain: &str) -> Self {
        let mut form = Self { hasher: blake3::Hasher::new() };
        form.bytes(domain.as_bytes());
        form
    }

    /// Adds a field of bytes.
    pub fn bytes(&mut self, field: &[u8]) -> &mut Self {
        self.hasher.update(&(field.len() as u64).to_be_bytes());
        self.hasher.update(field);
        self
    }

    /// Adds a text field.
    pub fn text(&mut self, field: &str) -> &mut Self {
        self.bytes(field.as_bytes())
    }

    /// Adds a number.
    pub fn number(&mut self, field: u64) -> &mut Self {
        self.bytes(&field.to_be_bytes())
    }

    /// Adds an optional field: a presence byte, then the field.
    pub fn optional(&mut self, field: Option<&[u8]>) -> &mut Self {
        self.number(u64::from(field.is_some()));
        self.bytes(field.unwrap_or_default())
    }

    /// The 32 byte hash of all that was added.
    pub fn finish(&self) -> [u8; 32] {
        *self.hasher.finalize().as_bytes()
    }
}
