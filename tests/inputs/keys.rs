//! Keys that are unknown, disabled or taken; request ids used twice; a sealed cluster; too many bytes.

use std::time::Duration;

use conclave_harness::history::Outcome;
use conclave_harness::sdk::Access;
use conclave_harness::workload::block_on;
use conclave_harness::{Cluster, Result, ensure};

use crate::common::binary;
use crate::table::{Wrong, all_refused, refused, write, wrong};

const REQUEST: &str = "0a2ed3c8-6a35-4b5e-8f43-b1f8be3c1a77";
const UNKNOWN: &str = "7d1f4b8e-1111-4222-8333-944445555666";

#[test]
fn wrong_uses_of_keys_are_refused_and_change_nothing() -> Result<()> {
    let cluster = Cluster::unsealed(&binary()?)?;
    let cli = cluster.cli();
    write(&cluster, "plain", b"some data")?;
    for alias in ["good", "off"] {
        cli.ok(&["key", "create", alias])?;
    }
    cli.ok(&["encrypt", "off", "plain", "--out", "off.enc"])?;
    cli.ok(&["key", "disable", "off", "--yes"])?;
    write(&cluster, "over", &vec![7; 64 * 1024 + 1])?;

    all_refused(
        &cluster,
        &cli,
        &[
            wrong(
                "unknown alias",
                &["encrypt", "nobody", "plain", "--out", "x"],
                "NOT_FOUND",
                "nobody",
            ),
            wrong("unknown id", &["encrypt", UNKNOWN, "plain", "--out", "x"], "NOT_FOUND", ""),
            wrong("unknown key shown", &["key", "show", "nobody"], "NOT_FOUND", ""),
            wrong("unknown key rotated", &["key", "rotate", "nobody"], "NOT_FOUND", ""),
            wrong("unknown key disabled", &["key", "disable", "nobody", "--yes"], "NOT_FOUND", ""),
            wrong(
                "disabled key encrypts",
                &["encrypt", "off", "plain", "--out", "x"],
                "KEY_STATE",
                "Disabled",
            ),
            wrong(
                "disabled key decrypts",
                &["decrypt", "off.enc", "--out", "x"],
                "KEY_STATE",
                "Disabled",
            ),
            wrong(
                "disabled key makes a data key",
                &["data-key", "off", "--wrapped-out", "x"],
                "KEY_STATE",
                "",
            ),
            wrong("alias taken", &["key", "create", "good"], "ALREADY_EXISTS", "good"),
            wrong(
                "too long for a text",
                &["encrypt", "good", "over", "--format", "text", "--out", "x"],
                "TOO_LARGE",
                "",
            ),
            wrong(
                "too much associated data",
                &["encrypt", "good", "plain", "--aad-file", "over", "--out", "x"],
                "TOO_LARGE",
                "",
            ),
        ],
    )?;
    let row = wrong("state and what it allows", &["encrypt", "off", "plain"], "KEY_STATE", "");
    let error = refused(&cluster, &cli, &row)?;
    let facts = &error["metadata"];
    ensure(facts["state"] == "Disabled" && facts["allowed"].is_string(), || error.to_string())?;
    too_large_on_the_wire(&cluster)?;
    request_id_reused(&cluster)?;
    without_yes(&cluster)?;
    sealed(&cluster)
}

/// Past the command line, the node itself refuses.
fn too_large_on_the_wire(cluster: &Cluster) -> Result<()> {
    let access = Access::new(cluster, &cluster.ids());
    block_on(async {
        for session in access.sessions(Duration::from_secs(20))? {
            for size in [64 * 1024 + 1, 1024 * 1024, 3 * 1024 * 1024] {
                let (outcome, _) = session.encrypt("good", &vec![7; size]).await;
                ensure(outcome == Outcome::Refused("TOO_LARGE".into()), || {
                    format!("{size} bytes to node {}: {outcome:?}", session.node)
                })?;
            }
            let (most, _) = session.encrypt("good", &vec![7; 64 * 1024]).await;
            ensure(most == Outcome::Used, || format!("64 KiB are allowed: {most:?}"))?;
        }
        Ok(())
    })
}

fn request_id_reused(cluster: &Cluster) -> Result<()> {
    let cli = cluster.cli();
    let first = ["--request-id", REQUEST, "key", "create", "once"];
    let made = cli.json(&first)?;
    ensure(made["replayed"] == false, || made.to_string())?;
    let other = ["--request-id", REQUEST, "key", "create", "twice"];
    let verb = ["--request-id", REQUEST, "key", "rotate", "once"];
    all_refused(
        cluster,
        &cli,
        &[
            wrong("same id, another alias", &other, "REQUEST_ID_REUSED", ""),
            wrong("same id, another command", &verb, "REQUEST_ID_REUSED", ""),
        ],
    )?;
    for id in cluster.ids() {
        let again = cluster.cli_at(id).json(&first)?;
        ensure(again["replayed"] == true && again["log_index"] == made["log_index"], || {
            format!("a repeat is the first answer: {made}, then {again}")
        })?;
    }
    Ok(())
}

/// What destroys or disables asks first; a script must say so.
fn without_yes(cluster: &Cluster) -> Result<()> {
    for args in [&["key", "disable", "good"][..], &["operator", "seal"]] {
        let out = cluster.cli().run(args)?;
        ensure(out.code == 2 && out.stderr.contains("--yes"), || out.describe())?;
    }
    let key = cluster.cli().json(&["key", "show", "good"])?;
    ensure(key["key"]["state"] == "Enabled", || key.to_string())
}

fn sealed(cluster: &Cluster) -> Result<()> {
    cluster.cli().ok(&["operator", "seal", "--yes"])?;
    for id in cluster.ids() {
        let row = |what, args| Wrong { what, args, code: 3, reason: "SEALED", says: "unseal" };
        all_refused(
            cluster,
            &cluster.cli_at(id),
            &[
                row("sealed node encrypts", &["encrypt", "good", "plain", "--out", "x"]),
                row("sealed node decrypts", &["decrypt", "off.enc", "--out", "x"]),
                row("sealed node makes a key", &["key", "create", "later"]),
                row("sealed node rotates", &["key", "rotate", "good"]),
            ],
        )?;
    }
    Ok(())
}
