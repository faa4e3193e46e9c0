//! Command lines against a node over TLS: what comes out, with which exit code, and what files are
//! left.

mod fake;

use std::path::PathBuf;

use clap::{CommandFactory, Parser};
use fake::{Fake, share};
use serde_json::{Value, json};

use crate::globals::{Format, Globals};
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

#[test]
fn the_command_line_is_consistent() {
    Line::command().debug_assert();
}

#[test]
fn help_names_what_exists_and_nothing_else() {
    let command = Line::command();
    let names = |command: &clap::Command| -> Vec<String> {
        command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect()
    };
    let noun = |noun| names(command.find_subcommand(noun).unwrap());
    assert_eq!(
        names(&command),
        [
            "status",
            "operator",
            "key",
            "encrypt",
            "decrypt",
            "data-key",
            "random",
            "principal",
            "token",
            "role",
            "pki",
            "bench",
            "completions"
        ]
    );
    assert_eq!(noun("operator"), ["init", "unseal", "seal"]);
    assert_eq!(
        noun("key"),
        ["create", "list", "show", "versions", "rotate", "enable", "disable", "update"]
    );
    assert_eq!(noun("principal"), ["create", "list", "show", "disable", "group"]);
    assert_eq!(noun("token"), ["create", "list", "revoke"]);
    assert_eq!(noun("role"), ["bind", "unbind", "list", "check"]);
    assert_eq!(noun("pki"), ["init", "issue"]);
}

#[test]
fn wrong_command_lines_are_refused() {
    for line in [
        "key",
        "key show",
        "key delete orders",
        "key list --state Destroyed",
        "key list --limit 0",
        "key list --limit 1001",
        "key update orders",
        "key create orders --label x",
        "encrypt",
        "encrypt k f --aad a --aad-file b",
        "encrypt k f --format hex",
        "data-key k",
        "data-key k --bytes 8 --wrapped-out w",
        "data-key k --bytes 65 --wrapped-out w",
        "random --bytes 0",
        "random --bytes 1025",
        "role bind Reader",
        "role bind Reader --principal a --group b",
        "role bind reader --principal a",
        "role bind Reader --principal a --scope key:1",
        "role bind Reader --principal a --until tomorrow",
        "token create app",
        "token create app --token-out t --ttl 0s",
        "pki init --dir d",
        "pki issue --dir d",
        "pki issue --dir d --node 1",
        "pki issue --dir d --node 0 --host h",
        "pki issue --dir d --operator eve --host h",
        "pki issue --dir d --operator eve --principal eve",
        "completions tcsh",
        "status --request-id 7",
        "status --timeout 10",
        "status -o yaml",
    ] {
        let words = std::iter::once("conclave").chain(line.split(' '));
        assert!(Line::try_parse_from(words).is_err(), "`{line}` was accepted");
    }
}

#[test]
fn flags_stand_before_or_after_the_verb() {
    for line in ["--addr a:1,b:2 -o json status", "status --addr a:1,b:2 -o json"] {
        let words = std::iter::once("conclave").chain(line.split(' '));
        let globals = Line::try_parse_from(words).unwrap().globals;
        assert_eq!(globals.addr, ["a:1", "b:2"]);
        assert_eq!(globals.output, Format::Json);
        assert_eq!(globals.timeout, conclave_client::DEFAULT_TIMEOUT);
    }
}

#[test]
fn completions_know_the_verbs() {
    use clap_complete::Shell;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let script = crate::completions::script(shell, &mut Line::command());
        for word in ["conclave", "unseal", "data-key", "--token-file"] {
            // fish leaves the dashes out.
            assert!(script.contains(word.trim_start_matches('-')), "{shell} {word}");
        }
    }
}

