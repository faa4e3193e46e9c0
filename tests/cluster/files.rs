//! Files of all sizes, the death of the leader, and the return of the dead node.

use std::fs;
use std::path::Path;
use std::time::Duration;

use conclave_harness::{Cluster, Result, Scale, ensure};

use crate::common::binary;

/// For a returned node to have what the others wrote while it was away.
const CATCHES_UP_WITHIN: Duration = Duration::from_secs(60);

#[test]
fn files_survive_the_leader_and_the_dead_node_comes_back() -> Result<()> {
    let mut cluster = Cluster::unsealed(&binary()?)?;
    let sizes = sizes()?;
    cluster.cli().ok(&["key", "create", "files"])?;
    for size in &sizes {
        fs::write(cluster.dir().join(plain(*size)), content(*size))?;
        cluster.cli().ok(&["encrypt", "files", &plain(*size), "--out", &cipher(*size)])?;
    }

    let dead = cluster.wait_leader(&cluster.ids())?;
    cluster.node(dead).kill9()?;
    let survivors = cluster.others(&[dead]);
    cluster.wait_leader(&survivors)?;
    for id in &survivors {
        for size in &sizes {
            decrypts_on(&cluster, *id, *size)?;
        }
    }
    for id in &survivors {
        let cli = cluster.cli_at(*id);
        cli.ok(&["key", "create", &format!("after-{id}")])?;
        cli.ok(&["key", "rotate", "files"])?;
    }

    cluster.node(dead).start()?;
    comes_back_sealed(&cluster, dead, &survivors)?;
    cluster.unseal(dead)?;
    cluster.digests_agree(&cluster.ids())?;
    for size in &sizes {
        decrypts_on(&cluster, dead, *size)?;
    }
    let key = cluster.cli_at(dead).json(&["key", "show", "files"])?;
    ensure(key["key"]["primary_version"] == 3, || format!("two rotations: {key}"))
}

/// The node is sealed, and has all that the others have nevertheless.
fn comes_back_sealed(cluster: &Cluster, id: u32, survivors: &[u32]) -> Result<()> {
    let (written, _) = cluster.digests_agree(survivors)?;
    let what = format!("node {id} sealed and at {written}");
    cluster.wait(CATCHES_UP_WITHIN, &what, || {
        let status = cluster.status(survivors[0]).map_err(|failure| failure.to_string())?;
        let node = status.node(id).map_err(|failure| failure.to_string())?;
        match (node.sealed, node.applied_index) {
            (Some(true), Some(applied)) if applied >= written => Ok(()),
            _ => Err(format!("{node:?}")),
        }
    })?;
    // Equal state without a key: a sealed node replicates in full.
    cluster.digests_agree(&cluster.ids())?;
    let refused = cluster.cli_at(id);
    refused.refused(&["decrypt", &cipher(1024), "--out", "none"], 3, "SEALED")?;
    ensure(!cluster.dir().join("none").exists(), || "a sealed node left a file".to_owned())
}

fn decrypts_on(cluster: &Cluster, id: u32, size: usize) -> Result<()> {
    let out = format!("decrypted-{id}-{size}");
    cluster.cli_at(id).ok(&["decrypt", &cipher(size), "--out", &out])?;
    same(&cluster.dir().join(out), &content(size))
}

fn same(file: &Path, expected: &[u8]) -> Result<()> {
    let found = fs::read(file)?;
    ensure(found == expected, || {
        format!("{} has {} bytes that differ from the plaintext", file.display(), found.len())
    })
}

fn sizes() -> Result<Vec<usize>> {
    let scale = Scale::from_env().map_err(conclave_harness::Failure::harness)?;
    Ok(vec![0, 1024, 64 * 1024, scale.pick(8, 50) * 1024 * 1024])
}

fn plain(size: usize) -> String {
    format!("plain-{size}")
}

fn cipher(size: usize) -> String {
    format!("cipher-{size}")
}

/// Bytes that do not repeat within a chunk: an exchanged chunk is seen.
fn content(size: usize) -> Vec<u8> {
    let words = (0u64..).flat_map(|word| word.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    words.take(size).collect()
}
