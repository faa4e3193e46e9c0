//! `conclave operator init`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use conclave_client::{Error, Reason, v1};
use conclave_formats::limits::MAX_SHARES;
use serde_json::json;
use zeroize::Zeroize;

use super::shares::{self, ShareFiles};
use crate::failure::Failure;
use crate::files::{Existing, OutFile};
use crate::globals::Globals;
use crate::output::{self, Answer, Outcome};
use crate::values::{counted, parse_duration, time_text};

/// Arguments of `operator init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// How many shares are dealt
    #[arg(long, value_name = "N", default_value_t = 5,
        value_parser = clap::value_parser!(u32).range(1..=MAX_SHARES as i64))]
    shares: u32,
    /// How many shares are needed to unseal
    #[arg(long, value_name = "T", default_value_t = 3,
        value_parser = clap::value_parser!(u32).range(1..=MAX_SHARES as i64))]
    threshold: u32,
    /// age recipient (`age1…`) for whom a share is encrypted; one a share, in order. The files
    /// `share-N.age` go to --shares-dir, or to the current directory
    #[arg(long = "recipient", value_name = "AGE")]
    recipients: Vec<String>,
    /// Directory for the shares, one file (0600) a share. Without it and without --recipient they
    /// are shown on the terminal, one by one
    #[arg(long, value_name = "DIR")]
    shares_dir: Option<PathBuf>,
    /// File for the token of the first administrator (0600); without it the terminal
    #[arg(long, value_name = "FILE")]
    token_out: Option<PathBuf>,
    /// How long the first administrator's token lives
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "24h")]
    admin_ttl: Duration,
    /// On the terminal, show each share as a QR code too
    #[arg(long)]
    qr: bool,
    /// Permit --threshold 1: each single share opens everything
    #[arg(long)]
    allow_single_share: bool,
}

pub(super) async fn run(args: InitArgs, globals: &Globals) -> Outcome {
    check(&args, output::stdout_is_terminal() && output::can_ask() && !globals.json())?;
    let client = globals.client()?;
    let share_files = open_share_files(&args)?;
    let token_file = match &args.token_out {
        Some(path) => Some(OutFile::create(path, Existing::Keep)?),
        None => None,
    };
    let mut answer = client.init(request(&args)).await?;
    if answer.shares.len() as u64 != u64::from(args.shares) {
        return Err(wrong_count(answer.shares.len()));
    }
    let outcome = hand_out(&args, &answer, share_files, token_file).await;
    answer.shares.iter_mut().for_each(|share| share.text.zeroize());
    answer.admin_token.zeroize();
    outcome.map_err(not_kept)
}

/// What contradicts itself, and what would send a secret where it can stay behind.
fn check(args: &InitArgs, terminal: bool) -> Result<(), Failure> {
    if args.threshold > args.shares {
        return Err(Failure::usage(
            format!("--threshold {} is more than --shares {}", args.threshold, args.shares),
            "choose a threshold between 2 and the number of shares",
        ));
    }
    if args.threshold == 1 && !args.allow_single_share {
        return Err(Failure::usage(
            "with --threshold 1 each single share opens everything",
            "choose at least 2, or add --allow-single-share",
        ));
    }
    let recipients = args.recipients.len();
    if recipients != 0 && recipients as u64 != u64::from(args.shares) {
        return Err(Failure::usage(
            format!("{recipients} recipients were given for {} shares", args.shares),
            "give one --recipient a share",
        ));
    }
    let to_terminal = args.shares_dir.is_none() && args.recipients.is_empty();
    if to_terminal && !terminal {
        return Err(Failure::usage(
            "shares are shown on a terminal only, never to a pipe, a file or as JSON",
            "give --shares-dir DIR, or one --recipient a share",
        ));
    }
    if args.qr && !to_terminal {
        return Err(Failure::usage("--qr is for a terminal", "leave out --qr"));
    }
    if args.token_out.is_none() && !terminal {
        return Err(Failure::usage(
            "the administrator's token is shown on a terminal only, never to a pipe or as JSON",
            "give --token-out FILE",
        ));
    }
    Ok(())
}

fn open_share_files(args: &InitArgs) -> Result<Option<ShareFiles>, Failure> {
    let encrypted = !args.recipients.is_empty();
    let ending = if encrypted { "age" } else { "txt" };
    match &args.shares_dir {
        Some(dir) => ShareFiles::create(dir, args.shares, ending).map(Some),
        None if encrypted => ShareFiles::create(Path::new("."), args.shares, ending).map(Some),
        None => Ok(None),
    }
}

