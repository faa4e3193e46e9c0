//! Certificates, made by the program under test.

use std::path::{Path, PathBuf};

use crate::cli::Cli;
use crate::failure::Result;

/// Name of the operator whose certificate may run init.
pub const OPERATOR: &str = "operator";

/// A directory of certificates.
#[derive(Clone)]
pub struct Pki {
    dir: PathBuf,
    cli: Cli,
}

impl Pki {
    /// Makes a certificate authority for a cluster.
    pub fn init(cli: Cli, dir: &Path, cluster: &str) -> Result<Pki> {
        cli.ok(&["pki", "init", "--dir", &text(dir), "--cluster", cluster])?;
        Ok(Pki { dir: dir.to_owned(), cli })
    }

    /// Issues `node-N`.
    pub fn issue_node(&self, id: u32, host: &str) -> Result<()> {
        self.issue(&["--node", &id.to_string(), "--host", host])
    }

    /// Issues the operator's certificate.
    pub fn issue_operator(&self) -> Result<()> {
        self.issue(&["--operator", OPERATOR])
    }

    /// Issues a principal's certificate.
    pub fn issue_principal(&self, name: &str) -> Result<()> {
        self.issue(&["--principal", name])
    }

    /// Directory of the files.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Path of `NAME.pem`.
    pub fn cert(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.pem"))
    }

    /// Path of `NAME.key`.
    pub fn key(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.key"))
    }

    fn issue(&self, who: &[&str]) -> Result<()> {
        let dir = text(&self.dir);
        let mut args = vec!["pki", "issue", "--dir", &dir];
        args.extend(who);
        self.cli.ok(&args).map(|_| ())
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
