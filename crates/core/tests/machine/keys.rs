//! Keys: lifecycle, versions, names, bounds.

use crate::script::*;
use conclave_core::command::{Command, CreateKey, RotateKey, UpdateKey};
use conclave_core::lifecycle::{KeyAction, KeyState};
use conclave_core::limits;
use conclave_core::outcome::{Bounded, Effect, Refusal, Thing};
use std::collections::BTreeMap;

#[test]
fn a_key_is_created_enabled_with_version_1() {
    let mut script = Script::unsealed();
    let done = script.admin().create_key("orders").unwrap();
    let key = key_id("orders");
    assert_eq!(
        done,
        Effect::Key { key, state: KeyState::Enabled, primary_version: 1, revision: 1 }
    );
    let record = script.key("orders");
    assert_eq!(record.aliases, ["orders"]);
    assert_eq!(record.created_by, principal_id("admin"));
    assert_eq!(record.created_at_ms, START_MS);
    assert_eq!(record.changed_at, script.machine.index);
    assert_eq!(script.machine.state().alias(home(), "orders"), Some(key));
    let versions = script.machine.state().versions(key);
    assert_eq!(versions.len(), 1);
    assert_eq!((versions[0].version, versions[0].enabled), (1, true));
    assert_eq!(versions[0].material, Some(material(1)));
}

#[test]
fn every_change_raises_the_revision_by_one() {
    let mut script = Script::unsealed();
    script.admin().create_key("orders").unwrap();
    script.admin().rotate("orders").unwrap();
    script.admin().disable("orders").unwrap();
    script.admin().disable("orders").unwrap_err();
    script.admin().enable("orders").unwrap();
    script.admin().send(Command::UpdateKey(update("orders", "for orders"))).unwrap();
    let key = script.key("orders");
    assert_eq!((key.revision, key.primary_version), (5, 2));
    assert_eq!(key.changed_at, script.machine.index);
}

#[test]
fn what_the_state_of_a_key_forbids_is_refused_with_what_it_allows() {
    let mut script = Script::unsealed();
    script.admin().create_key("orders").unwrap();
    let refusal = script.admin().enable("orders").unwrap_err();
    assert_eq!(refused(&refusal), (KeyState::Enabled, KeyAction::Enable));
    script.admin().disable("orders").unwrap();
    let answers = [
        script.admin().disable("orders").unwrap_err(),
        script.admin().rotate("orders").unwrap_err(),
    ];
    for (refusal, action) in answers.iter().zip([KeyAction::Disable, KeyAction::Rotate]) {
        assert_eq!(refused(refusal), (KeyState::Disabled, action));
        let facts = refusal.metadata();
        assert_eq!(facts["state"], "Disabled");
        assert_eq!(facts["action"], action.to_string());
        let allowed = "Enable,Update,Alias,SetPolicy,Move,Unregister,Delete";
        assert_eq!(facts["allowed"], allowed);
    }
    script.admin().send(Command::UpdateKey(update("orders", "still possible"))).unwrap();
    script.admin().enable("orders").unwrap();
    script.admin().rotate("orders").unwrap();
}

#[test]
fn versions_are_contiguous_and_end_at_100() {
    let mut script = Script::unsealed();
    script.admin().create_key("orders").unwrap();
    for _ in 1..limits::VERSIONS_PER_KEY {
        script.admin().rotate("orders").unwrap();
    }
    assert_eq!(script.key("orders").primary_version, 100);
    assert_eq!(script.admin().rotate("orders"), Err(Refusal::VersionLimit));
    let versions = script.machine.state().versions(key_id("orders"));
    let numbers: Vec<_> = versions.iter().map(|version| version.version).collect();
    assert_eq!(numbers, (1..=100).collect::<Vec<_>>());
}

#[test]
fn material_bound_to_another_version_number_is_superseded() {
    let mut script = Script::unsealed();
    script.admin().create_key("orders").unwrap();
    for wrong in [0, 1, 3, 4, u32::MAX] {
        let answer = script.admin().send(rotate("orders", wrong, 1));
        assert_eq!(answer, Err(Refusal::Superseded), "version {wrong}");
    }
    script.admin().send(rotate("orders", 2, 1)).unwrap();
    assert_eq!(script.admin().send(rotate("orders", 2, 1)), Err(Refusal::Superseded));
    assert_eq!(script.key("orders").primary_version, 2);
}

#[test]
fn material_under_another_wrapping_generation_is_superseded() {
    let mut script = Script::unsealed();
    script.admin().create_key("orders").unwrap();
    for wrong in [0, 2] {
        let answer = script.admin().send(rotate("orders", 2, wrong));
        assert_eq!(answer, Err(Refusal::Superseded));
        let create = CreateKey { material: material(wrong), ..create_of("bills") };
        assert_eq!(script.admin().send(Command::CreateKey(create)), Err(Refusal::Superseded));
    }
}

/// The same holds for what the schedule asks for, and the next attempt is judged anew.
#[test]
fn a_scheduled_rotation_prepared_for_another_state_is_superseded() {
    let mut script = Script::unsealed();
    let create = CreateKey { rotate_every_ms: Some(DAY), ..create_of("orders") };
    script.admin().send(Command::CreateKey(create)).unwrap();
    script.wait_ms(DAY);
    let key = key_id("orders");
    for (version, generation) in [(1, 1), (3, 1), (2, 0), (2, 2)] {
        let material = material(generation);
        let command = Command::ScheduledRotation(RotateKey { key, version, material });
        let answer = script.cluster().send(command);
        assert_eq!(answer, Err(Refusal::Superseded), "version {version}, {generation}");
    }
    assert_eq!(script.history("orders").len(), 1, "it is no refusal to speak of");
    script.cluster().rotate_by_schedule("orders").unwrap();
}

