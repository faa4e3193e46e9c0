use crate::testing::{Actor, FakeCluster, reason, request_id};
use conclave_proto::v1;
use prost_types::Timestamp;

fn of(principal: &str) -> v1::PrincipalRequest {
    v1::PrincipalRequest { request_id: request_id(), principal: principal.to_owned() }
}

fn group(group: &str, principal: &str) -> v1::GroupRequest {
    let (group, principal) = (group.to_owned(), principal.to_owned());
    v1::GroupRequest { request_id: request_id(), group, principal }
}

#[tokio::test]
async fn a_principal_is_found_by_name_and_id_with_its_credentials() {
    let (_, admin, _) = FakeCluster::unsealed(1).await;
    let request = v1::CreatePrincipalRequest {
        request_id: request_id(),
        name: "alice".to_owned(),
        cert_san: "conclave://test/principal/alice".to_owned(),
    };
    let made = admin.create_principal(request.clone()).await.unwrap();
    let token = admin.token("alice", 3_600).await.unwrap().token.unwrap();
    assert_eq!(token.expires_at.unwrap().seconds, 1_798_761_600 + 3_600);
    let id = made.principal.unwrap().id;
    for name in ["alice", &id] {
        let request = v1::GetPrincipalRequest { principal: name.to_owned() };
        let found = admin.get_principal(request).await.unwrap().principal.unwrap();
        assert_eq!((found.id.as_str(), found.name.as_str()), (id.as_str(), "alice"));
        let kinds: Vec<_> =
            found.credentials.iter().map(|c| (c.kind.as_str(), c.id.as_str())).collect();
        let expected = [("cert", "conclave://test/principal/alice"), ("token", token.id.as_str())];
        assert_eq!(kinds, expected);
    }
    let again = v1::CreatePrincipalRequest { request_id: request_id(), ..request };
    assert_eq!(reason(&admin.create_principal(again).await.unwrap_err()), "ALREADY_EXISTS");
    let list = admin.list_principals(v1::ListPrincipalsRequest::default()).await.unwrap();
    assert_eq!(list.principals.len(), 2);
    assert!(list.next_cursor.is_empty());
    let page = v1::ListPrincipalsRequest { limit: 1, cursor: String::new() };
    let first = admin.list_principals(page).await.unwrap();
    assert_eq!(first.next_cursor, first.principals[0].id);
}

#[tokio::test]
async fn a_certificate_stands_for_its_principal() {
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    admin.key("orders").await;
    let uri = "conclave://test/principal/alice";
    let alice = Actor::with_certificate(&cluster.nodes[0], uri);
    assert_eq!(reason(&alice.seal_up("orders", b"").await.unwrap_err()), "UNAUTHENTICATED");
    let request = v1::CreatePrincipalRequest {
        request_id: request_id(),
        name: "alice".to_owned(),
        cert_san: uri.to_owned(),
    };
    admin.create_principal(request).await.unwrap();
    assert_eq!(reason(&alice.seal_up("orders", b"").await.unwrap_err()), "PERMISSION_DENIED");
    admin.bind("Reader", "alice").await.unwrap();
    assert!(alice.seal_up("orders", b"").await.is_ok());
    admin.disable_principal(of("alice")).await.unwrap();
    assert_eq!(reason(&alice.seal_up("orders", b"").await.unwrap_err()), "UNAUTHENTICATED");
}

#[tokio::test]
async fn a_token_is_shown_once() {
    let (_, admin, _) = FakeCluster::unsealed(1).await;
    let request = v1::CreateTokenRequest {
        request_id: request_id(),
        principal: "admin".to_owned(),
        ..Default::default()
    };
    let first = admin.create_token(request.clone()).await.unwrap();
    assert!(admin.showing(&first.secret).random(v1::RandomRequest::default()).await.is_ok());
    let repeat = admin.create_token(request).await.unwrap();
    assert!(repeat.replayed);
    assert_eq!(repeat.secret, "");
    assert_eq!(repeat.token, first.token);
    let list = admin.list_tokens(v1::ListTokensRequest::default()).await.unwrap();
    assert_eq!(list.tokens.len(), 2);
}

#[tokio::test]
async fn a_bound_token_works_only_beside_its_certificate() {
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    let bind = |hash: [u8; 32]| v1::CreateTokenRequest {
        request_id: request_id(),
        principal: "admin".to_owned(),
        ttl_s: 0,
        bind_certificate_sha256: hash.to_vec(),
    };
    // The certificates of the test have this hash.
    let mine = admin.create_token(bind([9; 32])).await.unwrap();
    let other = admin.create_token(bind([8; 32])).await.unwrap();
    assert_eq!(mine.token.unwrap().bound_certificate, "09".repeat(32));
    let beside = Actor::with_certificate(&cluster.nodes[0], "conclave://test/principal/anybody");
    let random = v1::RandomRequest::default;
    assert!(beside.showing(&mine.secret).random(random()).await.is_ok());
    for refused in [
        beside.showing(&other.secret).random(random()).await,
        admin.showing(&mine.secret).random(random()).await,
    ] {
        assert_eq!(reason(&refused.unwrap_err()), "UNAUTHENTICATED");
    }
}

