use crate::testing::{Actor, FakeCluster, fact, reason};
use conclave_formats::limits::{MAX_ASSOCIATED_DATA, MAX_PLAINTEXT};
use conclave_proto::v1;

fn encrypt(plaintext: &[u8], associated_data: &[u8]) -> v1::EncryptRequest {
    v1::EncryptRequest {
        key: "orders".to_owned(),
        plaintext: plaintext.to_vec(),
        associated_data: associated_data.to_vec(),
    }
}

fn decrypt(ciphertext: &[u8], associated_data: &[u8], key: &str) -> v1::DecryptRequest {
    v1::DecryptRequest {
        ciphertext: ciphertext.to_vec(),
        associated_data: associated_data.to_vec(),
        key: key.to_owned(),
    }
}

#[tokio::test]
async fn what_one_node_encrypts_every_node_decrypts() {
    let (cluster, admin, _) = FakeCluster::unsealed(3).await;
    let key = admin.key("orders").await;
    for len in [0, 1, 1_024, MAX_PLAINTEXT] {
        let plaintext = vec![7; len];
        let made = admin.encrypt(encrypt(&plaintext, b"aad")).await.unwrap();
        assert_eq!((made.key_id.as_str(), made.version), (key.as_str(), 1));
        for node in &cluster.nodes {
            let back = admin.at(node).decrypt(decrypt(&made.ciphertext, b"aad", "")).await.unwrap();
            assert!(back.plaintext == plaintext);
            assert_eq!((back.key_id.as_str(), back.version), (key.as_str(), 1));
        }
    }
}

#[tokio::test]
async fn old_versions_decrypt_and_new_data_goes_under_the_primary_one() {
    let (_, admin, _) = FakeCluster::unsealed(1).await;
    admin.key("orders").await;
    let old = admin.seal_up("orders", b"old").await.unwrap();
    admin.rotate_key(Actor::of_key("orders")).await.unwrap();
    let new = admin.encrypt(encrypt(b"new", b"")).await.unwrap();
    assert_eq!(new.version, 2);
    assert_eq!(admin.open_up(&old).await.unwrap(), b"old");
    assert_eq!(admin.open_up(&new.ciphertext).await.unwrap(), b"new");
}

#[tokio::test]
async fn a_changed_ciphertext_and_wrong_associated_data_get_one_answer() {
    let (_, admin, _) = FakeCluster::unsealed(1).await;
    admin.key("orders").await;
    let made = admin.encrypt(encrypt(b"plain", b"aad")).await.unwrap().ciphertext;
    let wrong = admin.decrypt(decrypt(&made, b"dad", "")).await.unwrap_err();
    assert_eq!(reason(&wrong), "CIPHERTEXT_INVALID");
    // Behind the key id: version, nonce, body, tag.
    for at in 22..made.len() {
        let mut changed = made.clone();
        changed[at] ^= 1;
        let refused = admin.decrypt(decrypt(&changed, b"aad", "")).await.unwrap_err();
        assert_eq!(reason(&refused), "CIPHERTEXT_INVALID", "byte {at}");
        assert_eq!(refused.message(), wrong.message(), "byte {at}");
    }
    // Magic, format, algorithm; and what is cut off.
    for at in 0..6 {
        let mut changed = made.clone();
        changed[at] ^= 0x80;
        let refused = admin.decrypt(decrypt(&changed, b"aad", "")).await.unwrap_err();
        assert_eq!(reason(&refused), "CIPHERTEXT_INVALID", "byte {at}");
    }
    for len in 0..made.len() {
        let refused = admin.decrypt(decrypt(&made[..len], b"aad", "")).await.unwrap_err();
        assert_eq!(reason(&refused), "CIPHERTEXT_INVALID", "{len} bytes");
    }
}

#[tokio::test]
async fn a_ciphertext_names_its_key() {
    let (_, admin, _) = FakeCluster::unsealed(1).await;
    let key = admin.key("orders").await;
    admin.key("invoices").await;
    let made = admin.seal_up("orders", b"plain").await.unwrap();
    for only in [key.as_str(), "orders"] {
        assert!(admin.decrypt(decrypt(&made, b"", only)).await.is_ok());
    }
    let other = admin.decrypt(decrypt(&made, b"", "invoices")).await.unwrap_err();
    assert_eq!(reason(&other), "CIPHERTEXT_WRONG_KEY");
    let unknown = admin.decrypt(decrypt(&made, b"", "nothing")).await.unwrap_err();
    assert_eq!(reason(&unknown), "NOT_FOUND");
    let mut foreign = made;
    foreign[10] ^= 1;
    assert_eq!(reason(&admin.open_up(&foreign).await.unwrap_err()), "NOT_FOUND");
}

