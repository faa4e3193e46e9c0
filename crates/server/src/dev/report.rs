//! What `dev` writes for people and scripts: `dev.json`, `env`, `README.txt`, the closing screen.

use std::fmt::Write;
use std::path::Path;

use serde_json::json;

use super::ceremony::{Cluster, SHARES, THRESHOLD};
use super::demo::ALIAS;
use super::folder::Folder;
use super::layout::{Layout, Place};
use super::nodes::{Ended, Nodes};
use crate::failure::Failure;

/// What came of the first round.
pub struct Made<'a> {
    pub cluster: &'a Cluster,
    /// The id of the key `demo`.
    pub key_id: &'a str,
    pub clock_rate: u32,
}

/// Writes `env`, `README.txt` and, last, `dev.json`.
pub fn write(
    folder: &Folder,
    layout: &Layout,
    nodes: &Nodes,
    made: &Made<'_>,
) -> Result<(), Failure> {
    folder.write(&folder.path("env"), env(folder, layout).as_bytes())?;
    folder.write(&folder.path("README.txt"), readme(folder).as_bytes())?;
    let json = dev_json(folder, layout, nodes, made);
    folder.write(&folder.path("dev.json"), format!("{json:#}\n").as_bytes())
}

fn dev_json(folder: &Folder, layout: &Layout, nodes: &Nodes, made: &Made<'_>) -> serde_json::Value {
    let node = |(place, pid): (&Place, &u32)| {
        json!({
            "id": place.id,
            "api": place.api(),
            "peer": place.peer(),
            "local": place.local(),
            "pid": pid,
            "data_dir": folder.data(place.id),
            "config": folder.config(place.id),
            "log": folder.log(place.id),
        })
    };
    let shares: Vec<_> = (1..=SHARES).map(|index| folder.share(index)).collect();
    json!({
        "cluster_id": made.cluster.id,
        "nodes": layout.nodes.iter().zip(nodes.pids()).map(node).collect::<Vec<_>>(),
        "shares": shares,
        "threshold": THRESHOLD,
        "token_file": folder.token(),
        "ca_cert": folder.pki().join("ca.pem"),
        "key_id": made.key_id,
        "alias": ALIAS,
        "clock_rate": made.clock_rate,
    })
}

fn env(folder: &Folder, layout: &Layout) -> String {
    let addresses: Vec<String> = layout.nodes.iter().map(Place::api).collect();
    format!(
        "export CONCLAVE_ADDR={}\nexport CONCLAVE_CA_CERT={}\nexport CONCLAVE_TOKEN_FILE={}\n",
        addresses.join(","),
        quoted(&folder.pki().join("ca.pem")),
        quoted(&folder.token()),
    )
}

/// A path as one word of `sh`.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,@%:".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

fn readme(folder: &Folder) -> String {
    let root = folder.root().display();
    format!(
        "A Conclave cluster for development, made by `conclave dev --dir {root}`.\n\
         Not for real keys: the shares of the root key and an administrator's token lie here.\n\
         \n\
         env            variables for a shell:  . {root}/env\n\
         dev.json       addresses, process ids and paths, for scripts\n\
         pki/           certificate authority and certificates of nodes, operator and admin\n\
         shares/        the {SHARES} shares of the root key; any {THRESHOLD} unseal the cluster\n\
         admin.token    token of principal \"admin\"; does not expire\n\
         node-N/        configuration, log, process id and data directory of each node\n\
         demo/          a file, its ciphertext under key \"{ALIAS}\", and what that decrypts to\n\
         \n\
         Start the same cluster again:  conclave dev --dir {root}\n\
         Start one node again:          conclave server --config {root}/node-2/conclave.toml\n\
         Be rid of it:                  stop it, then remove the folder\n"
    )
}

/// What runs where, and what to try next.
pub fn screen(folder: &Folder, layout: &Layout, nodes: &Nodes, equal: bool) -> String {
    let root = folder.root().display();
    let conclave = program();
    let survives = match (layout.nodes.len() - 1) / 2 {
        1 => "1 failure".to_owned(),
        failures => format!("{failures} failures"),
    };
    let mut text = format!(
        "\nA cluster of {} runs in {root}: unsealed, survives {survives}.\n\n  \
         node  API              pid      log\n",
        layout.nodes.len()
    );
    for (place, pid) in layout.nodes.iter().zip(nodes.pids()) {
        // Writing into a String cannot fail.
        let _ = writeln!(
            text,
            "  {:<4}  {:<15}  {pid:<7}  {}",
            place.id,
            place.api(),
            folder.log(place.id).display()
        );
    }
    let verdict = if equal { "equal" } else { "NOT EQUAL: report this" };
    let _ = write!(
        text,
        "\nFirst round: {root}/demo/plain.txt encrypted under key \"{ALIAS}\" and decrypted: {verdict}.\n\n\
         Try, in another terminal:\n  \
         . {env}\n  \
         {conclave} status\n  \
         {conclave} key create orders\n  \
         {conclave} encrypt orders FILE --out FILE.enc\n  \
         {conclave} decrypt FILE.enc --out FILE.dec\n  \
         kill -9 {pid}; {conclave} status\n\n\
         Ctrl-C stops it; the folder keeps everything for the next start.\n",
        env = quoted(&folder.path("env")),
        pid = nodes.pids().first().copied().unwrap_or_default(),
    );
    text
}

/// A node has ended before the first round was over.
pub fn ended_too_soon(folder: &Folder, ended: &Ended) -> Failure {
    let Ended { id, pid, how, said } = ended;
    Failure::refused(
        format!("node {id} (pid {pid}) {how}{said}"),
        format!("look into {}", folder.log(*id).display()),
    )
}

/// A node has ended by itself.
pub fn node_ended(folder: &Folder, ended: &Ended) -> String {
    let Ended { id, pid, how, .. } = ended;
    let conclave = program();
    format!(
        "node {id} (pid {pid}) {how}. It is not restarted; its log: {}\n\
         next: {conclave} server --config {}, then unseal it: {conclave} operator unseal \
         --share-file {} (and {} more)",
        folder.log(*id).display(),
        quoted(&folder.config(*id)),
        quoted(&folder.share(1)),
        THRESHOLD - 1,
    )
}

/// How this program was called, for lines to copy.
fn program() -> String {
    let called = std::env::args_os().next().unwrap_or_else(|| "conclave".into());
    quoted(Path::new(&called))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_of_the_shell() {
        assert_eq!(quoted(Path::new("/tmp/a-b_c.d/env")), "/tmp/a-b_c.d/env");
        assert_eq!(quoted(Path::new("/tmp/it's here")), "'/tmp/it'\\''s here'");
        assert_eq!(quoted(Path::new("/tmp/$HOME")), "'/tmp/$HOME'");
    }
}
