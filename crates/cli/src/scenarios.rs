//! Command lines against a node over TLS: what comes out, with which exit code, and what files are
//! left.

mod access;
mod crypto;
mod deletion;
mod fake;
mod instances;
mod keys;
mod line;
mod operator;

use std::path::PathBuf;

use clap::{CommandFactory, Parser};
use fake::Fake;
use serde_json::Value;

use crate::globals::Globals;
use crate::verb::Verb;

/// The command line as the binary has it, without its own verbs.
#[derive(Parser)]
#[command(name = "conclave")]
struct Line {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    verb: Verb,
}

/// A node, and a directory in which commands work.
struct World {
    fake: Fake,
    flags: Vec<String>,
    dir: tempfile::TempDir,
}

/// What a command did.
struct Ran {
    code: u8,
    stdout: String,
    reason: String,
    message: String,
}

impl Ran {
    fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}: {}", self.reason, self.message);
        serde_json::from_str(&self.stdout).unwrap()
    }
}

impl World {
    async fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let (fake, addr) = Fake::serve(&dir.path().join("pki")).await;
        let ca = dir.path().join("pki/ca.pem");
        let flags = ["--addr", &addr.to_string(), "--ca-cert", ca.to_str().unwrap()];
        World { fake, flags: flags.map(str::to_owned).to_vec(), dir }
    }

    /// Runs a command; `@name` stands for a file of the world's directory.
    async fn run(&self, line: &str) -> Ran {
        let words = line.split_ascii_whitespace().map(|word| match word.strip_prefix('@') {
            Some(name) => self.path(name).display().to_string(),
            None => word.to_owned(),
        });
        let args = ["conclave".to_owned()].into_iter().chain(self.flags.clone()).chain(words);
        let Line { globals, verb } =
            Line::try_parse_from(args).unwrap_or_else(|error| panic!("{line}: {error}"));
        let format = globals.output;
        match crate::run::dispatch(verb, &globals, Line::command()).await {
            Ok(answer) => Ran {
                code: 0,
                stdout: answer.render(format),
                reason: String::new(),
                message: String::new(),
            },
            Err(failure) => Ran {
                code: failure.exit_code(),
                stdout: String::new(),
                reason: failure.error().reason.to_string(),
                message: failure.error().message.clone(),
            },
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// Everything in the directory but `pki`, sorted.
    fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "pki")
            .collect();
        names.sort();
        names
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 % 253) as u8).collect()
}

#[tokio::test]
async fn nothing_is_asked_if_the_result_could_not_be_kept() {
    let world = World::new().await;
    world.run("key create orders").await;
    world.write("plain", "x");
    world.write("token", "old");
    let before = world.fake.state().calls;
    for (line, code) in [
        ("encrypt orders @plain --out @no/such/c", 1),
        ("encrypt orders @missing --out @c", 1),
        ("decrypt @plain --out /dev/null", 2),
        ("data-key orders --wrapped-out @no/w", 1),
        ("data-key orders --wrapped-out @w --plain-out @w", 2),
        ("data-key orders --wrapped-out @w --plain-out @no/p", 1),
        ("random --out @no/r", 1),
        ("token create app --token-out @token", 2),
        ("token create app --token-out @t --bind-cert @plain", 2),
        ("operator init --shares-dir @s", 2),
        ("operator init --shares-dir @s --token-out @token", 2),
        ("operator unseal", 2),
        ("operator seal", 2),
        ("key disable orders", 2),
    ] {
        let ran = world.run(line).await;
        assert_eq!(ran.code, code, "{line}: {}", ran.message);
    }
    assert_eq!(world.fake.state().calls, before);
    assert_eq!(world.read("token"), b"old");
    assert!(!world.path("w").exists() && !world.path("t").exists());
}

#[tokio::test]
async fn nobody_there_is_exit_3_and_wrong_configuration_exit_2() {
    let world = World::new().await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ran = world.run(&format!("status --addr {closed}")).await;
    assert_eq!((ran.code, ran.reason.as_str()), (3, "UNREACHABLE"));
    assert_eq!(world.run("status --addr nonsense").await.code, 2);
    assert_eq!(world.run("status --ca-cert @missing").await.code, 2);
    assert_eq!(world.run("status --client-cert @pki/ca.pem").await.code, 2);
    world.write("t", "hunter2");
    let ran = world.run("status --token-file @t").await;
    assert_eq!((ran.code, ran.reason.as_str()), (1, "UNAUTHENTICATED"));
    assert!(!ran.message.contains("hunter2"));
}
