//! `conclave operator unseal`.

use std::path::{Path, PathBuf};

use clap::Args;
use conclave_client::{Client, Error, Reason, v1};
use conclave_formats::limits::{MAX_SHARE_TEXT, MAX_SHARES};
use conclave_formats::share_text::{ShareText, ShareTextError};
use serde_json::json;
use zeroize::Zeroizing;

use super::{members_json, members_text};
use crate::failure::Failure;
use crate::globals::Globals;
use crate::input::{Input, Start};
use crate::output::{self, Answer, Outcome};
use crate::prompt::{self, Hidden};
use crate::status::seal_line;

/// Longest file of shares that is read, bytes.
const MAX_FILE: usize = MAX_SHARES as usize * MAX_SHARE_TEXT;
/// Lines of a share after its first one.
const NUMBERED_LINES: usize = 3;

/// Arguments of `operator unseal`.
#[derive(Debug, Args)]
pub struct UnsealArgs {
    /// File with one or more shares, separated by blank lines; `-`: stdin. May be given several
    /// times. Without it a terminal asks for one share and does not show it
    #[arg(long = "share-file", value_name = "FILE")]
    share_files: Vec<PathBuf>,
}

pub(super) async fn run(args: &UnsealArgs, globals: &Globals) -> Outcome {
    if args.share_files.is_empty() && !output::can_ask() {
        return Err(Failure::usage(
            "there is no terminal to type a share on",
            "give --share-file FILE, or --share-file - and the share on stdin",
        ));
    }
    let client = globals.client()?;
    // All shares are read and checked before the first is sent.
    let mut shares = Vec::new();
    for file in &args.share_files {
        shares.extend(read_file(file).await?);
    }
    if args.share_files.is_empty() {
        show_progress(&client).await;
        shares.push(ask().await?);
    }
    let mut last = None;
    for share in shares {
        let answer = client.submit_share(share.encode().to_string()).await?;
        report(&answer);
        let done = answer.node_unsealed && answer.members.iter().all(|m| m.sealed != Some(true));
        last = Some(answer);
        if done {
            break;
        }
    }
    let answer = last.unwrap_or_default();
    Ok(Answer::new(answer_json(&answer), answer_text(&answer)))
}

fn answer_json(answer: &v1::SubmitShareAnswer) -> serde_json::Value {
    json!({
        "accepted": answer.accepted,
        "index": answer.index,
        "have": answer.have,
        "needed": answer.needed,
        "node_unsealed": answer.node_unsealed,
        "members": members_json(&answer.members),
    })
}

fn answer_text(answer: &v1::SubmitShareAnswer) -> String {
    let seal = if answer.node_unsealed { "unsealed" } else { "sealed" };
    let mut text = format!("this node is {seal}\n");
    if !answer.members.is_empty() {
        text.push_str(&format!("{}\n", members_text(&answer.members)));
    }
    text
}

/// One line on stderr for each share.
fn report(answer: &v1::SubmitShareAnswer) {
    if !answer.restarted.is_empty() {
        output::warn(&format!("the ceremony started again: {}", answer.restarted));
    }
    let word = if answer.accepted { "accepted" } else { "good, but nothing is sealed" };
    output::note(&format!("share {} {word}: {} of {}", answer.index, answer.have, answer.needed));
}

/// How far the ceremony is, if a node tells.
async fn show_progress(client: &Client) {
    if let Ok(status) = client.status(None).await
        && let Some(seal) = &status.seal
    {
        output::note(&seal_line(seal));
    }
}

async fn read_file(path: &Path) -> Result<Vec<ShareText>, Failure> {
    let name = if path == Path::new("-") { "stdin".to_owned() } else { path.display().to_string() };
    let Start::Whole(bytes) = Input::open(Some(path))?.start(MAX_FILE).await? else {
        return Err(damaged(&format!("{name} is longer than {MAX_SHARES} shares")));
    };
    parse_shares(&name, &bytes)
}

/// The shares in a text, each checked line by line.
fn parse_shares(name: &str, bytes: &[u8]) -> Result<Vec<ShareText>, Failure> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| damaged(&format!("{name} is not a text of shares")))?;
    if text.starts_with("-----BEGIN AGE") {
        return Err(damaged(&format!(
            "{name} is encrypted: decrypt it first, as in `age -d -i KEY {name} | conclave \
             operator unseal --share-file -`"
        )));
    }
    ShareText::parse_many(text).map_err(|error| damaged(&format!("{name}: {error}")))
}

/// Asks for one share on the terminal; a line with a typing error is asked for again.
async fn ask() -> Result<ShareText, Failure> {
    let _hidden = Hidden::start()?;
    output::note("Type the share, line by line; it is not shown.");
    let mut typed = Typed::new();
    loop {
        for place in 0..=NUMBERED_LINES {
            if typed.lines[place].is_empty() {
                typed.lines[place] = ask_line(place).await?;
            }
        }
        match ShareText::parse(&typed.text()) {
            Ok(share) => return Ok(share),
            Err(error) => {
                output::note(&format!("{error}."));
                typed.forget(error);
            }
        }
    }
}

async fn ask_line(place: usize) -> Result<Zeroizing<String>, Failure> {
    let question = match place {
        0 => "first line (conclave-share-v1 …): ".to_owned(),
        number => format!("line {number:02}: "),
    };
    loop {
        let Some(line) = prompt::line(&question).await? else {
            return Err(damaged("the input ended before the share was complete"));
        };
        if !line.trim().is_empty() {
            return Ok(line);
        }
    }
}