#[tokio::test]
async fn a_key_lives() {
    let world = World::new().await;
    let created = world.run("key create orders --label env=prod -o json").await.json();
    assert_eq!(created["key"]["state"], "Enabled");
    assert_eq!(created["key"]["primary_version"], 1);
    assert_eq!(created["key"]["labels"], json!({"env": "prod"}));
    assert_eq!(created["log_index"], 8);
    let again = world.run("key create orders").await;
    assert_eq!((again.code, again.reason.as_str()), (1, "ALREADY_EXISTS"));
    assert_eq!(world.run("key rotate orders -o json").await.json()["key"]["primary_version"], 2);
    let unasked = world.run("key disable orders").await;
    assert_eq!(unasked.code, 2, "no terminal, no --yes");
    assert_eq!(world.run("key show orders -o json").await.json()["key"]["state"], "Enabled");
    let disabled = world.run("key disable orders --yes -o json").await.json();
    assert_eq!(disabled["key"]["state"], "Disabled");
    let list = |line: &str| format!("key list --state {line} -o json");
    assert_eq!(world.run(&list("Enabled")).await.json()["keys"], json!([]));
    let both = world.run(&list("Enabled,Disabled")).await.json();
    assert_eq!(both["keys"][0]["aliases"], json!(["orders"]));
    assert_eq!(both["next_cursor"], Value::Null);
    let updated = "key update orders --description d --label a=b --remove-label env -o json";
    let updated = world.run(updated).await.json();
    assert_eq!(updated["key"]["labels"], json!({"a": "b"}));
    assert_eq!(updated["key"]["description"], "d");
    assert_eq!(world.run("key versions orders -o json").await.json(), json!({"versions": []}));
    assert!(world.run("key enable orders").await.stdout.contains("Enabled"));
    let missing = world.run("key show other").await;
    assert_eq!((missing.code, missing.reason.as_str()), (1, "NOT_FOUND"));
}

#[tokio::test]
async fn small_data_becomes_one_line_of_text_and_comes_back() {
    let world = World::new().await;
    world.run("key create orders").await;
    for len in [0, 1, 1024, 65_536] {
        world.write("plain", pattern(len));
        assert_eq!(world.run("encrypt orders @plain --out @c --aad inv").await.code, 0);
        let text = String::from_utf8(world.read("c")).unwrap();
        assert!(text.starts_with("conclave:v1:") && text.ends_with('\n'));
        assert_eq!(text.lines().count(), 1);
        let ran = world.run("decrypt @c --out @back --aad inv --key orders").await;
        assert_eq!(ran.code, 0, "{}", ran.message);
        assert_eq!(world.read("back"), pattern(len));
    }
    assert_eq!(world.files(), ["back", "c", "plain"]);
}

#[tokio::test]
async fn large_data_becomes_a_stream_and_comes_back() {
    let world = World::new().await;
    world.run("key create orders").await;
    for (len, flag) in
        [(65_537, ""), (1_000_000, ""), (0, "--format binary"), (9, "--format binary")]
    {
        world.write("plain", pattern(len));
        let json =
            world.run(&format!("encrypt orders @plain --out @c {flag} -o json")).await.json();
        assert_eq!((&json["format"], &json["ciphertext"]), (&json!("binary"), &Value::Null));
        assert!(world.read("c").starts_with(b"CNCS"));
        let json = world.run("decrypt @c --out @back -o json").await.json();
        assert_eq!((&json["plaintext"], &json["version"]), (&Value::Null, &json!(1)));
        assert_eq!(world.read("back"), pattern(len));
    }
    world.write("plain", pattern(65_537));
    let forced = world.run("encrypt orders @plain --out @d --format text").await;
    assert_eq!((forced.code, forced.reason.as_str()), (1, "TOO_LARGE"));
    assert_eq!(world.files(), ["back", "c", "plain"]);
}

#[tokio::test]
async fn json_holds_small_results() {
    let world = World::new().await;
    world.run("key create orders").await;
    world.write("plain", "hello");
    let json = world.run("encrypt orders @plain -o json").await.json();
    assert_eq!((&json["format"], &json["version"]), (&json!("text"), &json!(1)));
    world.write("c", json["ciphertext"].as_str().unwrap());
    assert_eq!(world.run("decrypt @c -o json").await.json()["plaintext"], "aGVsbG8=");

    world.write("plain", pattern(65_536));
    world.run("encrypt orders @plain --out @c --format binary").await;
    let json = world.run("decrypt @c -o json").await.json();
    let plain = data_encoding::BASE64.decode(json["plaintext"].as_str().unwrap().as_bytes());
    assert_eq!(plain.unwrap(), pattern(65_536));

    world.write("plain", pattern(65_537));
    let ran = world.run("encrypt orders @plain -o json").await;
    assert_eq!((ran.code, ran.reason.as_str()), (1, "TOO_LARGE"));
    world.run("encrypt orders @plain --out @c").await;
    let ran = world.run("decrypt @c -o json").await;
    assert_eq!((ran.code, ran.reason.as_str()), (1, "TOO_LARGE"));
}

