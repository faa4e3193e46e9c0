//! Keys, without anything that time does to them.

use conclave_client::v1;
use tonic::{Code, Request, Response, Status};
use uuid::Uuid;
use v1::KeyState;
use v1::keys_server::Keys;

use super::{Answer, Fake, changed, find, refuse};

/// When everything happens.
const NOW: Option<prost_types::Timestamp> =
    Some(prost_types::Timestamp { seconds: 1_795_255_200, nanos: 0 });

impl Fake {
    fn change(&self, name: &str, change: impl FnOnce(&mut v1::Key)) -> Answer<v1::KeyAnswer> {
        self.try_change(name, |key| {
            change(key);
            Ok(())
        })
    }

    fn try_change(
        &self,
        name: &str,
        change: impl FnOnce(&mut v1::Key) -> Result<(), Status>,
    ) -> Answer<v1::KeyAnswer> {
        let mut state = self.called();
        let key = find(&mut state.keys, name)?;
        change(key)?;
        key.revision += 1;
        let (key_id, key) = (key.id.clone(), Some(key.clone()));
        Ok(Response::new(v1::KeyAnswer { key, log_index: 9, replayed: false, key_id }))
    }

    fn becomes(&self, r: Request<v1::KeyRequest>, state: KeyState) -> Answer<v1::KeyAnswer> {
        self.change(&r.into_inner().key, |key| key.state = state.into())
    }
}

