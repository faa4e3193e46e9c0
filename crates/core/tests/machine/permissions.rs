//! The permission matrix, as it is written and as `authorize` answers.

use crate::script::*;
use conclave_core::access::{Resource, authenticate, authorize};
use conclave_core::command::{Caller, Command, CreateKey, CredentialRef, RotationChange, Scope};
use conclave_core::lifecycle::{PolicyChange, Preset};
use conclave_core::outcome::{Refusal, Thing};
use conclave_core::roles::{Action, Role};

#[test]
fn the_matrix_of_roles_and_actions() {
    let mut script = Script::unsealed();
    for role in Role::ALL {
        script.add(&role.to_string(), &[role]);
    }
    script.add("no role", &[]);
    let names = Role::ALL.map(|role| role.to_string());
    let mut table = format!("{:<17}", "");
    for name in &names {
        table.push_str(&format!(" {name:>13}"));
    }
    for name in ["no role", "operator cert", "custodian", "cluster"] {
        table.push_str(&format!(" {name:>13}"));
    }
    table.push('\n');
    for action in Action::ALL {
        let principals = names.iter().map(|name| caller(name)).chain([caller("no role")]);
        let others = [Caller::Operator { name: "ops".into() }, Caller::Custodian, Caller::Cluster];
        table.push_str(&format!("{action:<17}"));
        for caller in principals.chain(others) {
            let cell = judged(&script, &caller, action, Resource::Cluster);
            table.push_str(&format!(" {cell:>13}"));
        }
        table.push('\n');
    }
    insta::assert_snapshot!("permissions", table);
}

/// The view and the records give the same answer.
fn judged(script: &Script, caller: &Caller, action: Action, on: Resource) -> &'static str {
    let who = authenticate(&script.machine.view, caller, script.now_ms).unwrap();
    let by_view = authorize(&script.machine.view, &who, action, on, script.now_ms);
    let by_records = authorize(&script.machine.state(), &who, action, on, script.now_ms);
    assert_eq!(by_view, by_records);
    match by_view {
        Ok(proof) => {
            assert_eq!((proof.action(), proof.on()), (action, on));
            "yes"
        }
        Err(Refusal::NotFound { what }) => {
            assert_eq!(what, thing(on));
            "not found"
        }
        Err(refusal) => {
            assert_eq!(refusal, Refusal::PermissionDenied { action });
            "-"
        }
    }
}

fn thing(on: Resource) -> Thing {
    match on {
        Resource::Cluster | Resource::Instance(_) => Thing::Instance,
        Resource::Ring(..) => Thing::Ring,
        Resource::Key(..) | Resource::UnknownKey => Thing::Key,
    }
}

fn caller(name: &str) -> Caller {
    let credential = CredentialRef::Token(token_id(name));
    Caller::Principal { principal: principal_id(name), credential }
}

/// Key `orders` lies in ring `till` of instance `shop`, and there are other keys, rings and instances.
fn shop() -> Script {
    let mut script = Script::unsealed();
    script.admin().send(create_instance("shop", preset(Preset::Layered))).unwrap();
    script.admin().send(create_instance("bank", preset(Preset::Layered))).unwrap();
    script.admin().send(create_ring("shop", "till")).unwrap();
    let in_ring = |alias| CreateKey { ring: ring_id("till"), ..create_in("shop", alias) };
    for key in [in_ring("orders"), in_ring("bills"), create_in("shop", "stock")] {
        script.admin().send(Command::CreateKey(key)).unwrap();
    }
    script.admin().send(Command::CreateKey(create_in("bank", "vault"))).unwrap();
    script
}

