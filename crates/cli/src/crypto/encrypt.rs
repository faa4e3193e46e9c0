//! `conclave encrypt`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use conclave_client::{Error, Reason, v1};
use conclave_formats::ciphertext;
use conclave_formats::limits::MAX_PLAINTEXT;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::Target;
use crate::failure::Failure;
use crate::globals::Globals;
use crate::input::{AadArgs, Input, Start};
use crate::output::{self, Answer, Outcome};

/// Arguments of `encrypt`.
#[derive(Debug, Args)]
pub struct EncryptArgs {
    /// Key id (UUID) or alias
    key: String,
    /// What to encrypt; `-` or nothing: stdin
    file: Option<PathBuf>,
    /// Write the ciphertext to this file, whole or not at all
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    aad: AadArgs,
    /// Form of the ciphertext [default: text up to 64 KiB, binary above]. Text is one line
    /// `conclave:v1:…`; binary is the stream form, of any length
    #[arg(long, value_enum)]
    format: Option<CipherFormat>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CipherFormat {
    Text,
    Binary,
}

pub(crate) async fn run(args: EncryptArgs, globals: &Globals) -> Outcome {
    let client = globals.client()?;
    let aad = args.aad.bytes()?;
    let input = Input::open(args.file.as_deref())?;
    let target = Target::open(args.out.as_deref())?;
    let (start, rest) = match input.start(MAX_PLAINTEXT).await? {
        Start::Whole(plain) if args.format != Some(CipherFormat::Binary) => {
            let answer = client.encrypt(&args.key, take(plain), aad).await?;
            return put_text(&answer, target, globals);
        }
        Start::Whole(plain) => (plain, Input::empty()),
        Start::Partial(..) if args.format == Some(CipherFormat::Text) => return Err(too_large()),
        Start::Partial(plain, rest) => (plain, rest),
    };
    if matches!(target, Target::Stdout) {
        stdout_must_take_binary(globals)?;
    }
    let (stream, _cancel) = rest.stream(start);
    let writer = target.writer()?;
    let (summary, _) = client.encrypt_stream(&args.key, aad, stream, writer).await?;
    target.finish()?;
    Ok(if args.out.is_some() {
        let json = shape(Value::Null, &summary.key_id.to_string(), summary.version, "binary");
        Answer::new(json, "")
    } else {
        Answer::written()
    })
}

fn put_text(answer: &v1::EncryptAnswer, target: Target, globals: &Globals) -> Outcome {
    let text = ciphertext::text_of(&answer.ciphertext);
    let json = shape(Value::from(text.as_str()), &answer.key_id, answer.version, "text");
    let line = format!("{text}\n");
    match target {
        Target::File(_) => {
            target.put(line.as_bytes())?;
            Ok(Answer::new(json, ""))
        }
        Target::Stdout if globals.json() => Ok(Answer::new(json, "")),
        Target::Stdout => {
            target.put(line.as_bytes())?;
            Ok(Answer::written())
        }
    }
}

fn shape(ciphertext: Value, key_id: &str, version: u32, format: &str) -> Value {
    json!({"ciphertext": ciphertext, "key_id": key_id, "version": version, "format": format})
}

/// The bytes, without a copy; the request wipes nothing, the allocator of the binary does.
fn take(mut bytes: Zeroizing<Vec<u8>>) -> Vec<u8> {
    std::mem::take(&mut *bytes)
}

fn too_large() -> Failure {
    Error::new(
        Reason::TooLarge,
        format!("the text form takes at most {MAX_PLAINTEXT} bytes, and there are more"),
        "leave out --format text: more data is encrypted as a binary stream",
    )
    .into()
}

/// The stream form is neither JSON nor for a terminal.
fn stdout_must_take_binary(globals: &Globals) -> Result<(), Failure> {
    if globals.json() {
        return Err(Error::new(
            Reason::TooLarge,
            "the binary form does not fit into JSON",
            "give a file with --out",
        )
        .into());
    }
    if output::stdout_is_terminal() {
        return Err(Failure::usage(
            "the binary form is not for a terminal",
            "give a file with --out, or a pipe",
        ));
    }
    Ok(())
}
