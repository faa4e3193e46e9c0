//! Looks for secrets in files: raw, hex and base64, wherever they begin.

use std::fs;
use std::path::{Path, PathBuf};

use data_encoding::{BASE64, BASE64URL, HEXLOWER, HEXUPPER};
use uuid::Uuid;

use crate::failure::{Result, ensure, require};

/// Secrets shorter than this would be found by chance.
const SHORTEST: usize = 12;

/// A secret in one encoding.
#[derive(Clone)]
struct Needle {
    what: String,
    bytes: Vec<u8>,
}

/// What to look for.
#[derive(Clone, Default)]
pub struct Needles {
    needles: Vec<Needle>,
}

/// A secret that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// Which secret, in which encoding.
    pub what: String,
    /// Where.
    pub file: PathBuf,
    /// Offset in the file.
    pub at: usize,
}

impl Needles {
    /// Adds a secret in all encodings; the two halves of a long one too, so that a part is found.
    pub fn add(&mut self, name: &str, secret: &[u8]) -> Result<()> {
        require(secret.len() >= SHORTEST, || format!("{name} is too short to be looked for"))?;
        self.add_whole(name, secret);
        if secret.len() >= 2 * SHORTEST {
            let (left, right) = secret.split_at(secret.len() / 2);
            self.add_whole(&format!("{name}, first half"), left);
            self.add_whole(&format!("{name}, second half"), right);
        }
        Ok(())
    }

    /// Names of the encodings of one secret.
    pub fn encodings(secret: &[u8]) -> Vec<(String, Vec<u8>)> {
        let mut all = vec![
            ("raw".to_owned(), secret.to_vec()),
            ("hex".to_owned(), HEXLOWER.encode(secret).into_bytes()),
            ("HEX".to_owned(), HEXUPPER.encode(secret).into_bytes()),
        ];
        for shift in 0..3 {
            for (name, base64) in [("base64", BASE64), ("base64url", BASE64URL)] {
                all.push((format!("{name}+{shift}"), aligned(secret, shift, &base64)));
            }
        }
        all
    }

    /// Everything that is found in these bytes.
    pub fn in_bytes(&self, file: &Path, bytes: &[u8]) -> Vec<Hit> {
        let found = self.needles.iter().filter_map(|needle| {
            let at = find(bytes, &needle.bytes)?;
            Some(Hit { what: needle.what.clone(), file: file.to_owned(), at })
        });
        found.collect()
    }

    /// Everything that is found in these files.
    pub fn in_files(&self, files: &[PathBuf]) -> Result<Vec<Hit>> {
        let mut hits = Vec::new();
        for file in files {
            hits.extend(self.in_bytes(file, &fs::read(file)?));
        }
        Ok(hits)
    }

    /// Shows for each file that the scan is not blind there: a canary put into a copy of the file is
    /// found in every encoding.
    pub fn prove_sight(files: &[PathBuf], canary: &[u8]) -> Result<()> {
        let mut needles = Needles::default();
        needles.add("canary", canary)?;
        for file in files {
            let bytes = fs::read(file)?;
            let before = needles.in_bytes(file, &bytes);
            ensure(before.is_empty(), || format!("a fresh canary was there already: {before:?}"))?;
            let (head, tail) = bytes.split_at(bytes.len() / 2);
            for (encoding, planted) in Needles::encodings(canary) {
                let copy = [head, &planted, tail].concat();
                require(!needles.in_bytes(file, &copy).is_empty(), || {
                    format!("the scan does not see {encoding} in {}", file.display())
                })?;
            }
        }
        Ok(())
    }

    fn add_whole(&mut self, name: &str, secret: &[u8]) {
        for (encoding, bytes) in Needles::encodings(secret) {
            self.needles.push(Needle { what: format!("{name} ({encoding})"), bytes });
        }
    }
}

/// 32 fresh characters that nothing else holds.
pub fn canary() -> String {
    Uuid::new_v4().simple().to_string()
}

/// All files below a directory.
pub fn files_below(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                dirs.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The characters that a secret has in base64 when it begins `shift` bytes into a group of three,
/// without those that depend on its neighbours.
fn aligned(secret: &[u8], shift: usize, base64: &data_encoding::Encoding) -> Vec<u8> {
    let mut padded = vec![0u8; shift];
    padded.extend_from_slice(secret);
    let whole = padded.len() - padded.len() % 3;
    let text = base64.encode(&padded[..whole]);
    // The first `shift` bytes share their last character with the secret.
    let skip = [0, 2, 3][shift % 3];
    text.as_bytes()[skip..].to_vec()
}

/// First place of `needle`.
fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    while let Some(step) = haystack[from..].iter().position(|byte| *byte == first) {
        let at = from + step;
        if haystack[at..].starts_with(needle) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"\x01\x9f\xfe\x33 a secret of some length \xff\x00\x10";

    fn needles() -> Needles {
        let mut needles = Needles::default();
        needles.add("secret", SECRET).unwrap();
        needles
    }

    #[test]
    fn every_encoding_is_found_wherever_it_begins() {
        for lead in 0..9 {
            let mut plain = vec![0x5a; lead];
            plain.extend_from_slice(SECRET);
            plain.extend_from_slice(b"tail");
            let forms = [
                plain.clone(),
                HEXLOWER.encode(&plain).into_bytes(),
                HEXUPPER.encode(&plain).into_bytes(),
                BASE64.encode(&plain).into_bytes(),
                BASE64URL.encode(&plain).into_bytes(),
            ];
            for form in forms {
                let hits = needles().in_bytes(Path::new("f"), &form);
                assert!(!hits.is_empty(), "lead {lead}: {}", String::from_utf8_lossy(&form));
            }
        }
    }

    #[test]
    fn half_a_secret_is_found_and_nothing_is_not() {
        assert!(!needles().in_bytes(Path::new("f"), &SECRET[15..]).is_empty());
        assert!(needles().in_bytes(Path::new("f"), &[0u8; 5_000]).is_empty());
        assert!(needles().in_bytes(Path::new("f"), &SECRET[20..]).is_empty());
    }

    #[test]
    fn sight_is_proven_in_every_file() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("sub")).unwrap();
        fs::write(dir.path().join("sub/a"), b"some bytes").unwrap();
        fs::write(dir.path().join("b"), b"").unwrap();
        let files = files_below(dir.path()).unwrap();
        assert_eq!(files.len(), 2);
        Needles::prove_sight(&files, SECRET).unwrap();
        fs::write(dir.path().join("b"), SECRET).unwrap();
        assert!(Needles::prove_sight(&files, SECRET).is_err());
    }
}
