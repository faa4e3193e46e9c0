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
    ];
    for (label, request) in bad {
        table.push_str(&line(label, &admin.update_key(request).await.unwrap_err()));
    }
    let list = v1::ListKeysRequest::default;
    let bad = [
        ("limit", v1::ListKeysRequest { limit: 1_001, ..list() }),
        ("cursor", v1::ListKeysRequest { cursor: "next".to_owned(), ..list() }),
        ("states", v1::ListKeysRequest { states: vec![9], ..list() }),
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
    key | key: a key id (UUID) or an alias is needed; an alias has 2 to 90 characters out of A-Z a-z 0-9 _ -
    no key | key: a key id (UUID) or an alias is needed; an alias has 2 to 90 characters out of A-Z a-z 0-9 _ -
    set | set_labels: a key has at most 20 labels; remove one first
    remove | remove_labels: the key of a label has 1 to 63 characters out of A-Z a-z 0-9 . _ / -
    text | description: a description has at most 240 characters and no control characters
    limit | limit: allowed are 1 to 1000, or 0 for 100
    cursor | cursor: give `next_cursor` of the page before unchanged
    states | states: allowed are KEY_STATE_ENABLED and KEY_STATE_DISABLED
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
        ("scope", v1::BindRoleRequest { scope: "key:1".to_owned(), ..bind() }),
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
    scope | scope: allowed is `cluster`, which is also the default
    subject | subject: a principal or a group is needed
    until | until: a time after 1970 with 0 to 999999999 nanoseconds is needed
    until nanos | until: a time after 1970 with 0 to 999999999 nanoseconds is needed
    action | action: there is no action "Fly"; the actions are Encrypt, Decrypt, Random, GetKey, ListKeys, CreateKey, RotateKey, EnableKey, DisableKey, UpdateKey, ManagePrincipals, ListAccess, BindRole, Seal, Status
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