fn scopes() -> [(&'static str, Scope); 4] {
    let shop = instance_id("shop");
    [
        ("cluster", Scope::Cluster),
        ("instance", Scope::Instance(shop)),
        ("ring", Scope::Ring(shop, ring_id("till"))),
        ("key", Scope::Key(key_id("orders"))),
    ]
}

/// The matrix of scopes: columns say where a role is bound, rows on what something is done. A role that
/// permits the action says "yes", one that does not "-"; "not found" says neither.
#[test]
fn the_matrix_of_scopes() {
    let script = shop();
    let (shop, bank) = (instance_id("shop"), instance_id("bank"));
    let key = |alias| Resource::of_key(&script.key(alias));
    let resources = [
        ("the cluster", Resource::Cluster),
        ("the instance", Resource::Instance(shop)),
        ("another instance", Resource::Instance(bank)),
        ("the ring", Resource::Ring(shop, ring_id("till"))),
        ("another ring", Resource::Ring(shop, shop.default_ring())),
        ("a ring elsewhere", Resource::Ring(bank, bank.default_ring())),
        ("this ring, elsewhere", Resource::Ring(bank, ring_id("till"))),
        ("the key", key("orders")),
        ("a key in the ring", key("bills")),
        ("a key in the instance", key("stock")),
        ("a key elsewhere", key("vault")),
        ("no key", Resource::UnknownKey),
    ];
    let mut table = String::new();
    // Whoever has a role anywhere sees how the cluster is.
    let asked = [
        (Role::Manager, Action::EnableKey),
        (Role::Reader, Action::EnableKey),
        (Role::Reader, Action::Status),
    ];
    for (role, action) in asked {
        table.push_str(&format!("{role} to {action:<12}"));
        for (bound, _) in scopes() {
            table.push_str(&format!(" {bound:>10}"));
        }
        table.push('\n');
        for (what, on) in resources {
            table.push_str(&format!("{what:<24}"));
            for (_, scope) in scopes() {
                let mut script = script.clone();
                script.add("bob", &[]);
                script.admin().send(bind(grant_in(scope, role, "bob"), None)).unwrap();
                let cell = judged(&script, &caller("bob"), action, on);
                table.push_str(&format!(" {cell:>10}"));
            }
            table.push('\n');
        }
    }
    insta::assert_snapshot!("scopes", table);
}

/// Roles that may give a command, as `apply` answers, by where they are bound.
#[test]
fn apply_asks_for_the_action_of_the_command() {
    let mut table = String::new();
    let shop = shop();
    for (what, command, prepare) in commands() {
        table.push_str(&format!("{}{what}\n", command.name()));
        for (bound, scope) in scopes() {
            let (mut may, mut blind) = (Vec::new(), Vec::new());
            let roles = Role::ALL.into_iter().filter(|role| is_bound(*role, scope));
            for role in roles.clone() {
                let mut script = shop.clone();
                script.add("caller", &[]);
                script.add("somebody", &[]);
                script.admin().send(bind(grant_in(scope, role, "caller"), None)).unwrap();
                prepare(&mut script);
                match script.by("caller").send(command.clone()) {
                    Err(Refusal::PermissionDenied { action }) => {
                        assert_eq!(Some(action), command.action());
                    }
                    Err(Refusal::WrongCaller) => {}
                    Err(Refusal::NotFound { .. }) => blind.push(role.to_string()),
                    answer => {
                        answer.unwrap_or_else(|refusal| panic!("{command}{what}: {refusal:?}"));
                        may.push(role.to_string());
                    }
                }
            }
            let blind = match blind.len() {
                0 => String::new(),
                all if all == roles.count() => "not found".into(),
                _ => format!("not found: {}", blind.join(" ")),
            };
            let who =
                if may.is_empty() && blind.is_empty() { "nobody".into() } else { may.join(" ") };
            let cells = [bound.to_owned(), who, blind].into_iter();
            let cells: Vec<_> = cells.filter(|cell| !cell.is_empty()).collect();
            table.push_str(&format!("    {}\n", cells.join(" | ")));
        }
    }
    insta::assert_snapshot!("commands_by_role", table);
}

fn is_bound(role: Role, scope: Scope) -> bool {
    scope == Scope::Cluster || !role.is_for_the_cluster_only()
}

type Prepare = fn(&mut Script);

/// Every command that a principal can try, on key `orders` or beside it, and what comes before it.
fn commands() -> Vec<(&'static str, Command, Prepare)> {
    let key = key_id("orders");
    let nothing: Prepare = |_| {};
    let destroyed: Prepare = |script| {
        script.admin().delete("orders").unwrap();
        script.admin().delete_now("orders").unwrap();
        script.wait_ms(4 * HOUR);
    };
    let pending: Prepare = |script| drop(script.admin().delete("orders").unwrap());
    let in_shop = Scope::Instance(instance_id("shop"));
    let in_ring = CreateKey { ring: ring_id("till"), ..create_in("shop", "new") };
    let wider = PolicyChange { grace_ms: Some(9 * DAY), ..PolicyChange::default() };
    vec![
        ("", share("a", 1, 1), nothing),
        ("", Command::Tick, nothing),
        ("", scheduled_rotation("orders", 2), nothing),
        ("", Command::Seal, nothing),
        ("", Command::CreateKey(create_in("shop", "new")), nothing),
        (", in the ring", Command::CreateKey(in_ring), nothing),
        ("", rotate("orders", 2, 1), nothing),
        (", off", switch("orders", 1, false), |script| {
            drop(script.admin().rotate("orders").unwrap())
        }),
        (", on", switch("orders", 1, true), |script| {
            script.admin().rotate("orders").unwrap();
            script.admin().send(switch("orders", 1, false)).unwrap();
        }),
        ("", Command::EnableKey { key }, |script| drop(script.admin().disable("orders").unwrap())),
        ("", Command::DisableKey { key }, nothing),
        ("", Command::UpdateKey(update("orders", "text")), nothing),
        (", to the ring where it lies", move_to("orders", ring_id("till")), nothing),
        (", to another ring", move_to("orders", instance_id("shop").default_ring()), nothing),
        ("", Command::DeleteKey { key, force: false }, nothing),
        ("", Command::CancelDeletion { key }, pending),
        ("", Command::DeleteNow { key }, pending),
        ("", Command::RestoreKey { key }, destroyed),
        ("", Command::PurgeKey { key }, destroyed),
        ("", add_alias("orders", "more"), nothing),
        ("", remove_alias("orders", "orders"), nothing),
        ("", set_rotation("orders", RotationChange::Every(DAY)), nothing),
        ("", register("orders", "urn:a", false), nothing),
        ("", unregister("orders", "urn:a"), |script| {
            script.admin().register("orders", "urn:a", false).unwrap();
        }),
        ("", create_instance("new", wider.clone()), nothing),
        ("", set_instance_policy("shop", wider), nothing),
        ("", delete_instance("empty"), |script| {
            script.admin().send(create_instance("empty", PolicyChange::default())).unwrap();
        }),
        ("", Command::SetDeletionFloor { floor_ms: DAY }, nothing),
        ("", create_ring("shop", "new"), nothing),
        ("", delete_ring("shop", "unused", false), |script| {
            script.admin().send(create_ring("shop", "unused")).unwrap();
        }),
        ("", create_principal("new"), nothing),
        ("", disable_principal("somebody"), nothing),
        ("", join("shop", "somebody"), nothing),
        ("", create_token("somebody", "t", DAY), nothing),
        ("", revoke("somebody"), nothing),
        (", in the cluster", bind(grant(Role::Reader, "somebody"), None), nothing),
        (", in the instance", bind(grant_in(in_shop, Role::Reader, "somebody"), None), nothing),
        (", on the key", unbind(grant_in(Scope::Key(key), Role::Reader, "somebody")), |script| {
            let grant = grant_in(Scope::Key(key_id("orders")), Role::Reader, "somebody");
            script.admin().send(bind(grant, None)).unwrap();
        }),
    ]
}
