//! The question before a command that takes something away.

use crate::failure::Failure;
use crate::output;
use crate::prompt;

/// What must be known to ask.
pub(crate) struct Question<'a> {
    /// `--yes` was given.
    pub(crate) yes: bool,
    /// The command, for example `key disable`.
    pub(crate) command: &'a str,
}

impl Question<'_> {
    /// Fails unless `--yes` was given or a terminal is there to ask. Called before anything is
    /// sent.
    pub(crate) fn must_be_answerable(&self) -> Result<(), Failure> {
        self.answerable(output::can_ask())
    }

    /// Shows `impact` and asks, unless `--yes` was given.
    pub(crate) async fn ask(&self, impact: &str) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        output::note(impact);
        let answer = prompt::line("Go on? Type yes: ").await?;
        if answer.is_some_and(|answer| answer.trim() == "yes") {
            return Ok(());
        }
        Err(Failure::usage(format!("{} was not confirmed", self.command), "nothing was done"))
    }

    fn answerable(&self, terminal: bool) -> Result<(), Failure> {
        if self.yes || terminal {
            return Ok(());
        }
        Err(Failure::usage(
            format!("{} asks before it acts, and there is no terminal to ask on", self.command),
            format!("add --yes: conclave {} … --yes", self.command),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_terminal_yes_is_needed() {
        for (yes, terminal, good) in
            [(true, true, true), (true, false, true), (false, true, true), (false, false, false)]
        {
            let question = Question { yes, command: "key disable" };
            let outcome = question.answerable(terminal);
            assert_eq!(outcome.is_ok(), good);
            if let Err(failure) = outcome {
                assert_eq!(failure.exit_code(), 2);
                assert!(failure.error().next.contains("--yes"));
            }
        }
    }
}
