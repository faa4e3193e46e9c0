//! The permission matrix, as it is written and as `authorize` answers.

use crate::script::*;
use conclave_core::access::{authenticate, authorize};
use conclave_core::command::{Caller, Command, CredentialRef};
use conclave_core::outcome::Refusal;
use conclave_core::roles::{Action, Role};

#[test]
fn the_matrix_of_roles_and_actions() {
    let mut script = Script::unsealed();
    for role in Role::ALL {
        script.add(&role.to_string(), &[role]);
    }
    script.add("no role", &[]);
    let names = Role::ALL.map(|role| role.to_string());
    let mut table = format!("{:<16}", "");
    for name in &names {
        table.push_str(&format!(" {name:>13}"));
    }
    table.push_str(&format!(" {:>13} {:>13} {:>13}\n", "no role", "operator cert", "custodian"));
    for action in Action::ALL {
        let principals = names.iter().map(|name| caller(name)).chain([caller("no role")]);
        let others = [Caller::Operator { name: "ops".into() }, Caller::Custodian];
        table.push_str(&format!("{action:<16}"));
        for caller in principals.chain(others) {
            let cell = if permitted(&script, &caller, action) { "yes" } else { "-" };
            table.push_str(&format!(" {cell:>13}"));
        }
        table.push('\n');
    }
    insta::assert_snapshot!("permissions", table);
}

fn caller(name: &str) -> Caller {
    let credential = CredentialRef::Token(token_id(name));
    Caller::Principal { principal: principal_id(name), credential }
}

/// The view and the records give the same answer, and it is that of the matrix.
fn permitted(script: &Script, caller: &Caller, action: Action) -> bool {
    let who = authenticate(&script.machine.view, caller, script.now_ms).unwrap();
    let by_view = authorize(&script.machine.view, &who, action, script.now_ms);
    let by_records = authorize(&script.machine.state(), &who, action, script.now_ms);
    assert_eq!(by_view, by_records);
    match by_view {
        Ok(proof) => proof.action() == action,
        Err(refusal) => {
            assert_eq!(refusal, Refusal::PermissionDenied { action });
            false
        }
    }
}

/// Roles that may give a command, as `apply` answers.
#[test]
fn apply_asks_for_the_action_of_the_command() {
    let mut table = String::new();
    for (command, prepare) in commands() {
        let mut may = Vec::new();
        for role in Role::ALL {
            let mut script = Script::unsealed();
            script.add("caller", &[role]);
            script.add("somebody", &[]);
            script.admin().create_key("present").unwrap();
            prepare(&mut script);
            match script.by("caller").send(command.clone()) {
                Err(Refusal::PermissionDenied { action }) => {
                    assert_eq!(Some(action), command.action());
                }
                Err(Refusal::WrongCaller) => {}
                answer => {
                    answer.unwrap();
                    may.push(role.to_string());
                }
            }
        }
        let name = command.name();
        table.push_str(&format!("{name:<16} {}\n", may.join(" ")));
    }
    insta::assert_snapshot!("commands_by_role", table);
}

type Prepare = fn(&mut Script);

fn commands() -> Vec<(Command, Prepare)> {
    let key = key_id("present");
    let nothing: Prepare = |_| {};
    vec![
        (share("a", 1, 1), nothing),
        (Command::Seal, nothing),
        (create_key("new"), nothing),
        (rotate("present", 2, 1), nothing),
        (Command::EnableKey { key }, |script| drop(script.admin().disable("present").unwrap())),
        (Command::DisableKey { key }, nothing),
        (Command::UpdateKey(update("present", "text")), nothing),
        (create_principal("new"), nothing),
        (disable_principal("somebody"), nothing),
        (join("shop", "somebody"), nothing),
        (create_token("somebody", "t", DAY), nothing),
        (revoke("somebody"), nothing),
        (bind(grant(Role::Reader, "somebody"), None), nothing),
        (unbind(grant(Role::Reader, "somebody")), |script| {
            script.admin().send(bind(grant(Role::Reader, "somebody"), None)).unwrap();
        }),
    ]
}
