//! No share, root key, wrapping key, key material, data key, plaintext or token is in any file of a
//! node, in raw bytes, hex or base64.

use std::fs;
use std::path::{Path, PathBuf};

use conclave_formats::share_text::ShareText;
use conclave_formats::token::Token;
use conclave_harness::scan::{Needles, canary, files_below};
use conclave_harness::{Cluster, Result, ensure, require};
use data_encoding::{BASE64, HEXLOWER};

use crate::common::binary;
use crate::hierarchy;

const PLAINTEXT: &[u8] = b"\x00\xffthe plaintext that nobody else may see \x9f\x80";

#[test]
fn no_secret_is_in_any_file_of_a_node() -> Result<()> {
    let mut cluster = Cluster::unsealed(&binary()?)?;
    let planted = canary();
    plant(&cluster, &planted)?;
    use_everything(&mut cluster)?;
    for id in cluster.ids() {
        cluster.node(id).terminate()?;
    }

    let needles = needles(&cluster)?;
    let files = files(&cluster)?;
    planted_is_found(&cluster, planted.as_bytes())?;
    Needles::prove_sight(&files, canary().as_bytes())?;
    let hits = needles.in_files(&files)?;
    ensure(hits.is_empty(), || format!("secrets in files: {hits:#?}"))
}

/// A canary that travels as secrets would, if they did: through the log into the state.
fn plant(cluster: &Cluster, canary: &str) -> Result<()> {
    let description = format!("{canary} {}", BASE64.encode(canary.as_bytes()));
    let label = format!("hex={}", HEXLOWER.encode(canary.as_bytes()));
    let args = ["key", "create", "canary", "--description", &description, "--label", &label];
    cluster.cli().ok(&args).map(|_| ())
}

/// Everything that touches secrets: versions, uses, data keys, tokens, seal, unseal, restart.
fn use_everything(cluster: &mut Cluster) -> Result<()> {
    let cli = cluster.cli();
    fs::write(cluster.dir().join("plain"), PLAINTEXT)?;
    for alias in ["one", "two"] {
        cli.ok(&["key", "create", alias])?;
        cli.ok(&["key", "rotate", alias])?;
        let out = format!("{alias}.enc");
        cli.ok(&["encrypt", alias, "plain", "--out", &out])?;
        cli.ok(&["decrypt", &out, "--out", &format!("{alias}.dec")])?;
    }
    cli.ok(&["data-key", "one", "--plain-out", "data.key", "--wrapped-out", "data.wrapped"])?;
    cli.ok(&["principal", "create", "app"])?;
    cli.ok(&["token", "create", "app", "--token-out", "app.token"])?;
    // Refused calls are logged, and must not show what they carried.
    let tampered = cli.clone().stdin(b"conclave:v1:AAAA").run(&["decrypt"])?;
    ensure(tampered.code == 1, || tampered.describe())?;
    let app = cluster.cli().token(&cluster.dir().join("app.token"));
    ensure(app.run(&["key", "rotate", "one"])?.code == 1, || "no role, yet served".to_owned())?;

    cli.ok(&["operator", "seal", "--yes"])?;
    cluster.unseal_all()?;
    cli.ok(&["key", "rotate", "two"])?;
    cluster.node(2).kill9()?;
    cluster.node(2).start()?;
    cluster.unseal(2)?;
    cluster.cli_at(2).ok(&["decrypt", "one.enc", "--out", "again"])?;
    cluster.digests_agree(&cluster.ids()).map(|_| ())
}

fn needles(cluster: &Cluster) -> Result<Needles> {
    let mut needles = Needles::default();
    let mut shares = Vec::new();
    for index in 1..=5 {
        let text = fs::read_to_string(cluster.share_file(index))?;
        let share = ShareText::parse(&text).unwrap();
        needles.add(&format!("share {index}"), share.bytes())?;
        needles.add(&format!("share {index} without x"), &share.bytes()[1..])?;
        for line in text.lines().skip(1) {
            needles.add(&format!("text of share {index}"), line.as_bytes())?;
            let letters: String = line.split(' ').skip(1).take(4).collect();
            needles.add(&format!("letters of share {index}"), letters.as_bytes())?;
        }
        shares.push(share);
    }
    // A copy: the scan must see the files as the node left them.
    let copy = cluster.dir().join("opened");
    copy_dir(&cluster.dir().join("node-1/data"), &copy)?;
    let secrets = hierarchy::secrets(&copy, &shares)?;
    // Root key, one wrapping key, and canary 1 + one 2 + two 3 versions.
    require(secrets.len() == 8, || format!("{} secrets in the hierarchy", secrets.len()))?;
    for (name, secret) in &secrets {
        needles.add(name, secret)?;
    }
    for name in ["admin.token", "app.token"] {
        let text = fs::read_to_string(cluster.dir().join(name))?;
        needles.add(name, text.trim().as_bytes())?;
        needles.add(name, Token::parse(text.trim()).unwrap().secret())?;
    }
    needles.add("data key", &fs::read(cluster.dir().join("data.key"))?)?;
    needles.add("plaintext", PLAINTEXT)?;
    Ok(needles)
}

/// All files of all nodes: data, logs, output, configuration.
fn files(cluster: &Cluster) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for id in cluster.ids() {
        files.extend(files_below(&cluster.dir().join(format!("node-{id}")))?);
    }
    let named = |name: &str| files.iter().filter(|file| file.ends_with(name)).count();
    for name in ["raft.redb", "state.redb", "log.jsonl", "node.key"] {
        require(named(name) == 3, || format!("{name} is not among the files: {files:?}"))?;
    }
    Ok(files)
}

/// In log and state of every node the canary is found in each encoding in which it was planted.
fn planted_is_found(cluster: &Cluster, canary: &[u8]) -> Result<()> {
    let mut needles = Needles::default();
    needles.add("canary", canary)?;
    for id in cluster.ids() {
        for name in ["raft.redb", "state.redb"] {
            let file = cluster.dir().join(format!("node-{id}/data/{name}"));
            let hits = needles.in_files(std::slice::from_ref(&file))?;
            for encoding in ["raw", "hex", "base64+0"] {
                let what = format!("canary ({encoding})");
                require(hits.iter().any(|hit| hit.what == what), || {
                    format!("the scan is blind for {encoding} in {}", file.display())
                })?;
            }
        }
    }
    Ok(())
}

fn copy_dir(from: &Path, to: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().mode(0o700).create(to)?;
    for file in files_below(from)? {
        if let (true, Some(name)) = (file.parent() == Some(from), file.file_name()) {
            fs::copy(&file, to.join(name))?;
        }
    }
    Ok(())
}
