//! Good configurations, and each way to be wrong.

use super::*;

const GOOD: &str = r#"
[cluster]
name = "prod"
initial_members = [
  { id = 1, peer = "kms-1.example.org:7401", api = "kms-1.example.org:7400" },
  { id = 2, peer = "kms-2.example.org:7401", api = "kms-2.example.org:7400" },
]
[node]
id = 1
data_dir = "/var/lib/conclave"
[tls]
cert = "node-1.pem"
key = "node-1.key"
ca = "ca.pem"
"#;

fn parse(text: &str) -> Result<Config, ConfigErrors> {
    Config::parse(text, [])
}

fn with(variables: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let environment = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    Config::parse(GOOD, environment.collect::<Vec<_>>())
}

/// The only message of a configuration that has `line` besides what is good.
fn refused(line: &str) -> String {
    let (name, value) = line.split_once('=').unwrap();
    let (section, name) = name.trim().split_once('.').unwrap();
    let mut table: toml::Table = GOOD.parse().unwrap();
    let value: toml::Table = format!("{name} = {value}").parse().unwrap();
    let entry = table.entry(section).or_insert(toml::Table::new().into());
    entry.as_table_mut().unwrap().extend(value);
    let error = parse(&table.to_string()).unwrap_err();
    let [message] = error.messages()[..] else { panic!("{error}") };
    message.to_owned()
}

#[test]
fn defaults_are_those_of_the_documentation() {
    let config = parse(GOOD).unwrap();
    assert_eq!(config.api.listen, "0.0.0.0:7400");
    assert_eq!(config.peer.listen, "0.0.0.0:7401");
    assert_eq!(config.local.listen, "127.0.0.1:7402");
    assert_eq!(config.api_advertise(), "kms-1.example.org:7400");
    assert_eq!(config.peer_advertise(), "kms-1.example.org:7401");
    assert_eq!((config.log.format, config.log.level.as_str()), (LogFormat::Json, "info"));
    assert_eq!((config.raft.heartbeat_ms, config.raft.election_ms), (250, 1_500));
    assert!(!config.development.enabled);
    assert!((1..=4).contains(&config.workers()));
    assert!(config.cluster.operators.is_empty());
}

#[test]
fn the_example_is_valid_and_shows_every_field() {
    let text = include_str!("../../../../deploy/conclave.example.toml");
    let config = parse(text).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(config.cluster.initial_members.len(), 3);
    let table: toml::Table = text.parse().unwrap();
    for field in fields::FIELDS {
        let (section, name) = field.name.split_once('.').unwrap();
        assert!(table[section].get(name).is_some(), "{} is missing", field.name);
    }
}

#[test]
fn each_field_can_be_overridden_by_its_variable() {
    let config = with(&[
        ("CONCLAVE__CLUSTER__NAME", "test"),
        (
            "CONCLAVE__CLUSTER__INITIAL_MEMBERS",
            "[{id = 7, peer = \"10.0.0.7:7401\", api = \"10.0.0.7:7400\"}]",
        ),
        ("CONCLAVE__CLUSTER__OPERATORS", "[\"alice\"]"),
        ("CONCLAVE__NODE__ID", "7"),
        ("CONCLAVE__NODE__DATA_DIR", "/data"),
        ("CONCLAVE__API__LISTEN", "127.0.0.1:1"),
        ("CONCLAVE__API__ADVERTISE", "10.0.0.7:7400"),
        ("CONCLAVE__API__WORKERS", "3"),
        ("CONCLAVE__PEER__LISTEN", "127.0.0.1:2"),
        ("CONCLAVE__PEER__ADVERTISE", "10.0.0.7:7401"),
        ("CONCLAVE__LOCAL__LISTEN", "[::1]:3"),
        ("CONCLAVE__TLS__CERT", "a"),
        ("CONCLAVE__TLS__KEY", "b"),
        ("CONCLAVE__TLS__CA", "c"),
        ("CONCLAVE__LOG__FORMAT", "text"),
        ("CONCLAVE__LOG__LEVEL", "debug"),
        ("CONCLAVE__RAFT__HEARTBEAT_MS", "100"),
        ("CONCLAVE__RAFT__ELECTION_MS", "500"),
        ("CONCLAVE__DEVELOPMENT__ENABLED", "true"),
        ("CONCLAVE__DEVELOPMENT__CLOCK_RATE", "1"),
        ("CONCLAVE_ADDR", "not a field"),
        ("PATH", "not ours"),
    ])
    .unwrap();
    assert_eq!((config.cluster.name.as_str(), config.node.id), ("test", 7));
    assert_eq!(config.cluster.initial_members.len(), 1);
    assert_eq!(config.cluster.operators, ["alice"]);
    assert_eq!(config.node.data_dir, Path::new("/data"));
    assert_eq!(
        (config.api.listen.as_str(), config.peer.listen.as_str()),
        ("127.0.0.1:1", "127.0.0.1:2")
    );
    assert_eq!(
        (config.api_advertise(), config.peer_advertise()),
        ("10.0.0.7:7400", "10.0.0.7:7401")
    );
    assert_eq!((config.workers(), config.local.listen.as_str()), (3, "[::1]:3"));
    assert_eq!(config.tls.cert, Path::new("a"));
    assert_eq!(config.tls.key, Path::new("b"));
    assert_eq!(config.tls.ca, Path::new("c"));
    assert_eq!((config.log.format, config.log.level.as_str()), (LogFormat::Text, "debug"));
    assert_eq!((config.raft.heartbeat_ms, config.raft.election_ms), (100, 500));
    assert!(config.development.enabled);
}

