//! Shares that are damaged, forged, repeated, outdated or of somebody else.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use conclave_client::Client;
use conclave_formats::share_text::{ShareHeader, ShareText};
use conclave_harness::workload::block_on;
use conclave_harness::{Cluster, Failure, Result, ensure, wait_until};
use serde_json::Value;

use crate::common::binary;

/// Submission is limited per source; a refusal for that reason passes.
const LIMIT_PASSES_WITHIN: Duration = Duration::from_secs(60);

#[test]
fn wrong_shares_are_named_and_do_not_count() -> Result<()> {
    let binary = binary()?;
    let stranger = Cluster::builder(&binary).members(1).start()?;
    stranger.init()?;
    let cluster = Cluster::builder(&binary).start()?;
    let old = outdated_share(&cluster)?;
    cluster.init()?;

    let good = |index| fs::read_to_string(cluster.share_file(index));
    let first = submit(&cluster, &good(1)?)?;
    ensure(first.code == 0, || first.describe())?;
    for (what, share, reason) in [
        ("repeated", good(1)?, "SHARE_REPEATED"),
        ("one character typed wrong", typo(&good(2)?), "SHARE_DAMAGED"),
        ("two lines exchanged", exchanged(&good(2)?), "SHARE_DAMAGED"),
        ("last line missing", without_last_line(&good(2)?), "SHARE_DAMAGED"),
        ("of another cluster", fs::read_to_string(stranger.share_file(2))?, "SHARE_OTHER_KEYSPACE"),
        ("of an init that was repeated", fs::read_to_string(&old)?, "SHARE_OLD_EPOCH"),
        ("forged, right form", forged(&good(2)?, |bytes| bytes[7] ^= 1), "SHARE_WRONG"),
        ("forged, index of another share", forged(&good(2)?, |bytes| bytes[0] = 4), "SHARE_WRONG"),
    ] {
        let out = submit(&cluster, &share)?;
        out.refused(1, reason).map_err(|failure| failure.context(what))?;
        let shown = format!("{}{}", out.text(), out.stderr);
        ensure(!leaks(&shown, &share), || {
            format!("{what}: the answer repeats the share: {shown}")
        })?;
        accepted_is(&cluster, &[1]).map_err(|failure| failure.context(what))?;
    }
    checked_by_the_node_too(&cluster, &typo(&good(2)?))?;
    let empty = submit(&cluster, "")?;
    ensure(empty.code != 0, || empty.describe())?;
    accepted_is(&cluster, &[1])?;

    // All of that has neither broken the ceremony nor counted for it.
    let second = submit(&cluster, &good(2)?)?.done()?.json()?;
    ensure(second["have"] == 2 && second["node_unsealed"] == false, || second.to_string())?;
    let third = submit(&cluster, &good(5)?)?.done()?.json()?;
    ensure(third["have"] == 3, || third.to_string())?;
    cluster.wait_unsealed(&cluster.ids())?;
    init_is_over(&cluster)
}

/// Init again, after the first unseal has confirmed it: refused, and the cluster still works.
fn init_is_over(cluster: &Cluster) -> Result<()> {
    let args = ["operator", "init", "--shares-dir", "other-shares", "--token-out", "other.token"];
    cluster.cli_operator(1).refused(&args, 1, "ALREADY_INITIALIZED")?;
    ensure(!cluster.dir().join("other.token").exists(), || "a token was left".to_owned())?;
    cluster.cli().ok(&["key", "create", "works"]).map(|_| ())
}

/// Runs init twice before the first unseal: a share of the first round.
fn outdated_share(cluster: &Cluster) -> Result<PathBuf> {
    cluster.init()?;
    let old = cluster.dir().join("old-share.txt");
    fs::rename(cluster.share_file(2), &old)?;
    fs::remove_dir_all(cluster.dir().join("shares"))?;
    fs::remove_file(cluster.token_file())?;
    Ok(old)
}

fn submit(cluster: &Cluster, share: &str) -> Result<conclave_harness::Output> {
    let cli = cluster.cli_bare(&[1]).stdin(share.as_bytes());
    wait_until(LIMIT_PASSES_WITHIN, "the end of the rate limit", || {
        let out = cli
            .run(&["operator", "unseal", "--share-file", "-", "-o", "json"])
            .map_err(|failure| failure.to_string())?;
        if out.text().contains("RATE_LIMITED") { Err(out.describe()) } else { Ok(out) }
    })
}

/// Past the command line, which looks at a share before it sends it.
fn checked_by_the_node_too(cluster: &Cluster, damaged: &str) -> Result<()> {
    let refused = block_on(async {
        let client = Client::builder().addr(cluster.address(1)).ca_cert(cluster.pki().cert("ca"));
        let client = client.build().map_err(|error| Failure::harness(error.to_string()))?;
        Ok(client.submit_share(damaged.to_owned()).await)
    })?;
    let reason = refused.as_ref().err().map(|error| error.reason.to_string());
    ensure(reason.as_deref() == Some("SHARE_DAMAGED"), || format!("{refused:?}"))?;
    accepted_is(cluster, &[1])
}

fn accepted_is(cluster: &Cluster, expected: &[u64]) -> Result<()> {
    // Nobody has a right before the first unseal: the short form, which needs none.
    let status = cluster.cli_bare(&[1]).json(&["status"])?;
    let accepted = &status["seal"]["ceremony"]["accepted"];
    ensure(*accepted == Value::from(expected), || {
        format!("expected {expected:?} accepted: {}", status["seal"])
    })
}

/// One character of the second line replaced by its neighbour in the alphabet.
fn typo(share: &str) -> String {
    let mut lines: Vec<String> = share.lines().map(str::to_owned).collect();
    let place = 4;
    let old = lines[1].as_bytes()[place] as char;
    let new = if old == 'A' { 'B' } else { 'A' };
    lines[1].replace_range(place..=place, &new.to_string());
    lines.join("\n") + "\n"
}

fn exchanged(share: &str) -> String {
    let mut lines: Vec<&str> = share.lines().collect();
    lines.swap(1, 2);
    lines.join("\n") + "\n"
}

fn without_last_line(share: &str) -> String {
    let lines: Vec<&str> = share.lines().collect();
    lines[..lines.len() - 1].join("\n") + "\n"
}

/// A share with right checksums and other bytes.
fn forged(share: &str, change: impl FnOnce(&mut [u8])) -> String {
    let parsed = ShareText::parse(share).unwrap();
    let mut bytes = parsed.bytes().to_vec();
    change(&mut bytes);
    let header = ShareHeader { index: bytes[0], ..*parsed.header() };
    ShareText::new(header, &bytes).unwrap().encode().to_string()
}

/// Whether a text holds a group of characters of the share.
fn leaks(text: &str, share: &str) -> bool {
    let groups = share.lines().skip(1).flat_map(|line| line.split(' ').skip(1).take(4));
    groups.into_iter().any(|group| text.contains(group))
}
