//! Ciphertexts that were changed, cut, mixed up, or belong to somebody else.

use conclave_formats::ciphertext::{HEADER_LEN, bytes_of_text};
use conclave_harness::{Cli, Cluster, Result, ensure};

use crate::common::binary;
use crate::table::{all_refused, read, write, wrong};

/// More than one chunk of the stream form.
const LARGE: usize = 200 * 1024;

#[test]
fn changed_ciphertexts_are_refused_and_leave_nothing() -> Result<()> {
    let cluster = Cluster::unsealed(&binary()?)?;
    let cli = cluster.cli();
    for alias in ["mine", "other"] {
        cli.ok(&["key", "create", alias])?;
    }
    write(&cluster, "plain", b"some data that matters")?;
    let large: Vec<u8> = (0..LARGE).map(|place| (place / 7) as u8).collect();
    write(&cluster, "large", &large)?;
    let text = cli.ok(&["encrypt", "mine", "plain"])?.text();
    write(&cluster, "bin", &bytes_of_text(&text).unwrap())?;
    cli.ok(&["encrypt", "mine", "plain", "--aad", "right", "--out", "bound"])?;
    cli.ok(&["encrypt", "mine", "large", "--out", "stream"])?;
    cli.ok(&["encrypt", "mine", "large", "--aad", "right", "--out", "bound-stream"])?;

    let invalid = "CIPHERTEXT_INVALID";
    all_refused(
        &cluster,
        &cli,
        &[
            wrong("no associated data", &["decrypt", "bound", "--out", "x"], invalid, ""),
            wrong(
                "wrong associated data",
                &["decrypt", "bound", "--aad", "left", "--out", "x"],
                invalid,
                "",
            ),
            wrong(
                "too much associated data",
                &["decrypt", "bin", "--aad", "any", "--out", "x"],
                invalid,
                "",
            ),
            wrong(
                "stream, wrong data",
                &["decrypt", "bound-stream", "--aad", "left", "--out", "x"],
                invalid,
                "",
            ),
            wrong(
                "another key",
                &["decrypt", "bin", "--key", "other", "--out", "x"],
                "CIPHERTEXT_WRONG_KEY",
                "",
            ),
            wrong(
                "stream, another key",
                &["decrypt", "stream", "--key", "other", "--out", "x"],
                "CIPHERTEXT_WRONG_KEY",
                "",
            ),
            wrong(
                "key that is unknown",
                &["decrypt", "bin", "--key", "nobody", "--out", "x"],
                "NOT_FOUND",
                "",
            ),
        ],
    )?;
    cli.ok(&["decrypt", "bin", "--key", "mine", "--out", "back"])?;
    ensure(read(&cluster, "back")? == b"some data that matters", || "changed".to_owned())?;
    cli.ok(&["decrypt", "bound-stream", "--aad", "right", "--out", "back-large"])?;
    ensure(read(&cluster, "back-large")? == large, || "the stream came back changed".to_owned())?;

    flipped_bytes(&cluster, &cli)?;
    broken_streams(&cluster, &cli)?;
    same_answer_for_tag_and_data(&cluster, &cli)
}

/// Every byte of a small ciphertext, flipped.
fn flipped_bytes(cluster: &Cluster, cli: &Cli) -> Result<()> {
    let whole = read(cluster, "bin")?;
    for place in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        let out = cli.clone().stdin(&bytes).run(&["decrypt", "--out", "x", "-o", "json"])?;
        // In the header the flipped byte may name another key, version or format: also a refusal.
        let error = out.error().map_err(|failure| failure.context(format!("byte {place}")))?;
        let expected = place < HEADER_LEN || error["reason"] == "CIPHERTEXT_INVALID";
        ensure(out.code == 1 && expected, || format!("byte {place}: {}", out.describe()))?;
        ensure(!cluster.dir().join("x").exists(), || format!("byte {place} left a file"))?;
    }
    for length in [0, 3, HEADER_LEN - 1, HEADER_LEN + 15, whole.len() - 1] {
        let out =
            cli.clone().stdin(&whole[..length]).run(&["decrypt", "--out", "x", "-o", "json"])?;
        out.error().map_err(|failure| failure.context(format!("cut at {length}")))?;
        ensure(out.code == 1, || format!("cut at {length}: {}", out.describe()))?;
    }
    let longer = [&whole[..], b"x"].concat();
    let out = cli.clone().stdin(&longer).run(&["decrypt", "--out", "x", "-o", "json"])?;
    ensure(out.code == 1, || out.describe())
}

/// A stream that is cut, extended, or has a byte flipped: nothing of it is kept.
fn broken_streams(cluster: &Cluster, cli: &Cli) -> Result<()> {
    let whole = read(cluster, "stream")?;
    let mut broken = Vec::new();
    for place in [10, whole.len() / 3, whole.len() / 2, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x80;
        broken.push((format!("byte {place} flipped"), bytes));
    }
    for length in [whole.len() - 1, whole.len() - 17, whole.len() / 2, 70, 5] {
        broken.push((format!("cut at {length}"), whole[..length].to_vec()));
    }
    broken.push(("one byte more".into(), [&whole[..], b"x"].concat()));
    broken.push(("twice".into(), [&whole[..], &whole[..]].concat()));
    for (what, bytes) in broken {
        write(cluster, "broken", &bytes)?;
        let out = cli.run(&["decrypt", "broken", "--out", "x", "-o", "json"])?;
        out.error().map_err(|failure| failure.context(&what))?;
        ensure(out.code == 1, || format!("{what}: {}", out.describe()))?;
        ensure(!cluster.dir().join("x").exists(), || format!("{what} left a file"))?;
        // Nor a part of it under a temporary name.
        let left: Vec<_> = std::fs::read_dir(cluster.dir())?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.starts_with("x") || name.starts_with(".x"))
            .collect();
        ensure(left.is_empty(), || format!("{what} left {left:?}"))?;
    }
    Ok(())
}

/// Nobody learns from the answer whether the tag or the associated data was wrong.
fn same_answer_for_tag_and_data(cluster: &Cluster, cli: &Cli) -> Result<()> {
    let mut tampered = read(cluster, "bin")?;
    *tampered.last_mut().unwrap() ^= 1;
    let by_tag = cli.clone().stdin(&tampered).refused(&["decrypt"], 1, "CIPHERTEXT_INVALID")?;
    let whole = read(cluster, "bin")?;
    let args = ["decrypt", "--aad", "other"];
    let by_data = cli.clone().stdin(&whole).refused(&args, 1, "CIPHERTEXT_INVALID")?;
    ensure(by_tag["message"] == by_data["message"] && by_tag["next"] == by_data["next"], || {
        format!("two answers: {by_tag} and {by_data}")
    })
}
