//! Credentials that are missing, unknown, revoked or over, and rights that are not there.

use std::time::Duration;

use conclave_harness::{Cluster, Result, ensure};

use crate::common::binary;
use crate::table::{all_refused, write, wrong};

/// The shortest life that a token may have.
const SHORTEST_TTL: &str = "60s";
/// A right ends when its time is over, not noticeably later.
const ENDS_WITHIN: Duration = Duration::from_secs(80);

#[test]
fn credentials_that_do_not_count() -> Result<()> {
    let cluster = Cluster::unsealed(&binary()?)?;
    let admin = cluster.cli();
    admin.ok(&["key", "create", "guarded"])?;
    write(&cluster, "plain", b"some data")?;
    admin.ok(&["principal", "create", "app"])?;
    admin.ok(&["role", "bind", "Reader", "--principal", "app"])?;
    admin.ok(&["principal", "create", "nobody"])?;
    for (name, ttl) in [("app", SHORTEST_TTL), ("nobody", "1h")] {
        let out = format!("{name}.token");
        admin.ok(&["token", "create", name, "--ttl", ttl, "--token-out", &out])?;
    }
    let made =
        admin.json(&["token", "create", "app", "--ttl", "1h", "--token-out", "lost.token"])?;
    let id = made["token"]["id"].as_str().unwrap_or_default().to_owned();

    let file = |name: &str| cluster.dir().join(name);
    let app = cluster.cli().token(&file("app.token"));
    let lost = cluster.cli().token(&file("lost.token"));
    for cli in [&app, &lost] {
        cli.ok(&["encrypt", "guarded", "plain", "--out", "served"])?;
    }
    let encrypt = ["encrypt", "guarded", "plain", "--out", "x"];
    let denied = [
        wrong("no right to rotate", &["key", "rotate", "guarded"], "PERMISSION_DENIED", ""),
        wrong("no right to create", &["key", "create", "mine"], "PERMISSION_DENIED", ""),
        wrong(
            "no right to bind",
            &["role", "bind", "Manager", "--principal", "app"],
            "PERMISSION_DENIED",
            "",
        ),
        wrong("no right to seal", &["operator", "seal", "--yes"], "PERMISSION_DENIED", ""),
    ];
    all_refused(&cluster, &app, &denied)?;
    let outsider = cluster.cli().token(&file("nobody.token"));
    let out = outsider.run(&["encrypt", "guarded", "plain", "--out", "x", "-o", "json"])?;
    // Somebody without any right on a key does not even learn that it exists.
    let error = out.error()?;
    let hidden = error["reason"] == "NOT_FOUND" || error["reason"] == "PERMISSION_DENIED";
    ensure(out.code == 1 && hidden, || out.describe())?;

    admin.ok(&["token", "revoke", &id])?;
    for id in cluster.ids() {
        let lost = cluster.cli_at(id).token(&file("lost.token"));
        all_refused(&cluster, &lost, &[wrong("revoked token", &encrypt, "UNAUTHENTICATED", "")])?;
    }
    not_a_credential(&cluster)?;
    disabled_principal(&cluster)?;
    nobody_grants_to_themselves(&cluster)?;

    cluster.wait(ENDS_WITHIN, "the end of the token", || {
        let out = app.run(&["key", "show", "guarded", "-o", "json"]);
        let out = out.map_err(|failure| failure.to_string())?;
        if out.code == 0 { Err("still served".to_owned()) } else { Ok(()) }
    })?;
    for id in cluster.ids() {
        let app = cluster.cli_at(id).token(&file("app.token"));
        all_refused(&cluster, &app, &[wrong("expired token", &encrypt, "TOKEN_EXPIRED", "")])?;
    }
    Ok(())
}

fn not_a_credential(cluster: &Cluster) -> Result<()> {
    let show = ["key", "show", "guarded"];
    let row = [wrong("nothing shown", &show, "UNAUTHENTICATED", "")];
    all_refused(cluster, &cluster.cli().anonymous(), &row)?;
    // The right form, a wrong secret: the last characters of the administrator's own, changed.
    let token = std::fs::read_to_string(cluster.token_file())?;
    let token = token.trim_end();
    for place in [token.len() - 1, token.len() - 20, 8] {
        let mut bytes = token.as_bytes().to_vec();
        bytes[place] = if bytes[place] == b'a' { b'b' } else { b'a' };
        let name = write(cluster, "forged.token", &bytes)?;
        let forged = cluster.cli().token(&cluster.dir().join(name));
        let out = forged.run(&["key", "show", "guarded", "-o", "json"])?;
        ensure(out.code != 0, || out.describe())?;
        out.error()?;
    }
    // A certificate of the cluster's own authority that names nobody who is known.
    cluster.pki().issue_principal("ghost")?;
    let (cert, key) = (cluster.pki().cert("ghost"), cluster.pki().key("ghost"));
    let ghost = cluster.cli().certificate(&cert, &key);
    let out = ghost.run(&["key", "show", "guarded", "-o", "json"])?;
    ensure(out.code == 1, || out.describe())?;
    out.error().map(|_| ())
}

fn disabled_principal(cluster: &Cluster) -> Result<()> {
    let admin = cluster.cli();
    admin.ok(&["principal", "create", "leaver"])?;
    admin.ok(&["role", "bind", "Reader", "--principal", "leaver"])?;
    admin.ok(&["token", "create", "leaver", "--ttl", "1h", "--token-out", "leaver.token"])?;
    let leaver = cluster.cli().token(&cluster.dir().join("leaver.token"));
    leaver.ok(&["key", "show", "guarded"])?;
    admin.ok(&["principal", "disable", "leaver"])?;
    for id in cluster.ids() {
        let leaver = cluster.cli_at(id).token(&cluster.dir().join("leaver.token"));
        let out = leaver.run(&["key", "show", "guarded", "-o", "json"])?;
        ensure(out.code == 1, || out.describe())?;
        out.error()?;
    }
    Ok(())
}

fn nobody_grants_to_themselves(cluster: &Cluster) -> Result<()> {
    let args = ["role", "bind", "KeyPurge", "--principal", "admin"];
    let row = [wrong("own role", &args, "SAME_PRINCIPAL", "")];
    all_refused(cluster, &cluster.cli(), &row)
}
