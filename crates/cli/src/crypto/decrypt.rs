//! `conclave decrypt`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;
use conclave_client::{Client, Error, Reason};
use conclave_formats::ciphertext::{self, Envelope};
use conclave_formats::form::Form;
use conclave_formats::limits::{MAX_ENVELOPE, MAX_PLAINTEXT};
use data_encoding::BASE64;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::Target;
use crate::failure::Failure;
use crate::globals::Globals;
use crate::input::{AadArgs, Input, Start};
use crate::output::{Answer, Outcome};

/// Longest text form that is read, bytes: the longest envelope, and generous blanks around it.
const MAX_TEXT: usize = ciphertext::TEXT_PREFIX.len() + MAX_ENVELOPE.div_ceil(3) * 4 + 4096;

/// Arguments of `decrypt`.
#[derive(Debug, Args)]
pub struct DecryptArgs {
    /// What to decrypt, in any of the forms that `encrypt` writes; `-` or nothing: stdin
    file: Option<PathBuf>,
    /// Write the plaintext to this file, whole and authentic or not at all. On stdout, data above
    /// 64 KiB appears while it is still being checked: throw it away if the command fails
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    aad: AadArgs,
    /// Refuse a ciphertext of any other key
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
}

pub(crate) async fn run(args: DecryptArgs, globals: &Globals) -> Outcome {
    let client = globals.client()?;
    let aad = args.aad.bytes()?;
    let input = Input::open(args.file.as_deref())?;
    let target = Target::open(args.out.as_deref())?;
    let key = args.key.as_deref();
    let (start, rest) = match input.start(MAX_TEXT).await? {
        Start::Whole(bytes) => (bytes, Input::empty()),
        Start::Partial(bytes, rest) if Form::of(&bytes) == Some(Form::Stream) => (bytes, rest),
        Start::Partial(bytes, _) => {
            let why = match Form::of(&bytes) {
                Some(_) => "it is longer than any ciphertext of this form",
                None => "it has none of the forms that `conclave encrypt` writes",
            };
            return Err(invalid(why));
        }
    };
    let envelope = match Form::of(&start) {
        Some(Form::Stream) => {
            let (stream, _cancel) = rest.stream(start);
            return decrypt_stream(&client, key, aad, stream, target, globals).await;
        }
        Some(Form::Binary) => start.to_vec(),
        Some(Form::Text) => envelope_of_text(&start)?,
        None => return Err(invalid("it has none of the forms that `conclave encrypt` writes")),
    };
    Envelope::decode(&envelope).map_err(|error| invalid(&error.to_string()))?;
    let answer = client.decrypt(envelope, aad, key).await?;
    let plain = Zeroizing::new(answer.plaintext);
    let of_file = matches!(target, Target::File(_));
    if !of_file && globals.json() {
        let text = Value::from(BASE64.encode(&plain));
        return Ok(Answer::new(shape(text, &answer.key_id, answer.version), ""));
    }
    target.put(&plain)?;
    Ok(done(of_file, &answer.key_id, answer.version))
}

async fn decrypt_stream(
    client: &Client,
    key: Option<&str>,
    aad: Vec<u8>,
    stream: crate::input::Stream,
    target: Target,
    globals: &Globals,
) -> Outcome {
    let of_file = matches!(target, Target::File(_));
    if of_file || !globals.json() {
        let writer = target.writer()?;
        let (summary, _) = client.decrypt_stream(key, aad, stream, writer).await?;
        target.finish()?;
        return Ok(done(of_file, &summary.key_id.to_string(), summary.version));
    }
    let kept = Kept::new();
    let outcome = client.decrypt_stream(key, aad, stream, kept.clone()).await;
    // Too much is found by the writer, whose error hides behind that of the stream.
    let Some(plain) = kept.take() else { return Err(too_large()) };
    let (summary, _) = outcome?;
    let text = Value::from(BASE64.encode(&plain));
    Ok(Answer::new(shape(text, &summary.key_id.to_string(), summary.version), ""))
}

fn done(of_file: bool, key_id: &str, version: u32) -> Answer {
    if of_file { Answer::new(shape(Value::Null, key_id, version), "") } else { Answer::written() }
}

fn shape(plaintext: Value, key_id: &str, version: u32) -> Value {
    json!({"plaintext": plaintext, "key_id": key_id, "version": version})
}

fn envelope_of_text(bytes: &[u8]) -> Result<Vec<u8>, Failure> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| invalid("it has characters that no ciphertext has"))?;
    ciphertext::bytes_of_text(text).map_err(|error| invalid(&error.to_string()))
}

fn invalid(why: &str) -> Failure {
    Error::new(
        Reason::CiphertextInvalid,
        format!("this is not a ciphertext that can be decrypted: {why}"),
        "give the ciphertext exactly as `conclave encrypt` wrote it",
    )
    .into()
}

fn too_large() -> Failure {
    Error::new(
        Reason::TooLarge,
        format!("the plaintext has more than {MAX_PLAINTEXT} bytes, the most that JSON holds"),
        "give a file with --out",
    )
    .into()
}

/// Keeps what is written, up to what JSON output holds.
#[derive(Clone)]
struct Kept(Arc<Mutex<Content>>);

enum Content {
    Fits(Zeroizing<Vec<u8>>),
    TooMuch,
}

impl Kept {
    fn new() -> Self {
        let room = Zeroizing::new(Vec::with_capacity(MAX_PLAINTEXT));
        Kept(Arc::new(Mutex::new(Content::Fits(room))))
    }

    /// What was written; `None` if it was too much.
    fn take(&self) -> Option<Zeroizing<Vec<u8>>> {
        let mut content = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *content, Content::TooMuch) {
            Content::Fits(bytes) => Some(bytes),
            Content::TooMuch => None,
        }
    }
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut content = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Content::Fits(kept) = &mut *content
            && kept.len() + bytes.len() <= MAX_PLAINTEXT
        {
            kept.extend_from_slice(bytes);
            return Ok(bytes.len());
        }
        *content = Content::TooMuch;
        Err(io::Error::other("more than JSON output holds"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_output_keeps_up_to_its_limit() {
        let mut kept = Kept::new();
        kept.write_all(&[7; MAX_PLAINTEXT]).unwrap();
        assert_eq!(kept.take().unwrap().len(), MAX_PLAINTEXT);
        let mut kept = Kept::new();
        kept.write_all(&[7; MAX_PLAINTEXT]).unwrap();
        assert!(kept.write_all(&[7]).is_err());
        assert!(kept.take().is_none());
    }
}
