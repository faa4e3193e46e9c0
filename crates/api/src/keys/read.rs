//! Reading keys: a barrier, then the state at or above it.

use crate::call::Call;
use crate::context::Context;
use crate::error::ApiError;
use crate::limits::LIST_SCANNED;
use crate::render;
use crate::validate;
use conclave_core::ids::KeyId;
use conclave_core::lifecycle::KeyState;
use conclave_core::model::KeyRecord;
use conclave_core::outcome::Thing;
use conclave_core::replica::StateRead;
use conclave_core::roles::Action;
use conclave_core::state::State;
use conclave_proto::v1;

/// Keys read from the state at once.
const PAGE: usize = 256;

impl Context {
    pub(super) async fn show_key(
        &self,
        call: &Call,
        request: &v1::GetKeyRequest,
    ) -> Result<v1::KeyAnswer, ApiError> {
        let selector = validate::key(&request.key)?;
        let moment = self.fresh(call).await?;
        moment.judge(call, Action::GetKey)?;
        let snapshot = self.replica().state();
        let state = State(&*snapshot);
        let id = selector.resolve(&state)?;
        let record = state.key(id).ok_or_else(|| ApiError::not_found(Thing::Key, id))?;
        Ok(v1::KeyAnswer {
            key: Some(render::keys::key(&state, &moment.view, record)),
            log_index: StateRead::applied_index(&*snapshot),
            replayed: false,
        })
    }

    pub(super) async fn list_keys(
        &self,
        call: &Call,
        request: &v1::ListKeysRequest,
    ) -> Result<v1::ListKeysAnswer, ApiError> {
        let limit = validate::limit(request.limit)?;
        let after = validate::cursor(&request.cursor)?.map(KeyId);
        let states = states(request)?;
        let moment = self.fresh(call).await?;
        moment.judge(call, Action::ListKeys)?;
        let snapshot = self.replica().state();
        let state = State(&*snapshot);
        let (records, next) = page(&state, after, limit, &states);
        Ok(v1::ListKeysAnswer {
            keys: records
                .into_iter()
                .map(|record| render::keys::key(&state, &moment.view, record))
                .collect(),
            next_cursor: next.map_or_else(String::new, |id| id.to_string()),
            log_index: StateRead::applied_index(&*snapshot),
        })
    }
}

/// The states that were asked for; all if none.
fn states(request: &v1::ListKeysRequest) -> Result<Vec<KeyState>, ApiError> {
    if request.states.is_empty() {
        return Ok(KeyState::ALL.to_vec());
    }
    let known = |number: &i32| {
        KeyState::ALL
            .into_iter()
            .find(|state| i32::from(render::keys::key_state(*state)) == *number)
    };
    let found: Option<Vec<KeyState>> = request.states.iter().map(known).collect();
    found.ok_or_else(|| {
        ApiError::field("states", "allowed are KEY_STATE_ENABLED and KEY_STATE_DISABLED")
    })
}

/// At most `limit` keys of the states, and where the next page starts. A page ends early when many
/// keys of other states had to be looked at.
fn page(
    state: &State<'_>,
    mut after: Option<KeyId>,
    limit: usize,
    states: &[KeyState],
) -> (Vec<KeyRecord>, Option<KeyId>) {
    let mut found = Vec::new();
    let mut scanned = 0;
    while scanned < LIST_SCANNED {
        let records = state.keys(after, PAGE);
        if records.is_empty() {
            return (found, None);
        }
        for record in records {
            // Only a key that stands after a full page makes another page.
            if found.len() == limit {
                return (found, after);
            }
            scanned += 1;
            after = Some(record.id);
            if states.contains(&record.state) {
                found.push(record);
            }
        }
    }
    (found, after)
}
