//! The files in `deploy/`: what they configure is valid, and the key may be where the unit puts it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use conclave_harness::pki::Pki;
use conclave_harness::{Cli, Result, ensure};
use tempfile::TempDir;

use crate::common::binary;

#[test]
fn the_example_for_three_hosts_is_valid_and_one_cluster() -> Result<()> {
    let desk = Desk::new()?;
    let mut clusters = Vec::new();
    for id in 1..=3 {
        let text = fs::read_to_string(deploy(&format!("three-hosts/conclave-{id}.toml")))?;
        ensure(text.contains(&format!("\nid = {id}\n")), || format!("node {id}: {text}"))?;
        let fields = text.lines().skip_while(|line| *line != "[cluster]").map(str::to_owned);
        clusters.push(fields.collect::<Vec<_>>());
        // Where the files lie on a host, and where they lie here.
        let here = text.replace("/etc/conclave/node", &desk.path(&format!("pki/node-{id}")));
        let here = here.replace("/etc/conclave/ca", &desk.path("pki/ca"));
        desk.check(&desk.cli, &here)?.done()?;
    }
    for other in &clusters[1..] {
        let differs = clusters[0].iter().zip(other).filter(|(a, b)| a != b).count();
        let same_length = clusters[0].len() == other.len();
        ensure(same_length && differs == 1, || format!("more than node.id differs: {other:?}"))?;
    }
    Ok(())
}

#[test]
fn the_annotated_example_is_valid() -> Result<()> {
    let desk = Desk::new()?;
    let text = fs::read_to_string(deploy("conclave.example.toml"))?;
    let here = text.replace("/etc/conclave", &desk.path("pki"));
    desk.check(&desk.cli, &here)?.done().map(|_| ())
}

/// The service manager gives a credential to the service by an access list, which shows as a right of
/// the group. Anywhere else the group must have none.
#[test]
fn a_key_is_taken_from_the_credentials_of_the_service() -> Result<()> {
    let desk = Desk::new()?;
    let key = desk.path("pki/node-1.key");
    let text = fs::read_to_string(deploy("three-hosts/conclave-1.toml"))?;
    for (mode, credentials, code) in [
        (0o400, None, 0),
        (0o440, None, 2),
        (0o440, Some(desk.path("elsewhere")), 2),
        (0o440, Some(desk.path("pki")), 0),
        (0o444, Some(desk.path("pki")), 2),
        (0o460, Some(desk.path("pki")), 2),
    ] {
        fs::set_permissions(&key, Permissions::from_mode(mode))?;
        let mut cli = desk.cli.clone();
        // As the unit points the node at them.
        cli = cli.var("CONCLAVE__TLS__CERT", desk.path("pki/node-1.pem"));
        cli = cli.var("CONCLAVE__TLS__KEY", &key).var("CONCLAVE__TLS__CA", desk.path("pki/ca.pem"));
        if let Some(directory) = &credentials {
            cli = cli.var("CREDENTIALS_DIRECTORY", directory);
        }
        let out = desk.check(&cli, &text)?;
        ensure(out.code == code, || format!("{mode:o} in {credentials:?}: {}", out.describe()))?;
    }
    Ok(())
}

/// A directory with certificates for the three hosts of the examples.
struct Desk {
    dir: TempDir,
    cli: Cli,
}

impl Desk {
    fn new() -> Result<Desk> {
        let dir = tempfile::tempdir()?;
        let cli = Cli::new(binary()?, dir.path());
        let pki = Pki::init(cli.clone(), &dir.path().join("pki"), "example")?;
        for id in 1..=3 {
            pki.issue_node(id, &format!("kms-{id}.example.org"))?;
        }
        Ok(Desk { dir, cli })
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_string_lossy().into_owned()
    }

    fn check(&self, cli: &Cli, text: &str) -> Result<conclave_harness::Output> {
        let file = self.dir.path().join("conclave.toml");
        fs::write(&file, text)?;
        cli.run(&["server", "--config", &file.to_string_lossy(), "--check-config"])
    }
}

fn deploy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(name)
}
