//! No answer of the data plane without its record: what an operation came to stays inside an
//! [`Entry`], and only the journal opens it, after the record was written.
//!
//! Each runtime that serves clients has a journal of its own. The first record of a batch lets all
//! else that is ready in the runtime go first, then writes the batch with one write and wakes whoever
//! waits for it: calls that are answered in one turn share a write.

use crate::batch::Batch;
use crate::context::Context;
use crate::error::ApiError;
use crate::lock::lock;
use conclave_core::ids::{KeyId, PrincipalId, RequestId};
use conclave_core::journal::{JournalBlocked, Operation, Use, UseJournal, Verdict};
use conclave_core::mutants::Mutant;
use conclave_core::reason::Reason;
use http::HeaderMap;
use std::sync::{Arc, Mutex};
use tonic::{Code, Request, Response, Status};
use uuid::Uuid;

/// Metadata by which a caller gives an operation of the data plane an id of its own for the record.
pub(crate) const REQUEST_ID: &str = "x-conclave-request-id";

/// What was made with a key, or drawn for a caller, and is in no record yet. Only [`Journaled`] gives
/// it away.
pub(crate) struct Unrecorded<T>(T);

impl<T> Unrecorded<T> {
    pub(crate) fn new(made: T) -> Unrecorded<T> {
        Unrecorded(made)
    }

    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Unrecorded<U> {
        Unrecorded(change(self.0))
    }
}

impl<T, E> Unrecorded<Result<T, E>> {
    /// What went wrong is not secret.
    pub(crate) fn transpose(self) -> Result<Unrecorded<T>, E> {
        self.0.map(Unrecorded)
    }
}

/// An operation under way: what will be recorded of it.
pub(crate) struct Draft(Use);

impl Draft {
    /// Nothing is known yet but what was asked for, and how much.
    pub(crate) fn new(operation: Operation, bytes: usize) -> Draft {
        Draft(Use {
            at_ms: 0,
            index: 0,
            principal: PrincipalId::NOBODY,
            operation,
            key: None,
            version: None,
            verdict: Verdict::Ok,
            reason: None,
            request: None,
            bytes: bytes as u64,
        })
    }

    /// Takes the caller's request id from the metadata, if there is one.
    pub(crate) fn requested<T>(&mut self, request: &Request<T>) -> Result<(), ApiError> {
        self.0.request = request_id(request.metadata().as_ref())?;
        Ok(())
    }

    /// How many bytes are made, once it is known.
    pub(crate) fn bytes(&mut self, bytes: u32) {
        self.0.bytes = bytes.into();
    }

    /// The view from which it is judged.
    pub(crate) fn judged_at(&mut self, index: u64) {
        self.0.index = index;
    }

    /// Whose credential was shown; whether it is still good is judged after that.
    pub(crate) fn by(&mut self, principal: PrincipalId) {
        self.0.principal = principal;
    }

    /// The key and its version, as far as they are known.
    pub(crate) fn with(&mut self, key: KeyId, version: Option<u32>) {
        (self.0.key, self.0.version) = (Some(key), version);
    }

    /// What it came to.
    pub(crate) fn ends<T>(
        mut self,
        context: &Context,
        outcome: Result<Unrecorded<T>, ApiError>,
    ) -> Entry<T> {
        self.0.at_ms = context.clock.wall_ms();
        if let Err(error) = &outcome {
            self.0.verdict = verdict(error.code());
            self.0.reason = Some(error.reason_text().into());
        }
        Entry { recorded: self.0, outcome }
    }
}

/// What an operation came to, and its record. Only [`Journaled::answer`] takes it apart.
pub(crate) struct Entry<T> {
    recorded: Use,
    outcome: Result<Unrecorded<T>, ApiError>,
}

/// The journal of one runtime.
pub(crate) struct Journaled {
    file: Arc<dyn UseJournal>,
    gathering: Mutex<Gathering>,
}

/// The batch that is not written yet.
#[derive(Default)]
struct Gathering {
    uses: Vec<Use>,
    batch: Arc<Batch<Result<(), JournalBlocked>>>,
}

impl Journaled {
    pub(crate) fn new(file: Arc<dyn UseJournal>) -> Journaled {
        Journaled { file, gathering: Mutex::default() }
    }

    /// The answer, after the record was written. If it cannot be written, nothing of the outcome
    /// leaves.
    pub(crate) async fn answer<T>(&self, entry: Entry<T>) -> Result<Response<T>, Status> {
        let Entry { recorded, outcome } = entry;
        self.record(recorded).await.map_err(|JournalBlocked| blocked())?;
        Ok(Response::new(outcome?.0))
    }

    async fn record(&self, recorded: Use) -> Result<(), JournalBlocked> {
        let (batch, is_first) = self.join(recorded);
        if Mutant::AnswerBeforeJournal.active() {
            if !is_first {
                self.write();
            }
            return Ok(());
        }
        if is_first {
            // Written when this is dropped, so also if the caller goes away meanwhile.
            let _writes = Writes(self);
            tokio::task::yield_now().await;
        }
        batch.ended().await
    }

    fn join(&self, recorded: Use) -> (Arc<Batch<Result<(), JournalBlocked>>>, bool) {
        let mut gathering = lock(&self.gathering);
        gathering.uses.push(recorded);
        (gathering.batch.clone(), gathering.uses.len() == 1)
    }

    fn write(&self) {
        let Gathering { mut uses, batch } = std::mem::take(&mut *lock(&self.gathering));
        batch.end(self.file.append(&uses));
        // The memory serves the next batch.
        uses.clear();
        let mut gathering = lock(&self.gathering);
        if gathering.uses.capacity() == 0 {
            gathering.uses = uses;
        }
    }
}

/// Whoever began a batch owes its write.
struct Writes<'a>(&'a Journaled);

impl Drop for Writes<'_> {
    fn drop(&mut self) {
        self.0.write();
    }
}

/// Whether a caller was denied something, or could not be served.
fn verdict(code: Code) -> Verdict {
    match code {
        Code::Unavailable | Code::DeadlineExceeded | Code::Internal => Verdict::Failed,
        _ => Verdict::Refused,
    }
}

fn blocked() -> ApiError {
    ApiError::new(
        Reason::AuditBlocked,
        "this node cannot write its journal of uses, so it answers no cryptographic operation",
        "use another node; see this node's log for why, and make room on its disk",
    )
}

fn request_id(headers: &HeaderMap) -> Result<Option<RequestId>, ApiError> {
    let Some(value) = headers.get(REQUEST_ID) else { return Ok(None) };
    let id = value.to_str().ok().and_then(|text| Uuid::try_parse(text).ok());
    let id = id.filter(|id| !id.is_nil());
    id.map(|id| Some(RequestId(id)))
        .ok_or_else(|| ApiError::field(REQUEST_ID, "a UUID is needed, or nothing"))
}

#[cfg(test)]
mod tests;
