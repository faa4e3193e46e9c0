//! Everything that the nodes need before they start: certificates and configurations. What is there
//! already stays as it is.

use std::path::Path;

use conclave_cli::pki::{self, Subject};
use toml::{Table, Value};

use super::folder::Folder;
use super::layout::{Layout, Place};
use crate::config::Config;
use crate::failure::Failure;

/// Name of every development cluster.
pub const CLUSTER: &str = "dev";
/// Names in the two client certificates.
pub const OPERATOR: &str = "operator";
const ADMIN: &str = "admin";
/// Development should not end because a year is over; a little less than the authority itself.
const DAYS: u32 = 3_640;

/// Makes what is missing in the folder, and sets the clock rate if one is given. The clock rate that the
/// nodes have.
pub fn prepare(folder: &Folder, layout: &Layout, clock_rate: Option<u32>) -> Result<u32, Failure> {
    certificates(folder, layout)?;
    for directory in [folder.path("shares"), folder.path("demo")] {
        folder.make_directory(&directory)?;
    }
    // Node 1 last: its configuration is the record of the layout. Without it, those of the others are
    // left from a start that was cut short, and of another layout.
    let is_new = folder.read(&folder.config(1))?.is_none();
    for place in layout.nodes.iter().rev() {
        folder.make_directory(&folder.node(place.id))?;
        let path = folder.config(place.id);
        if is_new || folder.read(&path)?.is_none() {
            folder.write(&path, configuration(folder, layout, place).as_bytes())?;
        }
        if let Some(rate) = clock_rate {
            set_clock_rate(folder, &path, rate)?;
        }
    }
    let config = Config::load(&folder.config(1), std::env::vars())?;
    Ok(config.development.clock_rate)
}

/// Changes one line, so that whatever else was written into the file stays.
fn set_clock_rate(folder: &Folder, path: &Path, rate: u32) -> Result<(), Failure> {
    let before = folder.read(path)?.unwrap_or_default();
    let before = String::from_utf8_lossy(&before);
    let is_rate = |line: &&str| line.trim_start().starts_with("clock_rate");
    let mut after = String::with_capacity(before.len() + 32);
    for line in before.lines().filter(|line| !is_rate(line)) {
        after.push_str(line);
        after.push('\n');
        if line.trim() == "[development]" {
            after.push_str(&format!("clock_rate = {rate}\n"));
        }
    }
    folder.write(path, after.as_bytes())
}

fn certificates(folder: &Folder, layout: &Layout) -> Result<(), Failure> {
    let dir = folder.pki();
    folder.make_directory(&dir)?;
    if is_missing(&dir, "ca")? {
        pki::init(&dir, CLUSTER)?;
    }
    let hosts = || vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let node = |place: &Place| {
        let subject = Subject::Node { id: place.id.into(), hosts: hosts() };
        (format!("node-{}", place.id), subject)
    };
    let mut subjects: Vec<_> = layout.nodes.iter().map(node).collect();
    subjects.push((OPERATOR.to_owned(), Subject::Operator(OPERATOR.to_owned())));
    subjects.push((ADMIN.to_owned(), Subject::Principal(ADMIN.to_owned())));
    for (stem, subject) in subjects {
        if is_missing(&dir, &stem)? {
            pki::issue(&dir, &subject, DAYS)?;
        }
    }
    Ok(())
}

/// True if the certificate or its key has to be made; half a pair, as a kill leaves it, is removed.
fn is_missing(dir: &Path, stem: &str) -> Result<bool, Failure> {
    let pair = ["pem", "key"].map(|ending| dir.join(format!("{stem}.{ending}")));
    if pair.iter().all(|path| path.exists()) {
        return Ok(false);
    }
    for path in pair.iter().filter(|path| path.exists()) {
        std::fs::remove_file(path).map_err(|error| {
            Failure::refused(
                format!("{}: cannot be removed: {error}", path.display()),
                "remove it, or give another folder with --dir",
            )
        })?;
    }
    Ok(true)
}

fn configuration(folder: &Folder, layout: &Layout, place: &Place) -> String {
    let members: Vec<String> = layout
        .members()
        .iter()
        .map(|m| format!("  {{ id = {}, peer = \"{}\", api = \"{}\" }},\n", m.id, m.peer, m.api))
        .collect();
    let path = |path: &Path| Value::String(path.display().to_string());
    let pki = folder.pki();
    let file = |name: String| path(&pki.join(name));
    let section = |name: &str, fields: Vec<(&str, Value)>| {
        let table: Table = fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        format!("\n[{name}]\n{table}")
    };
    let id = place.id;
    [
        "# Written by `conclave dev`. deploy/conclave.example.toml describes every field.\n"
            .to_owned(),
        format!("[cluster]\nname = \"{CLUSTER}\"\ninitial_members = [\n{}]\n", members.concat()),
        section("node", vec![("id", i64::from(id).into()), ("data_dir", path(&folder.data(id)))]),
        section("api", vec![("listen", place.api().into()), ("advertise", place.api().into())]),
        section("peer", vec![("listen", place.peer().into()), ("advertise", place.peer().into())]),
        section("local", vec![("listen", place.local().into())]),
        section(
            "tls",
            vec![
                ("cert", file(format!("node-{id}.pem"))),
                ("key", file(format!("node-{id}.key"))),
                ("ca", file("ca.pem".to_owned())),
            ],
        ),
        section("log", vec![("format", "json".into()), ("level", "info".into())]),
        section("development", vec![("enabled", true.into())]),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::SystemClock;
    use crate::tls::NodeTls;

    #[tokio::test]
    async fn every_node_gets_a_configuration_and_certificates_that_are_accepted() {
        let parent = tempfile::tempdir().unwrap();
        // A path that must be quoted.
        let folder = Folder::open(&parent.path().join("it's a \"folder\"")).unwrap();
        let layout = Layout::settle(&folder, Some(3), Some(0)).await.unwrap();
        assert_eq!(prepare(&folder, &layout, None).unwrap(), 1);
        assert_eq!(prepare(&folder, &layout, Some(60)).unwrap(), 60);
        assert_eq!(prepare(&folder, &layout, None).unwrap(), 60, "it stays");
        for place in &layout.nodes {
            let config = Config::load(&folder.config(place.id), []).unwrap();
            NodeTls::load(&config, &SystemClock).unwrap_or_else(|errors| panic!("{errors}"));
            assert_eq!(config.node.data_dir, folder.data(place.id));
            assert_eq!(config.cluster.initial_members, layout.members());
            assert_eq!((config.api.listen, config.local.listen), (place.api(), place.local()));
            assert!(config.development.enabled);
            assert_eq!(config.development.clock_rate, 60);
        }
    }

    #[tokio::test]
    async fn what_is_there_stays_and_half_a_pair_is_made_again() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::open(&parent.path().join("dev")).unwrap();
        let layout = Layout::settle(&folder, Some(1), Some(0)).await.unwrap();
        prepare(&folder, &layout, None).unwrap();
        let read = |name: &str| std::fs::read(folder.pki().join(name)).unwrap();
        let (ca, node) = (read("ca.pem"), read("node-1.pem"));
        std::fs::remove_file(folder.pki().join("node-1.key")).unwrap();
        prepare(&folder, &layout, None).unwrap();
        assert_eq!(read("ca.pem"), ca);
        assert_ne!(read("node-1.pem"), node);
        let config = Config::load(&folder.config(1), []).unwrap();
        NodeTls::load(&config, &SystemClock).unwrap_or_else(|errors| panic!("{errors}"));
    }
}
