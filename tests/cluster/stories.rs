//! The life of a key as the two reference services tell it, on real processes whose cluster time passes
//! many times as fast as the test.

use std::path::Path;
use std::time::Duration;

use conclave_harness::cli::Cli;
use conclave_harness::dev::Dev;
use conclave_harness::wait::wait_until;
use conclave_harness::{Result, ensure};
use serde_json::Value;

use crate::common::binary;

/// Whatever a story waits for comes within this time of the test.
const COMES_WITHIN: Duration = Duration::from_secs(90);

/// A day passes in 4.3 seconds: time enough for the commands in between, also on a busy machine.
const NAVER_RATE: &str = "20000";
/// Four hours pass in 144 seconds: what must be too early, is.
const SLOW_RATE: &str = "100";
/// 30 days pass in 5.2 seconds, 90 days in 15.6.
const FAST_RATE: &str = "500000";

/// A cluster at a clock rate, and the command line of its administrator in one instance.
fn cluster(work: &Path, rate: &str, instance: &'static str) -> Result<(Dev, Cli)> {
    let mut dev = Dev::spawn(&binary()?, &work.join("d"), &["--clock-rate", rate])?;
    dev.wait_ready()?;
    ensure(dev.file()?.clock_rate.to_string() == rate, || format!("not at rate {rate}"))?;
    let cli = dev.cli(work)?.var("CONCLAVE_INSTANCE", instance);
    Ok((dev, cli))
}

fn key(cli: &Cli, name: &str) -> Result<Value> {
    Ok(cli.json(&["key", "show", name])?["key"].take())
}

/// Waits until a key looks as it should.
fn wait_key(cli: &Cli, name: &str, what: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
    wait_until(COMES_WITHIN, &format!("{name}: {what}"), || {
        let key = key(cli, name).map_err(|failure| failure.to_string())?;
        if is(&key) { Ok(key) } else { Err(key.to_string()) }
    })
}

fn wait_gone(cli: &Cli, name: &str) -> Result<()> {
    wait_until(COMES_WITHIN, &format!("{name} is gone"), || {
        let out = cli.run(&["key", "show", name, "-o", "json"]).map_err(|f| f.to_string())?;
        let error = out.error().map_err(|_| "still there".to_owned())?;
        if error["reason"] == "NOT_FOUND" { Ok(()) } else { Err(error.to_string()) }
    })
}

fn state_is(key: &Value, state: &str) -> Result<()> {
    ensure(key["state"] == state, || format!("expected {state}: {key}"))
}

/// The own switches, and what follows from them and the key.
fn versions_are(key: &Value, expected: &[(bool, bool)]) -> Result<()> {
    let versions = key["versions"].as_array().cloned().unwrap_or_default();
    let seen: Vec<_> = versions
        .iter()
        .map(|version| (version["enabled"] == true, version["usable"] == true))
        .collect();
    ensure(seen == expected, || format!("expected {expected:?}: {key}"))
}

/// The command line of somebody who may purge in an instance, and nothing else.
fn purger(cli: &Cli, work: &Path) -> Result<Cli> {
    let file = work.join("purger.token");
    if !file.exists() {
        let scope = format!("instance:{}", cli.value("CONCLAVE_INSTANCE"));
        cli.ok(&["principal", "create", "purger"])?;
        cli.ok(&["token", "create", "purger", "--token-out", "purger.token"])?;
        cli.ok(&["role", "bind", "KeyPurge", "--principal", "purger", "--scope", &scope])?;
    }
    Ok(cli.clone().token(&file))
}

/// After the end of a key every call answers as for one that never was.
fn nothing_is_left(cli: &Cli, purger: &Cli, id: &str, cipher: &[u8]) -> Result<()> {
    let reads = ["show", "versions", "history", "impact"];
    let moves = ["rotate", "enable", "cancel-deletion", "restore"];
    for verb in reads.into_iter().chain(moves) {
        cli.refused(&["key", verb, id], 1, "NOT_FOUND")?;
    }
    for verb in ["disable", "delete", "delete-now"] {
        cli.refused(&["key", verb, id, "--yes"], 1, "NOT_FOUND")?;
    }
    purger.refused(&["key", "purge", id, "--yes"], 1, "NOT_FOUND")?;
    cli.refused(&["key", "version-disable", id, "1"], 1, "NOT_FOUND")?;
    cli.refused(&["key", "alias", "add", id, "other"], 1, "NOT_FOUND")?;
    cli.refused(&["key", "register", id, "crn:bucket"], 1, "NOT_FOUND")?;
    cli.clone().stdin(b"data").refused(&["encrypt", id], 1, "NOT_FOUND")?;
    cli.clone().stdin(cipher).refused(&["decrypt"], 1, "NOT_FOUND")?;
    Ok(())
}

