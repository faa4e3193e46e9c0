//! The accept loop.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::workers::{Accepted, Workers};
use crate::limits::{ACCEPT_RETRY, MAX_CONNECTIONS};

/// Accepts connections and hands each to a worker; runs until it is dropped. While
/// [`MAX_CONNECTIONS`] are open, further ones wait in the system's queue.
pub async fn accept(listener: &TcpListener, workers: &Workers) {
    let open = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(permit) = open.clone().acquire_owned().await else { return };
        let accepted = async {
            let (stream, source) = listener.accept().await?;
            stream.set_nodelay(true)?;
            // Leaves the runtime of this task, so that a worker can take it into its own.
            std::io::Result::Ok((stream.into_std()?, source))
        };
        match accepted.await {
            Ok((stream, source)) => workers.hand_over(Accepted { stream, source, permit }),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}
