//! A laboratory network: one namespace a node, one for the clients, a bridge between them on which
//! traffic can be cut, in one direction or both.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::{need_program, need_root, tool};
use crate::failure::{Failure, Result};

/// Host number of the clients; nodes have their ids.
const CLIENT_HOST: u8 = 100;

static LABS: AtomicU32 = AtomicU32::new(0);

/// Namespaces, removed when this value is dropped.
pub struct Lab {
    /// Begins the name of every namespace of this lab.
    stem: String,
    nodes: u32,
}

/// Fails unless namespaces and packet filters can be made here.
pub fn preflight() -> Result<()> {
    need_root("a network laboratory")?;
    need_program("ip", "iproute2")?;
    need_program("nft", "nftables")
}

impl Lab {
    /// Makes the namespaces of `nodes` nodes and of their clients.
    pub fn new(nodes: u32) -> Result<Lab> {
        preflight()?;
        let number = LABS.fetch_add(1, Ordering::Relaxed);
        let lab = Lab { stem: format!("cnv{}x{number}", std::process::id()), nodes };
        let switch = lab.switch();
        ip(&format!("netns add {switch}"))?;
        ip(&format!("-n {switch} link add br0 type bridge"))?;
        ip(&format!("-n {switch} link set br0 up"))?;
        for id in 1..=nodes {
            lab.plug(&lab.namespace(id), id as u8)?;
        }
        lab.plug(&lab.clients(), CLIENT_HOST)?;
        Ok(lab)
    }

    /// Address of a node.
    pub fn ip(&self, id: u32) -> Ipv4Addr {
        address(id as u8)
    }

    /// What runs a process in the namespace of a node.
    pub fn exec_prefix(&self, id: u32) -> Vec<String> {
        let namespace = self.namespace(id);
        ["ip", "netns", "exec", &namespace].map(str::to_owned).to_vec()
    }

    /// Drops what goes from each first to its second node. Replaces all earlier cuts.
    pub fn cut(&self, pairs: &[(u32, u32)]) -> Result<()> {
        let mut rules = String::from(
            "flush ruleset\ntable bridge faults {\n  chain forward {\n    type filter hook forward priority 0; policy accept;\n",
        );
        for (from, to) in pairs {
            // Writing into a String cannot fail.
            let _ = writeln!(rules, "    iifname \"p{from}\" oifname \"p{to}\" drop");
        }
        rules.push_str("  }\n}\n");
        self.nft(&rules)
    }

    /// Cuts a node off from all other nodes, in both directions; clients still reach it.
    pub fn isolate(&self, id: u32) -> Result<()> {
        let others = (1..=self.nodes).filter(|other| *other != id);
        self.cut(&others.flat_map(|other| [(id, other), (other, id)]).collect::<Vec<_>>())
    }

    /// Ends all cuts.
    pub fn heal(&self) -> Result<()> {
        self.nft("flush ruleset\n")
    }

    /// How many packets a node loses on the way to another: for checking that a cut cuts.
    pub fn reaches(&self, from: u32, to: u32) -> Result<bool> {
        let status = Command::new("ip")
            .args(["netns", "exec", &self.namespace(from)])
            .args(["bash", "-c", &format!("exec 3<>/dev/tcp/{}/1", self.ip(to))])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let limited = wait_output(status)?;
        // Nothing listens on port 1: a refusal means that the other end answered.
        Ok(limited.contains("refused"))
    }

    /// Runs `work` on a thread inside the clients' namespace; threads and children that it starts
    /// live there too.
    pub fn as_client<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let path = format!("/run/netns/{}", self.clients());
        let namespace = File::open(&path)
            .map_err(|error| Failure::harness(format!("cannot open {path}: {error}")))?;
        let inside = move || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            work()
        };
        thread::scope(|scope| scope.spawn(inside).join())
            .unwrap_or_else(|_| Err(Failure::harness("the scenario's thread panicked")))
    }

    fn plug(&self, namespace: &str, host: u8) -> Result<()> {
        let switch = self.switch();
        ip(&format!("netns add {namespace}"))?;
        ip(&format!("link add eth0 netns {namespace} type veth peer name p{host} netns {switch}"))?;
        ip(&format!("-n {switch} link set p{host} master br0 up"))?;
        ip(&format!("-n {namespace} addr add {}/24 dev eth0", address(host)))?;
        ip(&format!("-n {namespace} link set eth0 up"))?;
        ip(&format!("-n {namespace} link set lo up"))
    }

    fn nft(&self, rules: &str) -> Result<()> {
        let mut child = Command::new("ip")
            .args(["netns", "exec", &self.switch(), "nft", "-f", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(rules.as_bytes())?;
        }
        let out = child.wait_with_output()?;
        if out.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&out.stderr);
        Err(Failure::harness(format!("nft refused these rules: {said}\n{rules}")))
    }

    fn switch(&self) -> String {
        format!("{}sw", self.stem)
    }

    fn clients(&self) -> String {
        format!("{}cl", self.stem)
    }

    fn namespace(&self, id: u32) -> String {
        format!("{}n{id}", self.stem)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let names = (1..=self.nodes).map(|id| self.namespace(id));
        for name in names.chain([self.clients(), self.switch()]) {
            // One that was never made is no loss.
            let _ = ip(&format!("netns delete {name}"));
        }
    }
}

fn address(host: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 231, 0, host)
}

fn ip(words: &str) -> Result<()> {
    tool("ip", &words.split(' ').collect::<Vec<_>>()).map(|_| ())
}

/// What a connection attempt said, at most one second after it began; silence means lost packets.
fn wait_output(mut child: std::process::Child) -> Result<String> {
    let ended = crate::wait::wait_until(std::time::Duration::from_secs(1), "an answer", || {
        match child.try_wait() {
            Ok(Some(_)) => Ok(()),
            _ => Err(String::new()),
        }
    });
    if ended.is_err() {
        let _ = child.kill();
    }
    let out = child.wait_with_output()?;
    Ok(String::from_utf8_lossy(&out.stderr).to_lowercase())
}
