mod time;

use super::*;
use crate::testing::{Actor, FakeCluster, fact, reason};
use conclave_proto::v1;
use std::sync::atomic::Ordering;

/// Node 3 of a cluster, warm: its tables and keyring have served administrator and reader.
struct Follower {
    cluster: Arc<FakeCluster>,
    admin: Actor,
    /// The administrator at node 3.
    there: Actor,
    /// A principal with the role Reader, at node 3.
    reader: Actor,
    key: String,
}

/// From now on the follower applies only what a barrier asks it to.
async fn lagging_follower() -> Follower {
    let (cluster, admin, _) = FakeCluster::unsealed(3).await;
    let key = admin.key("orders").await;
    let there = admin.at(&cluster.nodes[2]);
    let reader = admin.colleague("reader", "Reader").await.at(&cluster.nodes[2]);
    there.seal_up(&key, b"warm").await.unwrap();
    reader.seal_up(&key, b"warm").await.unwrap();
    cluster.nodes[2].set_lagging(true);
    Follower { cluster, admin, there, reader, key }
}

fn draft() -> Draft {
    Draft::new(conclave_core::journal::Operation::Encrypt, 0)
}

async fn use_after_disable() -> Result<Vec<u8>, tonic::Status> {
    let Follower { admin, there, key, .. } = lagging_follower().await;
    admin.disable_key(Actor::of_key(&key)).await.unwrap();
    there.seal_up(&key, b"too late").await
}

/// The follower gets the disable as part of a snapshot.
async fn use_after_install() -> Result<Vec<u8>, tonic::Status> {
    let Follower { cluster, admin, there, key, .. } = lagging_follower().await;
    admin.disable_key(Actor::of_key(&key)).await.unwrap();
    cluster.nodes[2].install_newest();
    there.seal_up(&key, b"too late").await
}

async fn use_after_revocation() -> Result<Vec<u8>, tonic::Status> {
    let Follower { admin, reader, key, .. } = lagging_follower().await;
    let principal = "reader".to_owned();
    let request = v1::PrincipalRequest { request_id: crate::testing::request_id(), principal };
    admin.disable_principal(request).await.unwrap();
    reader.seal_up(&key, b"too late").await
}

async fn use_after_seal() -> Result<Vec<u8>, tonic::Status> {
    let Follower { cluster, admin, there, key, .. } = lagging_follower().await;
    // Node 3 cannot be reached by the seal, so it has not applied it when the seal returns.
    cluster.nodes[2].set_up(false);
    let request = v1::SealRequest { request_id: crate::testing::request_id() };
    admin.seal(request).await.unwrap();
    assert!(!cluster.nodes[2].is_sealed());
    there.seal_up(&key, b"too late").await
}

#[tokio::test]
async fn after_a_disable_no_node_uses_the_key() {
    let refused = use_after_disable().await.unwrap_err();
    assert_eq!(reason(&refused), "KEY_STATE");
    assert_eq!(fact(&refused, "state"), "Disabled");
    assert_eq!(fact(&refused, "action"), "Encrypt");
    let allowed = "Enable,Update,Alias,SetPolicy,Move,Unregister,Delete";
    assert_eq!(fact(&refused, "allowed"), allowed);
}

#[tokio::test]
async fn after_a_snapshot_with_a_disable_in_it_the_node_does_not_use_the_key() {
    assert_eq!(reason(&use_after_install().await.unwrap_err()), "KEY_STATE");
}

#[tokio::test]
async fn after_a_revocation_no_node_serves_the_principal() {
    assert_eq!(reason(&use_after_revocation().await.unwrap_err()), "UNAUTHENTICATED");
}

#[tokio::test]
async fn after_a_seal_no_node_uses_keys() {
    assert_eq!(reason(&use_after_seal().await.unwrap_err()), "SEALED");
}

