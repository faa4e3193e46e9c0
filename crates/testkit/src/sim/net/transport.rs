//! The ends of the network: nodes as they are reached, and what they send with.

use std::sync::{Arc, Weak};
use std::time::Duration;

use conclave_core::replica::BoxFuture;
use conclave_raft::transport::{AppendAnswers, Handler, Target, Transport, TransportError};
use conclave_raft::wire::{Answer, Header, MAX_FRAME_BYTES, Request, SnapshotAnswer, SnapshotHead};
use conclave_storage::SnapshotFile;
use futures::stream::BoxStream;
use tokio::time::{sleep, timeout};

use super::{Alive, Caller, Shared, SimNet, call, stream};

/// One life of a node, as it is reached.
pub(super) struct Endpoint {
    pub(super) node: u32,
    pub(super) address: String,
    pub(super) caller: Box<dyn Caller>,
    pub(super) side: Arc<dyn Handler>,
    pub(super) alive: Alive,
}

/// What one life of a node sends with.
pub(super) struct SimTransport {
    net: Weak<Shared>,
    node: u32,
    alive: Alive,
}

/// From one life of a node to one life of another: what is sent on it reaches this life or nobody.
#[derive(Clone)]
pub(super) struct Route {
    pub(super) net: SimNet,
    pub(super) from: Arc<Endpoint>,
    pub(super) to: Arc<Endpoint>,
    pub(super) header: Header,
}

/// Where a target leads at the moment.
enum Way {
    Open(Box<Route>),
    /// Nobody is there, as the caller sees after this time.
    Nobody(Duration),
    /// The caller is dead, or the run is over.
    Gone,
}

impl SimTransport {
    pub(super) fn new(net: Weak<Shared>, node: u32, alive: Alive) -> SimTransport {
        SimTransport { net, node, alive }
    }

    fn way(&self, target: &Target) -> Way {
        let Some(net) = SimNet::of(&self.net) else { return Way::Gone };
        let Some(from) = net.endpoint(self.node).filter(|from| from.alive.is_same(&self.alive))
        else {
            return Way::Gone;
        };
        let there = net.endpoint(target.node_id).filter(|to| to.address == target.address);
        let Some(to) = there else {
            return Way::Nobody(net.round_trip(self.node, target.node_id));
        };
        let header = Header { to: target.member, ..from.caller.header() };
        Way::Open(Box::new(Route { net, from, to, header }))
    }

    /// The route to a target, in `patience`.
    async fn find(way: Way, patience: Duration) -> Result<Route, TransportError> {
        match way {
            Way::Open(route) => Ok(*route),
            Way::Nobody(after) if after <= patience => {
                sleep(after).await;
                Err(TransportError::NotSent("nobody is there".to_owned()))
            }
            // Not at once: whoever asks again and again would stop the time.
            Way::Nobody(_) | Way::Gone => {
                sleep(patience).await;
                Err(TransportError::NotSent("no connection in time".to_owned()))
            }
        }
    }
}

impl SimNet {
    /// The node, if it is up.
    fn endpoint(&self, node: u32) -> Option<Arc<Endpoint>> {
        self.state().endpoints.get(&node).filter(|endpoint| endpoint.alive.is()).cloned()
    }
}

impl Transport for SimTransport {
    fn call(
        &self,
        to: Target,
        request: Request,
        patience: Duration,
    ) -> BoxFuture<'static, Result<Answer, TransportError>> {
        let way = self.way(&to);
        Box::pin(async move {
            let route = SimTransport::find(way, patience).await?;
            timeout(patience, call::ask(route, request))
                .await
                .unwrap_or_else(|_| Err(TransportError::Lost("no answer in time".to_owned())))
        })
    }

    fn append(
        &self,
        to: Target,
        requests: BoxStream<'static, Vec<u8>>,
        idle: Duration,
    ) -> BoxFuture<'static, Result<AppendAnswers, TransportError>> {
        let way = self.way(&to);
        Box::pin(async move {
            let route = SimTransport::find(way, stream::patience(idle)).await?;
            stream::append(route, requests, idle).await
        })
    }

    fn snapshot(
        &self,
        to: Target,
        head: SnapshotHead,
        file: SnapshotFile,
        idle: Duration,
    ) -> BoxFuture<'static, Result<SnapshotAnswer, TransportError>> {
        let way = self.way(&to);
        Box::pin(async move {
            let route = SimTransport::find(way, stream::patience(idle)).await?;
            stream::snapshot(route, head, file, idle).await
        })
    }
}

/// The error of the real transport for a message that is longer than a frame.
pub(super) fn too_long(length: usize) -> Option<String> {
    (length > MAX_FRAME_BYTES).then(|| {
        format!(
            "OutOfRange: Error, encoded message length too large: found {length} bytes, \
             the limit is: {MAX_FRAME_BYTES} bytes"
        )
    })
}