#[test]
fn a_variable_can_stand_for_a_required_field() {
    let text = GOOD.replace("name = \"prod\"", "");
    let error = parse(&text).unwrap_err();
    assert!(error.messages()[0].starts_with("missing field \"cluster.name\"; allowed: 1 to 63"));
    assert!(error.to_string().contains("set cluster.name, or CONCLAVE__CLUSTER__NAME in the env"));
    Config::parse(&text, [("CONCLAVE__CLUSTER__NAME".into(), "prod".into())]).unwrap();
}

#[test]
fn an_unknown_field_is_refused_with_the_nearest_name() {
    let table = [
        ("peer.listn = \"x\"", "unknown field \"peer.listn\"; did you mean \"peer.listen\"?"),
        (
            "raf.heartbeat_ms = 1",
            "unknown field \"raf.heartbeat_ms\"; did you mean \"raft.heartbeat_ms\"?",
        ),
        (
            "cluster.data_dir = 1",
            "unknown field \"cluster.data_dir\"; did you mean \"node.data_dir\"?",
        ),
        ("node.datadir = 1", "unknown field \"node.datadir\"; did you mean \"node.data_dir\"?"),
        (
            "cluster.join = \"kms-1:7400\"",
            "unknown field \"cluster.join\"; known here: \"cluster.name\", \"cluster.initial_members\", \"cluster.operators\"",
        ),
    ];
    for (line, expected) in table {
        assert_eq!(refused(line), expected);
    }
    let error = with(&[("CONCLAVE__PEER__LISTN", "x")]).unwrap_err();
    assert_eq!(
        error.messages(),
        [
            "unknown field \"peer.listn\" (variable CONCLAVE__PEER__LISTN); did you mean \"peer.listen\"?"
        ]
    );
    assert!(
        parse(&format!("listen = 1\n{GOOD}")).unwrap_err().messages()[0].contains("api.listen")
    );
    assert!(parse(&format!("{GOOD}\n[zzz]")).unwrap_err().messages()[0].contains("\"zzz\""));
}

