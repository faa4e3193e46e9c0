//! The scrub: reads every record of the state. Reading verifies each record's own check; adding the
//! records up anew finds those that are missing.

use super::read_applied;
use crate::node::Inner;
use conclave_core::digest::StateDigest;
use conclave_storage::{Priority, ReadTxn};
use std::io;
use std::sync::Arc;

/// Whether the records of a state add up to its digest; the difference otherwise.
fn difference(read: &ReadTxn) -> io::Result<Option<String>> {
    let applied = read_applied(read)?;
    let found = StateDigest::of(read);
    let expected = applied.digest;
    Ok((found != expected).then(|| {
        format!(
            "STATE_DAMAGED: the records of the state add up to {found}, not to {expected}, after log \
             index {:?}. The member stops, the others go on. Check its disk, keep its data directory \
             for analysis and do not start it again",
            applied.index()
        )
    }))
}

/// Scrubs the newest state, on a thread of its own while writes go on. A damaged state ends the node.
pub(crate) fn scrub(inner: &Arc<Inner>) {
    let read = inner.state.read();
    let fatal = inner.seams.fatal.clone();
    let work = async move {
        match difference(&read) {
            Ok(None) => tracing::debug!("the state was scrubbed"),
            Ok(Some(damage)) => fatal.raise(&damage),
            Err(error) => fatal.raise(&format!("the state cannot be read: {error}")),
        }
    };
    let spawned = inner.seams.spawner.spawn("scrub", Priority::Background, Box::pin(work));
    if let Err(error) = spawned {
        tracing::warn!(%error, "the state was not scrubbed; the next turn tries again");
    }
}