/// The lines of a share as they were typed; an empty one is to be typed (again).
struct Typed {
    lines: [Zeroizing<String>; NUMBERED_LINES + 1],
}

impl Typed {
    fn new() -> Self {
        Typed { lines: std::array::from_fn(|_| Zeroizing::new(String::new())) }
    }

    /// The text of the share. A numbered line may be typed without its number.
    fn text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(MAX_SHARE_TEXT));
        for (place, line) in self.lines.iter().enumerate() {
            if place > 0 && !is_numbered(line) {
                text.push_str(&format!("{place:02} "));
            }
            text.push_str(line.trim());
            text.push('\n');
        }
        text
    }

    /// Forgets what the error says is wrong.
    fn forget(&mut self, error: ShareTextError) {
        use ShareTextError as E;
        match error {
            E::LineNumber { line }
            | E::LineLength { line }
            | E::Character { line, .. }
            | E::LineCheck { line } => {
                if let Some(typed) = self.lines.get_mut(usize::from(line)) {
                    *typed = Zeroizing::new(String::new());
                }
            }
            E::Header | E::Version | E::HeaderNumbers => {
                self.lines[0] = Zeroizing::new(String::new());
            }
            E::TooLong | E::LineCount { .. } | E::HeaderCheck | E::Whole | E::Index => {
                *self = Typed::new();
            }
        }
    }
}

/// Whether a line begins with its number: groups of base32 are longer.
fn is_numbered(line: &str) -> bool {
    let first = line.split_ascii_whitespace().next().unwrap_or_default();
    first.len() <= 2 && first.bytes().all(|c| c.is_ascii_digit())
}

fn damaged(what: &str) -> Failure {
    Error::new(
        Reason::ShareDamaged,
        what,
        "nothing was sent; compare the share with what its custodian holds",
    )
    .into()
}

#[cfg(test)]
mod tests {
    use conclave_formats::share_text::ShareHeader;

    use super::*;

    fn share(index: u8) -> String {
        let header =
            ShareHeader { keyspace8: [1, 2, 3, 4], epoch: 1, index, shares: 5, threshold: 3 };
        let bytes: Vec<u8> = std::iter::once(index).chain(1..=32).collect();
        ShareText::new(header, &bytes).unwrap().encode().to_string()
    }

    /// The share with another last character in the numbered line.
    fn mistyped(text: &str, line: usize) -> String {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let last = lines[line].pop().unwrap();
        lines[line].push(if last == 'A' { 'B' } else { 'A' });
        lines.join("\n")
    }

    #[test]
    fn several_shares_stand_in_one_text() {
        let text = format!("{}\n\n{}\n{}", share(1), share(3), share(5));
        let shares = parse_shares("stdin", text.as_bytes()).unwrap();
        let indexes: Vec<u8> = shares.iter().map(|share| share.header().index).collect();
        assert_eq!(indexes, [1, 3, 5]);
    }

    #[test]
    fn a_damaged_share_names_its_line_and_none_is_kept() {
        let text = format!("{}\n{}", share(1), mistyped(&share(2), 2));
        let failure = parse_shares("s.txt", text.as_bytes()).unwrap_err();
        let error = failure.error();
        assert_eq!((error.reason.as_str(), failure.exit_code()), ("SHARE_DAMAGED", 1));
        assert!(error.message.contains("s.txt: share 2"), "{}", error.message);
        assert!(error.message.contains("line 02"), "{}", error.message);
        for text in ["", "hello", "-----BEGIN AGE ENCRYPTED FILE-----\n"] {
            let failure = parse_shares("s.txt", text.as_bytes()).unwrap_err();
            assert_eq!(failure.error().reason, Reason::ShareDamaged, "{text}");
        }
        assert!(parse_shares("s.txt", &[0xff, 0xfe]).is_err());
    }

    /// Types the lines of a share and then, once, a correction of each line that is asked again.
    fn typed(first: &str, right: &str) -> (Vec<usize>, ShareText) {
        let mut typed = Typed::new();
        let mut asked = Vec::new();
        let mut source = first.to_owned();
        loop {
            for place in 0..=NUMBERED_LINES {
                if typed.lines[place].is_empty() {
                    asked.push(place);
                    let line = source.lines().nth(place).unwrap();
                    typed.lines[place] = Zeroizing::new(line.to_owned());
                }
            }
            match ShareText::parse(&typed.text()) {
                Ok(share) => return (asked, share),
                Err(error) => typed.forget(error),
            }
            source = right.to_owned();
        }
    }

    #[test]
    fn only_a_mistyped_line_is_asked_for_again() {
        let right = share(4);
        for line in 1..=NUMBERED_LINES {
            let (asked, share) = typed(&mistyped(&right, line), &right);
            assert_eq!(asked, [0, 1, 2, 3, line]);
            assert_eq!(*share.encode(), right);
        }
        let (asked, _) = typed(&right.replace("need", "ned"), &right);
        assert_eq!(asked, [0, 1, 2, 3, 0]);
        let (asked, _) = typed(&right.replace("index 4", "index 3"), &right);
        assert_eq!(asked, [0, 1, 2, 3, 0, 1, 2, 3]);
    }

    #[test]
    fn line_numbers_need_not_be_typed() {
        let right = share(4);
        let without: Vec<&str> =
            right.lines().map(|line| line.strip_prefix("0").map_or(line, |l| &l[2..])).collect();
        let (asked, _) = typed(&without.join("\n"), "");
        assert_eq!(asked, [0, 1, 2, 3]);
    }
}
