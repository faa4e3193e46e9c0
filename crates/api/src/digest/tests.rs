use super::*;
use conclave_core::ids::{KeyId, PrincipalId};
use uuid::Uuid;

fn hex(bytes: [u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn all() -> Vec<(&'static str, [u8; 32])> {
    let id = KeySelector::Id(KeyId(Uuid::from_u128(7)));
    let alias = KeySelector::Alias("orders".to_owned());
    let alice = PrincipalSelector::Name("alice".to_owned());
    let of_id = PrincipalSelector::Id(PrincipalId(Uuid::from_u128(8)));
    let to_alice = SubjectSelector::Principal(PrincipalSelector::Name("alice".to_owned()));
    let to_group = SubjectSelector::Group("alice".to_owned());
    let algorithm = Algorithm::Aes256GcmSiv;
    let remove = ["a".to_owned(), "b".to_owned()];
    vec![
        ("create", create_key(Some("orders"), algorithm, "text", &labels(&[("a", "1")]))),
        ("create, nothing", create_key(None, algorithm, "", &labels(&[]))),
        ("create, other label", create_key(None, algorithm, "", &labels(&[("a", "")]))),
        ("rotate id", of_key("RotateKey", &id)),
        ("rotate alias", of_key("RotateKey", &alias)),
        ("enable", of_key("EnableKey", &alias)),
        ("disable", of_key("DisableKey", &alias)),
        ("update", update_key(&alias, Some("text"), &labels(&[("c", "2")]), &remove)),
        ("update, nothing", update_key(&alias, None, &labels(&[]), &[])),
        ("update, empty text", update_key(&alias, Some(""), &labels(&[]), &[])),
        ("principal", create_principal("alice", None)),
        ("principal, certificate", create_principal("alice", Some("conclave://c/principal/a"))),
        ("disable principal", disable_principal(&alice)),
        ("disable principal by id", disable_principal(&of_id)),
        ("add", of_group("AddToGroup", "staff", &alice)),
        ("remove", of_group("RemoveFromGroup", "staff", &alice)),
        ("token", create_token(&alice, 60, None)),
        ("token, bound", create_token(&alice, 60, Some(&[1; 32]))),
        ("revoke", revoke_token(TokenId(Uuid::from_u128(9)))),
        ("bind", of_binding("BindRole", Role::Reader, &to_alice, None)),
        ("bind, until", of_binding("BindRole", Role::Reader, &to_alice, Some(0))),
        ("bind group", of_binding("BindRole", Role::Reader, &to_group, None)),
        ("unbind", of_binding("UnbindRole", Role::Reader, &to_alice, None)),
        ("seal", seal()),
    ]
}

#[test]
fn digests_are_pinned() {
    let table: String =
        all().into_iter().map(|(name, digest)| format!("{name}: {}\n", hex(digest))).collect();
    insta::assert_snapshot!(table, @r#"
    create: 79c902ffe408ade44ae0c776af6d154cc310f2ce5e87edeea3b585736cf5d513
    create, nothing: f5899a1484088058f716dbcaa40e46af8f4efde2c07bb8e42cbf171248e683ee
    create, other label: fc97ab443847e2d8beaa76b252c8f8829866d8db9dad98cee1457b88c7fbb076
    rotate id: 7e3b30c237b2eb558d297ae895b7821406595f390107b30bf5b4afa1735691c6
    rotate alias: 73a580748387498f08060f05eb2a91bae18976446cb7984e7dcfd4776966c640
    enable: c1f121e3e2a1481778ef6f9f0a3c97a1ab1d7cf36d69c48ae1a0d64727dc01ed
    disable: 24b69fdce946bbd9bb745baf15582842d7b748dedfbec3657ebe745e9221b1b9
    update: 10ecfffd9c352c72f2c46dff70db3cabbe33438324ff87da41ed7ab294fe74b0
    update, nothing: ef53577c2a6549347d469e85658dc2030e8dfad1f4cc0d40db6878ed4104da6f
    update, empty text: babc703221cad15715fa90bee7bde8ea6e8b144009e2f576b8b709f5357ee6d9
    principal: 9c85543664a2caecffc6ae93f4070e4806c818876febdc1d8c770914773b4686
    principal, certificate: abc8fbc923726e392380248eb011d68f19a281d94224a8451f7dd6a349d29fe9
    disable principal: 89e4c418fc143145157c63b7d71132a21ba4feb8854daf9b071d5dc2ab712cfa
    disable principal by id: 7ef6c0526d39b75d64108273d57613b7dd94a99b879eb468fde70434faea56fc
    add: 5c4cb1aa7f96bd8e0d5a4bda9e7bafeded8a0a11fa92d8263c3dc0d15aa3ba7b
    remove: 0ba888cbf510f2601836a4a1e996e2b7aee6e8fb23aaec0f0109238aad671711
    token: 873cd081da7fab09731003b0133c54f1726082c5e67108e8dba7a7c41822db6d
    token, bound: 662d7280e1142aaefdb3bc238814d189e0c5a27d38d67c1bb3511ab214f06e80
    revoke: 116807ab6418edd6dd97090e17eddbdc2a2e13ccdef21fac50fd425c67e16c94
    bind: c141af31df87f071fc64b03be7491942cbc3e8c9499e37e330d6b75f372fa9f2
    bind, until: aa0a15c77190b006d6036d271448cee1079dcd9b0987ced42262a4782526af2f
    bind group: c6fb7903f213e29b82eb50eddaf5dd7e7aec65066b044f53a33572875abc239a
    unbind: 8463d552d1e0eabe07300f3098e2e468915e3891737f0a4ba4b2b56d23a36460
    seal: 4b838575cf93ea640328774167ad16a4d43988a40537d45980c68dce2c84f472
    "#);
}

#[test]
fn no_two_requests_share_a_digest() {
    let digests: std::collections::BTreeSet<_> = all().into_iter().map(|(_, d)| d).collect();
    assert_eq!(digests.len(), all().len());
}
