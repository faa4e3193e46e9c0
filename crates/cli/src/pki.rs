//! `conclave pki …`: the certificates of a cluster, made on the spot. ECDSA P-256; one authority a
//! cluster; every certificate names its holder in a SAN of type URI.
//!
//! Whoever has a public key infrastructure of their own needs none of this: the nodes want only
//! the SANs.

mod authority;
mod issue;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use conclave_client::{Error, Reason};
use serde_json::json;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::files::{self, Existing, OutFile};
use crate::output::{Answer, Outcome};
use crate::table;

pub use authority::init;
pub use issue::{Subject, issue};

/// How long a certificate is good if nothing else is said, days.
pub const DEFAULT_DAYS: u32 = 365;

/// Verbs of `pki`.
#[derive(Debug, Subcommand)]
pub enum PkiVerb {
    /// Make the authority of a cluster: ca.pem, ca.key
    Init(InitArgs),
    /// Issue a certificate to a node, an operator or a principal
    Issue(IssueArgs),
}

/// Arguments of `pki init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Directory for the files (0700, files 0600)
    #[arg(long)]
    dir: PathBuf,
    /// Name of the cluster
    #[arg(long, value_name = "NAME")]
    cluster: String,
}

/// Arguments of `pki issue`.
#[derive(Debug, Args)]
pub struct IssueArgs {
    /// Directory with ca.pem and ca.key; the new files go there too
    #[arg(long)]
    dir: PathBuf,
    #[command(flatten)]
    subject: SubjectArgs,
    /// DNS names and IP addresses under which the node is reached
    #[arg(long = "host", value_name = "HOST[,…]", value_delimiter = ',', conflicts_with_all = ["operator", "principal"])]
    hosts: Vec<String>,
    /// How long the certificate is good
    #[arg(long, default_value_t = DEFAULT_DAYS, value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: u32,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct SubjectArgs {
    /// For the node with this id, as server and as client
    #[arg(long, value_name = "N", requires = "hosts", value_parser = clap::value_parser!(u64).range(1..))]
    node: Option<u64>,
    /// For an operator, who may initialise the cluster
    #[arg(long, value_name = "NAME")]
    operator: Option<String>,
    /// For a principal
    #[arg(long, value_name = "NAME")]
    principal: Option<String>,
}

/// A certificate and its private key, both PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertFiles {
    /// The certificate.
    pub cert: PathBuf,
    /// The private key (PKCS #8), mode 0600.
    pub key: PathBuf,
}

pub(crate) fn run(verb: PkiVerb) -> Outcome {
    match verb {
        PkiVerb::Init(args) => {
            let files = init(&args.dir, &args.cluster).map_err(failure)?;
            let json = json!({
                "cluster": args.cluster,
                "ca_cert": files.cert.display().to_string(),
                "ca_key": files.key.display().to_string(),
            });
            Ok(Answer::new(json, text(&files)))
        }
        PkiVerb::Issue(args) => {
            let subject = subject(args.subject, args.hosts)?;
            let files = issue(&args.dir, &subject, args.days).map_err(failure)?;
            let json = json!({
                "cert": files.cert.display().to_string(),
                "key": files.key.display().to_string(),
            });
            Ok(Answer::new(json, text(&files)))
        }
    }
}

fn subject(args: SubjectArgs, hosts: Vec<String>) -> Result<Subject, Failure> {
    match (args.node, args.operator, args.principal) {
        (Some(id), _, _) => Ok(Subject::Node { id, hosts }),
        (_, Some(name), _) => Ok(Subject::Operator(name)),
        (_, _, Some(name)) => Ok(Subject::Principal(name)),
        // clap requires one of the three.
        (None, None, None) => Err(Failure::usage(
            "no holder was given",
            "give --node N, --operator NAME or --principal NAME",
        )),
    }
}

fn text(files: &CertFiles) -> String {
    table::fields(&[
        ("certificate", files.cert.display().to_string()),
        ("key", files.key.display().to_string()),
    ])
}

/// Wrong input is wrong usage, anything else a failure.
fn failure(error: Error) -> Failure {
    match error.reason {
        Reason::InvalidArgument => Failure::Usage(Box::new(error)),
        _ => Failure::Call(Box::new(error)),
    }
}

/// Writes key and certificate, both or none, over nothing.
fn write_pair(
    dir: &Path,
    stem: &str,
    cert: &str,
    key: &Zeroizing<String>,
) -> Result<CertFiles, Error> {
    let paths =
        CertFiles { cert: dir.join(format!("{stem}.pem")), key: dir.join(format!("{stem}.key")) };
    let write = || -> Result<(), Failure> {
        files::make_private_dir(dir)?;
        let mut cert_file = OutFile::create(&paths.cert, Existing::Keep)?;
        let mut key_file = OutFile::create(&paths.key, Existing::Keep)?;
        cert_file.write(cert.as_bytes())?;
        key_file.write(key.as_bytes())?;
        key_file.finish(Existing::Keep)?;
        cert_file.finish(Existing::Keep).inspect_err(|_| drop(std::fs::remove_file(&paths.key)))?;
        Ok(())
    };
    write().map_err(|failure| failure.error().clone())?;
    Ok(paths)
}

/// The certificate library refused: a mistake of ours, not of the caller.
fn internal(error: &rcgen::Error) -> Error {
    let reason = Reason::Other("INTERNAL".into());
    Error::new(reason, format!("the certificate cannot be made: {error}"), "report this")
}

#[cfg(test)]
mod tests;
