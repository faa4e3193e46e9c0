//! Where dealt shares go: files, or a terminal with its person.

use std::path::{Path, PathBuf};

use conclave_client::v1::DealtShare;
use zeroize::Zeroizing;

use super::qr;
use crate::failure::Failure;
use crate::files::{self, Existing, OutFile};
use crate::output;
use crate::prompt;

/// One file a share, opened before any share exists, so that none is lost for want of a place.
pub(super) struct ShareFiles {
    files: Vec<OutFile>,
}

impl ShareFiles {
    /// Opens `share-1.ENDING` to `share-N.ENDING` in `dir`, which is made (0700) if need be.
    pub(super) fn create(dir: &Path, count: u32, ending: &str) -> Result<Self, Failure> {
        files::make_private_dir(dir)?;
        let open =
            |index| OutFile::create(&dir.join(format!("share-{index}.{ending}")), Existing::Keep);
        Ok(ShareFiles { files: (1..=count).map(open).collect::<Result<_, _>>()? })
    }

    /// Writes each share to its file. If one cannot be written, none is left.
    pub(super) fn write(self, shares: &[DealtShare]) -> Result<Vec<PathBuf>, Failure> {
        let mut written: Vec<PathBuf> = Vec::new();
        for (mut file, share) in self.files.into_iter().zip(shares) {
            let outcome = file.write(share.text.as_bytes()).and_then(|()| {
                let newline: &[u8] = if share.text.ends_with('\n') { b"" } else { b"\n" };
                file.write(newline)
            });
            match outcome.and_then(|()| file.finish(Existing::Keep)) {
                Ok(path) => written.push(path),
                Err(failure) => {
                    written.iter().for_each(|path| drop(std::fs::remove_file(path)));
                    return Err(failure);
                }
            }
        }
        Ok(written)
    }
}

/// Shows the shares on the terminal one by one; between two the screen is wiped, so that each
/// custodian sees their own alone.
pub(super) async fn show(shares: &[DealtShare], with_qr: bool) -> Result<(), Failure> {
    for share in shares {
        let heading =
            format!("Share {} of {}, for its custodian alone:\n\n", share.index, shares.len());
        let mut page = Zeroizing::new(heading);
        page.push_str(&share.text);
        page.push('\n');
        if with_qr {
            page.push_str(&qr::render(&share.text)?);
            page.push('\n');
        }
        print(&page)?;
        prompt::line("Written down and checked? Enter wipes the screen. ").await?;
        print("\x1b[2J\x1b[3J\x1b[H")?;
    }
    Ok(())
}

fn print(text: &str) -> Result<(), Failure> {
    output::to_stdout(text.as_bytes())
        .map_err(|error| Failure::file(Path::new("the terminal"), "written", &error))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn share(index: u32) -> DealtShare {
        DealtShare { index, text: format!("share text {index}"), encrypted: false }
    }

    #[test]
    fn each_share_has_a_private_file_in_a_private_directory() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("shares");
        let paths =
            ShareFiles::create(&dir, 2, "txt").unwrap().write(&[share(1), share(2)]).unwrap();
        assert_eq!(paths, [dir.join("share-1.txt"), dir.join("share-2.txt")]);
        assert_eq!(std::fs::read_to_string(&paths[1]).unwrap(), "share text 2\n");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&dir), mode(&paths[0])), (0o700, 0o600));
    }

    #[test]
    fn a_share_is_never_overwritten_and_nothing_else_is_left() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("share-2.txt"), "old").unwrap();
        let failure = ShareFiles::create(dir.path(), 3, "txt").err().unwrap();
        assert_eq!(failure.exit_code(), 2);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn if_one_share_cannot_be_written_none_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let files = ShareFiles::create(dir.path(), 2, "txt").unwrap();
        std::fs::write(dir.path().join("share-2.txt"), "came meanwhile").unwrap();
        assert!(files.write(&[share(1), share(2)]).is_err());
        assert!(!dir.path().join("share-1.txt").exists());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
