//! Who may bind which role to whom, and when a role ends.

use crate::script::*;
use conclave_core::limits;
use conclave_core::outcome::{Bounded, Refusal, Thing};
use conclave_core::roles::{Action, Role};

/// Nobody gives a role to themselves: not directly, not through a group.
pub fn check_nobody_grants_to_themselves() -> Result<(), String> {
    let mut script = Script::unsealed();
    script.add("chief", &[Role::Administrator]);
    script.add("bob", &[Role::Manager]);
    script.admin().send(join("buyers", "bob")).unwrap();
    script.admin().send(bind(group_grant(Role::Manager, "managers"), None)).unwrap();
    let attempts = [
        ("directly", script.by("bob").send(bind(grant(Role::Writer, "bob"), None))),
        ("a role held already", script.by("bob").send(bind(grant(Role::Manager, "bob"), None))),
        ("to a group of their own", {
            script.by("bob").send(bind(group_grant(Role::Writer, "buyers"), None))
        }),
        ("an Administrator", script.by("chief").send(bind(grant(Role::Manager, "chief"), None))),
        ("by joining a group", script.by("chief").send(join("managers", "chief"))),
        ("by taking away", script.by("bob").send(unbind(grant(Role::Manager, "bob")))),
    ];
    for (how, answer) in attempts {
        if answer != Err(Refusal::SelfGrant) {
            return Err(format!("{how}: {answer:?}"));
        }
    }
    match script.by("chief").create_key("orders") {
        Err(Refusal::PermissionDenied { .. }) => Ok(()),
        other => Err(format!("the Administrator got at keys: {other:?}")),
    }
}

#[test]
fn nobody_grants_to_themselves() {
    check_nobody_grants_to_themselves().unwrap();
}

/// Rows: who grants. Columns: which role. Each cell is an attempt on a fresh principal.
#[test]
fn the_table_of_granting() {
    let mut table = format!("{:<13}", "granted by");
    for role in Role::ALL {
        table.push_str(&format!(" {role:>13}"));
    }
    for giver in Role::ALL {
        table.push_str(&format!("\n{giver:<13}"));
        for given in Role::ALL {
            let mut script = Script::unsealed();
            script.add("giver", &[giver]);
            script.add("taker", &[]);
            let cell = match script.by("giver").send(bind(grant(given, "taker"), None)) {
                Ok(_) => "yes",
                Err(Refusal::PermissionDenied { .. }) => "-",
                Err(Refusal::GrantNotHeld { role }) if role == given => "not held",
                Err(other) => panic!("{giver} gives {given}: {other:?}"),
            };
            table.push_str(&format!(" {cell:>13}"));
        }
    }
    insta::assert_snapshot!("granting", table);
}

#[test]
fn whoever_may_not_grant_a_role_may_not_take_it_either() {
    let mut script = Script::unsealed();
    script.add("bob", &[Role::Manager]);
    script.add("purger", &[Role::KeyPurge]);
    assert_eq!(
        script.by("bob").send(unbind(grant(Role::KeyPurge, "purger"))),
        Err(Refusal::GrantNotHeld { role: Role::KeyPurge })
    );
    script.admin().send(unbind(grant(Role::KeyPurge, "purger"))).unwrap();
    assert_eq!(
        script.admin().send(unbind(grant(Role::KeyPurge, "purger"))),
        Err(Refusal::NotFound { what: Thing::Binding })
    );
}

#[test]
fn a_role_ends_exactly_at_its_end() {
    let mut script = Script::unsealed();
    script.add("bob", &[]);
    let end = script.now_ms + HOUR;
    script.admin().send(bind(grant(Role::Writer, "bob"), Some(end))).unwrap();
    script.now_ms = end - 1;
    script.by("bob").create_key("just in time").unwrap();
    script.now_ms = end;
    assert_eq!(
        script.by("bob").create_key("too late"),
        Err(Refusal::PermissionDenied { action: Action::CreateKey })
    );
}

