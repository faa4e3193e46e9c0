//! The text of a share that a person can carry: one line that says what it belongs to, three lines
//! of base32.
//!
//! ```text
//! conclave-share-v1 5f0c1a2b epoch 1 index 2 of 5 need 3
//! 01 AIFBC GA7EY WTIO2 CJFIF MI
//! 02 OXTFN RZXVA MIR6L J3JFL RS
//! 03 WK44B R6O2X OOHPR OP6EQ B7
//! ```
//!
//! (The one of `tests/vectors/share-text.txt`; it opens nothing.) The lines hold the 33 bytes of the
//! share (x, then y) and four bytes of a BLAKE3 digest over first line and share: 37 bytes in exactly
//! 60 characters. The last two characters of a line check it, its number and ten bits of a digest of
//! the first line, see `line_check.rs` for what they catch: one or two wrong characters, exchanged
//! characters and exchanged lines with certainty; a wrong first line is missed once in 2^32 times.

use std::fmt;

use zeroize::Zeroizing;

use crate::limits::{MAX_SHARE_TEXT, MAX_SHARES, SHARE_LEN};
use crate::{base32, line_check};

pub use crate::share_header::ShareHeader;

/// A share as a person carries it. Wiped on drop; not to be cloned, compared or printed but by
/// [`ShareText::encode`].
pub struct ShareText {
    header: ShareHeader,
    bytes: Zeroizing<Vec<u8>>,
}

/// Why a text is not a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShareTextError {
    /// More characters than any share has.
    #[error("the text is longer than {MAX_SHARE_TEXT} characters; a share has four lines")]
    TooLong,
    /// The first line has another form.
    #[error(
        "the first line is not that of a share; it reads `conclave-share-v1 <8 hex digits> epoch <e> index <i> of <n> need <t>`"
    )]
    Header,
    /// The share has a version that this program does not know.
    #[error(
        "the share is not of version v1; use the release of Conclave that wrote it, or a newer one"
    )]
    Version,
    /// The numbers of the first line contradict each other.
    #[error(
        "the numbers of the first line do not fit each other; index and need lie between 1 and the number of shares"
    )]
    HeaderNumbers,
    /// Another number of lines than three.
    #[error("{found} numbered lines follow the first line; a share has exactly {LINES}")]
    LineCount {
        /// How many there are.
        found: usize,
    },
    /// A line does not carry the number of its place.
    #[error(
        "line {line:02} is missing, repeated or out of order; numbered lines run from 01 to 03"
    )]
    LineNumber {
        /// The number that was expected, from 1.
        line: u8,
    },
    /// A line has too many or too few characters.
    #[error(
        "line {line:02} does not have four groups of five characters and two check characters; compare it with the original"
    )]
    LineLength {
        /// The number of the line, from 1.
        line: u8,
    },
    /// A character that base32 does not have.
    #[error(
        "line {line:02} has a character that is not used in group {group}; allowed are A to Z and 2 to 7"
    )]
    Character {
        /// The number of the line, from 1.
        line: u8,
        /// The group in the line, from 1; 5 is the check characters.
        group: u8,
    },
    /// The check characters of one line do not fit.
    #[error("line {line:02} has a typing error; compare it with the original")]
    LineCheck {
        /// The number of the first such line, from 1.
        line: u8,
    },
    /// No line fits the first line.
    #[error(
        "no line fits the first line; check the first line, then whether the lines belong to it"
    )]
    HeaderCheck,
    /// Each line fits, but together they are not one share.
    #[error("the lines do not belong together; they seem to come from different shares")]
    Whole,
    /// The share bytes carry another index than the first line.
    #[error("the index in the first line is not that of the share; check the first line")]
    Index,
}

