//! A good certificate, and each way to be wrong.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, SanType,
};

use super::*;
use crate::system::SystemClock;

type Issuer = CertifiedIssuer<'static, KeyPair>;

/// A time after all that these tests issue with dates of their own.
const NOW_MS: u64 = 1_800_000_000_000;

struct At(u64);

impl Clock for At {
    fn wall_ms(&self) -> u64 {
        self.0
    }

    fn elapsed_ms(&self) -> u64 {
        self.0
    }
}

fn authority(name: &str) -> Issuer {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Issuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Parameters of a node's certificate with these SAN URIs, valid from 2020 to 2040.
fn node(uris: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "node");
    params
        .subject_alt_names
        .extend(uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())));
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2040, 1, 1);
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params
}

/// A directory with `ca.pem`, `node.pem` and `node.key`, and the configuration that names them.
struct Files {
    directory: tempfile::TempDir,
    config: Config,
}

impl Files {
    fn new(ca: &Issuer, signer: &Issuer, params: CertificateParams) -> Files {
        let directory = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, signer).unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("ca.pem"), ca.pem()).unwrap();
        fs::write(path("node.pem"), certificate.pem()).unwrap();
        private(&path("node.key"), &key.serialize_pem());
        let text = format!(
            r#"
            [cluster]
            name = "prod"
            [node]
            id = 3
            data_dir = "data"
            [api]
            advertise = "127.0.0.1:7400"
            [peer]
            advertise = "127.0.0.1:7401"
            [tls]
            cert = "{0}/node.pem"
            key = "{0}/node.key"
            ca = "{0}/ca.pem"
            "#,
            directory.path().display()
        );
        fs::write(path("node.toml"), text).unwrap();
        let config = Config::load(&path("node.toml"), []).unwrap();
        Files { directory, config }
    }

    fn good() -> Files {
        let ca = authority("ca");
        Files::new(&ca, &ca, node(&["conclave://prod/node/3"]))
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    fn load_at(&self, at_ms: u64) -> Result<NodeTls, ConfigErrors> {
        NodeTls::load(&self.config, &At(at_ms))
    }

    fn refusal(&self) -> String {
        match self.load_at(NOW_MS) {
            Ok(_) => panic!("accepted"),
            Err(errors) => errors.to_string(),
        }
    }
}

fn private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{text}\nlacks: {part}");
    }
}

#[test]
fn a_good_certificate_serves_clients_and_members() {
    let tls = NodeTls::load(&Files::good().config, &SystemClock).unwrap();
    let api = tls.api().unwrap();
    assert_eq!(api.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    assert_eq!(api.send_tls13_tickets, 0);
    let peer = tls.peer().unwrap();
    assert_eq!(peer.server.alpn_protocols, [b"h2".to_vec()]);
    assert!(peer.client.client_auth_cert_resolver.has_certs());
}

#[test]
fn the_certificate_names_this_node_of_this_cluster() {
    let ca = authority("ca");
    let refused = |uris: &[&str]| Files::new(&ca, &ca, node(uris)).refusal();
    let allowed = "allowed: URI:conclave://prod/node/3 (cluster.name = \"prod\", node.id = 3)";
    let table: [(&[&str], &str); 6] = [
        (&["conclave://prod/node/2"], "that of conclave://prod/node/2"),
        (&["conclave://test/node/3"], "that of conclave://test/node/3"),
        (&["conclave://prod/principal/alice"], "that of conclave://prod/principal/alice"),
        (&[], "it has 0 names of the form"),
        (&["conclave://prod/node/3", "conclave://prod/node/2"], "it has 2 names of the form"),
        (&["conclave://prod/node/03"], "its name `conclave://prod/node/03` is none of"),
    ];
    for (uris, problem) in table {
        assert_says(&refused(uris), &["error: tls.cert: ", problem, allowed, "next: "]);
    }
    Files::new(&ca, &ca, node(&["conclave://prod/node/3", "https://example.org"]))
        .load_at(NOW_MS)
        .unwrap_or_else(|errors| panic!("names of others do not matter: {errors}"));
}

#[test]
fn the_certificate_is_valid_now() {
    let files = Files::good();
    let message = |at| files.load_at(at).err().unwrap().to_string();
    assert_says(&message(2_300_000_000_000), &["tls.cert", "the certificate expired at"]);
    assert_says(&message(1_500_000_000_000), &["tls.cert", "is not valid before"]);
}

#[test]
fn the_certificate_was_issued_by_the_authority_for_both_directions() {
    let ca = authority("ca");
    let other = Files::new(&ca, &authority("other"), node(&["conclave://prod/node/3"]));
    assert_says(&other.refusal(), &["cannot be verified", "issued by the authority in tls.ca"]);
    for usage in [ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth] {
        let mut params = node(&["conclave://prod/node/3"]);
        params.extended_key_usages = vec![usage];
        assert_says(&Files::new(&ca, &ca, params).refusal(), &["cannot be verified"]);
    }
}

#[test]
fn the_key_belongs_to_the_certificate_and_to_its_owner_alone() {
    let files = Files::good();
    fs::set_permissions(files.path("node.key"), Permissions::from_mode(0o640)).unwrap();
    let parts = ["tls.key", "mode 0640 lets other users in; allowed: 0600", "next: chmod 600 '"];
    assert_says(&files.refusal(), &parts);
    private(&files.path("node.key"), &KeyPair::generate().unwrap().serialize_pem());
    assert_says(&files.refusal(), &["tls.key", "does not belong to the certificate"]);
    private(&files.path("node.key"), "no key");
    assert_says(&files.refusal(), &["tls.key", "allowed: one private key in PEM"]);
}

#[test]
fn a_file_that_is_missing_or_no_certificate_is_named() {
    let files = Files::good();
    fs::write(files.path("ca.pem"), "hello").unwrap();
    assert_says(&files.refusal(), &["tls.ca", "ca.pem", "it holds no certificate"]);
    fs::remove_file(files.path("node.pem")).unwrap();
    assert_says(&files.refusal(), &["tls.cert", "node.pem", "cannot be read"]);
}
