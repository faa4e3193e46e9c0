//! The names of all fields and what each may hold.

use std::net::{IpAddr, SocketAddr};

use conclave_formats::names;
use toml::{Table, Value};

use super::error::ConfigError;

/// Most members with which a cluster starts: each further voter makes every write slower, and nine
/// survive four failures.
pub const MAX_INITIAL_MEMBERS: usize = 9;

/// A field.
pub struct Field {
    /// Its dotted name.
    pub name: &'static str,
    /// What it may hold.
    pub kind: Kind,
    /// Whether it must be set.
    pub required: bool,
}

/// What a field may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Name of a cluster.
    ClusterName,
    /// A path.
    Path,
    /// `IP:PORT`.
    Listen,
    /// `IP:PORT` on the loopback interface.
    Loopback,
    /// `HOST:PORT`, reachable from elsewhere.
    HostPort,
    /// An integer between two bounds, both included.
    Number(i64, i64),
    /// `true` or `false`.
    Flag,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// `[{id = 1, peer = "HOST:PORT", api = "HOST:PORT"}, …]`
    Members,
    /// `["name", …]`
    OperatorNames,
}

/// Every field, in the order of the documentation.
pub const FIELDS: &[Field] = &[
    required("cluster.name", Kind::ClusterName),
    optional("cluster.initial_members", Kind::Members),
    optional("cluster.operators", Kind::OperatorNames),
    required("node.id", NODE_ID),
    required("node.data_dir", Kind::Path),
    optional("api.listen", Kind::Listen),
    optional("api.advertise", Kind::HostPort),
    optional("api.workers", Kind::Number(1, 64)),
    optional("peer.listen", Kind::Listen),
    optional("peer.advertise", Kind::HostPort),
    optional("local.listen", Kind::Loopback),
    required("tls.cert", Kind::Path),
    required("tls.key", Kind::Path),
    required("tls.ca", Kind::Path),
    optional("log.format", Kind::OneOf(&["json", "text"])),
    optional("log.level", Kind::OneOf(&["error", "warn", "info", "debug", "trace"])),
    optional("audit.keep_mib", Kind::Number(64, 1_048_576)),
    optional("raft.heartbeat_ms", Kind::Number(10, 10_000)),
    optional("raft.election_ms", Kind::Number(30, 60_000)),
    optional("development.enabled", Kind::Flag),
    optional("development.clock_rate", Kind::Number(1, 1_000_000)),
];

/// The fields of one element of `cluster.initial_members`; all are required.
const MEMBER_FIELDS: &[Field] =
    &[required("id", NODE_ID), required("peer", Kind::HostPort), required("api", Kind::HostPort)];

const NODE_ID: Kind = Kind::Number(1, u32::MAX as i64);

const fn required(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, required: true }
}

const fn optional(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, required: false }
}

/// The field with this name.
pub fn field(name: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.name == name)
}

/// An error for a name that is no field; `origin` says where it was found if not in the file.
pub fn unknown(name: &str, origin: &str) -> ConfigError {
    let known: Vec<&str> = FIELDS.iter().map(|field| field.name).collect();
    let section = name.split_once('.').map(|(section, _)| format!("{section}."));
    let same_section = |field: &&&str| section.as_ref().is_some_and(|s| field.starts_with(s));
    let near: Vec<&str> = known.iter().filter(same_section).copied().collect();
    let choice = if near.is_empty() { known.clone() } else { near };
    ConfigError::unknown(name, origin, nearest(name, &known), &choice)
}

impl Kind {
    /// What the field may hold, for a person.
    pub fn allowed(self) -> String {
        match self {
            Kind::ClusterName => "1 to 63 characters out of a-z 0-9 -, the first not -".to_owned(),
            Kind::Path => "a path, not empty".to_owned(),
            Kind::Listen => "\"IP:PORT\", such as \"0.0.0.0:7400\"".to_owned(),
            Kind::Loopback => {
                "a loopback address \"IP:PORT\", such as \"127.0.0.1:7402\"".to_owned()
            }
            Kind::HostPort => {
                "\"HOST:PORT\" that others can reach, such as \"kms-1.example.org:7400\"".to_owned()
            }
            Kind::Number(least, most) => format!("an integer from {least} to {most}"),
            Kind::Flag => "true or false".to_owned(),
            Kind::OneOf(words) => format!("\"{}\"", words.join("\", \"")),
            Kind::Members => format!(
                "1 to {MAX_INITIAL_MEMBERS} of {{id = 1, peer = \"HOST:PORT\", api = \"HOST:PORT\"}} in [ ]"
            ),
            Kind::OperatorNames => {
                "a list of operator names, as in their certificates: [\"alice\", \"bob\"]"
                    .to_owned()
            }
        }
    }