#[tokio::test]
async fn what_is_not_authentic_leaves_nothing() {
    let world = World::new().await;
    world.run("key create orders").await;
    world.run("key create other").await;
    world.write("small", "x");
    world.write("large", pattern(300_000));
    world.run("encrypt orders @small --out @text --aad a").await;
    world.run("encrypt orders @large --out @stream --aad a").await;
    let mut text = world.read("text");
    text[60] = if text[60] == b'A' { b'B' } else { b'A' };
    world.write("text2", text);
    let mut stream = world.read("stream");
    let last = stream.len() - 1;
    stream[last] ^= 1;
    world.write("stream2", &stream);
    world.write("short", &world.read("stream")[..200_000]);
    let before = world.files();
    for (line, reason) in [
        ("decrypt @text --aad b --out @out", "CIPHERTEXT_INVALID"),
        ("decrypt @text --out @out", "CIPHERTEXT_INVALID"),
        ("decrypt @text2 --aad a --out @out", "CIPHERTEXT_INVALID"),
        ("decrypt @stream --aad b --out @out", "CIPHERTEXT_INVALID"),
        ("decrypt @stream2 --aad a --out @out", "CIPHERTEXT_INVALID"),
        ("decrypt @short --aad a --out @out", "CIPHERTEXT_INVALID"),
        ("decrypt @large --aad a --out @out", "CIPHERTEXT_INVALID"),
        ("decrypt @small --aad a --out @out", "CIPHERTEXT_INVALID"),
        ("decrypt @text --aad a --key other --out @out", "CIPHERTEXT_WRONG_KEY"),
        ("decrypt @stream --aad a --key other --out @out", "CIPHERTEXT_WRONG_KEY"),
    ] {
        let ran = world.run(line).await;
        assert_eq!((ran.code, ran.reason.as_str()), (1, reason), "{line}: {}", ran.message);
        assert_eq!(world.files(), before, "{line}");
    }
    for line in ["decrypt @text --aad a --out @out", "decrypt @stream --aad a --out @out"] {
        assert_eq!(world.run(line).await.code, 0, "{line}");
    }
}

