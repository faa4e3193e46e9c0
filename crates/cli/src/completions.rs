//! `conclave completions`.

use clap::{Args, ValueEnum};
use clap_complete::{Shell, generate};

use crate::output::Answer;

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: KnownShell,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum KnownShell {
    Bash,
    Zsh,
    Fish,
}

pub(crate) fn run(args: &CompletionsArgs, mut command: clap::Command) -> Answer {
    let shell = match args.shell {
        KnownShell::Bash => Shell::Bash,
        KnownShell::Zsh => Shell::Zsh,
        KnownShell::Fish => Shell::Fish,
    };
    let script = script(shell, &mut command);
    Answer::new(serde_json::json!({"completions": script}), script.clone())
}

/// The completion script of `command` for `shell`.
pub fn script(shell: Shell, command: &mut clap::Command) -> String {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    generate(shell, command, name, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}