#[test]
fn a_bad_value_is_refused_with_field_value_and_what_is_allowed() {
    let table = [
        (
            "cluster.name = \"Prod\"",
            "cluster.name = \"Prod\": not a name of a cluster; allowed: 1 to 63 char",
        ),
        (
            "cluster.operators = [\"Al ice\"]",
            "cluster.operators = [\"Al ice\"]: not a list of operator names",
        ),
        (
            "cluster.initial_members = 3",
            "cluster.initial_members = 3: not of the right type; allowed: 1 to 9",
        ),
        (
            "cluster.initial_members = [3]",
            "cluster.initial_members[0] = 3: not a member; allowed: {id = 1",
        ),
        ("node.id = 0", "node.id = 0: out of range; allowed: an integer from 1 to 4294967295"),
        ("node.id = \"1\"", "node.id = \"1\": not of the right type; allowed: an integer"),
        ("node.data_dir = \"\"", "node.data_dir = \"\": empty; allowed: a path"),
        (
            "api.listen = \"localhost\"",
            "api.listen = \"localhost\": not an address to listen on; allowed: \"IP:PORT\"",
        ),
        ("api.listen = \"0.0.0.0:0\"", "api.listen = \"0.0.0.0:0\": not an address to listen on"),
        ("api.advertise = \"kms-1\"", "api.advertise = \"kms-1\": without a port"),
        (
            "api.advertise = \"0.0.0.0:7400\"",
            "api.advertise = \"0.0.0.0:7400\": an address that only means",
        ),
        (
            "api.advertise = \"::1:7400\"",
            "api.advertise = \"::1:7400\": an IPv6 address without [ ]",
        ),
        (
            "api.advertise = \"other:7400\"",
            "api.advertise = \"other:7400\": not what cluster.initial_members says",
        ),
        ("api.workers = 0", "api.workers = 0: out of range; allowed: an integer from 1 to 64"),
        ("peer.listen = 7401", "peer.listen = 7401: not of the right type; allowed: \"IP:PORT\""),
        (
            "peer.listen = \"0.0.0.0:7400\"",
            "peer.listen = \"0.0.0.0:7400\": the same as api.listen",
        ),
        ("peer.advertise = \":7401\"", "peer.advertise = \":7401\": without a host"),
        (
            "local.listen = \"0.0.0.0:7402\"",
            "local.listen = \"0.0.0.0:7402\": not a loopback address",
        ),
        (
            "log.format = \"xml\"",
            "log.format = \"xml\": not a known value; allowed: \"json\", \"text\"",
        ),
        (
            "log.level = \"loud\"",
            "log.level = \"loud\": not a known value; allowed: \"error\", \"warn\"",
        ),
        (
            "raft.heartbeat_ms = 1",
            "raft.heartbeat_ms = 1: out of range; allowed: an integer from 10",
        ),
        (
            "raft.heartbeat_ms = 600",
            "raft.election_ms = 1500: less than three times raft.heartbeat_ms; allowed: at least 1800",
        ),
        (
            "development.enabled = 1",
            "development.enabled = 1: not of the right type; allowed: true or false",
        ),
        (
            "development.clock_rate = 60",
            "development.clock_rate = 60: only a cluster for development runs its clock at another rate than real time; allowed: 1, or development.enabled = true",
        ),
    ];
    for (line, expected) in table {
        let message = refused(line);
        assert!(message.starts_with(expected), "{message}\nexpected: {expected}");
    }
}

#[test]
fn members_are_checked_one_by_one_and_together() {
    let one = "{ id = 1, peer = \"a:1\", api = \"a:2\" }";
    let table = [
        (
            "{ id = 1, per = \"a:1\", api = \"a:2\" }",
            "unknown field \"cluster.initial_members[0].per\"; did you mean \"peer\"?",
        ),
        ("{ id = 1, peer = \"a:1\" }", "missing field \"cluster.initial_members[0].api\""),
        (
            "{ id = 1, peer = \"a\", api = \"a:2\" }",
            "cluster.initial_members[0].peer = \"a\": without a port",
        ),
        (&format!("{one}, {one}"), "cluster.initial_members = {id = 1, …}: the id is there twice"),
        (
            &format!("{one}, {{ id = 2, peer = \"a:1\", api = \"b:2\" }}"),
            "cluster.initial_members = {id = 2, …}: the address \"a:1\" is there twice",
        ),
        (
            "{ id = 4, peer = \"a:1\", api = \"a:2\" }",
            "cluster.initial_members = ids [4]: node.id = 1 is not among them",
        ),
    ];
    for (members, expected) in table {
        let error =
            with(&[("CONCLAVE__CLUSTER__INITIAL_MEMBERS", &format!("[{members}]"))]).unwrap_err();
        assert!(error.messages()[0].starts_with(expected), "{error}\nexpected: {expected}");
    }
}

#[test]
fn a_listener_on_all_interfaces_needs_an_advertised_address() {
    let mut table: toml::Table = GOOD.parse().unwrap();
    table["cluster"].as_table_mut().unwrap().remove("initial_members");
    let error = parse(&table.to_string()).unwrap_err();
    assert_eq!(error.messages().len(), 2);
    assert!(
        error.messages()[0].starts_with("missing field \"api.advertise\"; allowed: \"HOST:PORT\"")
    );
    assert!(error.messages()[1].starts_with("missing field \"peer.advertise\""));
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let error = with(&[("CONCLAVE__API__LISTEN", "x"), ("CONCLAVE__NODE__ID", "-1")]).unwrap_err();
    assert_eq!(error.messages().len(), 2, "{error}");
}

#[test]
fn a_file_that_cannot_be_read_or_parsed_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("node.toml");
    let error = Config::load(&file, []).unwrap_err().to_string();
    assert!(error.contains("node.toml: the configuration cannot be read"), "{error}");
    std::fs::write(&file, "[cluster\n").unwrap();
    let error = Config::load(&file, []).unwrap_err().to_string();
    assert!(error.contains("node.toml: not TOML"), "{error}");
    std::fs::write(&file, GOOD.replace("[node]", "[nod]")).unwrap();
    let error = Config::load(&file, []).unwrap_err().to_string();
    assert!(
        error.contains("node.toml: unknown field \"nod.id\"; did you mean \"node.id\"?"),
        "{error}"
    );
}
