//! What a caller may see of instances and key rings: those where a role permits to look, or permits it
//! on a part of them.

use conclave_core::access::Held;
use conclave_core::command::Scope;
use conclave_core::ids::{InstanceId, RingId};
use conclave_core::roles::Action;
use conclave_core::state::State;
use std::collections::BTreeSet;

/// Where a caller may look, for one action.
#[derive(Default)]
pub(crate) struct Sight {
    everywhere: bool,
    /// Instances as a whole.
    whole: BTreeSet<InstanceId>,
    /// Instances of which there is at least a part.
    instances: BTreeSet<InstanceId>,
    rings: BTreeSet<(InstanceId, RingId)>,
}

impl Sight {
    /// By the roles that the caller holds.
    pub(crate) fn of(held: &Held, action: Action, state: &State<'_>) -> Sight {
        let mut sight = Sight::default();
        for scope in held.scopes(action) {
            match scope {
                Scope::Cluster => sight.everywhere = true,
                Scope::Instance(instance) => sight.add_whole(instance),
                Scope::Ring(instance, ring) => sight.add_ring(instance, ring),
                Scope::Key(key) => {
                    if let Some(key) = state.key(key) {
                        sight.add_ring(key.instance, key.ring);
                    }
                }
            }
        }
        sight
    }

    /// Whether there is anything to see in an instance.
    pub(crate) fn has_instance(&self, instance: InstanceId) -> bool {
        self.everywhere || self.instances.contains(&instance)
    }

    /// Whether there is anything to see in a key ring.
    pub(crate) fn has_ring(&self, instance: InstanceId, ring: RingId) -> bool {
        self.everywhere || self.whole.contains(&instance) || self.rings.contains(&(instance, ring))
    }

    fn add_whole(&mut self, instance: InstanceId) {
        self.whole.insert(instance);
        self.instances.insert(instance);
    }

    fn add_ring(&mut self, instance: InstanceId, ring: RingId) {
        self.rings.insert((instance, ring));
        self.instances.insert(instance);
    }
}

#[cfg(test)]
mod tests;
