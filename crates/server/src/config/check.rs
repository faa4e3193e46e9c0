//! Rules between fields.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::error::{ConfigError, ConfigErrors};
use super::{Config, InitialMember};

/// Fewest heartbeats in one election timeout: with fewer, one lost message costs a leader.
const HEARTBEATS_PER_ELECTION: u64 = 3;

/// Checks what no field can be checked for alone.
pub fn check(config: &Config) -> Result<(), ConfigErrors> {
    let mut errors = Vec::new();
    errors.extend(election(config));
    errors.extend(clock_rate(config));
    errors.extend(listeners(config));
    errors.extend(members(config));
    let advertised = [
        ("api.advertise", &config.api.advertise, &config.api.listen, config.api_advertise()),
        ("peer.advertise", &config.peer.advertise, &config.peer.listen, config.peer_advertise()),
    ];
    for (field, given, listen, used) in advertised {
        errors.extend(unreachable(field, listen, used));
        let entry = config.own_entry().map(|member| entry_address(member, field));
        errors.extend(disagrees(field, given.as_deref(), entry));
    }
    ConfigErrors::unless_empty(errors)
}

fn election(config: &Config) -> Option<ConfigError> {
    let least = HEARTBEATS_PER_ELECTION * config.raft.heartbeat_ms;
    let election = config.raft.election_ms;
    (election < least).then(|| {
        ConfigError::value(
            "raft.election_ms",
            &election.to_string(),
            "less than three times raft.heartbeat_ms",
            &format!("at least {least}"),
        )
    })
}

fn clock_rate(config: &Config) -> Option<ConfigError> {
    let rate = config.development.clock_rate;
    (rate != 1 && !config.development.enabled).then(|| {
        ConfigError::value(
            "development.clock_rate",
            &rate.to_string(),
            "only a cluster for development runs its clock at another rate than real time",
            "1, or development.enabled = true",
        )
    })
}

fn listeners(config: &Config) -> Vec<ConfigError> {
    let all = [
        ("api.listen", &config.api.listen),
        ("peer.listen", &config.peer.listen),
        ("local.listen", &config.local.listen),
    ];
    let mut errors = Vec::new();
    for (at, (field, address)) in all.iter().enumerate() {
        if let Some((other, _)) = all[..at].iter().find(|(_, taken)| taken == address) {
            errors.push(ConfigError::value(
                field,
                &format!("\"{address}\""),
                &format!("the same as {other}"),
                "an address of its own",
            ));
        }
    }
    errors
}

fn members(config: &Config) -> Vec<ConfigError> {
    const FIELD: &str = "cluster.initial_members";
    let members = &config.cluster.initial_members;
    let mut errors = Vec::new();
    let mut ids = BTreeSet::new();
    let mut addresses = BTreeSet::new();
    for member in members {
        if !ids.insert(member.id) {
            errors.push(ConfigError::value(
                FIELD,
                &format!("{{id = {}, …}}", member.id),
                "the id is there twice",
                "each id once",
            ));
        }
        for address in [&member.peer, &member.api] {
            if !addresses.insert(address) {
                errors.push(ConfigError::value(
                    FIELD,
                    &format!("{{id = {}, …}}", member.id),
                    &format!("the address \"{address}\" is there twice"),
                    "each address once",
                ));
            }
        }
    }
    if !members.is_empty() && config.own_entry().is_none() {
        errors.push(ConfigError::value(
            FIELD,
            &format!("ids {:?}", ids.iter().collect::<Vec<_>>()),
            &format!("node.id = {} is not among them", config.node.id),
            "a list that holds this node too, the same on all nodes",
        ));
    }
    errors
}

/// Refuses an advertised address that was taken from a listener on all interfaces.
fn unreachable(field: &str, listen: &str, used: &str) -> Option<ConfigError> {
    let everywhere = listen.parse().is_ok_and(|address: SocketAddr| address.ip().is_unspecified());
    (used == listen && everywhere).then(|| {
        ConfigError::missing(
            field,
            &format!(
                "\"HOST:PORT\" that others can reach; \"{listen}\" (where the node listens) only means \"this machine\""
            ),
        )
    })
}

fn entry_address<'a>(member: &'a InitialMember, field: &str) -> &'a str {
    if field == "api.advertise" { &member.api } else { &member.peer }
}

fn disagrees(field: &str, given: Option<&str>, entry: Option<&str>) -> Option<ConfigError> {
    let (given, entry) = (given?, entry?);
    (given != entry).then(|| {
        ConfigError::value(
            field,
            &format!("\"{given}\""),
            "not what cluster.initial_members says of this node",
            &format!("\"{entry}\", or the same change in cluster.initial_members"),
        )
    })
}
