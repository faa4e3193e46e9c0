use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt;

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

use super::*;

fn with_certificate<T>(path: &Path, look: impl FnOnce(&X509Certificate<'_>) -> T) -> T {
    let pem = std::fs::read(path).unwrap();
    let section = x509_parser::pem::Pem::iter_from_buffer(&pem).next().unwrap().unwrap();
    look(&section.parse_x509().unwrap())
}

fn names(cert: &X509Certificate<'_>) -> Vec<String> {
    let san = cert.subject_alternative_name().unwrap().unwrap();
    san.value
        .general_names
        .iter()
        .map(|name| match name {
            GeneralName::URI(uri) => format!("uri {uri}"),
            GeneralName::DNSName(dns) => format!("dns {dns}"),
            GeneralName::IPAddress(ip) => {
                format!("ip {}", IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(*ip).unwrap())))
            }
            other => panic!("{other:?}"),
        })
        .collect()
}

fn node(id: u64) -> Subject {
    Subject::Node { id, hosts: vec!["kms-1.example.org".into(), "127.0.0.1".into()] }
}

#[test]
fn a_node_certificate_names_node_and_hosts_and_serves_both_sides() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("pki");
    init(&dir, "demo").unwrap();
    let files = issue(&dir, &node(2), 30).unwrap();
    assert_eq!(files, CertFiles { cert: dir.join("node-2.pem"), key: dir.join("node-2.key") });
    with_certificate(&files.cert, |cert| {
        assert_eq!(
            names(cert),
            ["uri conclave://demo/node/2", "dns kms-1.example.org", "ip 127.0.0.1"]
        );
        let usage = cert.extended_key_usage().unwrap().unwrap().value;
        assert!(usage.server_auth && usage.client_auth);
        assert_ne!(cert.subject().to_string(), cert.issuer().to_string());
        let lifetime =
            cert.validity().not_after.timestamp() - cert.validity().not_before.timestamp();
        assert_eq!(lifetime, 31 * 24 * 60 * 60);
        with_certificate(&dir.join("ca.pem"), |ca| {
            cert.verify_signature(Some(ca.public_key())).unwrap();
            assert_eq!(cert.issuer().to_string(), ca.subject().to_string());
            assert!(ca.is_ca() && !cert.is_ca());
        });
    });
}

#[test]
fn operators_and_principals_are_clients_only() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path(), "demo").unwrap();
    let operator = issue(dir.path(), &Subject::Operator("eve".into()), 1).unwrap();
    let principal = issue(dir.path(), &Subject::Principal("app".into()), 1).unwrap();
    for (path, uri) in [
        (operator.cert, "uri conclave://demo/operator/eve"),
        (principal.cert, "uri conclave://demo/principal/app"),
    ] {
        with_certificate(&path, |cert| {
            assert_eq!(names(cert), [uri]);
            let usage = cert.extended_key_usage().unwrap().unwrap().value;
            assert!(!usage.server_auth && usage.client_auth);
        });
    }
}

#[test]
fn files_are_private_and_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("pki");
    let ca = init(&dir, "demo").unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&dir), mode(&ca.key), mode(&ca.cert)), (0o700, 0o600, 0o600));
    let before = std::fs::read(&ca.key).unwrap();
    let error = init(&dir, "other").unwrap_err();
    assert!(error.message.contains("never overwritten"), "{}", error.message);
    assert_eq!(std::fs::read(&ca.key).unwrap(), before);
    issue(&dir, &node(1), 1).unwrap();
    std::fs::remove_file(dir.join("node-1.pem")).unwrap();
    assert!(issue(&dir, &node(1), 1).is_err());
    assert!(!dir.join("node-1.pem").exists(), "half a pair was written");
}

#[test]
fn wrong_input_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(issue(dir.path(), &node(1), 1).unwrap_err().reason, Reason::LocalFile);
    assert!(init(dir.path(), "Demo Cluster").is_err());
    init(dir.path(), "demo").unwrap();
    let no_host = Subject::Node { id: 1, hosts: vec![] };
    let bad_host = Subject::Node { id: 1, hosts: vec!["a b".into()] };
    let wrong = [
        (no_host, 1, "at least one host"),
        (bad_host, 1, "`a b` is neither"),
        (node(0), 1, "from 1"),
        (Subject::Operator("E/ve".into()), 1, "principal has 1 to"),
        (Subject::Operator("..".into()), 1, "clash"),
        (Subject::Principal("ca".into()), 1, "clash"),
        (node(1), 4000, "more days"),
    ];
    for (subject, days, text) in wrong {
        let error = issue(dir.path(), &subject, days).unwrap_err();
        assert_eq!(error.reason, Reason::InvalidArgument, "{subject:?}");
        assert!(error.message.contains(text), "{}", error.message);
    }
}

#[test]
fn a_foreign_authority_or_key_is_refused() {
    let one = tempfile::tempdir().unwrap();
    let two = tempfile::tempdir().unwrap();
    init(one.path(), "one").unwrap();
    init(two.path(), "two").unwrap();
    std::fs::copy(two.path().join("ca.key"), one.path().join("ca.key")).unwrap();
    let error = issue(one.path(), &node(1), 1).unwrap_err();
    assert!(error.message.contains("not the key of ca.pem"), "{}", error.message);
    issue(two.path(), &node(1), 1).unwrap();
    std::fs::copy(two.path().join("node-1.pem"), one.path().join("ca.pem")).unwrap();
    let error = issue(one.path(), &node(2), 1).unwrap_err();
    assert!(error.message.contains("not the authority"), "{}", error.message);
}

/// rustls accepts more than OpenSSL does: equal subjects of authority and holder, for example.
#[test]
fn openssl_accepts_the_chain() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path(), "demo").unwrap();
    let files = issue(dir.path(), &node(1), 1).unwrap();
    let output = std::process::Command::new("openssl")
        .args(["verify", "-x509_strict", "-purpose", "sslserver", "-verify_ip", "127.0.0.1"])
        .arg("-CAfile")
        .arg(dir.path().join("ca.pem"))
        .arg(&files.cert)
        .output();
    match output {
        Ok(output) => assert!(output.status.success(), "{output:?}"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => panic!("{error}"),
    }
}
