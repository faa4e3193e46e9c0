//! What the lifecycle refuses: states, policies, registrations, names, scopes.

use conclave_harness::{Cli, Cluster, Result, ensure};

use crate::common::binary;
use crate::table::{all_refused, write, wrong};

const UNKNOWN: &str = "7d1f4b8e-1111-4222-8333-944445555666";

#[test]
fn what_the_lifecycle_refuses_changes_nothing() -> Result<()> {
    let cluster = Cluster::unsealed(&binary()?)?;
    let cli = cluster.cli();
    write(&cluster, "plain", b"some data")?;
    for alias in ["good", "pending", "held"] {
        cli.ok(&["key", "create", alias])?;
    }
    cli.ok(&["key", "rotate", "good"])?;
    cli.ok(&["key", "delete", "pending", "--yes"])?;
    cli.ok(&["key", "register", "held", "crn:bucket", "--prevent-deletion"])?;
    cli.ok(&["instance", "create", "other", "--preset", "soft-delete"])?;
    cli.ok(&["key-ring", "create", "team"])?;
    cli.ok(&["key", "create", "teams", "--ring", "team"])?;
    states(&cluster, &cli)?;
    names_and_policies(&cluster, &cli)?;
    scopes(&cluster, &cli)
}

fn states(cluster: &Cluster, cli: &Cli) -> Result<()> {
    let pending = "PendingDeletion";
    all_refused(
        cluster,
        cli,
        &[
            wrong("pending encrypts", &["encrypt", "pending", "plain"], "KEY_STATE", pending),
            wrong("pending enabled", &["key", "enable", "pending"], "KEY_STATE", pending),
            wrong("pending deleted", &["key", "delete", "pending", "--yes"], "KEY_STATE", pending),
            wrong("pending restored", &["key", "restore", "pending"], "KEY_STATE", pending),
            wrong("pending renamed", &["key", "alias", "add", "pending", "p2"], "KEY_STATE", ""),
            wrong("nothing to cancel", &["key", "cancel-deletion", "good"], "KEY_STATE", "Enabled"),
            wrong("nothing to skip", &["key", "delete-now", "good", "--yes"], "KEY_STATE", ""),
            wrong(
                "newest off",
                &["key", "version-disable", "good", "2"],
                "VERSION_STATE",
                "newest",
            ),
            wrong("already on", &["key", "version-enable", "good", "1"], "VERSION_STATE", ""),
            wrong("no such version", &["key", "version-disable", "good", "9"], "NOT_FOUND", ""),
            wrong("retention", &["key", "delete", "held", "--yes", "--force"], "RETENTION", ""),
            wrong("no registration", &["key", "unregister", "held", "other"], "NOT_FOUND", ""),
            wrong("Manager purges", &["key", "purge", "pending", "--yes"], "PERMISSION_DENIED", ""),
        ],
    )
}

fn names_and_policies(cluster: &Cluster, cli: &Cli) -> Result<()> {
    let past = ["key", "create", "late", "--expires", "2020-01-01T00:00:00Z"];
    let seldom = ["key", "create", "seldom", "--rotate-every", "731d"];
    let shorter = ["key", "policy", "good", "--grace", "1h"];
    let never = ["instance", "policy", "other", "--restore-window", "91d"];
    let elsewhere = ["--instance", "other", "key", "show", "good"];
    all_refused(
        cluster,
        cli,
        &[
            wrong("expiry in the past", &past, "INVALID_ARGUMENT", "past"),
            wrong("rotation too seldom", &seldom, "INVALID_ARGUMENT", "730"),
            wrong("window shortened", &shorter, "POLICY_INVALID", "lengthened"),
            wrong("restore after purge", &never, "POLICY_INVALID", "purge"),
            wrong(
                "alias taken",
                &["key", "alias", "add", "good", "held"],
                "ALREADY_EXISTS",
                "held",
            ),
            wrong("not its alias", &["key", "alias", "remove", "good", "held"], "NOT_FOUND", ""),
            wrong("instance taken", &["instance", "create", "other"], "ALREADY_EXISTS", ""),
            wrong("ring taken", &["key-ring", "create", "team"], "ALREADY_EXISTS", ""),
            wrong("ring with keys", &["key-ring", "delete", "team"], "NOT_EMPTY", ""),
            wrong("the default ring", &["key-ring", "delete", "default"], "INVALID_ARGUMENT", ""),
            wrong("no such instance", &["instance", "show", "nobody"], "NOT_FOUND", "nobody"),
            wrong("no such ring", &["key", "list", "--ring", "nobody"], "NOT_FOUND", "nobody"),
            wrong("alias of another instance", &elsewhere, "NOT_FOUND", "good"),
        ],
    )
}

/// Who has a role in a part of the cluster sees that part: the rest answers as if it were not there.
fn scopes(cluster: &Cluster, cli: &Cli) -> Result<()> {
    cli.ok(&["principal", "create", "rita"])?;
    let token = cluster.dir().join("rita.token");
    let out = token.to_string_lossy().into_owned();
    cli.ok(&["token", "create", "rita", "--token-out", &out])?;
    let rita = cli.clone().token(&token);
    rita.refused(&["key", "show", "good"], 1, "PERMISSION_DENIED")?;
    cli.ok(&["role", "bind", "Reader", "--principal", "rita", "--scope", "ring:team"])?;
    for id in cluster.ids() {
        let rita = cluster.cli_at(id).token(&token);
        rita.ok(&["encrypt", "teams", "plain"])?;
        let listed = rita.json(&["key", "list"])?;
        let names: Vec<_> = listed["keys"].as_array().into_iter().flatten().collect();
        let only = names.len() == 1 && names[0]["aliases"][0] == "teams";
        ensure(only, || format!("node {id}: {listed}"))?;
        rita.refused(&["key", "disable", "teams", "--yes"], 1, "PERMISSION_DENIED")?;
        for args in [&["key", "show"][..], &["key", "history"], &["key", "rotate"], &["encrypt"]] {
            let hidden = answer(&rita, args, "good")?;
            let missing = answer(&rita, args, "nobody")?;
            ensure(hidden.replace("good", "nobody") == missing, || {
                format!("{args:?} tells a key that is hidden from one that is not there: {hidden}")
            })?;
            rita.refused(&[args, &[UNKNOWN]].concat(), 1, "NOT_FOUND")?;
        }
    }
    Ok(())
}

/// The error of a command on a key, without what differs with each call.
fn answer(cli: &Cli, args: &[&str], key: &str) -> Result<String> {
    let mut error = cli.run(&[args, &[key, "-o", "json"]].concat())?.error()?;
    if let Some(error) = error.as_object_mut() {
        error.remove("request_id");
    }
    Ok(error.to_string())
}