#[tokio::test]
async fn a_revoked_token_is_worthless_at_once() {
    let (cluster, admin, _) = FakeCluster::unsealed(3).await;
    let made = admin.token("admin", 0).await.unwrap();
    let holder = admin.showing(&made.secret).at(&cluster.nodes[1]);
    assert!(holder.random(v1::RandomRequest::default()).await.is_ok());
    cluster.nodes[1].set_lagging(true);
    let token_id = made.token.unwrap().id;
    let revoke = v1::RevokeTokenRequest { request_id: request_id(), token_id };
    assert!(admin.revoke_token(revoke).await.unwrap().token.unwrap().revoked);
    let refused = holder.random(v1::RandomRequest::default()).await.unwrap_err();
    assert_eq!(reason(&refused), "UNAUTHENTICATED");
}

#[tokio::test]
async fn an_expired_token_is_refused_on_an_idle_cluster() {
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    let made = admin.token("admin", 60).await.unwrap();
    let holder = admin.showing(&made.secret);
    cluster.clock.advance_ms(59_999);
    assert!(holder.random(v1::RandomRequest::default()).await.is_ok());
    cluster.clock.advance_ms(1);
    let refused = holder.random(v1::RandomRequest::default()).await.unwrap_err();
    assert_eq!(reason(&refused), "TOKEN_EXPIRED");
}

#[tokio::test]
async fn roles_come_through_groups_and_end() {
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    admin.key("orders").await;
    let alice = admin.colleague("alice", "").await;
    let in_a_minute = Timestamp { seconds: 1_798_761_660, nanos: 0 };
    let bind = v1::BindRoleRequest {
        request_id: request_id(),
        role: "Reader".to_owned(),
        subject: Some(v1::bind_role_request::Subject::Group("staff".to_owned())),
        scope: "cluster".to_owned(),
        until: Some(in_a_minute),
    };
    let bound = admin.bind_role(bind).await.unwrap().binding.unwrap();
    assert_eq!((bound.subject.as_str(), bound.until), ("group:staff", Some(in_a_minute)));
    assert!(alice.seal_up("orders", b"").await.is_err());
    let joined = admin.add_to_group(group("staff", "alice")).await.unwrap().principal.unwrap();
    assert_eq!(joined.groups, ["staff"]);
    assert!(alice.seal_up("orders", b"").await.is_ok());
    cluster.clock.advance_ms(60_000);
    assert_eq!(reason(&alice.seal_up("orders", b"").await.unwrap_err()), "PERMISSION_DENIED");
    let left = admin.remove_from_group(group("staff", "alice")).await.unwrap();
    assert!(left.principal.unwrap().groups.is_empty());
}

#[tokio::test]
async fn bindings_are_listed_checked_and_taken_away() {
    let (_, admin, _) = FakeCluster::unsealed(1).await;
    admin.key("orders").await;
    let alice = admin.colleague("alice", "Reader").await;
    let check = |action: &str| v1::CheckRoleRequest {
        principal: "alice".to_owned(),
        action: action.to_owned(),
        key: "orders".to_owned(),
    };
    let verdict = admin.check_role(check("Encrypt")).await.unwrap();
    assert_eq!(
        (verdict.allowed, verdict.because.as_str()),
        (true, "the role Reader permits Encrypt")
    );
    let verdict = admin.check_role(check("DisableKey")).await.unwrap();
    assert_eq!(verdict.because, "no role of the principal permits DisableKey");
    assert!(!verdict.allowed);
    assert!(admin.check_role(check("Random")).await.unwrap().allowed);
    let list = admin.list_bindings(v1::ListBindingsRequest {}).await.unwrap().bindings;
    let alices: Vec<_> = list.iter().filter(|b| b.subject == "principal:alice").collect();
    assert_eq!(alices.len(), 1);
    let unbind = v1::UnbindRoleRequest {
        request_id: request_id(),
        role: "Reader".to_owned(),
        subject: Some(v1::unbind_role_request::Subject::Principal("alice".to_owned())),
        scope: String::new(),
    };
    let gone = admin.unbind_role(unbind).await.unwrap().binding.unwrap();
    assert_eq!(gone.id, alices[0].id);
    assert!(alice.seal_up("orders", b"").await.is_err());
    assert!(!admin.check_role(check("Encrypt")).await.unwrap().allowed);
    admin.disable_principal(of("alice")).await.unwrap();
    let verdict = admin.check_role(check("Random")).await.unwrap();
    assert_eq!((verdict.allowed, verdict.because.as_str()), (false, "the principal is disabled"));
}

#[tokio::test]
async fn nobody_gives_roles_to_themselves() {
    let (_, admin, _) = FakeCluster::unsealed(1).await;
    assert_eq!(reason(&admin.bind("Reader", "admin").await.unwrap_err()), "SAME_PRINCIPAL");
    let manager = admin.colleague("manager", "Manager").await;
    admin.colleague("other", "").await;
    let refused = manager.bind("KeyPurge", "other").await.unwrap_err();
    assert_eq!(reason(&refused), "PERMISSION_DENIED");
    assert_eq!(reason(&admin.bind("Reader", "noone").await.unwrap_err()), "NOT_FOUND");
}