/// Why one of several shares cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SharesTextError {
    /// There is no share in the text.
    #[error("there is no share in the text; a share begins with `conclave-share-v1`")]
    Empty,
    /// More shares than a root key can have.
    #[error("there are more than {MAX_SHARES} shares in the text")]
    TooMany,
    /// One share is damaged.
    #[error("share {position} of the text: {error}")]
    Share {
        /// Which one, counted from 1 in the order of the text.
        position: usize,
        /// What is wrong with it.
        error: ShareTextError,
    },
}

/// Base32 characters of a line without its check characters.
const LINE_SYMBOLS: usize = 20;
/// Numbered lines of a share.
const LINES: usize = 3;
/// Bytes of the digest over the whole share.
const DIGEST_LEN: usize = 4;

const _: () = assert!(base32::chars_for(SHARE_LEN + DIGEST_LEN) == LINES * LINE_SYMBOLS);

impl ShareText {
    /// A share text for the bytes of a share (x, then y). `None` unless there are
    /// [`SHARE_LEN`] bytes, the numbers fit each other, and x is the index.
    pub fn new(header: ShareHeader, bytes: &[u8]) -> Option<ShareText> {
        let fits = bytes.len() == SHARE_LEN
            && header.is_consistent()
            && bytes.first() == Some(&header.index);
        fits.then(|| ShareText { header, bytes: Zeroizing::new(bytes.to_vec()) })
    }

    /// What the share belongs to.
    pub fn header(&self) -> &ShareHeader {
        &self.header
    }

    /// The secret bytes: x, then y.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The text: four lines, each with a newline.
    pub fn encode(&self) -> Zeroizing<String> {
        let first_line = self.header.line();
        let mut content = Zeroizing::new(Vec::with_capacity(SHARE_LEN + DIGEST_LEN));
        content.extend_from_slice(&self.bytes);
        content.extend_from_slice(&whole_digest(&first_line, &self.bytes));
        let symbols = base32::to_symbols(&content);

        let mut text = Zeroizing::new(String::with_capacity(MAX_SHARE_TEXT));
        text.push_str(&first_line);
        text.push('\n');
        for (line, data) in (1u8..).zip(symbols.chunks(LINE_SYMBOLS)) {
            text.push_str(&format!("{line:02}"));
            for group in data.chunks(5) {
                text.push(' ');
                group.iter().for_each(|symbol| text.push(base32::upper(*symbol)));
            }
            text.push(' ');
            let check = line_check_symbols(line, &first_line, data);
            check.iter().for_each(|symbol| text.push(base32::upper(*symbol)));
            text.push('\n');
        }
        text
    }

    /// Reads one share. Lower case, additional blanks and empty lines are accepted.
    pub fn parse(text: &str) -> Result<ShareText, ShareTextError> {
        if text.len() > MAX_SHARE_TEXT {
            return Err(ShareTextError::TooLong);
        }
        let mut lines = text.lines().map(str::trim_ascii).filter(|line| !line.is_empty());
        let header = ShareHeader::parse(lines.next().unwrap_or_default())?;
        let lines: Vec<&str> = lines.collect();
        if lines.len() != LINES {
            return Err(ShareTextError::LineCount { found: lines.len() });
        }
        let symbols = read_lines(&header.line(), &lines)?;
        let content = base32::from_symbols(&symbols).ok_or(ShareTextError::Whole)?;
        let (bytes, digest) = content.split_at(SHARE_LEN);
        if digest != whole_digest(&header.line(), bytes) {
            return Err(ShareTextError::Whole);
        }
        ShareText::new(header, bytes).ok_or(ShareTextError::Index)
    }

    /// Reads several shares in one text. Each begins with its first line; blank lines between and
    /// inside them do not matter.
    pub fn parse_many(text: &str) -> Result<Vec<ShareText>, SharesTextError> {
        let mut shares = Vec::new();
        for part in split_shares(text) {
            let position = shares.len() + 1;
            if position > usize::from(MAX_SHARES) {
                return Err(SharesTextError::TooMany);
            }
            let share = ShareText::parse(part)
                .map_err(|error| SharesTextError::Share { position, error })?;
            shares.push(share);
        }
        if shares.is_empty() { Err(SharesTextError::Empty) } else { Ok(shares) }
    }
}

