//! Init, unseal and seal of a cluster, by the command line.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::Cluster;
use crate::failure::{Result, ensure};

/// Shares that a cluster of the harness is dealt.
pub const SHARES: u32 = 5;
/// Shares that open it.
pub const THRESHOLD: u32 = 3;

/// From the last share to an open node.
const OPENS_WITHIN: Duration = Duration::from_secs(30);
/// From the start of the processes to a cluster that can be initialised.
const INIT_WITHIN: Duration = Duration::from_secs(30);

impl Cluster {
    /// Deals the shares into `shares/` and the administrator's token into a file.
    pub fn init(&self) -> Result<Value> {
        let args = self.init_args();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let cli = self.cli_operator(1);
        // The nodes may still be finding each other: exit 3 says "later".
        self.wait(INIT_WITHIN, "operator init", || {
            let out = cli.run(&args).map_err(|failure| failure.to_string())?;
            if out.code == 3 { Err(out.describe()) } else { Ok(out) }
        })?
        .done()?
        .json()
    }

    /// The arguments of [`Cluster::init`].
    pub fn init_args(&self) -> Vec<String> {
        let path = |path: PathBuf| path.to_string_lossy().into_owned();
        let (shares, threshold) = (SHARES.to_string(), THRESHOLD.to_string());
        let (dir, token) = (path(self.dir().join("shares")), path(self.token_file()));
        ["operator", "init", "--shares", &shares, "--threshold", &threshold]
            .into_iter()
            .chain(["--shares-dir", &dir, "--token-out", &token, "-o", "json"])
            .map(str::to_owned)
            .collect()
    }

    /// File of one share, from 1.
    pub fn share_file(&self, index: u32) -> PathBuf {
        self.dir().join("shares").join(format!("share-{index}.txt"))
    }

    /// Hands one share to a node; the JSON answer.
    pub fn submit_share(&self, id: u32, index: u32) -> Result<Value> {
        let file = self.share_file(index).to_string_lossy().into_owned();
        self.cli_bare(&[id]).json(&["operator", "unseal", "--share-file", &file])
    }

    /// Hands a threshold of shares to one node, and waits until that node is open.
    pub fn unseal(&self, id: u32) -> Result<()> {
        // Shares 1, 3, 5: no run of neighbours, and not always the same as the first three.
        for (have, index) in (1..).zip([1, 3, 5]) {
            let answer = self.submit_share(id, index)?;
            ensure(answer["accepted"] == true && answer["have"] == have, || {
                format!("share {index} to node {id}: expected accepted, {have} of 3: {answer}")
            })?;
        }
        self.wait_unsealed(&[id])
    }

    /// Opens every member by one ceremony at node 1: all must be started and sealed.
    pub fn unseal_all(&self) -> Result<()> {
        // A member that takes part only after the last share would stay sealed.
        self.wait_leader(&self.ids())?;
        self.unseal(1)?;
        self.wait_unsealed(&self.ids())
    }

    /// Opens these members, of which some may be open already.
    pub fn unseal_each(&self, ids: &[u32]) -> Result<()> {
        for id in ids {
            if self.is_sealed(*id)? {
                self.unseal(*id)?;
            }
        }
        Ok(())
    }

    /// Waits until these members say that they hold their keys.
    pub fn wait_unsealed(&self, ids: &[u32]) -> Result<()> {
        for id in ids {
            self.wait(OPENS_WITHIN, &format!("node {id} unsealed"), || {
                match self.is_sealed(*id) {
                    Ok(false) => Ok(()),
                    Ok(true) => Err("sealed".to_owned()),
                    Err(failure) => Err(failure.to_string()),
                }
            })?;
        }
        Ok(())
    }

    /// Whether a member holds no keys, by its own word.
    pub fn is_sealed(&self, id: u32) -> Result<bool> {
        let status = self.status(id)?;
        let sealed = status.node(id)?.sealed;
        Ok(sealed.unwrap_or(true))
    }
}