#[tonic::async_trait]
impl Keys for Fake {
    async fn create_key(&self, r: Request<v1::CreateKeyRequest>) -> Answer<v1::KeyAnswer> {
        let r = r.into_inner();
        let mut state = self.called();
        if state.keys.iter().any(|key| key.aliases.contains(&r.alias)) {
            return Err(refuse(Code::AlreadyExists, "ALREADY_EXISTS", &[]));
        }
        let key_id = Uuid::new_v4().to_string();
        let every_s = r.rotate_every_s;
        let key = v1::Key {
            id: key_id.clone(),
            aliases: vec![r.alias],
            ring: if r.ring.is_empty() { "default".to_owned() } else { r.ring },
            algorithm: r.algorithm,
            state: KeyState::Enabled.into(),
            origin: v1::KeyOrigin::Generated.into(),
            primary_version: 1,
            description: r.description,
            labels: r.labels,
            revision: 1,
            expires_at: r.expires_at,
            rotation: (every_s > 0).then_some(v1::Rotation { every_s, next_at: NOW, on: true }),
            deletion_policy: Some(v1::DeletionPolicy::default()),
            ..Default::default()
        };
        state.keys.push(key.clone());
        let key = Some(key);
        Ok(Response::new(v1::KeyAnswer { key, log_index: 8, replayed: false, key_id }))
    }
    async fn get_key(&self, r: Request<v1::GetKeyRequest>) -> Answer<v1::KeyAnswer> {
        self.change(&r.into_inner().key, |_| ())
    }
    async fn list_keys(&self, r: Request<v1::ListKeysRequest>) -> Answer<v1::ListKeysAnswer> {
        let r = r.into_inner();
        let wanted = |key: &&v1::Key| {
            let in_ring = r.ring.is_empty() || key.ring == r.ring;
            in_ring
                && match r.states.is_empty() {
                    true => key.state() != KeyState::Destroyed,
                    false => r.states.contains(&key.state),
                }
        };
        let keys = self.called().keys.iter().filter(wanted).cloned().collect();
        Ok(Response::new(v1::ListKeysAnswer { keys, next_cursor: String::new(), log_index: 9 }))
    }
    async fn rotate_key(&self, r: Request<v1::KeyRequest>) -> Answer<v1::KeyAnswer> {
        self.change(&r.into_inner().key, |key| key.primary_version += 1)
    }
    async fn enable_key(&self, r: Request<v1::KeyRequest>) -> Answer<v1::KeyAnswer> {
        self.becomes(r, KeyState::Enabled)
    }
    async fn disable_key(&self, r: Request<v1::KeyRequest>) -> Answer<v1::KeyAnswer> {
        self.becomes(r, KeyState::Disabled)
    }
    async fn update_key(&self, r: Request<v1::UpdateKeyRequest>) -> Answer<v1::KeyAnswer> {
        let r = r.into_inner();
        self.change(&r.key, |key| {
            key.description = r.description.unwrap_or(std::mem::take(&mut key.description));
            key.labels.extend(r.set_labels);
            r.remove_labels.iter().for_each(|name| drop(key.labels.remove(name)));
            if !r.ring.is_empty() {
                key.ring = r.ring;
            }
        })
    }
    /// Makes the version, if it is not there.
    async fn set_version_enabled(
        &self,
        r: Request<v1::SetVersionEnabledRequest>,
    ) -> Answer<v1::KeyAnswer> {
        let v1::SetVersionEnabledRequest { key, version, enabled, .. } = r.into_inner();
        self.change(&key, |key| {
            key.versions.retain(|it| it.version != version);
            key.versions.push(v1::KeyVersion { version, enabled, ..Default::default() });
        })
    }
    async fn delete_key(&self, r: Request<v1::DeleteKeyRequest>) -> Answer<v1::KeyAnswer> {
        let r = r.into_inner();
        self.try_change(&r.key, |key| {
            let prevented = key.registrations.iter().any(|it| it.prevent_deletion);
            if prevented || !(key.registrations.is_empty() || r.force) {
                let reason = if prevented { "RETENTION" } else { "REGISTERED" };
                return Err(refuse(Code::FailedPrecondition, reason, &[]));
            }
            key.registrations.clear();
            key.state = KeyState::PendingDeletion.into();
            key.deletion = Some(v1::Deletion {
                requested_at: NOW,
                requested_by: "admin".to_owned(),
                destroys_at: NOW,
                ..Default::default()
            });
            Ok(())
        })
    }
    async fn cancel_deletion(&self, r: Request<v1::KeyRequest>) -> Answer<v1::KeyAnswer> {
        self.becomes(r, KeyState::Disabled)
    }
    async fn delete_now(&self, r: Request<v1::KeyRequest>) -> Answer<v1::KeyAnswer> {
        self.becomes(r, KeyState::Destroyed)
    }
    async fn restore_key(&self, r: Request<v1::KeyRequest>) -> Answer<v1::KeyAnswer> {
        self.becomes(r, KeyState::Enabled)
    }
    async fn purge_key(&self, r: Request<v1::KeyRequest>) -> Answer<v1::KeyAnswer> {
        let mut state = self.called();
        let key_id = find(&mut state.keys, &r.into_inner().key)?.id.clone();
        state.keys.retain(|key| key.id != key_id);
        Ok(Response::new(v1::KeyAnswer { key: None, log_index: 12, replayed: false, key_id }))
    }
    async fn add_alias(&self, r: Request<v1::AliasRequest>) -> Answer<v1::KeyAnswer> {
        let r = r.into_inner();
        self.change(&r.key, |key| key.aliases.push(r.alias))
    }
    async fn remove_alias(&self, r: Request<v1::AliasRequest>) -> Answer<v1::KeyAnswer> {
        let r = r.into_inner();
        self.change(&r.key, |key| key.aliases.retain(|alias| *alias != r.alias))
    }
    async fn set_key_policy(&self, r: Request<v1::SetKeyPolicyRequest>) -> Answer<v1::KeyAnswer> {
        let r = r.into_inner();
        self.change(&r.key, |key| {
            if let Some(every_s) = r.rotate_every_s {
                let rotation = v1::Rotation { every_s, next_at: NOW, on: true };
                key.rotation = (every_s > 0).then_some(rotation);
            }
            if let Some(windows) = r.windows {
                key.deletion_policy = key.deletion_policy.take().map(|it| changed(it, windows));
            }
        })
    }
    async fn register_resource(
        &self,
        r: Request<v1::RegisterResourceRequest>,
    ) -> Answer<v1::KeyAnswer> {
        let r = r.into_inner();
        self.change(&r.key, |key| {
            key.registrations.push(v1::Registration {
                resource: r.resource,
                description: r.description,
                prevent_deletion: r.prevent_deletion,
                version: key.primary_version,
                registered_at: NOW,
                registered_by: "admin".to_owned(),
            });
        })
    }
    async fn unregister_resource(
        &self,
        r: Request<v1::UnregisterResourceRequest>,
    ) -> Answer<v1::KeyAnswer> {
        let r = r.into_inner();
        self.change(&r.key, |key| key.registrations.retain(|it| it.resource != r.resource))
    }
    async fn get_history(&self, r: Request<v1::GetKeyRequest>) -> Answer<v1::HistoryAnswer> {
        let key = self.change(&r.into_inner().key, |_| ())?.into_inner().key.unwrap_or_default();
        let entry = v1::HistoryEntry {
            at: NOW,
            principal: "admin".to_owned(),
            action: "CreateKey".to_owned(),
            to: key.state,
            version: key.primary_version,
            request_id: "7b".to_owned(),
            ..Default::default()
        };
        Ok(Response::new(v1::HistoryAnswer { entries: vec![entry], log_index: 9 }))
    }
    async fn get_impact(&self, r: Request<v1::GetKeyRequest>) -> Answer<v1::ImpactAnswer> {
        let key = self.change(&r.into_inner().key, |_| ())?.into_inner().key.unwrap_or_default();
        let blocked = !key.registrations.is_empty();
        Ok(Response::new(v1::ImpactAnswer {
            key_id: key.id,
            registrations: key.registrations,
            blocked_by: blocked.then(|| "registrations".to_owned()).into_iter().collect(),
            destroys_at: NOW,
            purge_at: None,
            log_index: 9,
        }))
    }
}