fn request(args: &InitArgs) -> v1::InitRequest {
    v1::InitRequest {
        shares: args.shares,
        threshold: args.threshold,
        recipients: args.recipients.clone(),
        admin_ttl_s: args.admin_ttl.as_secs(),
        admin_never_expires: false,
        allow_single_share: args.allow_single_share,
    }
}

async fn hand_out(
    args: &InitArgs,
    answer: &v1::InitAnswer,
    share_files: Option<ShareFiles>,
    token_file: Option<OutFile>,
) -> Outcome {
    let share_paths = match share_files {
        Some(files) => files.write(&answer.shares)?,
        None => {
            shares::show(&answer.shares, args.qr).await?;
            Vec::new()
        }
    };
    let token_path = match token_file {
        Some(file) => Some(write_token(file, &answer.admin_token)?),
        None => None,
    };
    let shown: Vec<String> = share_paths.iter().map(|path| path.display().to_string()).collect();
    let json = json!({
        "cluster_id": answer.cluster_id,
        "keyspace_id": answer.keyspace_id,
        "epoch": answer.epoch,
        "threshold": answer.threshold,
        "shares_files": shown,
        "token_file": token_path.as_ref().map(|path| path.display().to_string()),
        "admin_expires_at": time_text(answer.admin_expires_at.as_ref()),
        "log_index": answer.log_index,
    });
    Ok(Answer::new(json, summary(answer, &shown, token_path.as_deref())))
}

fn write_token(mut file: OutFile, token: &str) -> Result<PathBuf, Failure> {
    file.write(token.as_bytes())?;
    file.write(b"\n")?;
    file.finish(Existing::Keep)
}

fn summary(answer: &v1::InitAnswer, shares: &[String], token: Option<&Path>) -> String {
    let mut text = format!("cluster {}\n", answer.cluster_id);
    if !shares.is_empty() {
        text.push_str(&format!("shares: {}\n", shares.join(", ")));
    }
    let expiry = time_text(answer.admin_expires_at.as_ref());
    let expiry = expiry.map(|time| format!(", until {time}")).unwrap_or_default();
    match token {
        Some(path) => {
            text.push_str(&format!("token of principal admin: {}{expiry}\n", path.display()));
        }
        None => {
            text.push_str(&format!("token of principal admin{expiry}: {}\n", answer.admin_token))
        }
    }
    let needed = counted(answer.threshold.into(), "share");
    text.push_str(&format!(
        "next: give {needed} to `conclave operator unseal`; the first unseal confirms this\n"
    ));
    text
}

/// The cluster has dealt shares that nobody holds: harmless, since nothing is confirmed.
fn not_kept(failure: Failure) -> Failure {
    let error = failure.error();
    Error::new(
        error.reason.clone(),
        format!("the shares or the token could not be kept: {}", error.message),
        "run `conclave operator init` again; what was dealt now is void once that has run",
    )
    .into()
}

fn wrong_count(found: usize) -> Failure {
    Error::new(
        Reason::Other("INTERNAL".into()),
        format!("the node dealt {found} shares, not the number that was asked for"),
        "run `conclave operator init` again, and report this",
    )
    .into()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: InitArgs,
    }

    fn parsed(line: &str) -> InitArgs {
        let words = std::iter::once("init").chain(line.split_ascii_whitespace());
        Line::try_parse_from(words).unwrap().args
    }

    #[test]
    fn a_secret_goes_to_a_file_or_a_terminal_only() {
        let table = [
            ("", true, true),
            ("", false, false),
            ("--shares-dir d", false, false),
            ("--token-out t", false, false),
            ("--shares-dir d --token-out t", false, true),
            ("--shares-dir d", true, true),
            ("--qr", true, true),
            ("--qr --shares-dir d --token-out t", true, false),
            ("--shares 1 --threshold 1", true, false),
            ("--shares 1 --threshold 1 --allow-single-share", true, true),
            ("--shares 2", true, false),
            ("--shares 2 --threshold 2", true, true),
            ("--shares 2 --threshold 2 --recipient a --token-out t", false, false),
            ("--shares 2 --threshold 2 --recipient a --recipient b --token-out t", false, true),
        ];
        for (line, terminal, good) in table {
            let outcome = check(&parsed(line), terminal);
            assert_eq!(outcome.is_ok(), good, "`{line}` terminal={terminal}");
            if let Err(failure) = outcome {
                assert_eq!(failure.exit_code(), 2);
                assert!(!failure.error().next.is_empty());
            }
        }
    }
}
