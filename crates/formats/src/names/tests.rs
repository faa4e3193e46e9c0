use super::*;
use proptest::prelude::*;

#[test]
fn aliases_are_short_and_never_uuids() {
    for name in ["ab", "orders", "Orders_2024-v1", "-_", &"a".repeat(90)] {
        assert_eq!(alias(name), Ok(()), "{name}");
    }
    for name in ["", "a", "with space", "ümlaut", "a.b", "a/b", "tab\t", &"a".repeat(91)] {
        assert_eq!(alias(name), Err(NameError::Alias), "{name}");
    }
    let id = Uuid::from_u128(0x0123_4567_89ab_4def_8123_4567_89ab_cdef);
    let spellings = [
        id.hyphenated().to_string(),
        id.simple().to_string(),
        id.hyphenated().to_string().to_uppercase(),
        id.simple().to_string().to_uppercase(),
    ];
    for name in spellings {
        assert_eq!(alias(&name), Err(NameError::AliasIsUuid), "{name}");
    }
}

#[test]
fn a_principal_has_one_spelling() {
    for name in ["a", "admin", "ci.deploy_2@example.com", &"a".repeat(64)] {
        assert_eq!(principal_name(name), Ok(()), "{name}");
    }
    for name in ["", "Admin", " admin", "admin ", "аdmin", "admin\u{200b}", "a/b", &"a".repeat(65)]
    {
        assert_eq!(principal_name(name), Err(NameError::PrincipalName), "{name}");
    }
}

#[test]
fn labels_and_descriptions_are_bounded() {
    assert_eq!(labels([("app", "orders"), ("team/owner", ""), ("x", &"ü".repeat(256))]), Ok(()));
    assert_eq!(labels([("", "x")]), Err(NameError::LabelKey));
    assert_eq!(labels([("a b", "x")]), Err(NameError::LabelKey));
    assert_eq!(labels([(&*"k".repeat(64), "x")]), Err(NameError::LabelKey));
    assert_eq!(labels([("k", "two\nlines")]), Err(NameError::LabelValue));
    assert_eq!(labels([("k", &*"v".repeat(257))]), Err(NameError::LabelValue));
    assert_eq!(labels([("k", "v"); 20]), Ok(()));
    assert_eq!(labels([("k", "v"); 21]), Err(NameError::LabelCount));
    assert_eq!(description(&"ü".repeat(240)), Ok(()));
    assert_eq!(description(&"x".repeat(241)), Err(NameError::Description));
    assert_eq!(description("\u{1b}[31m"), Err(NameError::Description));
}

#[test]
fn certificate_names_are_read_and_written() {
    let cluster = "prod-1".to_owned();
    let name = "ops@example.com".to_owned();
    let cases = [
        ("conclave://prod-1/node/3", CertName::Node { cluster: cluster.clone(), id: 3 }),
        (
            "conclave://prod-1/operator/ops@example.com",
            CertName::Operator { cluster: cluster.clone(), name: name.clone() },
        ),
        ("conclave://prod-1/principal/ops@example.com", CertName::Principal { cluster, name }),
    ];
    for (uri, expected) in cases {
        assert_eq!(CertName::parse(uri).as_ref(), Ok(&expected));
        assert_eq!(expected.to_string(), uri);
        assert_eq!(expected.cluster(), "prod-1");
    }
}

#[test]
fn other_certificate_names_are_refused() {
    for uri in [
        "",
        "https://prod/node/1",
        "CONCLAVE://prod/node/1",
        "conclave://prod/node/",
        "conclave://prod/node/0",
        "conclave://prod/node/01",
        "conclave://prod/node/+1",
        "conclave://prod/node/18446744073709551616",
        "conclave://prod/node/1/",
        "conclave://prod/node/1?x",
        "conclave://prod/nodes/1",
        "conclave://Prod/node/1",
        "conclave:///node/1",
        "conclave://-prod/node/1",
        "conclave://prod/operator/",
        "conclave://prod/operator/Ops",
        "conclave://prod/principal/a%20b",
        "conclave://prod/principal/a/b",
        "conclave://prod@evil/principal/a",
    ] {
        assert_eq!(CertName::parse(uri), Err(NameError::CertName), "{uri}");
    }
}

proptest! {
    #[test]
    fn any_text_is_answered_and_one_spelling_is_taken(uri in "(conclave://)?\\PC{0,60}", name in "\\PC{0,100}") {
        if let Ok(read) = CertName::parse(&uri) {
            prop_assert_eq!(read.to_string(), uri);
        }
        if alias(&name).is_ok() {
            prop_assert!(Uuid::parse_str(&name).is_err());
        }
        let _ = (principal_name(&name), cluster_name(&name), description(&name), label(&name, &name));
    }

    #[test]
    fn plausible_certificate_names_are_answered(uri in "conclave://[a-z0-9-]{0,5}/(node|operator|principal|x)/[a-z0-9@/]{0,5}") {
        if let Ok(read) = CertName::parse(&uri) {
            prop_assert_eq!(read.to_string(), uri);
        }
    }
}
