//! Reading keys: a barrier, then the state at or above it, as time has left it by then.

use crate::call::Call;
use crate::context::Context;
use crate::error::ApiError;
use crate::limits::LIST_SCANNED;
use crate::moment::{Moment, On};
use crate::render;
use crate::sight::Sight;
use crate::validate::{self, KeySelector};
use conclave_core::access::{Held, Resource};
use conclave_core::ids::{InstanceId, KeyId, RingId};
use conclave_core::lifecycle::{self, KeyAction, KeyState};
use conclave_core::model::KeyRecord;
use conclave_core::replica::StateRead;
use conclave_core::roles::Action;
use conclave_core::state::State;
use conclave_core::timers;
use conclave_proto::v1;

/// Keys read from the state at once.
const PAGE: usize = 256;

/// A key that a caller may look at, and where it was found.
struct Seen {
    moment: Moment,
    snapshot: Box<dyn StateRead>,
    key: KeyRecord,
}

impl Context {
    async fn see(
        &self,
        call: &Call,
        action: Action,
        selector: &KeySelector,
    ) -> Result<Seen, ApiError> {
        let moment = self.fresh(call).await?;
        let snapshot = self.replica().state();
        moment.judge_on(call, action, &State(&*snapshot), On::Key(selector))?;
        let found = moment.key(call, &State(&*snapshot), selector);
        let key = found.and_then(|key| timers::as_of(&key, moment.now.at_ms));
        let key = key.ok_or_else(|| On::Key(selector).missing(call))?;
        Ok(Seen { moment, snapshot, key })
    }

    pub(super) async fn get_key(
        &self,
        call: &Call,
        request: v1::GetKeyRequest,
    ) -> Result<v1::KeyAnswer, ApiError> {
        let selector = validate::key(&request.key)?;
        let Seen { moment, snapshot, key } = self.see(call, Action::GetKey, &selector).await?;
        Ok(v1::KeyAnswer {
            key_id: key.id.to_string(),
            key: Some(render::keys::key(&State(&*snapshot), &moment.view, key)),
            log_index: StateRead::applied_index(&*snapshot),
            replayed: false,
        })
    }

    pub(super) async fn get_history(
        &self,
        call: &Call,
        request: v1::GetKeyRequest,
    ) -> Result<v1::HistoryAnswer, ApiError> {
        let selector = validate::key(&request.key)?;
        let Seen { moment, snapshot, key } = self.see(call, Action::GetHistory, &selector).await?;
        let entries = State(&*snapshot).history(key.id);
        let entries = entries.into_iter().map(|entry| render::keys::history(&moment.view, entry));
        Ok(v1::HistoryAnswer {
            entries: entries.collect(),
            log_index: StateRead::applied_index(&*snapshot),
        })
    }

    pub(super) async fn get_impact(
        &self,
        call: &Call,
        request: v1::GetKeyRequest,
    ) -> Result<v1::ImpactAnswer, ApiError> {
        let selector = validate::key(&request.key)?;
        let Seen { moment, snapshot, key } = self.see(call, Action::GetKey, &selector).await?;
        let now_ms = moment.now.at_ms;
        let (destroys_at_ms, purge_at_ms) = planned(&key, now_ms);
        Ok(v1::ImpactAnswer {
            key_id: key.id.to_string(),
            registrations: render::keys::registrations(&State(&*snapshot), &moment.view, &key),
            blocked_by: blocked_by(&key, now_ms),
            destroys_at: destroys_at_ms.map(render::timestamp),
            purge_at: purge_at_ms.map(render::timestamp),
            log_index: StateRead::applied_index(&*snapshot),
        })
    }