/// The tests above are worth something only if these fail them.
#[cfg(feature = "mutants")]
#[test]
fn mutants_use_what_was_disabled_revoked_or_sealed() {
    for mutant in [Mutant::NoReadBarrier, Mutant::AuthorizeBeforeBarrier] {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        conclave_core::mutants::with(mutant, || {
            assert!(runtime.block_on(use_after_disable()).is_ok(), "{mutant:?} and a disable");
            assert!(
                runtime.block_on(use_after_revocation()).is_ok(),
                "{mutant:?} and a revocation"
            );
            // A barrier, however late, brings the seal, and that wipes the keys.
            let no_barrier = mutant == Mutant::NoReadBarrier;
            assert_eq!(runtime.block_on(use_after_seal()).is_ok(), no_barrier, "{mutant:?}");
        });
    }
}

#[cfg(feature = "mutants")]
#[test]
fn mutants_of_the_caches_use_what_was_disabled() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    conclave_core::mutants::with(Mutant::InsertAfterEvict, || {
        assert!(runtime.block_on(use_after_disable()).is_ok());
    });
    conclave_core::mutants::with(Mutant::KeepCacheOnInstall, || {
        assert!(runtime.block_on(use_after_install()).is_ok());
        assert!(runtime.block_on(use_after_disable()).is_err(), "entries still evict");
    });
}

#[tokio::test]
async fn a_request_that_waits_for_its_barrier_sees_what_is_acknowledged_meanwhile() {
    let Follower { cluster, admin, there, key, .. } = lagging_follower().await;
    let node = &cluster.nodes[2];
    node.barriers_open.send_replace(false);
    let before = node.barriers.load(Ordering::SeqCst);
    let waiting = tokio::spawn({
        let (there, key) = (there.clone(), key.clone());
        async move { there.seal_up(&key, b"waits").await }
    });
    while node.barriers.load(Ordering::SeqCst) == before {
        tokio::task::yield_now().await;
    }
    admin.disable_key(Actor::of_key(&key)).await.unwrap();
    node.barriers_open.send_replace(true);
    assert_eq!(reason(&waiting.await.unwrap().unwrap_err()), "KEY_STATE");
}

#[tokio::test]
async fn without_a_quorum_nothing_is_used() {
    let (cluster, admin, _) = FakeCluster::unsealed(3).await;
    let key = admin.key("orders").await;
    let ciphertext = admin.seal_up(&key, b"plain").await.unwrap();
    cluster.quorum.store(false, Ordering::SeqCst);
    assert_eq!(reason(&admin.seal_up(&key, b"plain").await.unwrap_err()), "NO_QUORUM");
    assert_eq!(reason(&admin.open_up(&ciphertext).await.unwrap_err()), "NO_QUORUM");
    cluster.quorum.store(true, Ordering::SeqCst);
    assert_eq!(admin.open_up(&ciphertext).await.unwrap(), b"plain");
}

fn call(context: &Context, actor: &Actor) -> Call {
    Call::of(context, &actor.request(())).unwrap()
}

/// A record that is newer than the view, or a state that is older, is no basis for a decision.
#[tokio::test]
async fn view_and_key_are_one_state() {
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    let key = admin.key("orders").await;
    let context = cluster.nodes[0].context();
    let call = call(&context, &admin);
    let selector = KeySelector::Alias("orders".to_owned());
    let target = Target::Primary(&selector);
    let old = context.local();
    admin.rotate_key(Actor::of_key(&key)).await.unwrap();

    let newer_record = context.try_decide(&call, Action::Encrypt, &target, &old, &mut draft());
    assert!(matches!(newer_record, Err(Undecided::Behind)));

    let decided = context.decide(&call, Action::Encrypt, &target, old, &mut draft()).await.unwrap();
    assert_eq!(decided.version(), 2);
    assert_eq!(decided.as_of, cluster.index());
}

#[tokio::test]
async fn a_state_behind_the_view_is_not_read() {
    let (cluster, admin, _) = FakeCluster::unsealed(2).await;
    let key = KeyId(admin.key("orders").await.parse().unwrap());
    let [ahead, behind] = [0, 1].map(|node: usize| cluster.nodes[node].context());
    assert!(behind.key(key, &ahead.local()).is_ok());
    cluster.nodes[1].set_lagging(true);
    admin.key("invoices").await;
    behind.tables.clear(0);
    assert!(behind.key(key, &behind.local()).is_ok());
    behind.tables.clear(0);
    assert!(matches!(behind.key(key, &ahead.local()), Err(Undecided::Behind)));
}