    /// Turns the text of an environment variable into a value. A text that does not read as the
    /// kind stays a text, which [`Kind::check`] then refuses.
    pub fn value_of(self, text: &str) -> Value {
        let is_text = matches!(
            self,
            Kind::ClusterName
                | Kind::Path
                | Kind::Listen
                | Kind::Loopback
                | Kind::HostPort
                | Kind::OneOf(_)
        );
        let as_toml = || {
            let mut table: Table = format!("value = {text}").parse().ok()?;
            table.remove("value")
        };
        if is_text { None } else { as_toml() }.unwrap_or_else(|| Value::String(text.to_owned()))
    }

    /// Checks a value; `name` is the field's, for messages.
    pub fn check(self, name: &str, value: &Value) -> Vec<ConfigError> {
        if let (Kind::Members, Value::Array(members)) = (self, value)
            && members.len() <= MAX_INITIAL_MEMBERS
        {
            let numbered = members.iter().enumerate();
            return numbered
                .flat_map(|(at, member)| check_member(&format!("{name}[{at}]"), member))
                .collect();
        }
        let problem = match (self, value) {
            (Kind::Number(least, most), Value::Integer(number)) => {
                outside(*number < least || *number > most)
            }
            (Kind::Flag, Value::Boolean(_)) => None,
            (Kind::OperatorNames, Value::Array(list)) => list.iter().find_map(operator_problem),
            (Kind::Members, Value::Array(_)) => Some("too many members"),
            (_, Value::String(text)) => self.text_problem(text),
            _ => Some("not of the right type"),
        };
        let error =
            |problem| ConfigError::value(name, &value.to_string(), problem, &self.allowed());
        problem.map(error).into_iter().collect()
    }

    fn text_problem(self, text: &str) -> Option<&'static str> {
        match self {
            Kind::ClusterName => {
                names::cluster_name(text).is_err().then_some("not a name of a cluster")
            }
            Kind::Path => text.is_empty().then_some("empty"),
            Kind::Listen => listen_address(text).is_none().then_some("not an address to listen on"),
            Kind::Loopback => {
                let loopback =
                    listen_address(text).is_some_and(|address| address.ip().is_loopback());
                (!loopback).then_some("not a loopback address")
            }
            Kind::HostPort => host_port_problem(text),
            Kind::OneOf(words) => (!words.contains(&text)).then_some("not a known value"),
            Kind::Number(..) | Kind::Flag | Kind::Members | Kind::OperatorNames => {
                Some("not of the right type")
            }
        }
    }
}

fn check_member(name: &str, member: &Value) -> Vec<ConfigError> {
    let Value::Table(table) = member else {
        return vec![ConfigError::value(
            name,
            &member.to_string(),
            "not a member",
            "{id = 1, peer = \"HOST:PORT\", api = \"HOST:PORT\"}",
        )];
    };
    let known: Vec<&str> = MEMBER_FIELDS.iter().map(|field| field.name).collect();
    let mut errors: Vec<ConfigError> = table
        .keys()
        .filter(|key| !known.contains(&key.as_str()))
        .map(|key| ConfigError::unknown(&format!("{name}.{key}"), "", nearest(key, &known), &known))
        .collect();
    for field in MEMBER_FIELDS {
        let full = format!("{name}.{}", field.name);
        match table.get(field.name) {
            Some(value) => errors.extend(field.kind.check(&full, value)),
            None => errors.push(ConfigError::missing(&full, &field.kind.allowed())),
        }
    }
    errors
}

fn outside(is_outside: bool) -> Option<&'static str> {
    is_outside.then_some("out of range")
}

fn operator_problem(name: &Value) -> Option<&'static str> {
    let good = name.as_str().is_some_and(|name| names::principal_name(name).is_ok());
    (!good).then_some("not a list of operator names")
}

/// An address with a port that can be known beforehand.
fn listen_address(text: &str) -> Option<SocketAddr> {
    text.parse().ok().filter(|address: &SocketAddr| address.port() != 0)
}

fn host_port_problem(text: &str) -> Option<&'static str> {
    let Some((host, port)) = text.rsplit_once(':') else {
        return Some("without a port");
    };
    if !port.parse::<u16>().is_ok_and(|port| port != 0) {
        return Some("without a port from 1 to 65535");
    }
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    match bare.parse::<IpAddr>() {
        Ok(ip) if ip.is_unspecified() => Some("an address that only means \"this machine\""),
        Ok(ip) if ip.is_ipv6() && bare == host => Some("an IPv6 address without [ ]"),
        Ok(_) => None,
        Err(_) if host.is_empty() || !host.chars().all(plain) => Some("without a host"),
        Err(_) => None,
    }
}

/// The known name that was probably meant: few typing errors away, or the same name in another
/// section.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let distance = |candidate: &str| {
        let whole = strsim::damerau_levenshtein(name, candidate);
        let tail = strsim::damerau_levenshtein(&last(name), &last(candidate)) + 1;
        whole.min(tail)
    };
    let most = 1 + last(name).chars().count() / 4;
    let best = known.iter().min_by_key(|candidate| {
        (distance(candidate), strsim::damerau_levenshtein(name, candidate))
    })?;
    (distance(best) <= most).then_some(*best)
}
