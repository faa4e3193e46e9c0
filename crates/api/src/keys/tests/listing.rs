//! Lists by ring, state, instance and page.

use crate::testing::{Actor, DAY, FakeCluster, reason};
use conclave_proto::v1;

fn list() -> v1::ListKeysRequest {
    v1::ListKeysRequest::default()
}

fn in_ring(ring: &str) -> v1::ListKeysRequest {
    v1::ListKeysRequest { ring: ring.to_owned(), ..list() }
}

fn in_states(states: &[v1::KeyState]) -> v1::ListKeysRequest {
    let states = states.iter().map(|state| i32::from(*state)).collect();
    v1::ListKeysRequest { states, ..list() }
}

/// First aliases of all pages, sorted, and how many pages there were.
async fn pages(actor: &Actor, request: v1::ListKeysRequest) -> (Vec<String>, usize) {
    let (mut seen, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let request = v1::ListKeysRequest { cursor, ..request.clone() };
        let page = actor.list_keys(request).await.unwrap();
        seen.extend(page.keys.into_iter().map(|key| key.aliases[0].clone()));
        pages += 1;
        cursor = page.next_cursor;
        if cursor.is_empty() {
            seen.sort();
            return (seen, pages);
        }
    }
}

async fn names(actor: &Actor, request: v1::ListKeysRequest) -> Vec<String> {
    pages(actor, request).await.0
}

#[tokio::test]
async fn a_list_is_of_one_instance_and_perhaps_of_one_ring() {
    let (_, admin, _) = FakeCluster::unsealed(1).await;
    let id = admin.instance("team", v1::PolicyChange::default()).await;
    let there = admin.in_instance("team");
    let ring = admin.ring("payroll").await;
    there.ring("payroll").await;
    admin.key("one").await;
    admin.key_in("payroll", "two").await;
    there.key_in("payroll", "three").await;
    let by_id = admin.in_instance(&id);
    for (actor, request, expected) in [
        (&admin, list(), vec!["one", "two"]),
        (&admin, in_ring("default"), vec!["one"]),
        (&admin, in_ring("payroll"), vec!["two"]),
        (&admin, in_ring(&ring), vec!["two"]),
        (&there, list(), vec!["three"]),
        (&by_id, list(), vec!["three"]),
        (&there, in_ring("default"), vec![]),
        (&there, in_ring("payroll"), vec!["three"]),
    ] {
        assert_eq!(names(actor, request.clone()).await, expected, "{request:?}");
    }
    // Rings belong to their instance, also by id.
    for (actor, ring) in [(&admin, "nowhere"), (&there, ring.as_str())] {
        let refused = actor.list_keys(in_ring(ring)).await.unwrap_err();
        assert_eq!(reason(&refused), "NOT_FOUND");
        assert!(refused.message().contains(ring), "{}", refused.message());
    }
}

#[tokio::test]
async fn destroyed_keys_are_listed_on_request_and_time_counts_without_an_entry() {
    use v1::KeyState::{Deactivated, Destroyed, Disabled, Enabled, PendingDeletion};
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    for key in ["enabled", "disabled", "pending", "destroyed"] {
        admin.key(key).await;
    }
    let request = v1::CreateKeyRequest {
        request_id: crate::testing::request_id(),
        alias: "expiring".to_owned(),
        expires_at: Some(prost_types::Timestamp { seconds: 1_798_761_600 + 86_400, nanos: 0 }),
        ..Default::default()
    };
    admin.create_key(request).await.unwrap();
    admin.disable_key(Actor::of_key("disabled")).await.unwrap();
    admin.delete("pending", false).await.unwrap();
    admin.delete("destroyed", false).await.unwrap();
    admin.delete_now(Actor::of_key("destroyed")).await.unwrap();
    let all = [Enabled, Disabled, Deactivated, PendingDeletion, Destroyed];
    let index = cluster.index();
    let at_first: [(&[v1::KeyState], &[&str]); 7] = [
        (&[], &["disabled", "enabled", "expiring", "pending"]),
        (&[Enabled], &["enabled", "expiring"]),
        (&[Disabled], &["disabled"]),
        (&[Deactivated], &[]),
        (&[PendingDeletion], &["pending"]),
        (&[Destroyed], &["destroyed"]),
        (&all, &["destroyed", "disabled", "enabled", "expiring", "pending"]),
    ];
    for (states, expected) in at_first {
        assert_eq!(names(&admin, in_states(states)).await, expected, "{states:?}");
    }
    cluster.clock.advance_ms(3 * DAY + 1);
    let after_three_days: [(&[v1::KeyState], &[&str]); 4] = [
        (&[], &["disabled", "enabled", "expiring"]),
        (&[Enabled], &["enabled"]),
        (&[Deactivated], &["expiring"]),
        (&[Destroyed], &["destroyed", "pending"]),
    ];
    for (states, expected) in after_three_days {
        assert_eq!(names(&admin, in_states(states)).await, expected, "{states:?}");
    }
    cluster.clock.advance_ms(87 * DAY);
    assert_eq!(names(&admin, in_states(&[Destroyed])).await, ["pending"]);
    assert_eq!(cluster.index(), index);
}

#[tokio::test]
async fn pages_of_a_ring_hold_its_keys_alone() {
    let (_, admin, _) = FakeCluster::unsealed(1).await;
    admin.ring("payroll").await;
    for number in 0..7 {
        admin.key(&format!("other-{number}")).await;
        admin.key_in("payroll", &format!("key-{number}")).await;
    }
    admin.disable_key(Actor::of_key("key-3")).await.unwrap();
    let all: Vec<String> = (0..7).map(|number| format!("key-{number}")).collect();
    let request = v1::ListKeysRequest { limit: 3, ..in_ring("payroll") };
    assert_eq!(pages(&admin, request.clone()).await, (all.clone(), 3));
    let enabled = v1::ListKeysRequest { states: vec![v1::KeyState::Enabled.into()], ..request };
    let without: Vec<String> = all.into_iter().filter(|name| name != "key-3").collect();
    assert_eq!(pages(&admin, enabled).await, (without, 2));
}