#[test]
fn navers_story() -> Result<()> {
    let work = tempfile::tempdir()?;
    let (mut dev, cli) = cluster(work.path(), NAVER_RATE, "naver")?;
    cli.ok(&["instance", "create", "naver", "--preset", "scheduled"])?;

    // Versions 1 to 3, a ciphertext of each of the first two.
    let id = cli.json(&["key", "create", "orders"])?["key"]["id"].as_str().unwrap().to_owned();
    let first = cli.clone().stdin(b"one").ok(&["encrypt", "orders"])?.stdout;
    cli.ok(&["key", "rotate", "orders"])?;
    let second = cli.clone().stdin(b"two").ok(&["encrypt", "orders"])?.stdout;
    cli.ok(&["key", "rotate", "orders"])?;

    // Version 1 off, a rotation due in two days, the key off: the rotation comes all the same.
    cli.ok(&["key", "version-disable", "orders", "1"])?;
    cli.ok(&["key", "policy", "orders", "--rotate-every", "2d"])?;
    cli.ok(&["key", "disable", "orders", "--yes"])?;
    let key = wait_key(&cli, "orders", "version 4", |key| key["primary_version"] == 4)?;
    state_is(&key, "Disabled")?;
    versions_are(&key, &[(false, false), (true, false), (true, false), (true, false)])?;
    cli.ok(&["key", "policy", "orders", "--rotate-every", "off"])?;

    // Requested, taken back, enabled: each version is what it was.
    let key = cli.json(&["key", "delete", "orders", "--yes"])?["key"].take();
    state_is(&key, "PendingDeletion")?;
    cli.clone().stdin(&second).refused(&["decrypt"], 1, "KEY_STATE")?;
    state_is(&cli.json(&["key", "cancel-deletion", "orders"])?["key"], "Disabled")?;
    let key = cli.json(&["key", "enable", "orders"])?["key"].take();
    state_is(&key, "Enabled")?;
    versions_are(&key, &[(false, false), (true, true), (true, true), (true, true)])?;
    let made = cli.clone().stdin(b"four").json(&["encrypt", "orders"])?;
    ensure(made["version"] == 4, || made.to_string())?;
    cli.clone().stdin(&first).refused(&["decrypt"], 1, "VERSION_STATE")?;
    let plain = cli.clone().stdin(&second).ok(&["decrypt"])?;
    ensure(plain.stdout == b"two", || plain.describe())?;

    // Requested and done at once: nothing is left.
    cli.ok(&["key", "delete", "orders", "--yes"])?;
    let gone = cli.json(&["key", "delete-now", "orders", "--yes"])?;
    ensure(gone["key"].is_null() && gone["purged"] == true, || gone.to_string())?;
    nothing_is_left(&cli, &purger(&cli, work.path())?, &id, &second)?;

    // The alias is free. This one waits out its 72 hours.
    let other = cli.json(&["key", "create", "orders"])?["key"].take();
    ensure(other["id"] != id.as_str(), || "an id was used twice".to_owned())?;
    cli.ok(&["key", "delete", "orders", "--yes"])?;
    wait_gone(&cli, "orders")?;
    let ended = dev.terminate()?;
    ensure(ended.success(), || format!("dev ended with {ended}"))
}