impl fmt::Debug for ShareText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShareText").field("header", &self.header).finish_non_exhaustive()
    }
}

/// The parts of a text that each begin with a line that is not numbered.
fn split_shares(text: &str) -> Vec<&str> {
    let mut starts = Vec::new();
    let mut position = 0;
    for line in text.split_inclusive('\n') {
        let content = line.trim_ascii();
        let numbered = content.starts_with(|c: char| c.is_ascii_digit());
        if !content.is_empty() && (!numbered || starts.is_empty()) {
            starts.push(position);
        }
        position += line.len();
    }
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    // Starts and ends lie after a newline or at the end of the text: character boundaries.
    starts.iter().zip(ends).filter_map(|(start, end)| text.get(*start..end)).collect()
}

/// The symbols of all lines, without check symbols.
fn read_lines(first_line: &str, lines: &[&str]) -> Result<Zeroizing<Vec<u8>>, ShareTextError> {
    let mut symbols = Zeroizing::new(Vec::with_capacity(LINES * LINE_SYMBOLS));
    let mut wrong = Vec::new();
    for (line, text) in (1u8..).zip(lines) {
        let read = read_line(line, text)?;
        let (data, check) = read.split_at(LINE_SYMBOLS);
        if check != line_check_symbols(line, first_line, data) {
            wrong.push(line);
        }
        symbols.extend_from_slice(data);
    }
    match wrong.first() {
        None => Ok(symbols),
        Some(_) if wrong.len() == LINES => Err(ShareTextError::HeaderCheck),
        Some(line) => Err(ShareTextError::LineCheck { line: *line }),
    }
}

/// The 22 symbols of one line. Blanks may stand anywhere after the number.
fn read_line(line: u8, text: &str) -> Result<Zeroizing<Vec<u8>>, ShareTextError> {
    let (number, rest) = text.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((text, ""));
    if !number.bytes().all(|c| c.is_ascii_digit()) || number.parse() != Ok(line) {
        return Err(ShareTextError::LineNumber { line });
    }
    let mut symbols = Zeroizing::new(Vec::with_capacity(LINE_SYMBOLS + 2));
    for character in rest.bytes().filter(|c| !c.is_ascii_whitespace()) {
        if symbols.len() == LINE_SYMBOLS + 2 {
            return Err(ShareTextError::LineLength { line });
        }
        let group = symbols.len() as u8 / 5 + 1;
        symbols.push(base32::symbol(character).ok_or(ShareTextError::Character { line, group })?);
    }
    if symbols.len() == LINE_SYMBOLS + 2 {
        Ok(symbols)
    } else {
        Err(ShareTextError::LineLength { line })
    }
}

/// The check symbols of a line: over its number, ten bits of the first line's digest, its data.
fn line_check_symbols(line: u8, first_line: &str, data: &[u8]) -> [u8; 2] {
    let digest = blake3::derive_key("conclave share text v1: first line", first_line.as_bytes());
    let mut symbols = Zeroizing::new(Vec::with_capacity(3 + LINE_SYMBOLS));
    symbols.extend_from_slice(&[line & 31, digest[0] & 31, digest[1] & 31]);
    symbols.extend_from_slice(data);
    line_check::check_symbols(&symbols)
}

/// Digest over the whole share, first line included.
fn whole_digest(first_line: &str, bytes: &[u8]) -> [u8; DIGEST_LEN] {
    let mut hasher = blake3::Hasher::new_derive_key("conclave share text v1: whole");
    hasher.update(first_line.as_bytes()).update(b"\n").update(bytes);
    let [a, b, c, d, ..] = *hasher.finalize().as_bytes();
    [a, b, c, d]
}

#[cfg(test)]
mod tests;
