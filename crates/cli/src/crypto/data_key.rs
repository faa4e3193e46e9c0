//! `conclave data-key`.

use std::path::PathBuf;

use clap::Args;
use conclave_formats::ciphertext;
use conclave_formats::limits::MIN_DATA_KEY;
use serde_json::json;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::files::{Existing, OutFile};
use crate::globals::Globals;
use crate::input::AadArgs;
use crate::output::{Answer, Outcome};
use crate::table;

/// Most bytes of a data key (the API's limit).
const MAX_BYTES: i64 = 64;

/// Arguments of `data-key`.
#[derive(Debug, Args)]
pub struct DataKeyArgs {
    /// Key id (UUID) or alias
    key: String,
    /// Length of the data key, 16 to 64
    #[arg(long, value_name = "N", default_value_t = 32,
        value_parser = clap::value_parser!(u32).range(MIN_DATA_KEY as i64..=MAX_BYTES))]
    bytes: u32,
    #[command(flatten)]
    aad: AadArgs,
    /// Write the plain data key to this file (raw bytes, mode 0600); else it is thrown away
    #[arg(long, value_name = "FILE")]
    plain_out: Option<PathBuf>,
    /// Write the wrapped data key to this file; `conclave decrypt` unwraps it
    #[arg(long, value_name = "FILE")]
    wrapped_out: PathBuf,
}

pub(crate) async fn run(args: DataKeyArgs, globals: &Globals) -> Outcome {
    let client = globals.client()?;
    let aad = args.aad.bytes()?;
    if args.plain_out.as_ref() == Some(&args.wrapped_out) {
        return Err(Failure::usage(
            "--plain-out and --wrapped-out name the same file",
            "give two files",
        ));
    }
    let mut wrapped_file = OutFile::create(&args.wrapped_out, Existing::Replace)?;
    let plain_file = match &args.plain_out {
        Some(path) => Some(OutFile::create(path, Existing::Replace)?),
        None => None,
    };
    let answer = client.generate_data_key(&args.key, args.bytes, aad).await?;
    let plain = Zeroizing::new(answer.plaintext);
    let wrapped = ciphertext::text_of(&answer.wrapped);
    wrapped_file.write(format!("{wrapped}\n").as_bytes())?;
    if let Some(mut file) = plain_file {
        file.write(&plain)?;
        file.finish(Existing::Replace)?;
    }
    // Last: a plain key without its wrapped form is worth nothing, so it is taken away again.
    if let Err(failure) = wrapped_file.finish(Existing::Replace) {
        if let Some(path) = &args.plain_out {
            std::fs::remove_file(path).ok();
        }
        return Err(failure);
    }
    let json = json!({"key_id": answer.key_id, "version": answer.version, "wrapped": wrapped});
    let text = table::fields(&[
        ("key", answer.key_id),
        ("version", answer.version.to_string()),
        ("wrapped", args.wrapped_out.display().to_string()),
        ("plain", args.plain_out.map(|path| path.display().to_string()).unwrap_or_default()),
    ]);
    Ok(Answer::new(json, text))
}
