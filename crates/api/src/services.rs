//! Putting the services together.

use crate::access::AccessService;
use crate::bench::BenchService;
use crate::boundary::{Admission, Boundary};
use crate::config::ApiConfig;
use crate::context::Context;
use crate::crypto::CryptoService;
use crate::health::HealthService;
use crate::instances::InstancesService;
use crate::keys::KeysService;
use crate::operator::OperatorService;
use crate::readiness::NotReady;
use crate::seal::PeerSide;
use conclave_core::journal::UseJournal;
use conclave_core::replica::{Observer, PeerSeal, Replica};
use conclave_core::seams::{Clock, Entropy};
use conclave_crypto::node_key::NodeKey;
use conclave_formats::limits::MAX_MESSAGE;
use conclave_proto::PUBLIC_DESCRIPTORS;
use conclave_proto::v1::access_server::AccessServer;
use conclave_proto::v1::bench_server::BenchServer;
use conclave_proto::v1::crypto_server::CryptoServer;
use conclave_proto::v1::instances_server::InstancesServer;
use conclave_proto::v1::keys_server::KeysServer;
use conclave_proto::v1::operator_server::OperatorServer;
use std::sync::Arc;
use tonic::service::Routes;
use tonic_health::pb::health_server::HealthServer;

/// The part of the services that exists before replication, which starts with it.
#[derive(Clone)]
pub struct Shared(Arc<Context>);

impl Shared {
    /// A node without state, without keys and without a replica.
    pub fn new(
        config: ApiConfig,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        node_key: NodeKey,
    ) -> Shared {
        Shared(Arc::new(Context::new(config, clock, entropy, node_key)))
    }

    /// What replication tells of every applied entry.
    pub fn observer(&self) -> Arc<dyn Observer> {
        self.0.clone()
    }

    #[cfg(test)]
    pub(crate) fn context(&self) -> Arc<Context> {
        self.0.clone()
    }

    /// What answers the seal messages of other members.
    pub fn peer_seal(&self) -> Arc<dyn PeerSeal> {
        Arc::new(PeerSide(self.0.clone()))
    }
}

/// The services of a node.
#[derive(Clone)]
pub struct Services(Arc<Context>);

impl Services {
    /// The services over a replica that was started with the observer and peer side of `shared`.
    pub fn new(shared: Shared, replica: Arc<dyn Replica>) -> Services {
        shared.0.attach(replica);
        Services(shared.0)
    }

    /// All gRPC services: Keys, Crypto, Access, Instances, Operator, health (open to everybody) and reflection
    /// (for any authenticated caller); on a development node Bench, too. Each connection's
    /// [`crate::PeerIdentity`] comes in the extensions of its requests.
    ///
    /// The operations of Crypto are recorded in `journal`. Each runtime has routes and a journal of
    /// its own: calls that are answered in one turn of it share a write.
    pub fn routes(&self, journal: Arc<dyn UseJournal>) -> Routes {
        let context = || self.0.clone();
        let rounds = Arc::default();
        let journal = self.0.journaled(journal);
        let open = Admission::Open;
        let keys = KeysServer::new(KeysService(context())).max_decoding_message_size(MAX_MESSAGE);
        let crypto =
            CryptoServer::new(CryptoService { context: context(), journal: journal.clone() })
                .max_decoding_message_size(MAX_MESSAGE);
        let access =
            AccessServer::new(AccessService(context())).max_decoding_message_size(MAX_MESSAGE);
        let instances = InstancesServer::new(InstancesService(context()))
            .max_decoding_message_size(MAX_MESSAGE);
        let operator =
            OperatorServer::new(OperatorService(context())).max_decoding_message_size(MAX_MESSAGE);
        let health = HealthServer::new(HealthService(context()));
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(PUBLIC_DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .build_v1()
            .expect("the descriptors were made by this build");
        let mut routes = Routes::new(Boundary::new(keys, context(), &rounds, open))
            .add_service(Boundary::new(crypto, context(), &rounds, open))
            .add_service(Boundary::new(access, context(), &rounds, open))
            .add_service(Boundary::new(instances, context(), &rounds, open))
            .add_service(Boundary::new(operator, context(), &rounds, open))
            .add_service(Boundary::new(health, context(), &rounds, open))
            .add_service(Boundary::new(reflection, context(), &rounds, Admission::Authenticated));
        if self.0.config.development {
            let bench = BenchServer::new(BenchService { context: context(), journal })
                .max_decoding_message_size(MAX_MESSAGE);
            routes = routes.add_service(Boundary::new(bench, context(), &rounds, open));
        }
        routes.prepare()
    }

    /// Rotates keys whose schedule says so while this node is unsealed, for as long as it is polled.
    pub async fn keep_rotating(&self) {
        self.0.keep_rotating().await;
    }

    /// Whether this node cannot use keys now.
    pub fn is_sealed(&self) -> bool {
        !self.0.seal.is_open()
    }

    /// Whether this node can serve, or why not.
    ///
    /// # Errors
    /// See [`NotReady`].
    pub async fn readiness(&self) -> Result<(), NotReady> {
        self.0.readiness().await
    }
}
