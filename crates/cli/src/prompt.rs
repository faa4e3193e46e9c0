//! Questions on a terminal: answers are read from stdin, questions go to stderr.

use std::io::{self, BufRead};

use conclave_client::{Error, Reason};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::input::blocking;
use crate::output;

/// Asks and reads one line; `None` at the end of input.
pub(crate) async fn line(question: &str) -> Result<Option<Zeroizing<String>>, Failure> {
    output::note_raw(question);
    let open = OpenLine;
    let line = blocking(read_line).await;
    std::mem::forget(open);
    line
}

/// A question without an answer yet. Dropped, it ends its line, so that what follows an
/// interruption stands alone.
struct OpenLine;

impl Drop for OpenLine {
    fn drop(&mut self) {
        output::note_raw("\n");
    }
}

/// A terminal that does not show what is typed, until this is dropped: on Ctrl-C too.
pub(crate) struct Hidden {
    before: Option<Termios>,
}

impl Hidden {
    /// Stops the echo of stdin, which must be a terminal.
    pub(crate) fn start() -> Result<Self, Failure> {
        let failed = |error: rustix::io::Errno| {
            let text = format!("the terminal cannot be told to hide what is typed: {error}");
            Failure::from(Error::new(Reason::LocalFile, text, "give the share with --share-file"))
        };
        let before = tcgetattr(io::stdin()).map_err(failed)?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        hidden.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(io::stdin(), OptionalActions::Flush, &hidden).map_err(failed)?;
        Ok(Hidden { before: Some(before) })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if let Some(before) = self.before.take() {
            // Nothing more can be done for a terminal that refuses its own former modes.
            tcsetattr(io::stdin(), OptionalActions::Now, &before).ok();
        }
    }
}

fn read_line() -> Result<Option<Zeroizing<String>>, Error> {
    let mut line = Zeroizing::new(String::with_capacity(256));
    match io::stdin().lock().read_line(&mut line) {
        Ok(0) => Ok(None),
        Ok(_) => Ok(Some(line)),
        Err(error) => {
            Err(Error::new(Reason::LocalFile, format!("stdin cannot be read: {error}"), ""))
        }
    }
}