#[test]
fn key_protects_story() -> Result<()> {
    let work = tempfile::tempdir()?;
    let (mut dev, cli) = cluster(work.path(), SLOW_RATE, "kp")?;
    cli.ok(&["instance", "create", "kp", "--preset", "soft-delete"])?;

    // Deleted, and restored: not at once, but within 30 days.
    let id = cli.json(&["key", "create", "orders"])?["key"]["id"].as_str().unwrap().to_owned();
    let cipher = cli.clone().stdin(b"kept").ok(&["encrypt", "orders"])?.stdout;
    let deleted = cli.json(&["key", "delete", "orders", "--yes"])?["key"].take();
    state_is(&deleted, "Destroyed")?;
    ensure(deleted["deletion"]["purge_from"].is_string(), || deleted.to_string())?;
    cli.refused(&["key", "delete", "orders", "--yes"], 1, "KEY_STATE")?;
    restore(&cli, "orders")?;
    let plain = cli.clone().stdin(&cipher).ok(&["decrypt"])?;
    ensure(plain.stdout == b"kept", || plain.describe())?;

    registrations_block(&cli)?;

    // Deleted again: purged by KeyPurge alone, and not before four hours are over.
    cli.ok(&["key", "delete", "orders", "--yes"])?;
    cli.refused(&["key", "purge", &id, "--yes"], 1, "PERMISSION_DENIED")?;
    let early = purger(&cli, work.path())?;
    early.refused(&["key", "purge", &id, "--yes"], 1, "TOO_EARLY")?;
    let ended = dev.terminate()?;
    ensure(ended.success(), || format!("dev ended with {ended}"))?;

    let (mut dev, cli) = cluster(work.path(), FAST_RATE, "kp")?;
    let purger = purger(&cli, work.path())?;
    wait_until(COMES_WITHIN, "four hours after the deletion", || {
        let out = purger.run(&["key", "purge", &id, "--yes", "-o", "json"]);
        let out = out.map_err(|failure| failure.to_string())?;
        if out.code == 0 { Ok(()) } else { Err(out.describe()) }
    })?;
    nothing_is_left(&cli, &purger, &id, &cipher)?;

    // Nobody purges this one: the material goes after 30 days, the rest after 90.
    cli.ok(&["key", "create", "left"])?;
    cli.ok(&["key", "delete", "left", "--yes"])?;
    let erased = |key: &Value| key["versions"][0]["material"] == "erased";
    let key = wait_key(&cli, "left", "erased", erased)?;
    state_is(&key, "Destroyed")?;
    cli.refused(&["key", "restore", "left"], 1, "WINDOW_OVER")?;
    wait_gone(&cli, "left")?;
    let ended = dev.terminate()?;
    ensure(ended.success(), || format!("dev ended with {ended}"))
}

/// Restores a key; for 30 seconds of cluster time after its deletion it is too early.
fn restore(cli: &Cli, name: &str) -> Result<()> {
    wait_until(COMES_WITHIN, &format!("{name} restored"), || {
        let out = cli.run(&["key", "restore", name, "-o", "json"]).map_err(|f| f.to_string())?;
        if out.code == 0 { Ok(()) } else { Err(out.describe()) }
    })?;
    state_is(&key(cli, name)?, "Enabled")
}

/// Registrations block a deletion, force removes them, retention stands.
fn registrations_block(cli: &Cli) -> Result<()> {
    let bucket = "crn:v1:bucket";
    cli.ok(&["key", "create", "guarded"])?;
    cli.ok(&["key", "register", "guarded", bucket, "--prevent-deletion"])?;
    let impact = cli.json(&["key", "impact", "guarded"])?;
    ensure(impact["blocked_by"][0] == "retention", || impact.to_string())?;
    cli.refused(&["key", "delete", "guarded", "--yes"], 1, "RETENTION")?;
    cli.refused(&["key", "delete", "guarded", "--yes", "--force"], 1, "RETENTION")?;
    cli.ok(&["key", "register", "guarded", bucket])?;
    cli.refused(&["key", "delete", "guarded", "--yes"], 1, "REGISTERED")?;
    let deleted = cli.json(&["key", "delete", "guarded", "--yes", "--force"])?["key"].take();
    state_is(&deleted, "Destroyed")?;
    let none = deleted["registrations"].as_array().is_some_and(Vec::is_empty);
    ensure(none, || deleted.to_string())
}

#[test]
fn a_server_that_is_not_for_development_refuses_time_that_was_sped_up() -> Result<()> {
    let work = tempfile::tempdir()?;
    let (mut dev, _) = cluster(work.path(), SLOW_RATE, "default")?;
    let file = dev.file()?;
    dev.terminate()?;
    let config = file.nodes[0].config.to_string_lossy().into_owned();
    let cli = Cli::new(binary()?, work.path());
    // The flag away, the rate with it.
    let out = cli.clone().var("CONCLAVE__DEVELOPMENT__ENABLED", "false").run(&[
        "server",
        "--config",
        &config,
        "--check-config",
    ])?;
    ensure(out.code == 2 && out.stderr.contains("clock_rate"), || out.describe())?;
    let out = cli
        .var("CONCLAVE__DEVELOPMENT__ENABLED", "false")
        .var("CONCLAVE__DEVELOPMENT__CLOCK_RATE", "1")
        .run(&["server", "--config", &config])?;
    ensure(out.code == 1 && out.stderr.contains("clock rate"), || out.describe())
}
