//! The one place that writes to stdout and stderr.

use std::io::{self, IsTerminal, Write};

use conclave_client::Error;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::globals::Format;

/// What a verb has to say when it is done.
#[derive(Debug)]
pub(crate) struct Answer {
    /// For `-o json`. `None`: the verb has written its result itself.
    json: Option<Value>,
    /// For people, with its final newline.
    text: String,
}

/// What a verb ends with.
pub(crate) type Outcome = Result<Answer, Failure>;

impl Answer {
    /// A result in both forms.
    pub(crate) fn new(json: Value, text: impl Into<String>) -> Self {
        let mut text = text.into();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        Answer { json: Some(json), text }
    }

    /// The result has been written already.
    pub(crate) fn written() -> Self {
        Answer { json: None, text: String::new() }
    }

    /// The text that goes to stdout.
    pub(crate) fn render(&self, format: Format) -> String {
        match (format, &self.json) {
            (Format::Json, Some(json)) => format!("{json}\n"),
            _ => self.text.clone(),
        }
    }
}

/// The JSON form of an error.
pub(crate) fn error_json(error: &Error) -> Value {
    json!({"error": {
        "reason": error.reason.as_str(),
        "message": error.message,
        "next": error.next,
        "code": error.code_name(),
        "metadata": error.metadata,
        "request_id": error.request_id.map(|id| id.to_string()),
    }})
}

/// The form of an error for people.
pub(crate) fn error_text(error: &Error) -> String {
    let mut text = format!("error[{}]: {}\n", error.reason, error.message);
    if !error.next.is_empty() {
        text.push_str(&format!("next: {}\n", error.next));
    }
    text
}

/// Prints an error where its form belongs: JSON on stdout, text on stderr.
pub(crate) fn print_error(error: &Error, format: Format) {
    match format {
        // Nobody is left to be told if stdout is closed.
        Format::Json => drop(to_stdout(format!("{}\n", error_json(error)).as_bytes())),
        Format::Table => note_raw(&error_text(error)),
    }
}

/// Writes a result to stdout.
pub(crate) fn to_stdout(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}

/// A line for people on stderr.
pub(crate) fn note(line: &str) {
    note_raw(&format!("{line}\n"));
}

/// A warning on stderr.
pub(crate) fn warn(line: &str) {
    note_raw(&format!("warning: {line}\n"));
}

/// Text for people on stderr, as it is.
pub(crate) fn note_raw(text: &str) {
    // A closed stderr must not stop a command.
    io::stderr().lock().write_all(text.as_bytes()).ok();
}

/// Whether a person sees stdout. Never in unit tests, wherever they are started from.
pub(crate) fn stdout_is_terminal() -> bool {
    !cfg!(test) && io::stdout().is_terminal()
}

/// Whether a person can be asked: stdin to answer, stderr to see the question.
pub(crate) fn can_ask() -> bool {
    !cfg!(test) && io::stdin().is_terminal() && io::stderr().is_terminal()
}

#[cfg(test)]
mod tests {
    use conclave_client::Reason;

    use super::*;

    fn refusal() -> Error {
        Error::new(Reason::KeyState, "the key is Disabled", "conclave key enable orders")
            .with("state", "Disabled")
            .with("action", "Encrypt")
    }

    #[test]
    fn an_error_has_the_promised_json_fields() {
        assert_eq!(
            error_json(&refusal()),
            json!({"error": {
                "reason": "KEY_STATE",
                "message": "the key is Disabled",
                "next": "conclave key enable orders",
                "code": "FAILED_PRECONDITION",
                "metadata": {"state": "Disabled", "action": "Encrypt"},
                "request_id": null,
            }})
        );
    }

    #[test]
    fn an_error_for_people_says_what_to_do() {
        assert_eq!(
            error_text(&refusal()),
            "error[KEY_STATE]: the key is Disabled\nnext: conclave key enable orders\n"
        );
    }

    #[test]
    fn an_answer_is_one_json_value_or_a_text() {
        let answer = Answer::new(json!({"a": 1}), "a is 1");
        assert_eq!(answer.render(Format::Json), "{\"a\":1}\n");
        assert_eq!(answer.render(Format::Table), "a is 1\n");
        assert_eq!(Answer::written().render(Format::Json), "");
    }
}
