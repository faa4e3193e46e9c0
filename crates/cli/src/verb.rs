//! All verbs of this crate.

use clap::Subcommand;

use crate::{
    bench, completions, crypto, instance, key, key_ring, operator, pki, principal, role, status,
    token,
};

/// A verb and its arguments.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Show how many failures the cluster survives now, its seal and its nodes
    Status(status::StatusArgs),
    /// Initialise, unseal and seal the cluster
    #[command(subcommand)]
    Operator(operator::OperatorVerb),
    /// Create instances, the administrative boundary around keys, and set their policies
    #[command(subcommand)]
    Instance(instance::InstanceVerb),
    /// Create, list and delete the key rings of an instance
    #[command(subcommand)]
    KeyRing(key_ring::KeyRingVerb),
    /// Create keys and move them along their lifecycle
    #[command(subcommand)]
    Key(key::KeyVerb),
    /// Encrypt a file or stdin under a key
    Encrypt(crypto::EncryptArgs),
    /// Decrypt a file or stdin; the form is found by itself
    Decrypt(crypto::DecryptArgs),
    /// Make a data key, plain and wrapped under a key
    DataKey(crypto::DataKeyArgs),
    /// Random bytes from the cluster, as base64 or raw into a file
    Random(crypto::RandomArgs),
    /// Create and list principals, put them into groups
    #[command(subcommand)]
    Principal(principal::PrincipalVerb),
    /// Create, list and revoke tokens
    #[command(subcommand)]
    Token(token::TokenVerb),
    /// Bind roles to principals and groups
    #[command(subcommand)]
    Role(role::RoleVerb),
    /// Make the certificates of a cluster
    #[command(subcommand)]
    Pki(pki::PkiVerb),
    /// Measure the cluster beside its baselines
    Bench(bench::BenchArgs),
    /// Print the completions of a shell
    Completions(completions::CompletionsArgs),
}