#[tokio::test]
async fn a_disabled_key_neither_encrypts_nor_decrypts() {
    let (_, admin, _) = FakeCluster::unsealed(1).await;
    admin.key("orders").await;
    let made = admin.seal_up("orders", b"plain").await.unwrap();
    admin.disable_key(Actor::of_key("orders")).await.unwrap();
    let refused = admin.open_up(&made).await.unwrap_err();
    assert_eq!(reason(&refused), "KEY_STATE");
    assert_eq!(
        (fact(&refused, "state"), fact(&refused, "action")),
        ("Disabled".into(), "Decrypt".into())
    );
    assert_eq!(refused.code(), tonic::Code::FailedPrecondition);
    admin.enable_key(Actor::of_key("orders")).await.unwrap();
    assert_eq!(admin.open_up(&made).await.unwrap(), b"plain");
}

#[tokio::test]
async fn too_much_is_too_large_and_says_how_much_is_allowed() {
    let (_, admin, _) = FakeCluster::unsealed(1).await;
    admin.key("orders").await;
    let plaintext = admin.encrypt(encrypt(&vec![0; MAX_PLAINTEXT + 1], b"")).await.unwrap_err();
    let data = vec![0; MAX_ASSOCIATED_DATA + 1];
    let associated = admin.encrypt(encrypt(b"", &data)).await.unwrap_err();
    let mut long = admin.seal_up("orders", &vec![0; MAX_PLAINTEXT]).await.unwrap();
    long.push(0);
    let ciphertext = admin.open_up(&long).await.unwrap_err();
    for (refused, limit) in [(plaintext, 65_536), (associated, 65_536), (ciphertext, 65_590)] {
        assert_eq!(reason(&refused), "TOO_LARGE");
        assert_eq!(fact(&refused, "limit"), limit.to_string());
        assert_eq!(fact(&refused, "given"), (limit + 1).to_string());
        assert!(refused.message().contains(&limit.to_string()));
    }
}

#[tokio::test]
async fn a_data_key_comes_plain_and_wrapped() {
    let (_, admin, _) = FakeCluster::unsealed(1).await;
    admin.key("orders").await;
    let ask = |bytes| v1::GenerateDataKeyRequest {
        key: "orders".to_owned(),
        bytes,
        associated_data: b"aad".to_vec(),
    };
    for (asked, given) in [(0, 32), (16, 16), (64, 64)] {
        let made = admin.generate_data_key(ask(asked)).await.unwrap();
        assert_eq!(made.plaintext.len(), given);
        let back = admin.decrypt(decrypt(&made.wrapped, b"aad", "")).await.unwrap();
        assert_eq!(back.plaintext, made.plaintext);
        let other = admin.generate_data_key(ask(asked)).await.unwrap();
        assert_ne!(other.plaintext, made.plaintext);
    }
}

#[tokio::test]
async fn random_bytes_need_a_credential_and_nothing_else() {
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    let nobody = admin.colleague("nobody", "").await;
    for (asked, given) in [(0, 32), (1, 1), (1_024, 1_024)] {
        let bytes = nobody.random(v1::RandomRequest { bytes: asked }).await.unwrap().bytes;
        assert_eq!(bytes.len(), given);
    }
    cluster.nodes[0].restart();
    assert!(nobody.random(v1::RandomRequest { bytes: 8 }).await.is_ok());
    let anonymous = Actor::nobody(&cluster.nodes[0]);
    let refused = anonymous.random(v1::RandomRequest { bytes: 8 }).await.unwrap_err();
    assert_eq!(reason(&refused), "UNAUTHENTICATED");
}

#[tokio::test]
async fn a_sealed_and_an_uninitialized_node_say_so() {
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    admin.key("orders").await;
    cluster.nodes[0].restart();
    assert_eq!(reason(&admin.seal_up("orders", b"").await.unwrap_err()), "SEALED");
    let empty = FakeCluster::new(1);
    let early = admin.at(&empty.nodes[0]);
    assert_eq!(reason(&early.seal_up("orders", b"").await.unwrap_err()), "NOT_INITIALIZED");
}
