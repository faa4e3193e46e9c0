//! Rows of wrong inputs, and the judge of all of them.

use conclave_harness::{Cli, Cluster, Failure, Result, ensure};
use serde_json::Value;

/// One wrong input.
pub struct Wrong<'a> {
    /// What is wrong with it.
    pub what: &'a str,
    /// The command.
    pub args: &'a [&'a str],
    /// Expected exit code.
    pub code: i32,
    /// Expected `error.reason`.
    pub reason: &'a str,
    /// A word that the message or the next step must hold; empty for none.
    pub says: &'a str,
}

/// A row with exit code 1.
pub fn wrong<'a>(what: &'a str, args: &'a [&'a str], reason: &'a str, says: &'a str) -> Wrong<'a> {
    Wrong { what, args, code: 1, reason, says }
}

/// Runs every row; after each, the cluster looks as before and no output file is left.
pub fn all_refused(cluster: &Cluster, cli: &Cli, rows: &[Wrong<'_>]) -> Result<()> {
    let before = visible(cluster)?;
    for row in rows {
        refused(cluster, cli, row)
            .and_then(|_| unchanged(cluster, &before))
            .map_err(|failure| failure.context(row.what))?;
    }
    Ok(())
}

/// Runs one row; the `error` object.
pub fn refused(cluster: &Cluster, cli: &Cli, row: &Wrong<'_>) -> Result<Value> {
    let error = cli.refused(row.args, row.code, row.reason)?;
    let text = format!("{} {}", error["message"], error["next"]).to_lowercase();
    ensure(text.contains(&row.says.to_lowercase()), || format!("{:?} not in {text}", row.says))?;
    if let Some(place) = row.args.iter().position(|arg| *arg == "--out") {
        let file = cluster.dir().join(row.args[place + 1]);
        ensure(!file.exists(), || format!("it left {}", file.display()))?;
    }
    Ok(error)
}

fn unchanged(cluster: &Cluster, before: &Value) -> Result<()> {
    let after = visible(cluster)?;
    ensure(*before == after, || format!("it changed something\nbefore {before}\nafter {after}"))
}

/// Everything that an administrator sees of the replicated state.
pub fn visible(cluster: &Cluster) -> Result<Value> {
    let cli = cluster.cli();
    let mut seen = serde_json::Map::new();
    for args in [
        &["key", "list", "--limit", "1000"][..],
        &["principal", "list"],
        &["token", "list"],
        &["role", "list"],
    ] {
        let mut value = cli.json(args)?;
        // The index of the read itself moves with every tick.
        value.as_object_mut().map(|fields| fields.remove("log_index"));
        seen.insert(args.join(" "), value);
    }
    let mut status = cli.json(&["status"])?;
    seen.insert("seal".into(), status["seal"].take());
    seen.insert("sealed".into(), status["cluster"]["sealed"].take());
    Ok(Value::Object(seen))
}

/// The path of a file in the cluster's directory, as an argument.
pub fn write(cluster: &Cluster, name: &str, bytes: &[u8]) -> Result<String> {
    std::fs::write(cluster.dir().join(name), bytes)?;
    Ok(name.to_owned())
}

/// The bytes of a file in the cluster's directory.
pub fn read(cluster: &Cluster, name: &str) -> Result<Vec<u8>> {
    std::fs::read(cluster.dir().join(name))
        .map_err(|error| Failure::violation(format!("{name}: {error}")))
}