#[test]
fn a_role_that_has_ended_grants_nothing() {
    let mut script = Script::unsealed();
    script.add("bob", &[]);
    script.add("taker", &[]);
    let end = script.now_ms + HOUR;
    script.admin().send(bind(grant(Role::Manager, "bob"), Some(end))).unwrap();
    script.by("bob").send(bind(grant(Role::Reader, "taker"), None)).unwrap();
    script.now_ms = end;
    assert_eq!(
        script.by("bob").send(bind(grant(Role::Writer, "taker"), None)),
        Err(Refusal::PermissionDenied { action: Action::BindRole })
    );
}

#[test]
fn binding_again_changes_the_end() {
    let mut script = Script::unsealed();
    script.add("bob", &[Role::Writer]);
    let end = script.now_ms + HOUR;
    script.admin().send(bind(grant(Role::Writer, "bob"), Some(end))).unwrap();
    script.now_ms = end;
    script.by("bob").create_key("orders").unwrap_err();
    script.admin().send(bind(grant(Role::Writer, "bob"), None)).unwrap();
    script.by("bob").create_key("orders").unwrap();
}

#[test]
fn a_group_gives_its_members_its_roles() {
    let mut script = Script::unsealed();
    script.add("bob", &[]);
    script.admin().send(bind(group_grant(Role::Writer, "shop"), None)).unwrap();
    script.by("bob").create_key("orders").unwrap_err();
    script.admin().send(join("shop", "bob")).unwrap();
    script.by("bob").create_key("orders").unwrap();
    script.admin().send(leave("shop", "bob")).unwrap();
    script.by("bob").create_key("bills").unwrap_err();
    script.admin().send(join("shop", "bob")).unwrap();
    script.admin().send(unbind(group_grant(Role::Writer, "shop"))).unwrap();
    script.by("bob").create_key("bills").unwrap_err();
}

#[test]
fn groups_with_similar_names_share_nothing() {
    let mut script = Script::unsealed();
    script.add("bob", &[]);
    let longest = "g".repeat(limits::NAME_BYTES);
    for (bound, joined) in [("shop", "sho"), ("shop", "shop2"), (&longest, &longest[1..])] {
        script.admin().send(bind(group_grant(Role::Writer, bound), None)).unwrap();
        script.admin().send(join(joined, "bob")).unwrap();
        script.by("bob").create_key("orders").unwrap_err();
    }
    let too_long = "g".repeat(limits::NAME_BYTES + 1);
    let refused =
        Err(Refusal::Limit { what: Bounded::NameBytes, limit: limits::NAME_BYTES as u64 });
    assert_eq!(script.admin().send(bind(group_grant(Role::Writer, &too_long), None)), refused);
    assert_eq!(script.admin().send(join(&too_long, "bob")), refused);
}

#[test]
fn a_principal_is_in_at_most_64_groups() {
    let mut script = Script::unsealed();
    script.add("bob", &[]);
    for n in 0..limits::GROUPS_PER_PRINCIPAL {
        script.admin().send(join(&format!("group-{n}"), "bob")).unwrap();
    }
    let limit = limits::GROUPS_PER_PRINCIPAL as u64;
    assert_eq!(
        script.admin().send(join("one-more", "bob")),
        Err(Refusal::Limit { what: Bounded::Groups, limit })
    );
    script.admin().send(join("group-0", "bob")).unwrap();
}

#[test]
fn a_role_is_bound_to_a_principal_that_exists() {
    let mut script = Script::unsealed();
    let not_found = Err(Refusal::NotFound { what: Thing::Principal });
    assert_eq!(script.admin().send(bind(grant(Role::Reader, "nobody"), None)), not_found);
    assert_eq!(script.admin().send(join("shop", "nobody")), not_found);
    assert_eq!(script.admin().send(create_token("nobody", "t", DAY)), not_found);
    assert_eq!(script.admin().send(disable_principal("nobody")), not_found);
}
