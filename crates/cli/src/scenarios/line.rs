//! The command line itself: what exists, what is refused, what completes.

use clap::{CommandFactory, Parser};

use super::Line;
use crate::globals::Format;

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
            "instance",
            "key-ring",
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
    assert_eq!(noun("instance"), ["create", "list", "show", "policy", "delete", "floor"]);
    assert_eq!(noun("key-ring"), ["create", "list", "delete"]);
    assert_eq!(
        noun("key"),
        [
            "create",
            "list",
            "show",
            "versions",
            "history",
            "impact",
            "rotate",
            "enable",
            "disable",
            "version-enable",
            "version-disable",
            "update",
            "alias",
            "policy",
            "register",
            "unregister",
            "delete",
            "cancel-deletion",
            "delete-now",
            "restore",
            "purge"
        ]
    );
    let key = command.find_subcommand("key").unwrap();
    assert_eq!(names(key.find_subcommand("alias").unwrap()), ["add", "remove"]);
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
        "key delete",
        "key list --state Purged",
        "key list --state Enabled --all",
        "key list --limit 0",
        "key list --limit 1001",
        "key update orders",
        "key create orders --label x",
        "key create orders --expires tomorrow",
        "key create orders --rotate-every 0s",
        "key create orders --rotate-every 90",
        "key create orders --exportable",
        "key version-enable orders",
        "key version-disable orders 0",
        "key version-disable orders one",
        "key alias",
        "key alias add orders",
        "key policy orders",
        "key policy orders --rotate-every never",
        "key policy orders --rotate-every 0s",
        "key policy orders --grace 1.5h",
        "key policy orders --grace 1500ms",
        "key policy orders --delete-now yes",
        "key policy orders --dual-auth",
        "key register orders",
        "key unregister orders",
        "key purge orders --force",
        "instance",
        "instance create",
        "instance create prod --preset custom",
        "instance create prod --delete-now maybe",
        "instance create prod --restore-to disabled",
        "instance policy prod",
        "instance policy prod --grace 72",
        "instance floor 72",
        "instance close prod",
        "key-ring create",
        "key-ring delete",
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
fn any_one_flag_of_a_policy_is_enough() {
    let windows = ["--grace 1s", "--restore-window 1s", "--purge-floor 1s", "--auto-purge 1s"];
    let others = [
        "--preset layered",
        "--delete-now no",
        "--rotate-disabled no",
        "--rotate-pending no",
        "--restore-to prior",
        "--disable-deactivated no",
        "--enable-cooldown 1s",
        "--restore-cooldown 1s",
        "--rotate-cooldown 1s",
        "--rotation-restarts no",
    ];
    let keys = windows.iter().chain(&["--rotate-every off"]).map(|flag| ("key", flag));
    let instances = windows.iter().chain(&others).map(|flag| ("instance", flag));
    for (noun, flag) in keys.chain(instances) {
        let line = format!("conclave {noun} policy orders {flag}");
        assert!(Line::try_parse_from(line.split(' ')).is_ok(), "{line}");
    }
}

#[test]
fn scopes_are_passed_through() {
    for scope in ["cluster", "instance:prod", "ring:billing", "key:orders"] {
        let line = format!("role bind Reader --principal a --scope {scope}");
        let words = std::iter::once("conclave").chain(line.split(' '));
        assert!(Line::try_parse_from(words).is_ok(), "{scope}");
    }
}

#[test]
fn completions_know_the_verbs() {
    use clap_complete::Shell;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let script = crate::completions::script(shell, &mut Line::command());
        for word in ["conclave", "unseal", "data-key", "cancel-deletion", "--token-file"] {
            // fish leaves the dashes out.
            assert!(script.contains(word.trim_start_matches('-')), "{shell} {word}");
        }
    }
}
