//! What a person sees while the cluster starts: one line that turns on a terminal, plain lines in a
//! file.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How often the line turns.
const TURN: Duration = Duration::from_millis(100);

/// The steps of a start, on stderr.
pub struct Progress {
    spinner: Option<ProgressBar>,
}

impl Progress {
    /// Nothing to see yet.
    pub fn new() -> Progress {
        let spinner = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed})");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.enable_steady_tick(TURN);
            bar
        });
        Progress { spinner }
    }

    /// The next step begins.
    pub fn step(&self, what: &str) {
        match &self.spinner {
            Some(bar) => bar.set_message(what.to_owned()),
            None => super::say_on_stderr(what),
        }
    }

    /// All is done; the line goes.
    pub fn done(&self) {
        if let Some(bar) = &self.spinner {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.done();
    }
}