#[test]
fn an_alias_names_one_key() {
    let mut script = Script::unsealed();
    script.admin().create_key("orders").unwrap();
    let second = CreateKey { key: key_id("another"), ..create_of("orders") };
    assert_eq!(
        script.admin().send(Command::CreateKey(second)),
        Err(Refusal::AlreadyExists { what: Thing::Alias })
    );
    assert_eq!(script.machine.state().key(key_id("another")), None);
}

#[test]
fn a_key_id_is_never_reused() {
    let mut script = Script::unsealed();
    script.admin().create_key("orders").unwrap();
    script.admin().disable("orders").unwrap();
    let again = CreateKey { alias: Some("bills".into()), ..create_of("orders") };
    assert_eq!(
        script.admin().send(Command::CreateKey(again)),
        Err(Refusal::AlreadyExists { what: Thing::Key })
    );
    assert_eq!(script.key("orders").state, KeyState::Disabled);
    assert_eq!(script.machine.state().alias(home(), "bills"), None);
}

#[test]
fn an_unknown_key_is_not_found() {
    let mut script = Script::unsealed();
    let not_found = Err(Refusal::NotFound { what: Thing::Key });
    assert_eq!(script.admin().rotate("orders"), not_found);
    assert_eq!(script.admin().enable("orders"), not_found);
    assert_eq!(script.admin().disable("orders"), not_found);
    let update = Command::UpdateKey(update("orders", ""));
    assert_eq!(script.admin().send(update), not_found);
}

#[test]
fn before_an_unseal_confirms_the_init_there_are_no_keys() {
    let mut script = Script::initialized();
    assert_eq!(script.admin().create_key("orders"), Err(Refusal::NotInitialized));
    script.unseal();
    script.admin().create_key("orders").unwrap();
}

#[test]
fn update_sets_and_removes_labels_and_leaves_the_rest() {
    let mut script = Script::unsealed();
    let create = CreateKey {
        description: "first".into(),
        labels: labels([("env", "prod"), ("team", "shop")]),
        ..create_of("orders")
    };
    script.admin().send(Command::CreateKey(create)).unwrap();
    let change = UpdateKey {
        description: None,
        set_labels: labels([("team", "billing"), ("tier", "1")]),
        remove_labels: vec!["env".into(), "unknown".into()],
        ..update("orders", "")
    };
    script.admin().send(Command::UpdateKey(change)).unwrap();
    let key = script.key("orders");
    assert_eq!(key.description, "first");
    assert_eq!(key.labels, labels([("team", "billing"), ("tier", "1")]));
}

#[test]
fn texts_and_labels_end_at_their_bounds() {
    let mut script = Script::unsealed();
    let full = CreateKey {
        alias: Some("a".repeat(limits::NAME_BYTES)),
        description: "d".repeat(limits::DESCRIPTION_BYTES),
        labels: many_labels(limits::LABELS_PER_KEY),
        ..create_of("full")
    };
    script.admin().send(Command::CreateKey(full.clone())).unwrap();
    let mut crossings = vec![];
    let mut cross = |name: &str, change: &dyn Fn(&mut CreateKey)| {
        let mut create = CreateKey { key: key_id(name), alias: None, ..full.clone() };
        change(&mut create);
        let refusal = script.admin().send(Command::CreateKey(create)).unwrap_err();
        crossings.push(refusal);
    };
    cross("alias", &|c| c.alias = Some("b".repeat(limits::NAME_BYTES + 1)));
    cross("description", &|c| c.description.push('d'));
    cross("labels", &|c| drop(c.labels.insert("one more".into(), String::new())));
    cross("label", &|c| c.labels = labels([(&"n".repeat(limits::LABEL_NAME_BYTES + 1), "")]));
    cross("value", &|c| c.labels = labels([("n", &"v".repeat(limits::LABEL_VALUE_BYTES + 1))]));
    let limit = |what, limit: usize| Refusal::Limit { what, limit: limit as u64 };
    assert_eq!(
        crossings,
        [
            limit(Bounded::NameBytes, limits::NAME_BYTES),
            limit(Bounded::DescriptionBytes, limits::DESCRIPTION_BYTES),
            limit(Bounded::Labels, limits::LABELS_PER_KEY),
            limit(Bounded::LabelNameBytes, limits::LABEL_NAME_BYTES),
            limit(Bounded::LabelValueBytes, limits::LABEL_VALUE_BYTES),
        ]
    );
}

#[test]
fn update_counts_the_labels_that_are_there_already() {
    let mut script = Script::unsealed();
    let create = CreateKey { labels: many_labels(limits::LABELS_PER_KEY), ..create_of("orders") };
    script.admin().send(Command::CreateKey(create)).unwrap();
    let add = UpdateKey { set_labels: labels([("new", "1")]), ..update("orders", "") };
    let limit = limits::LABELS_PER_KEY as u64;
    assert_eq!(
        script.admin().send(Command::UpdateKey(add.clone())),
        Err(Refusal::Limit { what: Bounded::Labels, limit })
    );
    let swap = UpdateKey { remove_labels: vec!["label-0".into()], ..add };
    script.admin().send(Command::UpdateKey(swap)).unwrap();
    assert_eq!(script.key("orders").labels.len(), limits::LABELS_PER_KEY);
}

/// Of a refusal by state: the state, and what was asked.
fn refused(refusal: &Refusal) -> (KeyState, KeyAction) {
    match refusal {
        Refusal::KeyState { state, action, .. } => (*state, *action),
        other => panic!("{other:?}"),
    }
}

fn labels<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn many_labels(count: usize) -> BTreeMap<String, String> {
    (0..count).map(|n| (format!("label-{n}"), "v".into())).collect()
}
