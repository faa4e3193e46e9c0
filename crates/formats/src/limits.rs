//! Every bound of the formats and of the public API, each with its reason, in one place.

/// Largest plaintext of one Encrypt and Decrypt call, bytes. Small enough that a request never
/// delays its neighbours on a single-threaded runtime; larger data is a stream under a data key.
pub const MAX_PLAINTEXT: usize = 64 * 1024;

/// Largest associated data of one call, bytes: names and contexts, not documents.
pub const MAX_ASSOCIATED_DATA: usize = 64 * 1024;

/// Largest message on the wire, bytes: leaves room for batches, bounds what one connection can
/// make a node hold.
pub const MAX_MESSAGE: usize = 1024 * 1024;

/// Most random bytes of one Random call: enough for any key, too little to be used as a stream.
pub const MAX_RANDOM: usize = 1024;

/// Most bytes of a plain data key: twice the longest symmetric key in use, and what the API gives.
pub const MAX_DATA_KEY: usize = 64;

/// Fewest bytes of a plain data key: 128 bits, the least that is still a key.
pub const MIN_DATA_KEY: usize = 16;

/// Length of an authentication tag, bytes (AES-256-GCM-SIV, AES-SIV).
pub const TAG_LEN: usize = 16;

/// Length of a nonce in a ciphertext envelope, bytes (RFC 8452).
pub const NONCE_LEN: usize = 12;

/// Largest binary ciphertext envelope, bytes.
pub const MAX_ENVELOPE: usize = crate::ciphertext::HEADER_LEN + MAX_PLAINTEXT + TAG_LEN;

/// Plain bytes in each chunk of a stream but the last: as age does; a reader holds one chunk.
pub const STREAM_CHUNK: u32 = 64 * 1024;

/// Largest chunk that a reader accepts, bytes: bounds its memory against hostile headers.
pub const MAX_STREAM_CHUNK: u32 = 1024 * 1024;

/// Smallest chunk that a reader accepts, bytes: below it the tags would outweigh the data.
pub const MIN_STREAM_CHUNK: u32 = 1024;

/// Largest wrapped data key in a stream header, bytes: an envelope around [`MAX_DATA_KEY`].
pub const MAX_WRAPPED_DATA_KEY: usize = crate::ciphertext::HEADER_LEN + MAX_DATA_KEY + TAG_LEN;

/// Length of the root key, bytes (256 bits).
pub const ROOT_KEY_LEN: usize = 32;

/// Length of a share of the root key, bytes: the index x and one y per byte of the root key.
pub const SHARE_LEN: usize = 1 + ROOT_KEY_LEN;

/// Most shares of a root key: x is one non-zero byte.
pub const MAX_SHARES: u8 = 255;

/// Longest accepted text of one share, bytes: four lines with generous blanks.
pub const MAX_SHARE_TEXT: usize = 1024;

/// Shortest alias, characters: one letter is more often a typing error than a name.
pub const MIN_ALIAS: usize = 2;

/// Longest alias, characters (as Key Protect has it).
pub const MAX_ALIAS: usize = 90;

/// Most aliases of one key: keeps a key record small enough to be read on every use.
pub const MAX_ALIASES_PER_KEY: usize = 5;

/// Longest principal name, characters: fits an e-mail address in practice and one table column.
pub const MAX_PRINCIPAL_NAME: usize = 64;

/// Longest cluster name, characters: one DNS label, since it is the authority of our SAN URIs.
pub const MAX_CLUSTER_NAME: usize = 63;

/// Longest description, characters (as Key Protect has it).
pub const MAX_DESCRIPTION: usize = 240;

/// Most labels of one key.
pub const MAX_LABELS: usize = 20;

/// Longest label key, characters.
pub const MAX_LABEL_KEY: usize = 63;

/// Longest label value, characters.
pub const MAX_LABEL_VALUE: usize = 256;

/// Bytes of the name of a registered resource: long enough for any CRN or ARN.
pub const MAX_RESOURCE: usize = 512;
