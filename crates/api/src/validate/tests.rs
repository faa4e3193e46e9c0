//! Every wrong field of every mutation, as a caller sees it.

use crate::testing::{Actor, FakeCluster, fact, reason, request_id};
use conclave_proto::v1;
use prost_types::Timestamp;
use std::collections::HashMap;
use tonic::Status;

/// One line: which field, and the sentence.
fn line(label: &str, status: &Status) -> String {
    assert_eq!(reason(status), "INVALID_ARGUMENT", "{label}: {status:?}");
    assert!(status.message().starts_with(&fact(status, "field")), "{status:?}");
    format!("{label} | {}\n", status.message())
}

fn labels(count: usize) -> HashMap<String, String> {
    (0..count).map(|number| (format!("l{number}"), String::new())).collect()
}

#[tokio::test]
async fn wrong_fields_of_key_requests() {
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    let index = cluster.index();
    let good = || v1::CreateKeyRequest { request_id: request_id(), ..Default::default() };
    let bad = [
        ("no request id", v1::CreateKeyRequest { request_id: String::new(), ..good() }),
        ("request id", v1::CreateKeyRequest { request_id: "one".to_owned(), ..good() }),
        ("alias", v1::CreateKeyRequest { alias: "a b".to_owned(), ..good() }),
        ("alias is a UUID", v1::CreateKeyRequest { alias: request_id(), ..good() }),
        ("algorithm", v1::CreateKeyRequest { algorithm: "rot13".to_owned(), ..good() }),
        ("description", v1::CreateKeyRequest { description: "x".repeat(241), ..good() }),
        ("labels", v1::CreateKeyRequest { labels: labels(21), ..good() }),
        ("ring", v1::CreateKeyRequest { ring: "Payroll".to_owned(), ..good() }),
        (
            "expiry",
            v1::CreateKeyRequest {
                expires_at: Some(Timestamp { seconds: -1, nanos: 0 }),
                ..good()
            },
        ),
        ("rotation", v1::CreateKeyRequest { rotate_every_s: u64::MAX, ..good() }),
    ];
    let mut table = String::new();
    for (label, request) in bad {
        table.push_str(&line(label, &admin.create_key(request).await.unwrap_err()));
    }
    let request = v1::KeyRequest { request_id: request_id(), key: "?".to_owned() };
    table.push_str(&line("key", &admin.disable_key(request).await.unwrap_err()));
    let update = || v1::UpdateKeyRequest {
        request_id: request_id(),
        key: "orders".to_owned(),
        ..Default::default()
    };
    let bad = [
        ("no key", v1::UpdateKeyRequest { key: String::new(), ..update() }),
        ("set", v1::UpdateKeyRequest { set_labels: labels(21), ..update() }),
        ("remove", v1::UpdateKeyRequest { remove_labels: vec!["ä".to_owned()], ..update() }),
        ("text", v1::UpdateKeyRequest { description: Some("\n".to_owned()), ..update() }),
        ("move", v1::UpdateKeyRequest { ring: "x".to_owned(), ..update() }),
    ];
    for (label, request) in bad {
        table.push_str(&line(label, &admin.update_key(request).await.unwrap_err()));
    }
    let list = v1::ListKeysRequest::default;
    let bad = [
        ("limit", v1::ListKeysRequest { limit: 1_001, ..list() }),
        ("cursor", v1::ListKeysRequest { cursor: "next".to_owned(), ..list() }),
        ("states", v1::ListKeysRequest { states: vec![1, 9], ..list() }),
        ("no state", v1::ListKeysRequest { states: vec![0], ..list() }),
        ("list of ring", v1::ListKeysRequest { ring: "a b".to_owned(), ..list() }),
    ];
    for (label, request) in bad {
        table.push_str(&line(label, &admin.list_keys(request).await.unwrap_err()));
    }
    assert_eq!(cluster.index(), index);
    insta::assert_snapshot!(table, @r#"
    no request id | request_id: a UUID is needed, new for each request and the same for its repeats
    request id | request_id: a UUID is needed, new for each request and the same for its repeats
    alias | alias: an alias has 2 to 90 characters out of A-Z a-z 0-9 _ -
    alias is a UUID | alias: an alias must not read as a UUID, since it would be taken for a key id; choose another
    algorithm | algorithm: allowed is aes-256-gcm-siv
    description | description: a description has at most 240 characters and no control characters
    labels | labels: a key has at most 20 labels; remove one first
    ring | ring: an id (UUID) or a name is needed; the name of an instance or key ring has 2 to 63 characters out of a-z 0-9 -, begins with a letter or digit and is no UUID
    expiry | expires_at: a time after 1970 with 0 to 999999999 nanoseconds is needed
    rotation | rotate_every_s: a number of seconds that fits a window is needed
    key | key: a key id (UUID) or an alias is needed; an alias has 2 to 90 characters out of A-Z a-z 0-9 _ -
    no key | key: a key id (UUID) or an alias is needed; an alias has 2 to 90 characters out of A-Z a-z 0-9 _ -
    set | set_labels: a key has at most 20 labels; remove one first
    remove | remove_labels: the key of a label has 1 to 63 characters out of A-Z a-z 0-9 . _ / -
    text | description: a description has at most 240 characters and no control characters
    move | ring: an id (UUID) or a name is needed; the name of an instance or key ring has 2 to 63 characters out of a-z 0-9 -, begins with a letter or digit and is no UUID
    limit | limit: allowed are 1 to 1000, or 0 for 100
    cursor | cursor: give `next_cursor` of the page before unchanged
    states | states: allowed are KEY_STATE_ENABLED, KEY_STATE_DISABLED, KEY_STATE_DEACTIVATED, KEY_STATE_PENDING_DELETION, KEY_STATE_DESTROYED
    no state | states: allowed are KEY_STATE_ENABLED, KEY_STATE_DISABLED, KEY_STATE_DEACTIVATED, KEY_STATE_PENDING_DELETION, KEY_STATE_DESTROYED
    list of ring | ring: an id (UUID) or a name is needed; the name of an instance or key ring has 2 to 63 characters out of a-z 0-9 -, begins with a letter or digit and is no UUID
    "#);
}

#[tokio::test]
async fn wrong_fields_of_lifecycle_requests() {
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    let index = cluster.index();
    let key = || "orders".to_owned();
    let mut table = String::new();
    let mut note = |label: &str, status: Status| table.push_str(&line(label, &status));
    let delete = v1::DeleteKeyRequest { request_id: "one".to_owned(), key: key(), force: false };
    note("delete", admin.delete_key(delete).await.unwrap_err());
    let purge = v1::KeyRequest { request_id: request_id(), key: String::new() };
    note("purge", admin.purge_key(purge).await.unwrap_err());
    for alias in ["", "a b", "00000000-0000-4000-8000-000000000000"] {
        let alias = alias.to_owned();
        let request = v1::AliasRequest { request_id: request_id(), key: key(), alias };
        note("add alias", admin.add_alias(request.clone()).await.unwrap_err());
        note("remove alias", admin.remove_alias(request).await.unwrap_err());
    }
    for resource in [String::new(), "a\nb".to_owned(), "x".repeat(513)] {
        note("register", admin.register("orders", &resource, false).await.unwrap_err());
        let request =
            v1::UnregisterResourceRequest { request_id: request_id(), key: key(), resource };
        note("unregister", admin.unregister_resource(request).await.unwrap_err());
    }
    let request = v1::RegisterResourceRequest {
        request_id: request_id(),
        key: key(),
        resource: "crn:1".to_owned(),
        description: "x".repeat(241),
        prevent_deletion: false,
    };
    note("register text", admin.register_resource(request).await.unwrap_err());
    let policy = v1::PolicyChange::default;
    let too_long = Some(u64::MAX);
    let wrong_policies = [
        v1::PolicyChange { preset: "soft".to_owned(), ..policy() },
        v1::PolicyChange { grace_s: too_long, ..policy() },
        v1::PolicyChange { restore_window_s: too_long, ..policy() },
        v1::PolicyChange { purge_floor_s: too_long, ..policy() },
        v1::PolicyChange { auto_purge_s: too_long, ..policy() },
        v1::PolicyChange { restore_to: Some(0), ..policy() },
        v1::PolicyChange { restore_to: Some(3), ..policy() },
        v1::PolicyChange { enable_cooldown_s: too_long, ..policy() },
        v1::PolicyChange { restore_cooldown_s: too_long, ..policy() },
        v1::PolicyChange { rotate_cooldown_s: too_long, ..policy() },
    ];
    for wrong in wrong_policies {
        let request = v1::SetKeyPolicyRequest {
            request_id: request_id(),
            key: key(),
            windows: Some(wrong),
            ..Default::default()
        };
        note("policy", admin.set_key_policy(request).await.unwrap_err());
    }
    let request = v1::SetKeyPolicyRequest {
        request_id: request_id(),
        key: key(),
        rotate_every_s: too_long,
        ..Default::default()
    };
    note("rotation", admin.set_key_policy(request).await.unwrap_err());
    assert_eq!(cluster.index(), index);
    insta::assert_snapshot!(table, @r#"
    delete | request_id: a UUID is needed, new for each request and the same for its repeats
    purge | key: a key id (UUID) or an alias is needed; an alias has 2 to 90 characters out of A-Z a-z 0-9 _ -
    add alias | alias: an alias has 2 to 90 characters out of A-Z a-z 0-9 _ -
    remove alias | alias: an alias has 2 to 90 characters out of A-Z a-z 0-9 _ -
    add alias | alias: an alias has 2 to 90 characters out of A-Z a-z 0-9 _ -
    remove alias | alias: an alias has 2 to 90 characters out of A-Z a-z 0-9 _ -
    add alias | alias: an alias must not read as a UUID, since it would be taken for a key id; choose another
    remove alias | alias: an alias must not read as a UUID, since it would be taken for a key id; choose another
    register | resource: a resource has 1 to 512 bytes and no control characters
    unregister | resource: a resource has 1 to 512 bytes and no control characters
    register | resource: a resource has 1 to 512 bytes and no control characters
    unregister | resource: a resource has 1 to 512 bytes and no control characters
    register | resource: a resource has 1 to 512 bytes and no control characters
    unregister | resource: a resource has 1 to 512 bytes and no control characters
    register text | description: a description has at most 240 characters and no control characters
    policy | preset: there is no preset "soft"; the presets are layered, scheduled, soft-delete
    policy | grace_s: a number of seconds that fits a window is needed
    policy | restore_window_s: a number of seconds that fits a window is needed
    policy | purge_floor_s: a number of seconds that fits a window is needed
    policy | auto_purge_s: a number of seconds that fits a window is needed
    policy | restore_to: allowed are RESTORE_TO_PRIOR and RESTORE_TO_ENABLED
    policy | restore_to: allowed are RESTORE_TO_PRIOR and RESTORE_TO_ENABLED
    policy | enable_cooldown_s: a number of seconds that fits a window is needed
    policy | restore_cooldown_s: a number of seconds that fits a window is needed
    policy | rotate_cooldown_s: a number of seconds that fits a window is needed
    rotation | rotate_every_s: a number of seconds that fits a window is needed
    "#);
}

#[tokio::test]
async fn wrong_fields_of_instance_requests() {
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    let index = cluster.index();
    let mut table = String::new();
    let mut note = |label: &str, status: Status| table.push_str(&line(label, &status));
    for name in ["", "x", "Team", "-team", "00000000-0000-4000-8000-000000000000"] {
        let (request_id, name) = (request_id(), name.to_owned());
        let request = v1::CreateInstanceRequest { request_id, name: name.clone(), policy: None };
        note("create", admin.create_instance(request.clone()).await.unwrap_err());
        let request = v1::KeyRingRequest { request_id: request.request_id, name };
        note("ring", admin.create_key_ring(request).await.unwrap_err());
    }
    let instance = || "a b".to_owned();
    let request = v1::GetInstanceRequest { instance: instance() };
    note("get", admin.get_instance(request).await.unwrap_err());
    let request = v1::InstanceRequest { request_id: request_id(), instance: instance() };
    note("delete", admin.delete_instance(request).await.unwrap_err());
    let request = v1::SetInstancePolicyRequest {
        request_id: request_id(),
        instance: instance(),
        policy: None,
    };
    note("policy", admin.set_instance_policy(request).await.unwrap_err());
    for ring in ["", "a b"] {
        let (request_id, ring) = (request_id(), ring.to_owned());
        let request = v1::DeleteKeyRingRequest { request_id, ring, force: false };
        note("delete ring", admin.delete_key_ring(request).await.unwrap_err());
    }
    let request = v1::SetDeletionFloorRequest { request_id: request_id(), floor_s: u64::MAX };
    note("floor", admin.set_deletion_floor(request).await.unwrap_err());
    assert_eq!(cluster.index(), index);
    insta::assert_snapshot!(table, @r#"
    create | name: the name of an instance or key ring has 2 to 63 characters out of a-z 0-9 -, begins with a letter or digit and is no UUID
    ring | name: the name of an instance or key ring has 2 to 63 characters out of a-z 0-9 -, begins with a letter or digit and is no UUID
    create | name: the name of an instance or key ring has 2 to 63 characters out of a-z 0-9 -, begins with a letter or digit and is no UUID
    ring | name: the name of an instance or key ring has 2 to 63 characters out of a-z 0-9 -, begins with a letter or digit and is no UUID
    create | name: the name of an instance or key ring has 2 to 63 characters out of a-z 0-9 -, begins with a letter or digit and is no UUID
    ring | name: the name of an instance or key ring has 2 to 63 characters out of a-z 0-9 -, begins with a letter or digit and is no UUID
    create | name: the name of an instance or key ring has 2 to 63 characters out of a-z 0-9 -, begins with a letter or digit and is no UUID
    ring | name: the name of an instance or key ring has 2 to 63 characters out of a-z 0-9 -, begins with a letter or digit and is no UUID
    create | name: the name of an instance or key ring has 2 to 63 characters out of a-z 0-9 -, begins with a letter or digit and is no UUID
    ring | name: the name of an instance or key ring has 2 to 63 characters out of a-z 0-9 -, begins with a letter or digit and is no UUID
    get | instance: an id (UUID) or a name is needed; the name of an instance or key ring has 2 to 63 characters out of a-z 0-9 -, begins with a letter or digit and is no UUID
    delete | instance: an id (UUID) or a name is needed; the name of an instance or key ring has 2 to 63 characters out of a-z 0-9 -, begins with a letter or digit and is no UUID
    policy | instance: an id (UUID) or a name is needed; the name of an instance or key ring has 2 to 63 characters out of a-z 0-9 -, begins with a letter or digit and is no UUID
    delete ring | ring: the id (UUID) or name of a key ring is needed
    delete ring | ring: an id (UUID) or a name is needed; the name of an instance or key ring has 2 to 63 characters out of a-z 0-9 -, begins with a letter or digit and is no UUID
    floor | floor_s: a number of seconds that fits a window is needed
    "#);
}

#[tokio::test]
async fn wrong_fields_of_crypto_requests() {
    let (_, admin, _) = FakeCluster::unsealed(1).await;
    let mut table = String::new();
    let encrypt = v1::EncryptRequest { key: "x".to_owned(), ..Default::default() };
    table.push_str(&line("key", &admin.encrypt(encrypt).await.unwrap_err()));
    let decrypt = v1::DecryptRequest { key: "x".to_owned(), ..Default::default() };
    table.push_str(&line("only", &admin.decrypt(decrypt).await.unwrap_err()));
    for bytes in [15, 65] {
        let request =
            v1::GenerateDataKeyRequest { key: "orders".to_owned(), bytes, ..Default::default() };
        let refused = admin.generate_data_key(request).await.unwrap_err();
        table.push_str(&line("data key", &refused));
    }
    let refused = admin.random(v1::RandomRequest { bytes: 1_025 }).await.unwrap_err();
    table.push_str(&line("random", &refused));
    insta::assert_snapshot!(table, @r#"
    key | key: a key id (UUID) or an alias is needed; an alias has 2 to 90 characters out of A-Z a-z 0-9 _ -
    only | key: a key id (UUID) or an alias is needed; an alias has 2 to 90 characters out of A-Z a-z 0-9 _ -
    data key | bytes: allowed are 16 to 64, or 0 for 32; 15 was given
    data key | bytes: allowed are 16 to 64, or 0 for 32; 65 was given
    random | bytes: allowed are 1 to 1024, or 0 for 32; 1025 was given
    "#);
}

#[tokio::test]
async fn wrong_fields_of_access_requests() {
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    let index = cluster.index();
    let mut table = String::new();
    let principal = || v1::CreatePrincipalRequest {
        request_id: request_id(),
        name: "alice".to_owned(),
        cert_san: String::new(),
    };
    let sans = ["alice", "conclave://test/operator/alice", "conclave://other/principal/alice"];
    for san in sans {
        let request = v1::CreatePrincipalRequest { cert_san: san.to_owned(), ..principal() };
        table.push_str(&line("san", &admin.create_principal(request).await.unwrap_err()));
    }
    let request = v1::CreatePrincipalRequest { name: "Alice".to_owned(), ..principal() };
    table.push_str(&line("name", &admin.create_principal(request).await.unwrap_err()));
    let request = v1::GroupRequest {
        request_id: request_id(),
        group: String::new(),
        principal: "alice".to_owned(),
    };
    table.push_str(&line("group", &admin.add_to_group(request).await.unwrap_err()));
    let request = v1::PrincipalRequest { request_id: request_id(), principal: "A".to_owned() };
    table.push_str(&line("principal", &admin.disable_principal(request).await.unwrap_err()));
    let token = || v1::CreateTokenRequest {
        request_id: request_id(),
        principal: "admin".to_owned(),
        ..Default::default()
    };
    let bad = [
        v1::CreateTokenRequest { ttl_s: 59, ..token() },
        v1::CreateTokenRequest { ttl_s: 31_536_001, ..token() },
        v1::CreateTokenRequest { bind_certificate_sha256: vec![0; 31], ..token() },
    ];
    for request in bad {
        table.push_str(&line("token", &admin.create_token(request).await.unwrap_err()));
    }
    let request = v1::RevokeTokenRequest { request_id: request_id(), token_id: "t".to_owned() };
    table.push_str(&line("token id", &admin.revoke_token(request).await.unwrap_err()));
    let bind = || v1::BindRoleRequest {
        request_id: request_id(),
        role: "Reader".to_owned(),
        subject: Some(v1::bind_role_request::Subject::Group("staff".to_owned())),
        ..Default::default()
    };
    let bad = [
        ("role", v1::BindRoleRequest { role: "Root".to_owned(), ..bind() }),
        ("scope", v1::BindRoleRequest { scope: "everywhere".to_owned(), ..bind() }),
        ("scope of what", v1::BindRoleRequest { scope: "queue:orders".to_owned(), ..bind() }),
        ("instance", v1::BindRoleRequest { scope: "instance:".to_owned(), ..bind() }),
        ("ring", v1::BindRoleRequest { scope: "ring:".to_owned(), ..bind() }),
        ("ring name", v1::BindRoleRequest { scope: "ring:a b".to_owned(), ..bind() }),
        ("key", v1::BindRoleRequest { scope: "key:1".to_owned(), ..bind() }),
        ("subject", v1::BindRoleRequest { subject: None, ..bind() }),
        (
            "until",
            v1::BindRoleRequest { until: Some(Timestamp { seconds: -1, nanos: 0 }), ..bind() },
        ),
        (
            "until nanos",
            v1::BindRoleRequest {
                until: Some(Timestamp { seconds: 1, nanos: 1_000_000_000 }),
                ..bind()
            },
        ),
    ];
    for (label, request) in bad {
        table.push_str(&line(label, &admin.bind_role(request).await.unwrap_err()));
    }
    let request = v1::CheckRoleRequest {
        principal: "admin".to_owned(),
        action: "Fly".to_owned(),
        key: String::new(),
    };
    table.push_str(&line("action", &admin.check_role(request).await.unwrap_err()));
    assert_eq!(cluster.index(), index);
    insta::assert_snapshot!(table, @r#"
    san | cert_san: allowed is `conclave://test/principal/NAME`
    san | cert_san: allowed is `conclave://test/principal/NAME`
    san | cert_san: allowed is `conclave://test/principal/NAME`
    name | name: the name of a principal has 1 to 64 characters out of a-z 0-9 . _ @ - (lower case only, so that no second spelling exists)
    group | group: the name of a group has 1 to 64 characters out of a-z 0-9 . _ @ -
    principal | principal: an id (UUID) or a name is needed; the name of a principal has 1 to 64 characters out of a-z 0-9 . _ @ - (lower case only, so that no second spelling exists)
    token | ttl_s: allowed are 60 to 31536000, or 0 for 2592000; 59 was given
    token | ttl_s: allowed are 60 to 31536000, or 0 for 2592000; 31536001 was given
    token | bind_certificate_sha256: 32 bytes are needed, 31 were given
    token id | token_id: the id (UUID) of a token is needed, not the token itself
    role | role: there is no role "Root"; the roles are Reader, ReaderPlus, Writer, Manager, KeyPurge, Auditor, Operator, Administrator
    scope | scope: allowed are `cluster` (the default), `instance:I`, `ring:R` and `key:K`
    scope of what | scope: allowed are `cluster` (the default), `instance:I`, `ring:R` and `key:K`
    instance | scope: instance: an id (UUID) or a name is needed; the name of an instance or key ring has 2 to 63 characters out of a-z 0-9 -, begins with a letter or digit and is no UUID
    ring | scope: allowed are `cluster` (the default), `instance:I`, `ring:R` and `key:K`
    ring name | scope: ring: an id (UUID) or a name is needed; the name of an instance or key ring has 2 to 63 characters out of a-z 0-9 -, begins with a letter or digit and is no UUID
    key | scope: key: a key id (UUID) or an alias is needed; an alias has 2 to 90 characters out of A-Z a-z 0-9 _ -
    subject | subject: a principal or a group is needed
    until | until: a time after 1970 with 0 to 999999999 nanoseconds is needed
    until nanos | until: a time after 1970 with 0 to 999999999 nanoseconds is needed
    action | action: there is no action "Fly"; the actions are Encrypt, Decrypt, Random, GetKey, ListKeys, CreateKey, RotateKey, EnableKey, DisableKey, UpdateKey, ManagePrincipals, ListAccess, BindRole, Seal, Status, DeleteKey, CancelDeletion, RestoreKey, PurgeKey, ManageAliases, SetKeyPolicy, RegisterResource, GetHistory, CreateInstance, GetInstance, SetInstancePolicy, DeleteInstance, SetDeletionFloor, ManageRings
    "#);
}

#[tokio::test]
async fn wrong_fields_of_init() {
    let cluster = FakeCluster::new(1);
    let olga = Actor::operator(&cluster.nodes[0]);
    let init = v1::InitRequest::default;
    let bad = [
        ("shares", v1::InitRequest { shares: 256, ..init() }),
        ("threshold", v1::InitRequest { threshold: 6, ..init() }),
        ("threshold 1", v1::InitRequest { threshold: 1, ..init() }),
        ("recipients", v1::InitRequest { recipients: vec!["age1".to_owned()], ..init() }),
        ("recipient", v1::InitRequest { recipients: vec!["age1".to_owned(); 5], ..init() }),
        ("ttl", v1::InitRequest { admin_ttl_s: 1, ..init() }),
        ("never", v1::InitRequest { admin_never_expires: true, ..init() }),
    ];
    let mut table = String::new();
    for (label, request) in bad {
        table.push_str(&line(label, &olga.init(request).await.unwrap_err()));
    }
    assert_eq!(cluster.index(), 0);
    insta::assert_snapshot!(table, @r#"
    shares | shares: allowed are 1 to 255, or 0 for 5; 256 was given
    threshold | threshold: 6 of 5 shares cannot be needed; the threshold lies between 2 and the number of shares
    threshold 1 | threshold: with a threshold of 1 each share alone opens the cluster; ask for at least 2, or allow a single share explicitly
    recipients | recipients: one recipient a share is needed: 5, not 1; or none at all
    recipient | recipients: this is not an age recipient that Conclave takes; it begins with `age1` and comes from `age-keygen` (plugin, SSH and passphrase recipients are not taken)
    ttl | admin_ttl_s: allowed are 60 to 31536000, or 0 for 86400; 1 was given
    never | admin_never_expires: only a node with development.enabled makes a credential that never expires; give admin_ttl_s instead
    "#);
}
