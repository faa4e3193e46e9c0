//! The one view from which a request is judged, and the time at which.

use crate::call::{Call, MIN_INDEX};
use crate::context::Context;
use crate::error::ApiError;
use crate::journaled::Draft;
use crate::sight::Sight;
use crate::validate::{InstanceSelector, KeySelector, RingSelector, ScopeSelector};
use conclave_core::access::{self, Authenticated, Authorized, Held, Resource};
use conclave_core::command::{Caller, Scope, Stamp};
use conclave_core::ids::{InstanceId, RingId};
use conclave_core::instances::DEFAULT;
use conclave_core::model::KeyRecord;
use conclave_core::mutants::Mutant;
use conclave_core::outcome::{Refusal, Thing};
use conclave_core::replica::Barrier;
use conclave_core::roles::Action;
use conclave_core::state::State;
use conclave_core::view::View;
use std::sync::Arc;
use std::time::Duration;

/// A view with the time to judge by: credentials by the unscaled time, keys by cluster time.
#[derive(Clone)]
pub(crate) struct Moment {
    pub(crate) view: Arc<View>,
    pub(crate) now: Stamp,
}

impl Context {
    /// A moment that covers everything acknowledged before this call: a read barrier, then one view.
    pub(crate) async fn fresh(&self, call: &Call) -> Result<Moment, ApiError> {
        call.credential()?;
        if Mutant::NoReadBarrier.active() {
            return Ok(self.local());
        }
        let barrier = call.rounds.barrier(self.replica(), call.deadline.remaining()).await?;
        let moment = self.covered(barrier);
        // A barrier covers whatever any node has ever answered with.
        match call.min_index {
            Some(seen) if seen > moment.covers => Err(ApiError::field(
                MIN_INDEX,
                format!("the cluster is at log index {}, {seen} is ahead of it", moment.covers),
            )),
            _ => Ok(moment.moment),
        }
    }

    /// A barrier on its own.
    pub(crate) async fn barrier(&self, timeout: Duration) -> Result<Covered, ApiError> {
        Ok(self.covered(self.replica().read_barrier(timeout).await?))
    }

    fn covered(&self, barrier: Barrier) -> Covered {
        // The observer is told before an index is published to barriers: the view is at or above it.
        let view = self.view.load_full();
        let now = view.time().max(barrier.time);
        Covered { moment: Moment { view, now }, covers: barrier.index }
    }

    /// What this node knows without asking anybody: only for what is judged again later.
    pub(crate) fn local(&self) -> Moment {
        let view = self.view.load_full();
        let now = view.time().later(self.clock.wall_ms(), view.time().rate);
        Moment { view, now }
    }
}