#[tokio::test]
async fn a_disabled_key_leaves_no_file() {
    let world = World::new().await;
    world.run("key create orders").await;
    world.run("key disable orders --yes").await;
    world.write("big", pattern(100_000));
    for line in ["encrypt orders @big --out @x", "encrypt orders @big --out @x -o json"] {
        let ran = world.run(line).await;
        assert_eq!((ran.code, ran.reason.as_str()), (1, "KEY_STATE"));
        assert_eq!(world.files(), ["big"]);
    }
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
async fn a_data_key_goes_to_files_and_comes_back_from_its_wrapping() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new().await;
    world.run("key create orders").await;
    let line = "data-key orders --bytes 48 --plain-out @p --wrapped-out @w --aad a -o json";
    let json = world.run(line).await.json();
    assert_eq!(world.read("p"), vec![5; 48]);
    assert_eq!(std::fs::metadata(world.path("p")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(format!("{}\n", json["wrapped"].as_str().unwrap()).into_bytes(), world.read("w"));
    assert_eq!(json.as_object().unwrap().len(), 3);
    world.run("decrypt @w --aad a --out @back").await;
    assert_eq!(world.read("back"), vec![5; 48]);
}

#[tokio::test]
async fn random_bytes_are_base64_or_raw() {
    let world = World::new().await;
    assert_eq!(world.run("random --bytes 3").await.stdout, "BgYG\n");
    assert_eq!(world.run("random --bytes 3 -o json").await.json(), json!({"bytes": "BgYG"}));
    assert_eq!(world.run("random --out @r").await.stdout, "");
    assert_eq!(world.read("r"), vec![6; 32]);
}

#[tokio::test]
async fn init_writes_shares_and_token_and_overwrites_nothing() {
    let world = World::new().await;
    let line = "operator init --shares-dir @s --token-out @admin -o json";
    let json = world.run(line).await.json();
    assert_eq!(json["cluster_id"], "c1");
    assert_eq!(json["shares_files"].as_array().unwrap().len(), 5);
    assert_eq!(json["token_file"], world.path("admin").display().to_string());
    assert_eq!(world.read("s/share-5.txt"), share(5).into_bytes());
    assert_eq!(world.read("admin"), b"cnclv_secret\n");
    let calls = world.fake.state().calls;
    assert_eq!(world.run(line).await.code, 2);
    assert_eq!(world.fake.state().calls, calls);
}

#[tokio::test]
async fn unseal_sends_whole_shares_and_none_if_one_is_damaged() {
    let world = World::new().await;
    world.write("one", share(1));
    world.write("two", format!("{}\n\n{}", share(3), share(5)));
    world.write("bad", share(2).replace("01 ", "01 7"));
    let ran = world.run("operator unseal --share-file @one --share-file @bad").await;
    assert_eq!((ran.code, ran.reason.as_str()), (1, "SHARE_DAMAGED"));
    assert!(world.fake.state().submitted.is_empty());

    let json = world.run("operator unseal --share-file @one -o json").await.json();
    assert_eq!(
        json,
        json!({"accepted": true, "index": 1, "have": 1, "needed": 3, "node_unsealed": false,
            "members": [{"id": 1, "sealed": true}, {"id": 2, "sealed": null}]})
    );
    let json = world.run("operator unseal --share-file @two -o json").await.json();
    assert_eq!((&json["have"], &json["node_unsealed"]), (&json!(3), &json!(true)));
    assert_eq!(world.fake.state().submitted, [share(1), share(3), share(5)]);
}

#[tokio::test]
async fn seal_reports_each_member() {
    let world = World::new().await;
    let json = world.run("operator seal --yes -o json").await.json();
    assert_eq!(json, json!({"members": [{"id": 1, "sealed": true}], "log_index": 10}));
}

#[tokio::test]
async fn status_passes_the_index_on() {
    let world = World::new().await;
    let json = world.run("status --at-index 77 -o json").await.json();
    assert_eq!(json["cluster"]["term"], 77);
    assert_eq!(json["nodes"], json!([]));
}

#[tokio::test]
async fn a_token_goes_to_its_file_alone() {
    let world = World::new().await;
    let line = "token create app --ttl 90s --token-out @t --bind-cert @pki/ca.pem -o json";
    let ran = world.run(line).await;
    let token = &ran.json()["token"];
    assert_eq!(token["id"], "ttl-90");
    assert_eq!(token["file"], world.path("t").display().to_string());
    assert_eq!(token["bound_certificate"].as_str().unwrap().len(), 64);
    assert!(!ran.stdout.contains("cnclv_"));
    assert_eq!(world.read("t"), b"cnclv_secret\n");
    let repeat = world.run("token create again --token-out @u").await;
    assert_eq!((repeat.code, repeat.reason.as_str()), (1, "ALREADY_EXISTS"));
    assert_eq!(world.files(), ["t"]);
}

#[tokio::test]
async fn principals_roles_and_checks() {
    let world = World::new().await;
    world.fake.state().principals = 3;
    let json = world.run("principal list -o json").await.json();
    let names: Vec<&Value> =
        json["principals"].as_array().unwrap().iter().map(|p| &p["name"]).collect();
    assert_eq!(names, ["p0", "p1", "p2"]);
    let json = world.run("principal create app -o json").await.json();
    assert_eq!((&json["principal"]["name"], &json["replayed"]), (&json!("app"), &json!(true)));
    let line = "role bind Manager --group owners --until 2027-01-01T00:00:00Z -o json";
    assert_eq!(
        world.run(line).await.json()["bindings"],
        json!([{"id": "b", "role": "Manager", "subject": "group:owners", "scope": "cluster",
            "until": "2027-01-01T00:00:00Z"}])
    );
    let ran = world.run("role check app Encrypt -o json").await;
    assert_eq!(ran.json(), json!({"allowed": false, "because": "no role"}));
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
