//! Servers that must not start: wrong configuration, addresses in use, directories of somebody else.

use std::fs;
use std::path::Path;

use conclave_harness::config::NodeConfig;
use conclave_harness::network::Network;
use conclave_harness::{Cli, Cluster, Output, Result, ensure};

use crate::common::binary;

#[test]
fn a_wrong_configuration_is_explained_field_by_field() -> Result<()> {
    let cluster = Cluster::builder(&binary()?).prepare()?;
    let cli = Cli::new(binary()?, cluster.dir());
    let good = fs::read_to_string(cluster.dir().join("node-1/conclave.toml"))?;
    check(&cli, cluster.dir(), &good)?.done()?;
    for (what, text, says) in [
        ("misspelled field", format!("{good}[raft]\nelectoin_ms = 1500\n"), "election_ms"),
        ("misspelled table", format!("{good}[rafft]\nelection_ms = 1500\n"), "raft"),
        ("value out of bounds", format!("{good}[raft]\nelection_ms = 1\n"), "raft.election_ms"),
        ("value of another kind", good.replace("id = 1\n", "id = \"one\"\n"), "node.id"),
        ("missing field", good.replace("data_dir = ", "#data_dir = "), "node.data_dir"),
        (
            "faster clock without permission",
            format!("{good}[development]\nclock_rate = 10\n"),
            "clock_rate",
        ),
        ("no TOML", "cluster = = 3".to_owned(), "next:"),
    ] {
        let out = check(&cli, cluster.dir(), &text)?;
        ensure(out.code == 2, || format!("{what}: expected exit 2\n{}", out.describe()))?;
        explained(&out, says).map_err(|failure| failure.context(what))?;
    }
    let absent = cli.run(&["server", "--config", "absent.toml", "--check-config"])?;
    ensure(absent.code == 2, || absent.describe())?;
    explained(&absent, "absent.toml")?;
    wrong_variable(&cli, cluster.dir(), &good)
}

/// Variables of the environment are fields too.
fn wrong_variable(cli: &Cli, dir: &Path, good: &str) -> Result<()> {
    let out = check(&cli.clone().var("CONCLAVE__RAFT__ELECTION_MS", "2000"), dir, good)?;
    ensure(out.code == 0, || out.describe())?;
    let out = check(&cli.clone().var("CONCLAVE__RAFT__ELECTION_MS", "soon"), dir, good)?;
    ensure(out.code == 2, || out.describe())?;
    explained(&out, "election_ms")?;
    let out = check(&cli.clone().var("CONCLAVE__RAFT__ELECTION_MSS", "2000"), dir, good)?;
    ensure(out.code == 2, || out.describe())?;
    explained(&out, "election_ms")
}

#[test]
fn a_server_does_not_start_where_it_does_not_belong() -> Result<()> {
    let mut cluster = Cluster::unsealed(&binary()?)?;
    cluster.cli().ok(&["key", "create", "kept"])?;
    port_in_use(&mut cluster)?;
    directory_in_use(&mut cluster)?;

    // A node that ran alone, stopped: its directory holds another cluster.
    let mut other = Cluster::builder(&binary()?).name("elsewhere").members(1).start()?;
    other.init()?;
    other.unseal_all()?;
    other.cli().ok(&["key", "create", "theirs"])?;
    other.node(1).terminate()?;
    directory_of_another_cluster(&mut cluster, other.dir())?;
    directory_of_a_namesake(&mut cluster)?;

    cluster.digests_agree(&cluster.ids())?;
    let key = cluster.cli().json(&["key", "show", "kept"])?;
    ensure(key["key"]["state"] == "Enabled", || key.to_string())
}

fn port_in_use(cluster: &mut Cluster) -> Result<()> {
    let mut config = cluster.node(1).config().clone();
    config.data_dir = cluster.dir().join("fresh-data");
    let network = cluster.network().clone();
    let address = cluster.address(1).to_owned();
    let out = start(cluster, &config, &network)?;
    ensure(out.code == 1, || out.describe())?;
    explained(&out, &address)
}

/// The same directory, other addresses.
fn directory_in_use(cluster: &mut Cluster) -> Result<()> {
    let config = cluster.node(1).config().clone();
    let (network, reserved) = Network::loopback(3)?;
    drop(reserved);
    let out = start(cluster, &config, &network)?;
    ensure(out.code == 1, || out.describe())?;
    explained(&out, &config.data_dir.to_string_lossy())
}

fn directory_of_another_cluster(cluster: &mut Cluster, other: &Path) -> Result<()> {
    let mut config = cluster.node(3).config().clone();
    cluster.node(3).terminate()?;
    config.data_dir = other.join("node-1/data");
    let network = cluster.network().clone();
    let out = start(cluster, &config, &network)?;
    ensure(out.code == 1, || out.describe())?;
    explained(&out, "cluster")?;
    cluster.node(3).start()?;
    cluster.unseal(3)
}

/// A cluster of the same name, made apart: only the others can tell, so it is ready before it ends.
fn directory_of_a_namesake(cluster: &mut Cluster) -> Result<()> {
    let mut namesake = Cluster::builder(&binary()?).start()?;
    namesake.init()?;
    namesake.unseal_all()?;
    namesake.cli().ok(&["key", "create", "theirs"])?;
    for id in namesake.ids() {
        namesake.node(id).terminate()?;
    }
    cluster.node(3).terminate()?;
    let mut config = cluster.node(3).config().clone();
    config.data_dir = namesake.dir().join("node-3/data");
    let network = cluster.network().clone();
    let out = start(cluster, &config, &network)?;
    let says = ["OTHER_CLUSTER", "the data directory belongs to cluster", "Check node.data_dir"];
    ensure(out.code != 0 && says.iter().all(|word| out.stderr.contains(word)), || out.describe())?;
    cluster.node(3).start()?;
    cluster.unseal(3)
}

/// Runs a server that is expected to end by itself.
fn start(cluster: &Cluster, config: &NodeConfig, network: &Network) -> Result<Output> {
    let file = cluster.dir().join("wrong.toml");
    fs::write(&file, config.to_toml(network))?;
    let cli = Cli::new(cluster.binary().clone(), cluster.dir());
    cli.run(&["server", "--config", &file.to_string_lossy()])
}

fn check(cli: &Cli, dir: &Path, text: &str) -> Result<Output> {
    fs::write(dir.join("checked.toml"), text)?;
    cli.run(&["server", "--config", "checked.toml", "--check-config"])
}

/// stderr says what is wrong, names `says`, and tells what to do; nothing was printed as a result.
fn explained(out: &Output, says: &str) -> Result<()> {
    let text = &out.stderr;
    ensure(text.contains("error") && text.contains("next") && text.contains(says), || {
        format!("expected an error with a next step that names {says:?}\n{}", out.describe())
    })?;
    ensure(!out.text().lines().any(|line| line == "ready"), || out.describe())
}