/// On what a call wants to act, by the names that it gives.
#[derive(Clone, Copy)]
pub(crate) enum On<'a> {
    /// On the cluster.
    Cluster,
    /// In the instance that the call names, or the default one.
    Here,
    /// On this instance.
    Instance(&'a InstanceSelector),
    /// On a key ring of the instance at hand.
    Ring(&'a RingSelector),
    /// On a key.
    Key(&'a KeySelector),
    /// Where a role holds.
    Scope(&'a ScopeSelector),
}

impl On<'_> {
    /// There is no such thing, or the caller may not see it.
    pub(crate) fn missing(self, call: &Call) -> ApiError {
        let here = || match &call.instance {
            Some(instance) => ApiError::not_found(Thing::Instance, instance),
            None => ApiError::not_found(Thing::Instance, DEFAULT),
        };
        match self {
            On::Cluster | On::Here => here(),
            On::Instance(selector) => ApiError::not_found(Thing::Instance, selector),
            On::Ring(selector) => ApiError::not_found(Thing::Ring, selector),
            On::Key(selector) => ApiError::not_found(Thing::Key, selector),
            On::Scope(ScopeSelector::Cluster) => here(),
            On::Scope(ScopeSelector::Instance(selector)) => On::Instance(selector).missing(call),
            On::Scope(ScopeSelector::Ring(selector)) => On::Ring(selector).missing(call),
            On::Scope(ScopeSelector::Key(selector)) => On::Key(selector).missing(call),
        }
    }
}

/// A moment and the log index that its barrier covers.
pub(crate) struct Covered {
    pub(crate) moment: Moment,
    pub(crate) covers: u64,
}

impl Moment {
    /// Who the caller is, with a credential that is good at this moment.
    pub(crate) fn authenticate(&self, call: &Call) -> Result<Authenticated, ApiError> {
        Ok(access::authenticate(&*self.view, &self.identify(call)?, self.now.unscaled_ms)?)
    }

    /// Whose credential is shown.
    fn identify(&self, call: &Call) -> Result<Caller, ApiError> {
        let identified = call.credential()?.identify(&self.view, &call.peer);
        match identified {
            // Before init there are no principals; that says more than an unknown credential.
            Err(_) if self.view.seal().is_none() => Err(ApiError::not_initialized()),
            identified => identified,
        }
    }

    /// Who the caller is, if a role permits `action` in the cluster.
    pub(crate) fn judge(&self, call: &Call, action: Action) -> Result<Authenticated, ApiError> {
        let who = self.authenticate(call)?;
        access::authorize(&*self.view, &who, action, Resource::Cluster, self.now.unscaled_ms)?;
        Ok(who)
    }

    /// Who the caller is, if a role permits `action` on what the call names. What is not there and what
    /// the caller may not see answer alike.
    pub(crate) fn judge_on(
        &self,
        call: &Call,
        action: Action,
        state: &State<'_>,
        on: On<'_>,
    ) -> Result<Authenticated, ApiError> {
        let who = self.authenticate(call)?;
        let place = self.place(call, state, on);
        let resource = place.unwrap_or(Resource::UnknownKey);
        match access::authorize(&*self.view, &who, action, resource, self.now.unscaled_ms) {
            Ok(_) if place.is_some() => Ok(who),
            Ok(_) | Err(Refusal::NotFound { .. }) => Err(on.missing(call)),
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// The roles of a caller, to sort out what is listed.
    pub(crate) fn held(&self, who: &Authenticated) -> Held {
        Held::of(&*self.view, who, self.now.unscaled_ms)
    }

    /// The instance whose parts a call lists. Without a role in any of them the caller is refused as a
    /// whole, or the instance unknown.
    pub(crate) fn listed(
        &self,
        call: &Call,
        action: Action,
        state: &State<'_>,
        sight: &Sight,
    ) -> Result<InstanceId, ApiError> {
        let instance = self.instance(call.instance.as_ref());
        match instance.filter(|instance| sight.has_instance(*instance)) {
            Some(instance) => Ok(instance),
            None => {
                self.judge_on(call, action, state, On::Here)?;
                Err(On::Here.missing(call))
            }
        }
    }

    /// The instance in which the names of a call are looked up.
    pub(crate) fn within(&self, call: &Call) -> Result<InstanceId, ApiError> {
        self.instance(call.instance.as_ref()).ok_or_else(|| On::Here.missing(call))
    }

    /// The instance that is named, or the default one.
    pub(crate) fn instance(&self, given: Option<&InstanceSelector>) -> Option<InstanceId> {
        match given {
            None => self.view.instance_named(DEFAULT),
            Some(InstanceSelector::Id(id)) => self.view.instance(*id).map(|found| found.id),
            Some(InstanceSelector::Name(name)) => self.view.instance_named(name),
        }
    }

    /// The key that a call names, if it is there.
    pub(crate) fn key(
        &self,
        call: &Call,
        state: &State<'_>,
        selector: &KeySelector,
    ) -> Option<KeyRecord> {
        let within = self.instance(call.instance.as_ref());
        let key = match selector {
            KeySelector::Id(id) => state.key(*id)?,
            KeySelector::Alias(alias) => state.key(state.alias(within?, alias)?)?,
        };
        // By id a key is found wherever it lies, unless the caller says where.
        (call.instance.is_none() || within == Some(key.instance)).then_some(key)
    }

    /// The key ring that a call names, if it is there.
    pub(crate) fn ring(
        &self,
        call: &Call,
        state: &State<'_>,
        selector: &RingSelector,
    ) -> Option<(InstanceId, RingId)> {
        let within = self.instance(call.instance.as_ref())?;
        let ring = match selector {
            RingSelector::Id(id) => state.ring(within, *id)?.id,
            RingSelector::Name(name) => state.ring_named(within, name)?,
        };
        Some((within, ring))
    }

    /// The scope that a call names, if it is there. A key or instance that is gone is still a scope by
    /// its id, so that what was bound there can be taken away.
    pub(crate) fn scope(
        &self,
        call: &Call,
        state: &State<'_>,
        selector: &ScopeSelector,
    ) -> Option<Scope> {
        match selector {
            ScopeSelector::Cluster => Some(Scope::Cluster),
            ScopeSelector::Instance(InstanceSelector::Id(id)) => Some(Scope::Instance(*id)),
            ScopeSelector::Instance(name) => self.instance(Some(name)).map(Scope::Instance),
            ScopeSelector::Ring(ring) => {
                self.ring(call, state, ring).map(|(instance, ring)| Scope::Ring(instance, ring))
            }
            ScopeSelector::Key(KeySelector::Id(id)) => Some(Scope::Key(*id)),
            ScopeSelector::Key(key) => self.key(call, state, key).map(|key| Scope::Key(key.id)),
        }
    }

    /// What a call names, if it is there.
    pub(crate) fn place(&self, call: &Call, state: &State<'_>, on: On<'_>) -> Option<Resource> {
        match on {
            On::Cluster => Some(Resource::Cluster),
            On::Here => self.instance(call.instance.as_ref()).map(Resource::Instance),
            On::Instance(selector) => self.instance(Some(selector)).map(Resource::Instance),
            On::Ring(selector) => {
                let (instance, ring) = self.ring(call, state, selector)?;
                Some(Resource::Ring(instance, ring))
            }
            On::Key(selector) => self.key(call, state, selector).map(|key| Resource::of_key(&key)),
            On::Scope(selector) => {
                let scope = self.scope(call, state, selector)?;
                Some(Resource::of_scope(state, scope))
            }
        }
    }

    /// The same with the proof, for an operation of the data plane: what is found out goes into its
    /// record, also when it is refused.
    pub(crate) fn judge_use(
        &self,
        call: &Call,
        action: Action,
        draft: &mut Draft,
    ) -> Result<Authorized, ApiError> {
        let who = self.identified(call, draft)?;
        Ok(access::authorize(&*self.view, &who, action, Resource::Cluster, self.now.unscaled_ms)?)
    }

    /// Who the caller is, for an operation of the data plane.
    pub(crate) fn identified(
        &self,
        call: &Call,
        draft: &mut Draft,
    ) -> Result<Authenticated, ApiError> {
        draft.judged_at(self.view.index());
        let caller = self.identify(call)?;
        draft.by(caller.principal());
        Ok(access::authenticate(&*self.view, &caller, self.now.unscaled_ms)?)
    }

    /// The same time with the newest view: for a view that turned out to be older than a record.
    pub(crate) fn renewed(&self, context: &Context) -> Moment {
        let view = context.view.load_full();
        let now = view.time().max(self.now);
        Moment { view, now }
    }
}
