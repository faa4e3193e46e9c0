use super::*;
use crate::testing::FakeCluster;
use crate::validate;
use conclave_core::ids::{KeyId, PrincipalId, RingId};
use conclave_core::lifecycle::{Preset, RestoreTo};
use uuid::Uuid;

fn hex(bytes: [u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A call that names an instance, or none.
fn call(instance: Option<&str>) -> Call {
    let cluster = FakeCluster::new(1);
    let mut request = tonic::Request::new(());
    if let Some(instance) = instance {
        request.metadata_mut().insert("x-conclave-instance", instance.parse().unwrap());
    }
    Call::of(&cluster.nodes[0].context(), &request).unwrap()
}

type Digests = Vec<(&'static str, [u8; 32])>;

fn all() -> Vec<(String, [u8; 32])> {
    let named = |(name, digest): (&str, _)| (name.to_owned(), digest);
    let digests = [of_keys(), of_instances(), of_access()].concat();
    digests.into_iter().map(named).chain(of_policies()).collect()
}

fn of_keys() -> Digests {
    let (here, there) = (call(None), call(Some("team")));
    let id = KeySelector::Id(KeyId(Uuid::from_u128(7)));
    let alias = KeySelector::Alias("orders".to_owned());
    let [default, other] = ["default", "other"].map(|ring| RingSelector::Name(ring.to_owned()));
    let by_id = RingSelector::Id(RingId(Uuid::from_u128(7)));
    let (none, a1) = (labels(&[]), labels(&[("a", "1")]));
    let (a_empty, c2) = (labels(&[("a", "")]), labels(&[("c", "2")]));
    let (algorithm, remove) = (Algorithm::Aes256GcmSiv, ["a".to_owned(), "b".to_owned()]);
    let create = |new: NewKey<'_>| create_key(&here, &new);
    let new = || NewKey {
        alias: None,
        algorithm,
        description: "",
        labels: &none,
        ring: &default,
        expires_at_ms: None,
        rotate_every_ms: None,
    };
    let change = |update: KeyUpdate<'_>| update_key(&here, &alias, &update);
    let update = || KeyUpdate { description: None, set: &none, remove: &[], ring: None };
    let more = |method, more: &[&str]| of_key_and(&here, method, &alias, more);
    vec![
        (
            "create",
            create(NewKey { alias: Some("orders"), description: "text", labels: &a1, ..new() }),
        ),
        ("create, nothing", create(new())),
        ("create, nothing, there", create_key(&there, &new())),
        ("create, alias", create(NewKey { alias: Some("orders"), ..new() })),
        ("create, text", create(NewKey { description: "text", ..new() })),
        ("create, other label", create(NewKey { labels: &a_empty, ..new() })),
        ("create, other ring", create(NewKey { ring: &other, ..new() })),
        ("create, ring by id", create(NewKey { ring: &by_id, ..new() })),
        ("create, expiry", create(NewKey { expires_at_ms: Some(1), ..new() })),
        ("create, rotation", create(NewKey { rotate_every_ms: Some(1), ..new() })),
        ("rotate id", of_key(&here, "RotateKey", &id)),
        ("rotate alias", of_key(&here, "RotateKey", &alias)),
        ("rotate alias there", of_key(&there, "RotateKey", &alias)),
        ("enable", of_key(&here, "EnableKey", &alias)),
        ("disable", of_key(&here, "DisableKey", &alias)),
        ("cancel deletion", of_key(&here, "CancelDeletion", &alias)),
        ("delete now", of_key(&here, "DeleteNow", &alias)),
        ("restore", of_key(&here, "RestoreKey", &alias)),
        ("purge", of_key(&here, "PurgeKey", &alias)),
        ("delete", more("DeleteKey", &[""])),
        ("delete, force", more("DeleteKey", &["force"])),
        ("delete there", of_key_and(&there, "DeleteKey", &alias, &[""])),
        ("delete id", of_key_and(&here, "DeleteKey", &id, &[""])),
        ("version on", more("SetVersionEnabled", &["1", "on"])),
        ("version off", more("SetVersionEnabled", &["1", "off"])),
        ("other version on", more("SetVersionEnabled", &["2", "on"])),
        ("add alias", more("AddAlias", &["bills"])),
        ("remove alias", more("RemoveAlias", &["bills"])),
        ("register", more("RegisterResource", &["crn:1", "", ""])),
        ("register, text", more("RegisterResource", &["crn:1", "text", ""])),
        ("register, prevent", more("RegisterResource", &["crn:1", "", "prevent"])),
        ("register, text prevent", more("RegisterResource", &["crn:1", "prevent", ""])),
        ("unregister", more("UnregisterResource", &["crn:1"])),
        ("update", change(KeyUpdate { set: &c2, remove: &remove, ..update() })),
        ("update, nothing", change(update())),
        ("update, nothing, there", update_key(&there, &alias, &update())),
        ("update, nothing, by id", update_key(&here, &id, &update())),
        ("update, empty text", change(KeyUpdate { description: Some(""), ..update() })),
        ("update, remove", change(KeyUpdate { remove: &remove, ..update() })),
        ("update, remove less", change(KeyUpdate { remove: &remove[..1], ..update() })),
        ("update, ring", change(KeyUpdate { ring: Some(&default), ..update() })),
        ("update, ring by id", change(KeyUpdate { ring: Some(&by_id), ..update() })),
    ]
}

/// A change of each field of a policy, alone.
fn policy_changes() -> [(&'static str, PolicyChange); 18] {
    let unchanged = PolicyChange::default;
    let (ms, on) = (Some(1), Some(true));
    [
        ("nothing", unchanged()),
        ("layered", PolicyChange { preset: Some(Preset::Layered), ..unchanged() }),
        ("soft", PolicyChange { preset: Some(Preset::SoftDelete), ..unchanged() }),
        ("grace", PolicyChange { grace_ms: ms, ..unchanged() }),
        ("no grace", PolicyChange { grace_ms: Some(0), ..unchanged() }),
        ("window", PolicyChange { restore_window_ms: ms, ..unchanged() }),
        ("floor", PolicyChange { purge_floor_ms: ms, ..unchanged() }),
        ("purge", PolicyChange { auto_purge_ms: ms, ..unchanged() }),
        ("now", PolicyChange { delete_now: on, ..unchanged() }),
        ("not now", PolicyChange { delete_now: Some(false), ..unchanged() }),
        ("disabled", PolicyChange { rotate_while_disabled: on, ..unchanged() }),
        ("pending", PolicyChange { rotate_while_pending: on, ..unchanged() }),
        ("restore to", PolicyChange { restore_to: Some(RestoreTo::Enabled), ..unchanged() }),
        ("deactivated", PolicyChange { disable_deactivated: on, ..unchanged() }),
        ("enable", PolicyChange { enable_cooldown_ms: ms, ..unchanged() }),
        ("restore", PolicyChange { restore_cooldown_ms: ms, ..unchanged() }),
        ("rotate", PolicyChange { rotate_cooldown_ms: ms, ..unchanged() }),
        ("restarts", PolicyChange { rotation_restarts: on, ..unchanged() }),
    ]
}

fn of_policies() -> Vec<(String, [u8; 32])> {
    let (here, there) = (call(None), call(Some("team")));
    let id = KeySelector::Id(KeyId(Uuid::from_u128(7)));
    let alias = KeySelector::Alias("orders".to_owned());
    let of_key = |(name, change): (&str, PolicyChange)| {
        (format!("policy of key: {name}"), set_key_policy(&here, &alias, None, &change))
    };
    let of_instance = |(name, change): (&str, PolicyChange)| {
        let digest = of_instance_policy("SetInstancePolicy", "team", &change);
        (format!("policy of instance: {name}"), digest)
    };
    let none = PolicyChange::default();
    let others = [
        ("there", set_key_policy(&there, &alias, None, &none)),
        ("by id", set_key_policy(&here, &id, None, &none)),
        ("no rotation", set_key_policy(&here, &alias, Some(0), &none)),
        ("rotation", set_key_policy(&here, &alias, Some(1), &none)),
    ];
    let others = others.map(|(name, digest)| (format!("policy of key, {name}"), digest));
    let of_instances = policy_changes().map(of_instance);
    policy_changes().map(of_key).into_iter().chain(of_instances).chain(others).collect()
}

fn of_instances() -> Digests {
    let (here, there) = (call(None), call(Some("team")));
    let none = PolicyChange::default();
    let grace = PolicyChange { grace_ms: Some(0), ..PolicyChange::default() };
    vec![
        ("create instance", of_instance_policy("CreateInstance", "team", &none)),
        ("create other instance", of_instance_policy("CreateInstance", "teams", &none)),
        ("create instance, policy", of_instance_policy("CreateInstance", "team", &grace)),
        ("delete instance", of_instance("DeleteInstance", "team")),
        ("delete other instance", of_instance("DeleteInstance", "teams")),
        ("create ring", of_ring(&here, "CreateKeyRing", "payroll", false)),
        ("create other ring", of_ring(&here, "CreateKeyRing", "payrolls", false)),
        ("create ring there", of_ring(&there, "CreateKeyRing", "payroll", false)),
        ("delete ring", of_ring(&here, "DeleteKeyRing", "payroll", false)),
        ("delete ring, force", of_ring(&here, "DeleteKeyRing", "payroll", true)),
        ("delete ring there", of_ring(&there, "DeleteKeyRing", "payroll", false)),
        ("no floor", set_deletion_floor(0)),
        ("floor", set_deletion_floor(1)),
    ]
}

fn of_access() -> Digests {
    let (here, there) = (call(None), call(Some("team")));
    let alice = PrincipalSelector::Name("alice".to_owned());
    let of_id = PrincipalSelector::Id(PrincipalId(Uuid::from_u128(8)));
    let to_alice = SubjectSelector::Principal(PrincipalSelector::Name("alice".to_owned()));
    let to_group = SubjectSelector::Group("alice".to_owned());
    let cluster = ScopeSelector::Cluster;
    let scope = |text: &str| validate::scope(text).unwrap();
    let bind = |subject, scope: &ScopeSelector, until_ms| {
        of_binding(&here, "BindRole", Role::Reader, subject, scope, until_ms)
    };
    vec![
        ("principal", create_principal("alice", None)),
        ("principal, certificate", create_principal("alice", Some("conclave://c/principal/a"))),
        ("disable principal", disable_principal(&alice)),
        ("disable principal by id", disable_principal(&of_id)),
        ("add", of_group("AddToGroup", "staff", &alice)),
        ("remove", of_group("RemoveFromGroup", "staff", &alice)),
        ("token", create_token(&alice, 60, None)),
        ("token, bound", create_token(&alice, 60, Some(&[1; 32]))),
        ("revoke", revoke_token(TokenId(Uuid::from_u128(9)))),
        ("bind", bind(&to_alice, &cluster, None)),
        ("bind, until", bind(&to_alice, &cluster, Some(0))),
        ("bind group", bind(&to_group, &cluster, None)),
        ("bind on instance", bind(&to_alice, &scope("instance:orders"), None)),
        ("bind on ring", bind(&to_alice, &scope("ring:orders"), None)),
        ("bind on key", bind(&to_alice, &scope("key:orders"), None)),
        (
            "bind on ring there",
            of_binding(&there, "BindRole", Role::Reader, &to_alice, &scope("ring:orders"), None),
        ),
        ("bind other role", of_binding(&here, "BindRole", Role::Writer, &to_alice, &cluster, None)),
        ("unbind", of_binding(&here, "UnbindRole", Role::Reader, &to_alice, &cluster, None)),
        ("seal", seal()),
    ]
}

#[test]
fn digests_are_pinned() {
    let table: String =
        all().into_iter().map(|(name, digest)| format!("{name}: {}\n", hex(digest))).collect();
    insta::assert_snapshot!(table, @r#"
    create: 6ee521ab77b756a7b7f5db4b6369f504a0d7c5e82e1f9a94ef918ec3a18d164d
    create, nothing: 272de9c50d201f3b26e59fbd4b9521c8aa0ca113c019d3250bb6ca61c1ed8f6a
    create, nothing, there: 819e83acf0bb0a8c7f5530810e8ea1bd86cc9e402cbabfa302e60b2d3057f62b
    create, alias: 1bcfccd564f657a6af804f8dcd39152dde402e0e4f68052ce77c2df0d246ae6b
    create, text: a1a1716efcc8c3ff33bc0531a10c0c55a1a88faaf5c4d3ecc66c5acbf1aa63bc
    create, other label: cf95f5030903cba0f076ab66f3a296b2e62d833e4a9944544c827e44ed537bf9
    create, other ring: 5de76497a6cc499b850dc992386f100def9ac3247977feedaaf25490b67536bf
    create, ring by id: fdd58e81cc569e4157f8520a14e68f1c69702fbaaf2b0d36a2b599d2b66c1054
    create, expiry: a2ddc23a66f2895d65468a22994e8e76009d75128b1f477a96df9455f5e894a5
    create, rotation: 7f39e7f6d16f7dddf6fbe961f6ada8d6395d200d37eb249ba9c8069fff2220c1
    rotate id: ff593e11ca51a7bd5646a4b7040ab4660a339209badfc6c0a1a3d24d405f10c5
    rotate alias: cd8676b3956142aa034b4edde35a67e9a9ea76bf68a53193a5ecb5e1bb9b7337
    rotate alias there: 7cca494edfe9d0648fa4c16c50a0228b6f8c14743c0db02776a1df1dcd66cfa1
    enable: e7e5bd47e12db04d0cd6173b837e1a5ce11639823ab3df1b348297ccb719876e
    disable: 0ddeec66afe6e92db953aff91c6523d06189c3513c48d58f74bd05467a61eb7e
    cancel deletion: ded32e2fc914724b4d8025379eda4e833573896c29806951c0b0c7d83ff5ba79
    delete now: 3d04e2a08b038b45b87db9457c606799f430d1836e5253b2b6aa1aecebdb47c4
    restore: a65db3625d2815cc15cf12df2e8d10d2d46c90638c57ec62d9bbf8fe21d43e84
    purge: 9029c50c356be8fac3eb06b1fe451fcbb39872c73654dda4f7af813e67577b0a
    delete: da27d4196ff64248169ce95a66dc57950fd66bab45f9de76ba2a54f6735cd1b3
    delete, force: 03148e3ea10cde02069b6c61109f1073a8e3034f8696b669b967842992c8c333
    delete there: fd53bee2b2f55b1dc72f4c2b0c9d2a5d6f7a58fcc79ed60f9b3167008752af6c
    delete id: de271f07b17bba13a13046273d8f90b1f93b10d1fe5a0b82d3f32510a6489899
    version on: db0066115c37c4118fe67f71040f4f8d9dc34f1d3cfe8a5ee9f8f6c002aa20ed
    version off: 01642b5d31af1a65fa9f8bc8e3e5a605ad24871f0ad6b853b509143ccb8ff5b3
    other version on: fa172c2f7421155f679c8a9056ed46eac08b53e2d0c58939b1430756115f4307
    add alias: c350f07208913b6e7df703ee3fc3de6215aa0b54fcc5401ad5febec4794a56e9
    remove alias: 16da4beacb4f213a8d9f8356f98c681b571e937e8fd9fb1db0f0896e0305b4f2
    register: f66b1575e7d0746066de908c658a6df87b9fb5881aac6450bebb9ed833b2fdb9
    register, text: 2594bfca5a6ac9abc1d8caa5414aabce84ae635aee75ce62b949a7a513518c6a
    register, prevent: 7b06a42ffdf44fb0753b3821e0ac483010551996ee01809b9f12e9fbb56ceb35
    register, text prevent: 668c9490f833bf299b34ad48833d3282ab72c42bb27100e5c7cf4aa13bdb5500
    unregister: 69e26f406a31e49a8ddc3198fcdd323c9d31e24829d765422c36492826fd4592
    update: 1b9fc98a2d84578807f0235bfff04bb6ff671e572ef9821ec8e5dd768e5c9440
    update, nothing: 44698bcd4d14987b8a49a97c7a335decbf87749c51e1eb868dfca0e08a420a60
    update, nothing, there: a3013e1801f5049e75c184a619c31eedd49c203e7d647d69b934aa8743dc799a
    update, nothing, by id: ba7441b744c30b19cd468f4e6564756c5860600285d3a1f46e99948885749a31
    update, empty text: 196db069f7b9393283477dca99a40a1ea84a98f3c4750d613ad733d93de95c7f
    update, remove: b2a9b78180cd5bb9a973c5963cac216dcca7cfd9eb926d19cada0e0a64163297
    update, remove less: 747d289f32924878b7195719ef8a20f01126cbe74a75f02ef4d51e6f0c8bce5d
    update, ring: 26a681dee0b181405dd10d8e5fd3a04d914672fe83dbb5755be7422d119b62f8
    update, ring by id: 197022bd65ed7bfef746aea6c41f8e5dfa1e6a85f68f9393d04ea413bcef63f6
    create instance: 9098ae06068bf663e2a365e6bc299947515c9e7848a0c5112f42fa7a234f1071
    create other instance: 2d04a0453ad3e497796686d1470289bba79e3d961b580f6312b19170d9d143c0
    create instance, policy: b45fd44733b01e1f99cfef9682bd5762784b9b276c90dd7bff2d896953f07c0c
    delete instance: 766eadfa31f0b9e12bdf0aeae0f111c7cc7d80ad8117c17d432652fc0ffc42a7
    delete other instance: f2c6924dc3b3155c18914aeca09b40f3c0b8c1c6f6d3b3214affd13f12761083
    create ring: bc931802a9fd0abf81172a84c0586dab097e566f7b79c4588b5a1728cd67f458
    create other ring: e50df7552db436d4c2fecf6063ad876a0df72fcc91d5eda8a4ac451a3f269b25
    create ring there: 8c3f31070f5721a19a2642eb2adcd694ff9a4267e7645f8bedb179b8ac53e8f8
    delete ring: 8fef9a6ea2c37ef2e4709d2465fd1a329001e25f121948c0bb952cd6cd2ed8ff
    delete ring, force: 52ba4d3769384592b65ac405cf6f0ba4ac1d6c3c45a5db0eaa3a50e02c122581
    delete ring there: f59703e0eaa94545b4a824e10a232e679384d8e4803bd79c9d4fdcc846638cc9
    no floor: 9cb51d1703dec5fde6da2ea6c563e4222141d674bd1ec4189102ef8547400792
    floor: ff83479e50942170a89f66dcb30f23351cd7461cbb080bb2a1b5ad02a86a34bd
    principal: 9c85543664a2caecffc6ae93f4070e4806c818876febdc1d8c770914773b4686
    principal, certificate: abc8fbc923726e392380248eb011d68f19a281d94224a8451f7dd6a349d29fe9
    disable principal: 89e4c418fc143145157c63b7d71132a21ba4feb8854daf9b071d5dc2ab712cfa
    disable principal by id: 7ef6c0526d39b75d64108273d57613b7dd94a99b879eb468fde70434faea56fc
    add: 5c4cb1aa7f96bd8e0d5a4bda9e7bafeded8a0a11fa92d8263c3dc0d15aa3ba7b
    remove: 0ba888cbf510f2601836a4a1e996e2b7aee6e8fb23aaec0f0109238aad671711
    token: 873cd081da7fab09731003b0133c54f1726082c5e67108e8dba7a7c41822db6d
    token, bound: 662d7280e1142aaefdb3bc238814d189e0c5a27d38d67c1bb3511ab214f06e80
    revoke: 116807ab6418edd6dd97090e17eddbdc2a2e13ccdef21fac50fd425c67e16c94
    bind: c2f7f480af3d9ae316db748f7acbd8f2c7905a277fa12e608d3e9b04d44cef54
    bind, until: 61dee78fe40de076cf758583bce2f42fc14509ae1685c371a85ded5c1de8435b
    bind group: 66f3af96d48bdefd595c737c60fa28e2e2ecdba087cd95796ae15a1ce14bc1b4
    bind on instance: e7f9396b9857a4ce4b671cee7abc3b81c8f074422d1238f579027b5a1c7d8122
    bind on ring: 361663853e943165c43b2e28ed0cfba6cc6cdd93f46100b06203905304991eae
    bind on key: 2c572c79e2ca7dd5ea59f26bf30218b4019b5bb909d2ef8a6ef3b9d41d36a3b0
    bind on ring there: 94594c96fd9b56f83349eec8f7e142f0a8dd9e8c807b5d3e7f7fa64380c2b2b2
    bind other role: 390cfeb3f704b3baced9bc2aabca63659c8e24d0e3dc4f33c57abbdb1fc3b909
    unbind: e380c76b7c5b2a992040f576a199d751df3eeec9f98d6b0101a43a2002a0f238
    seal: 4b838575cf93ea640328774167ad16a4d43988a40537d45980c68dce2c84f472
    policy of key: nothing: 98375c0cc46f620081b3865c2705c0548c3efe8c9cc0458902e4debc352f5e1a
    policy of key: layered: f09ec0b0e912d21ec5ca7c353e340b25b3fa93d45240ae10ca378a2f6320896d
    policy of key: soft: bab981d881c73b0fbc1f2d702a8268c67bdd6bacf300cbcd2c86ae460beaba6e
    policy of key: grace: 30054a74cf4c8046d54b64d0d82f7375af072e636cfaa4697711344a71e052a2
    policy of key: no grace: 941da9dfe46312d41708826a2c465cc8e885a2c2e840831f57cca943ad58d885
    policy of key: window: 5e831ecc110afb50050782dcd6c5fe999242ae5412d55f157d7de0db62f0a886
    policy of key: floor: 8d079188161bb912c3009dd88a51be3ce386b4b3249830bf7aa441b6e8fdff63
    policy of key: purge: 7e3b607629947e560bdf9f9813f4d00a434984148ef6caf453962b67d8829cdd
    policy of key: now: 4b855c2b872376055b75ac27d2a3877e1d9828fc495841aae7a6e168c24a7e14
    policy of key: not now: 3658ffeb2451b3a2e636d4481d611d92c277ae86114ae08cef10d8652a56c0e3
    policy of key: disabled: f2ce44d73f22fe777ad96a01f5510afcb7d54e82cf2a30bc8d879483458c7695
    policy of key: pending: c29c419219b2ba9492df84157347901ac2097ae12b067d40375d5d654e8787c1
    policy of key: restore to: ab928559992ae3520964d1056553cc94039005dcc261db8e9a89af2e52d94da5
    policy of key: deactivated: c8c0d8409695c4afdaaae7d7603b8adeef1fbd10632243a081745d6b37df3619
    policy of key: enable: ffe3ad9685c6d2c7fbd78c58c68e0d4c5e068edda952183f61ed04deb492cb42
    policy of key: restore: 475a63e3fd4c8d4e36edc85c0a84df4d6a2017604bb76910607ba929b1f0c415
    policy of key: rotate: 73528a7978eb9ef23e61fef11b30baf4a1124203d9c22b254570436011d24e13
    policy of key: restarts: 77dc6dccce057b01cef741f6b716b26d1602d4a5b3a78fc2ac86f2c1fb7ef933
    policy of instance: nothing: b6138881bd5576a7d44b5a88962439ed6fd51f8f07c64ae5c47758744cc1d4d6
    policy of instance: layered: 7f0f13f5d4e02212221acfefe6ccae491e6c63925cfecea0006c49367ce65a68
    policy of instance: soft: 2f655cfcc63fc6d62e9af0ca125df2bb5e50f91d3eb8de0dfd9d3bb03ec4840b
    policy of instance: grace: 6cdac0cbed43d0145d16951087912e1255bf43973b0fe1080c0c929e5970c4f5
    policy of instance: no grace: 5cad558ee7d3d8bcadc512815d19d7c3c95b32873a3ff7f21221d1cee1a2037a
    policy of instance: window: 2d30a7c6cb78915a3aee0a1c592a88407dd797d94130ef8c4e526a906283805e
    policy of instance: floor: 6dad2c44b21b534d432122df0e896d220d7336c28016dc650d87e556c238642b
    policy of instance: purge: 20b1e233e905735da669255edf0a23e6c2824dee697b12064f00d8c0ac401cc7
    policy of instance: now: 60b1c27549403335fe09e7321eae27ef500befb180ae02aedd2b91bba84e0713
    policy of instance: not now: 15e432925fd8f45862d30cca6ec97aea9e2defd3ecd8cf1aab53a9d12ddb3b25
    policy of instance: disabled: feae19cb87798cda824694c745016f422e96b95de8c3baa1ea3bddd44dd9069b
    policy of instance: pending: 5982897020dca6dc09aaa6f07e97fe047643a57b4adcf87d6af2f82360c81e49
    policy of instance: restore to: f2eda9da7a82523f673b1a348eece41a5efe1ce3731c0cc7bea567994aa679a0
    policy of instance: deactivated: 75b476ce8360c5aab16302121303a0e10ff814b7f4380e7610a71465ec865371
    policy of instance: enable: 3962d36683744a8a2e9d8982a3a139e5074813d3be1da8467a5d1de45d566b32
    policy of instance: restore: 76a7c2ac65fb4f8f6522fca585f7209ffac9eca019f645c9043954f760bd734f
    policy of instance: rotate: 16e38ab980b2ca64295a8d3ba21cca881e06a2ca6a6e6af89afd95467d6868e8
    policy of instance: restarts: 4fe37ccd625b07c29e5ca3f86a3ca7c73eaf5f8e6639698fe07c3d2469d94568
    policy of key, there: 25fb166e0cd65a16e5cd832fe22d1e98dd2b23c2857897058c4c2c0210c8ba2a
    policy of key, by id: bcb0aeedb9a6fdc88c3a07c54ec06219274c56fe6f9484ea372435b6fd559902
    policy of key, no rotation: 3d99c5f2e7ace6a151ffa6594d1d9a51248e9ca8117f915e86ec2fe387cd2ff8
    policy of key, rotation: 753e341c1da2471d5eea4bac88e9f5957572b254b4f6363fd547f91ed007c47a
    "#);
}

#[test]
fn no_two_requests_share_a_digest() {
    let mut seen = BTreeMap::new();
    for (name, digest) in all() {
        if let Some(other) = seen.insert(digest, name.clone()) {
            panic!("{name:?} and {other:?} have one digest");
        }
    }
}