    pub(super) async fn list_keys(
        &self,
        call: &Call,
        request: v1::ListKeysRequest,
    ) -> Result<v1::ListKeysAnswer, ApiError> {
        let limit = validate::limit(request.limit)?;
        let after = validate::cursor(&request.cursor)?.map(KeyId);
        let states = states(&request)?;
        let ring = match request.ring.as_str() {
            "" => None,
            ring => Some(validate::ring(ring)?),
        };
        let moment = self.fresh(call).await?;
        let snapshot = self.replica().state();
        let state = State(&*snapshot);
        let held = moment.held(&moment.authenticate(call)?);
        let sight = Sight::of(&held, Action::ListKeys, &state);
        let instance = moment.listed(call, Action::ListKeys, &state, &sight)?;
        let ring = match &ring {
            None => None,
            Some(name) => {
                let found = moment.ring(call, &state, name);
                let seen = found.filter(|(instance, ring)| sight.has_ring(*instance, *ring));
                Some(seen.ok_or_else(|| On::Ring(name).missing(call))?.1)
            }
        };
        let listed = Listed { instance, ring, states, held, now_ms: moment.now.at_ms };
        let (records, next) = page(&state, after, limit, &listed);
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

/// What stands in the way of a deletion, in the order in which it is refused.
fn blocked_by(key: &KeyRecord, now_ms: u64) -> Vec<String> {
    let at = key.situation(now_ms);
    let by_state = lifecycle::transition(&key.policy, at, KeyAction::Delete).is_err();
    let reasons = [
        ("state", by_state),
        ("retention", key.protecting > 0),
        ("registrations", key.registrations > 0),
    ];
    reasons.into_iter().filter(|(_, blocks)| *blocks).map(|(name, _)| name.to_owned()).collect()
}

/// When a deletion destroys and when it purges: the one under way, or one that is requested now. What
/// would happen at once has no time.
fn planned(key: &KeyRecord, now_ms: u64) -> (Option<u64>, Option<u64>) {
    let requested_ms = key.deletion.as_ref().map(|deletion| deletion.requested_at_ms);
    let destroyed_ms = key.deletion.as_ref().and_then(|deletion| deletion.destroyed_at_ms);
    let grace_over_ms = requested_ms.unwrap_or(now_ms).saturating_add(key.policy.grace_ms);
    let destroys_at_ms = destroyed_ms.unwrap_or(grace_over_ms);
    let purge_at_ms = destroys_at_ms.saturating_add(key.policy.auto_purge_ms);
    let later = |ms: u64| (requested_ms.is_some() || ms > now_ms).then_some(ms);
    (later(destroys_at_ms), later(purge_at_ms))
}

/// The states that were asked for; all but Destroyed if none.
fn states(request: &v1::ListKeysRequest) -> Result<Vec<KeyState>, ApiError> {
    if request.states.is_empty() {
        let shown = |state: &KeyState| *state != KeyState::Destroyed;
        return Ok(KeyState::ALL.into_iter().filter(shown).collect());
    }
    let known = |number: &i32| {
        KeyState::ALL
            .into_iter()
            .find(|state| i32::from(render::keys::key_state(*state)) == *number)
    };
    let found: Option<Vec<KeyState>> = request.states.iter().map(known).collect();
    found.ok_or_else(|| {
        let names = KeyState::ALL.map(|state| render::keys::key_state(state).as_str_name());
        ApiError::field("states", format!("allowed are {}", names.join(", ")))
    })
}

/// What belongs into a list.
struct Listed {
    instance: InstanceId,
    ring: Option<RingId>,
    states: Vec<KeyState>,
    held: Held,
    now_ms: u64,
}

impl Listed {
    /// Ids above `after`, ascending.
    fn ids(&self, state: &State<'_>, after: Option<KeyId>) -> Vec<KeyId> {
        match self.ring {
            Some(ring) => state.keys_in(ring, after, PAGE),
            None => state.keys_of(self.instance, after, PAGE),
        }
    }

    /// The key as time has left it, if the caller may see it and wants to.
    fn select(&self, key: &KeyRecord) -> Option<KeyRecord> {
        self.held.permit(Action::ListKeys, Resource::of_key(key)).ok()?;
        let key = timers::as_of(key, self.now_ms)?;
        self.states.contains(&key.state).then_some(key)
    }
}

/// At most `limit` keys, and where the next page starts. A page ends early when many keys that do not
/// belong into it had to be looked at.
fn page(
    state: &State<'_>,
    mut after: Option<KeyId>,
    limit: usize,
    listed: &Listed,
) -> (Vec<KeyRecord>, Option<KeyId>) {
    let mut found = Vec::new();
    let mut scanned = 0;
    while scanned < LIST_SCANNED {
        let ids = listed.ids(state, after);
        if ids.is_empty() {
            return (found, None);
        }
        for id in ids {
            // Only a key that stands after a full page makes another page.
            if found.len() == limit {
                return (found, after);
            }
            scanned += 1;
            after = Some(id);
            found.extend(state.key(id).and_then(|key| listed.select(&key)));
        }
    }
    (found, after)
}
