//! Runs one verb and turns what it says into output and an exit code.

use clap::error::ErrorKind;
use conclave_client::{Error, Reason};
use uuid::Uuid;

use crate::globals::{Format, Globals};
use crate::output::{self, Outcome};
use crate::verb::Verb;
use crate::{
    bench, completions, crypto, exit, instance, key, key_ring, operator, pki, principal, role,
    status, token,
};

/// Runs `verb`, prints its result, and returns the exit code. `command` is the whole command line
/// of the binary, for shell completions.
///
/// On Ctrl-C or SIGTERM the verb is dropped, which removes what it had half written, and the code is 130. A
/// read of a terminal or a pipe may still hang then in a thread of its own: end the process with
/// [`std::process::exit`] instead of waiting for the runtime.
pub async fn run(verb: Verb, mut globals: Globals, command: clap::Command) -> u8 {
    // Made here, so that an interruption can name it.
    let id = *globals.request_id.get_or_insert_with(Uuid::now_v7);
    let outcome = tokio::select! {
        outcome = dispatch(verb, &globals, command) => outcome,
        () = interrupted() => Err(interruption(id).into()),
    };
    finish(outcome, globals.output)
}

/// Prints an error of the command line itself, or the help or version that was asked for, and
/// returns the exit code. With `-o json` (or `CONCLAVE_OUTPUT=json`) the error is JSON.
pub fn usage_error(error: &clap::Error) -> u8 {
    let wanted = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    let args = std::env::args().skip(1);
    if !wanted && wants_json(args, std::env::var("CONCLAVE_OUTPUT").ok().as_deref()) {
        let text = match error.kind() {
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => "a verb is missing".to_owned(),
            _ => error.render().to_string(),
        };
        output::print_error(&usage_json_error(&text), Format::Json);
    } else {
        // Nobody is left to be told if the stream is closed.
        error.print().ok();
    }
    if wanted { exit::DONE } else { exit::USAGE }
}

pub(crate) async fn dispatch(verb: Verb, globals: &Globals, command: clap::Command) -> Outcome {
    match verb {
        Verb::Status(args) => status::run(&args, globals).await,
        Verb::Operator(verb) => operator::run(verb, globals).await,
        Verb::Instance(verb) => instance::run(verb, globals).await,
        Verb::KeyRing(verb) => key_ring::run(verb, globals).await,
        Verb::Key(verb) => key::run(verb, globals).await,
        Verb::Encrypt(args) => crypto::encrypt(args, globals).await,
        Verb::Decrypt(args) => crypto::decrypt(args, globals).await,
        Verb::DataKey(args) => crypto::data_key(args, globals).await,
        Verb::Random(args) => crypto::random(args, globals).await,
        Verb::Principal(verb) => principal::run(verb, globals).await,
        Verb::Token(verb) => token::run(verb, globals).await,
        Verb::Role(verb) => role::run(verb, globals).await,
        Verb::Pki(verb) => pki::run(verb),
        Verb::Bench(args) => bench::run(args, globals).await,
        Verb::Completions(args) => Ok(completions::run(&args, command)),
    }
}

fn finish(outcome: Outcome, format: Format) -> u8 {
    let failure = match outcome {
        Ok(answer) => match output::to_stdout(answer.render(format).as_bytes()) {
            Ok(()) => return exit::DONE,
            // The reader has gone: it wants nothing more, an error least of all.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return exit::REFUSED,
            Err(error) => {
                let text = format!("stdout cannot be written: {error}");
                Error::new(Reason::LocalFile, text, "the command itself was done").into()
            }
        },
        Err(failure) => failure,
    };
    output::print_error(failure.error(), format);
    failure.exit_code()
}

/// Ends on Ctrl-C or SIGTERM; never, if the signals cannot be watched.
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
        (Ok(mut interrupt), Ok(mut terminate)) => {
            tokio::select! {
                _ = interrupt.recv() => (),
                _ = terminate.recv() => (),
            }
        }
        _ => std::future::pending().await,
    }
}

fn interruption(id: Uuid) -> Error {
    let mut error = Error::new(
        Reason::Interrupted,
        "interrupted; a change that was under way may or may not have taken effect",
        format!("repeat a change with --request-id {id}; it runs at most once"),
    );
    error.request_id = Some(id);
    error
}

fn usage_json_error(text: &str) -> Error {
    let text = text.trim();
    let text = text.strip_prefix("error: ").unwrap_or(text);
    // What follows the first empty line is usage.
    let lines = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim);
    let message = lines.collect::<Vec<_>>().join(" ");
    Error::new(Reason::InvalidArgument, message, "see --help of the command")
}

/// Whether the command line, which could not be parsed, asked for JSON.
fn wants_json(args: impl Iterator<Item = String>, variable: Option<&str>) -> bool {
    let mut wanted = variable == Some("json");
    let mut value_follows = false;
    for arg in args.take_while(|arg| arg != "--") {
        if value_follows {
            wanted = arg == "json";
        }
        value_follows = arg == "-o" || arg == "--output";
        let attached = arg.strip_prefix("--output=").or_else(|| {
            let short = arg.strip_prefix("-o")?;
            Some(short.strip_prefix('=').unwrap_or(short)).filter(|value| !value.is_empty())
        });
        if let Some(value) = attached {
            wanted = value == "json";
        }
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_recognised_in_a_command_line_that_is_wrong() {
        let table = [
            ("key show -o json", None, true),
            ("-o json key show", None, true),
            ("key show -ojson", None, true),
            ("key show -o=json", None, true),
            ("key show --output json", None, true),
            ("key show --output=json", None, true),
            ("key show", Some("json"), true),
            ("key show -o table", Some("json"), false),
            ("key show", None, false),
            ("key show json", None, false),
            ("key show -- -o json", None, false),
        ];
        for (line, variable, expected) in table {
            let args = line.split(' ').map(str::to_owned);
            assert_eq!(wants_json(args, variable), expected, "{line} {variable:?}");
        }
    }

    #[test]
    fn a_usage_error_in_json_has_no_usage_text() {
        let error = usage_json_error("error: these are missing:\n  <KEY>\n\nUsage: …\n");
        assert_eq!(error.message, "these are missing: <KEY>");
    }
}