#[tokio::test]
async fn a_permit_made_before_a_disable_does_not_fill_the_keyring() {
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    let key = admin.key("orders").await;
    let context = cluster.nodes[0].context();
    let selector = KeySelector::Alias("orders".to_owned());
    let target = Target::Primary(&selector);
    let call = call(&context, &admin);
    let decision = context.permit_use(&call, Action::Encrypt, &target, &mut draft()).await.unwrap();
    admin.disable_key(Actor::of_key(&key)).await.unwrap();
    // The request was ordered before the disable and may finish; nothing of it stays.
    context.with_key(&decision, |_| ()).unwrap();
    assert_eq!(context.unwrapped.len(), 0);

    admin.enable_key(Actor::of_key(&key)).await.unwrap();
    let decision = context.permit_use(&call, Action::Encrypt, &target, &mut draft()).await.unwrap();
    context.with_key(&decision, |_| ()).unwrap();
    assert_eq!(context.unwrapped.len(), 1);
    admin.disable_key(Actor::of_key(&key)).await.unwrap();
    assert_eq!(context.unwrapped.len(), 0);
}

#[tokio::test]
async fn a_decision_made_before_a_seal_finds_no_key_after_it() {
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    admin.key("orders").await;
    let context = cluster.nodes[0].context();
    let selector = KeySelector::Alias("orders".to_owned());
    let call = call(&context, &admin);
    let target = Target::Primary(&selector);
    let decision = context.permit_use(&call, Action::Encrypt, &target, &mut draft()).await.unwrap();
    let request_id = crate::testing::request_id();
    admin.seal(v1::SealRequest { request_id }).await.unwrap();
    let refused = context.with_key(&decision, |_| ()).err().unwrap();
    assert_eq!(refused.reason(), Some(Reason::Sealed));
    assert_eq!(context.unwrapped.len(), 0);
}

#[tokio::test]
async fn an_installed_snapshot_empties_what_is_cached_and_keeps_the_node_open() {
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    let key = admin.key("orders").await;
    admin.seal_up(&key, b"plain").await.unwrap();
    let node = &cluster.nodes[0];
    let context = node.context();
    assert_eq!(context.unwrapped.len(), 1);
    let state = context.replica().state();
    conclave_core::replica::Observer::installed(&*context, &*state, cluster.index());
    assert_eq!(context.unwrapped.len(), 0);
    assert!(!node.is_sealed());
    admin.seal_up(&key, b"plain").await.unwrap();
    assert_eq!(context.unwrapped.len(), 1);
}

/// Threads race for the tables and the keyring while the key is switched off and on: none of them
/// leaves anything behind that outlives a disable.
#[test]
fn a_disable_holds_under_concurrent_load() {
    const ROUNDS: usize = 200;
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (cluster, admin, _) = runtime().block_on(FakeCluster::unsealed(3));
    let key = runtime().block_on(admin.key("orders"));
    let stop = std::sync::atomic::AtomicBool::new(false);
    let used = std::thread::scope(|scope| {
        let load = |node: usize| {
            let (there, key, stop) = (admin.at(&cluster.nodes[node]), &key, &stop);
            scope.spawn(move || {
                let runtime = runtime();
                let mut used = 0;
                while !stop.load(Ordering::SeqCst) {
                    used += usize::from(runtime.block_on(there.seal_up(key, b"load")).is_ok());
                }
                used
            })
        };
        let loads = [load(0), load(1), load(2), load(2)];
        let runtime = runtime();
        for round in 0..ROUNDS {
            runtime.block_on(admin.disable_key(Actor::of_key(&key))).unwrap();
            let there = admin.at(&cluster.nodes[round % 3]);
            let late = runtime.block_on(there.seal_up(&key, b"late"));
            assert_eq!(reason(&late.unwrap_err()), "KEY_STATE", "round {round}");
            runtime.block_on(admin.enable_key(Actor::of_key(&key))).unwrap();
        }
        stop.store(true, Ordering::SeqCst);
        loads.map(|load| load.join().unwrap())
    });
    // The load was real.
    assert!(used.iter().sum::<usize>() > ROUNDS, "{used:?}");
}
