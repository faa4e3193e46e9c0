//! What a verb reads: a file or stdin, in a thread that may block.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use conclave_client::{Error, Reason};
use conclave_formats::limits::MAX_ASSOCIATED_DATA;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use zeroize::Zeroizing;

use crate::failure::Failure;

/// A file, or stdin.
pub(crate) struct Input {
    source: Box<dyn Read + Send>,
    /// How people know it.
    name: String,
    /// Its length, if it is a regular file.
    length: Option<u64>,
}

/// The beginning of an input.
pub(crate) enum Start {
    /// All of it.
    Whole(Zeroizing<Vec<u8>>),
    /// There is more: its first bytes, and the input behind them.
    Partial(Zeroizing<Vec<u8>>, Input),
}

impl Input {
    /// Opens `path`; stdin if there is none or it is `-`.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            return Ok(Input {
                source: Box::new(io::stdin()),
                name: "stdin".to_owned(),
                length: None,
            });
        };
        let failed = |error: io::Error| Failure::file(path, "read", &error);
        let file = File::open(path).map_err(failed)?;
        let found = file.metadata().map_err(failed)?;
        if found.is_dir() {
            return Err(Failure::file(path, "read", &"it is a directory"));
        }
        let length = found.is_file().then_some(found.len());
        Ok(Input { source: Box::new(file), name: path.display().to_string(), length })
    }

    /// Nothing.
    pub(crate) fn empty() -> Self {
        Input { source: Box::new(io::empty()), name: "nothing".to_owned(), length: None }
    }

    /// Reads up to `limit` bytes and says whether there is more.
    pub(crate) async fn start(mut self, limit: usize) -> Result<Start, Failure> {
        blocking(move || {
            let mut bytes = Zeroizing::new(Vec::with_capacity(limit + 1));
            let most = limit as u64 + 1;
            self.source.by_ref().take(most).read_to_end(&mut bytes).map_err(|error| {
                let text = format!("{} cannot be read: {error}", self.name);
                Error::new(Reason::LocalFile, text, "check the file and try again")
            })?;
            let more = bytes.len() > limit;
            Ok(if more { Start::Partial(bytes, self) } else { Start::Whole(bytes) })
        })
        .await
    }

    /// The input again with `bytes`, which were read from it, in front; shows progress on a
    /// terminal, and fails once the returned guard is dropped.
    pub(crate) fn stream(self, bytes: Zeroizing<Vec<u8>>) -> (Stream, Cancel) {
        let cancelled = Arc::new(AtomicBool::new(false));
        let cancel = Cancel(Arc::clone(&cancelled));
        let source = Box::new(Cursor::new(bytes).chain(self.source));
        (Stream { source, progress: progress(self.length), cancelled }, cancel)
    }
}

/// An input that is read to its end.
pub(crate) struct Stream {
    source: Box<dyn Read + Send>,
    progress: ProgressBar,
    cancelled: Arc<AtomicBool>,
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(io::Error::other("the command was interrupted"));
        }
        let count = self.source.read(buffer)?;
        self.progress.inc(count as u64);
        Ok(count)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.progress.finish_and_clear();
    }
}

/// Stops the thread that reads a [`Stream`] when the verb is dropped.
pub(crate) struct Cancel(Arc<AtomicBool>);

impl Drop for Cancel {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Associated data, as two flags give it.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct AadArgs {
    /// Associated data: authenticated, not encrypted, needed again to decrypt
    #[arg(long, value_name = "TEXT", conflicts_with = "aad_file")]
    aad: Option<String>,
    /// File that holds the associated data
    #[arg(long, value_name = "FILE")]
    aad_file: Option<PathBuf>,
}

impl AadArgs {
    /// The bytes; none were given: empty.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>, Failure> {
        let bytes = match (&self.aad, &self.aad_file) {
            (Some(text), _) => text.clone().into_bytes(),
            (None, Some(path)) => crate::files::read(path)?,
            (None, None) => Vec::new(),
        };
        if bytes.len() > MAX_ASSOCIATED_DATA {
            return Err(Error::new(
                Reason::TooLarge,
                format!(
                    "the associated data has {} bytes, the most is {MAX_ASSOCIATED_DATA}",
                    bytes.len()
                ),
                "use a short name or a digest of the data as associated data",
            )
            .into());
        }
        Ok(bytes)
    }
}

/// Runs what may block in a thread of its own, which nobody waits for if the verb is dropped.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Failure> {
    let (send, receive) = tokio::sync::oneshot::channel();
    // A receiver that is gone means that the verb was dropped.
    std::thread::spawn(move || drop(send.send(work())));
    match receive.await {
        Ok(result) => result.map_err(Failure::from),
        Err(_) => {
            let reason = Reason::Other("INTERNAL".into());
            Err(Error::new(reason, "a thread of the command ended early", "report this").into())
        }
    }
}

/// A bar on stderr, hidden unless stderr is a terminal.
fn progress(length: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr_with_hz(5));
    let template = match length {
        Some(_) => "{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
        None => "{spinner} {bytes} {bytes_per_sec}",
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_start_tells_whole_from_partial() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("in");
        for (content, whole) in [("", true), ("abcd", true), ("abcde", false)] {
            std::fs::write(&path, content).unwrap();
            let start = Input::open(Some(&path)).unwrap().start(4).await.unwrap();
            match start {
                Start::Whole(bytes) => {
                    assert!(whole);
                    assert_eq!(&bytes[..], content.as_bytes());
                }
                Start::Partial(bytes, rest) => {
                    assert!(!whole);
                    let (mut stream, _cancel) = rest.stream(bytes);
                    let mut all = String::new();
                    stream.read_to_string(&mut all).unwrap();
                    assert_eq!(all, content);
                }
            }
        }
    }

    #[tokio::test]
    async fn a_dropped_verb_stops_its_reader() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("in");
        std::fs::write(&path, "abc").unwrap();
        let input = Input::open(Some(&path)).unwrap();
        let (mut stream, cancel) = input.stream(Zeroizing::new(Vec::new()));
        let mut byte = [0; 1];
        assert_eq!(stream.read(&mut byte).unwrap(), 1);
        drop(cancel);
        assert!(stream.read(&mut byte).is_err());
    }

    #[test]
    fn directories_and_missing_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        for path in [dir.path().to_owned(), dir.path().join("no")] {
            let failure = Input::open(Some(&path)).err().unwrap();
            assert_eq!(failure.error().reason, Reason::LocalFile);
        }
    }
}
