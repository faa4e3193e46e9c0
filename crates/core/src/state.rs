//! Typed access to the records: the only place that knows keys and encodings of the tables.

use crate::codec;
use crate::command::{Grant, Scope, Subject};
use crate::ids::{InstanceId, KeyId, PrincipalId, RingId, TokenId};
use crate::model::{
    BindingRecord, Counts, EventRecord, HistoryRecord, InstanceRecord, KeyRecord, MachineRecord,
    PrincipalRecord, RegistrationRecord, RingRecord, SealRecord, TokenRecord, Tombstone,
    VersionRecord,
};
use crate::records::{Records, RecordsRead, Table};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ops::Bound;
use uuid::Uuid;

/// Key of the [`SealRecord`] in [`Table::Meta`].
pub const SEAL: &[u8] = b"seal";
/// Key of the [`MachineRecord`] in [`Table::Meta`].
pub const MACHINE: &[u8] = b"machine";

/// Typed reading.
pub struct State<'a>(pub &'a dyn RecordsRead);

impl State<'_> {
    /// The seal, once the cluster was initialized.
    pub fn seal(&self) -> Option<SealRecord> {
        self.read(Table::Meta, SEAL)
    }

    /// Counters of the machine.
    pub fn machine(&self) -> MachineRecord {
        self.read(Table::Meta, MACHINE).unwrap_or_default()
    }

    /// A key.
    pub fn key(&self, id: KeyId) -> Option<KeyRecord> {
        self.read(Table::Keys, id.bytes())
    }

    /// At most `limit` keys with ids above `after`, ascending.
    pub fn keys(&self, after: Option<KeyId>, limit: usize) -> Vec<KeyRecord> {
        let from = after.as_ref().map_or(Bound::Unbounded, |id| Bound::Excluded(&id.bytes()[..]));
        self.page(Table::Keys, from, Bound::Unbounded, limit)
    }

    /// The key that an alias names in an instance.
    pub fn alias(&self, instance: InstanceId, alias: &str) -> Option<KeyId> {
        self.read(Table::Aliases, &name_key(instance, alias))
    }

    /// At most `limit` ids of the keys of an instance, above `after`, ascending.
    pub fn keys_of(&self, instance: InstanceId, after: Option<KeyId>, limit: usize) -> Vec<KeyId> {
        self.members(Table::InstanceKeys, instance.bytes(), after, limit)
    }

    /// At most `limit` ids of the keys in a ring, above `after`, ascending.
    pub fn keys_in(&self, ring: RingId, after: Option<KeyId>, limit: usize) -> Vec<KeyId> {
        self.members(Table::RingKeys, ring.bytes(), after, limit)
    }

    fn members(
        &self,
        table: Table,
        group: &[u8; 16],
        after: Option<KeyId>,
        limit: usize,
    ) -> Vec<KeyId> {
        let from = pair_key(group, after.as_ref().map_or(&[0; 16], KeyId::bytes));
        let from = match after {
            Some(_) => Bound::Excluded(&from[..]),
            None => Bound::Included(&from[..]),
        };
        let to = pair_key(group, &[0xff; 16]);
        let found = self.0.range(table, from, Bound::Included(&to), limit);
        found.iter().filter_map(|(key, _)| key_id_of(key.get(16..)?)).collect()
    }

    /// An instance.
    pub fn instance(&self, id: InstanceId) -> Option<InstanceRecord> {
        self.read(Table::Instances, id.bytes())
    }

    /// The instance with a name.
    pub fn instance_named(&self, name: &str) -> Option<InstanceId> {
        self.read(Table::InstanceNames, name.as_bytes())
    }

    /// All instances, ascending by id.
    pub fn instances(&self) -> Vec<InstanceRecord> {
        let limit = crate::limits::INSTANCES as usize;
        self.page(Table::Instances, Bound::Unbounded, Bound::Unbounded, limit)
    }

    /// How many keys and versions an instance has in each state.
    pub fn counts(&self, id: InstanceId) -> Counts {
        self.read(Table::InstanceCounts, id.bytes()).unwrap_or_default()
    }

    /// A key ring.
    pub fn ring(&self, instance: InstanceId, id: RingId) -> Option<RingRecord> {
        self.read(Table::Rings, &pair_key(instance.bytes(), id.bytes()))
    }

    /// The key ring with a name.
    pub fn ring_named(&self, instance: InstanceId, name: &str) -> Option<RingId> {
        self.read(Table::RingNames, &name_key(instance, name))
    }

    /// All key rings of an instance, ascending by id.
    pub fn rings(&self, instance: InstanceId) -> Vec<RingRecord> {
        let from = pair_key(instance.bytes(), &[0; 16]);
        let to = pair_key(instance.bytes(), &[0xff; 16]);
        let limit = crate::limits::RINGS_PER_INSTANCE as usize;
        self.page(Table::Rings, Bound::Included(&from), Bound::Included(&to), limit)
    }

    /// A registration.
    pub fn registration(&self, key: KeyId, resource: &str) -> Option<RegistrationRecord> {
        self.read(Table::Registrations, &resource_key(key, resource))
    }

    /// All registrations of a key, in order of their resources.
    pub fn registrations(&self, key: KeyId) -> Vec<RegistrationRecord> {
        let limit = crate::limits::REGISTRATIONS_PER_KEY;
        // No byte of UTF-8 is as high.
        let to = [&key.bytes()[..], &[0xff]].concat();
        let (from, to) = (Bound::Included(&key.bytes()[..]), Bound::Excluded(&to[..]));
        self.page(Table::Registrations, from, to, limit)
    }

    /// The history of a key, oldest first.
    pub fn history(&self, key: KeyId) -> Vec<HistoryRecord> {
        let limit = usize::try_from(crate::limits::HISTORY_PER_KEY).unwrap_or(usize::MAX);
        let (from, to) = (numbered_key(key, 0), numbered_key(key, u64::MAX));
        self.page(Table::History, Bound::Included(&from), Bound::Included(&to), limit)
    }

    /// What is left of a purged key or a deleted instance.
    pub fn tombstone(&self, id: Uuid) -> Option<Tombstone> {
        self.read(Table::Tombstones, id.as_bytes())
    }

    /// At most `limit` events from number `from` on.
    pub fn events(&self, from: u64, limit: usize) -> Vec<EventRecord> {
        let from = from.to_be_bytes();
        self.page(Table::Events, Bound::Included(&from), Bound::Unbounded, limit)
    }

    /// When the first timer of any key runs, in milliseconds since the Unix epoch.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        self.due(Table::Deadlines, u64::MAX, 1).first().map(|(at_ms, _)| *at_ms)
    }

    /// At most `limit` keys whose timers run by `now_ms`, the earliest first, with the instants.
    pub fn due_timers(&self, now_ms: u64, limit: usize) -> Vec<(u64, KeyId)> {
        self.due(Table::Deadlines, now_ms, limit)
    }

    /// At most `limit` keys whose scheduled rotation is due by `now_ms`, the earliest first, with the
    /// due dates.
    pub fn due_rotations(&self, now_ms: u64, limit: usize) -> Vec<(u64, KeyId)> {
        self.due(Table::Rotations, now_ms, limit)
    }

    fn due(&self, table: Table, now_ms: u64, limit: usize) -> Vec<(u64, KeyId)> {
        let to = instant_key(now_ms, KeyId(Uuid::max()));
        let found = self.0.range(table, Bound::Unbounded, Bound::Included(&to), limit);
        found.iter().filter_map(|(key, _)| instant_of(key)).collect()
    }

    /// A version of a key.
    pub fn version(&self, key: KeyId, version: u32) -> Option<VersionRecord> {
        self.read(Table::Versions, &version_key(key, version))
    }

    /// All versions of a key, ascending.
    pub fn versions(&self, key: KeyId) -> Vec<VersionRecord> {
        let (from, to) = (version_key(key, 0), version_key(key, u32::MAX));
        let limit = crate::limits::VERSIONS_PER_KEY as usize;
        self.page(Table::Versions, Bound::Included(&from), Bound::Included(&to), limit)
    }

    /// A principal.
    pub fn principal(&self, id: PrincipalId) -> Option<PrincipalRecord> {
        self.read(Table::Principals, id.bytes())
    }

    /// At most `limit` principals with ids above `after`, ascending.
    pub fn principals(&self, after: Option<PrincipalId>, limit: usize) -> Vec<PrincipalRecord> {
        let from = after.as_ref().map_or(Bound::Unbounded, |id| Bound::Excluded(&id.bytes()[..]));
        self.page(Table::Principals, from, Bound::Unbounded, limit)
    }

    /// The principal with a name.
    pub fn principal_named(&self, name: &str) -> Option<PrincipalId> {
        self.read(Table::PrincipalNames, name.as_bytes())
    }

    /// The principal that a certificate with this SAN URI stands for.
    pub fn principal_of_certificate(&self, uri: &str) -> Option<PrincipalId> {
        self.read(Table::CertificateNames, uri.as_bytes())
    }

    /// A token.
    pub fn token(&self, id: TokenId) -> Option<TokenRecord> {
        self.read(Table::Tokens, id.bytes())
    }

    /// At most `limit` tokens with ids above `after`, ascending.
    pub fn tokens(&self, after: Option<TokenId>, limit: usize) -> Vec<TokenRecord> {
        let from = after.as_ref().map_or(Bound::Unbounded, |id| Bound::Excluded(&id.bytes()[..]));
        self.page(Table::Tokens, from, Bound::Unbounded, limit)
    }

    /// The bindings of one subject.
    pub fn bindings_of(&self, subject: &Subject) -> Vec<BindingRecord> {
        let from = subject_prefix(subject);
        let to = prefix_end(&from);
        let to = to.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let limit = crate::limits::BINDINGS_PER_SUBJECT;
        self.page(Table::Bindings, Bound::Included(&from), to, limit)
    }

    /// The binding of exactly this grant.
    pub fn binding(&self, grant: &Grant) -> Option<BindingRecord> {
        self.read(Table::Bindings, &binding_key(grant))
    }

    /// All bindings, in order of their subjects.
    pub fn bindings(&self, limit: usize) -> Vec<BindingRecord> {
        self.page(Table::Bindings, Bound::Unbounded, Bound::Unbounded, limit)
    }

    pub(crate) fn read<T: DeserializeOwned>(&self, table: Table, key: &[u8]) -> Option<T> {
        self.0.get(table, key).map(|bytes| decode_record(&bytes))
    }

    fn page<T: DeserializeOwned>(
        &self,
        table: Table,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Vec<T> {
        let page = self.0.range(table, from, to, limit);
        page.into_iter().map(|(_, bytes)| decode_record(&bytes)).collect()
    }
}

/// Typed writing.
pub struct StateMut<'a>(pub &'a mut dyn Records);

impl StateMut<'_> {
    /// Reading on the same records.
    pub fn read(&self) -> State<'_> {
        State(&*self.0)
    }

    /// Writes the seal.
    pub fn put_seal(&mut self, seal: &SealRecord) {
        self.put(Table::Meta, SEAL, seal);
    }

    /// Writes the counters of the machine.
    pub fn put_machine(&mut self, machine: &MachineRecord) {
        self.put(Table::Meta, MACHINE, machine);
    }

    /// Writes an alias.
    pub fn put_alias(&mut self, instance: InstanceId, alias: &str, key: KeyId) {
        self.put(Table::Aliases, &name_key(instance, alias), &key);
    }

    /// Frees an alias.
    pub fn delete_alias(&mut self, instance: InstanceId, alias: &str) {
        self.0.delete(Table::Aliases, &name_key(instance, alias));
    }

    /// Writes an instance with its name.
    pub fn put_instance(&mut self, instance: &InstanceRecord) {
        self.put(Table::Instances, instance.id.bytes(), instance);
        self.put(Table::InstanceNames, instance.name.as_bytes(), &instance.id);
    }

    /// Removes an instance with its name and counts.
    pub fn delete_instance(&mut self, instance: &InstanceRecord) {
        self.0.delete(Table::Instances, instance.id.bytes());
        self.0.delete(Table::InstanceNames, instance.name.as_bytes());
        self.0.delete(Table::InstanceCounts, instance.id.bytes());
    }

    /// Writes how many keys and versions an instance has in each state.
    pub fn put_counts(&mut self, instance: InstanceId, counts: &Counts) {
        self.put(Table::InstanceCounts, instance.bytes(), counts);
    }

    /// Writes a key ring with its name.
    pub fn put_ring(&mut self, ring: &RingRecord) {
        self.put(Table::Rings, &pair_key(ring.instance.bytes(), ring.id.bytes()), ring);
        self.put(Table::RingNames, &name_key(ring.instance, &ring.name), &ring.id);
    }

    /// Removes a key ring with its name.
    pub fn delete_ring(&mut self, ring: &RingRecord) {
        self.0.delete(Table::Rings, &pair_key(ring.instance.bytes(), ring.id.bytes()));
        self.0.delete(Table::RingNames, &name_key(ring.instance, &ring.name));
    }

    /// Writes a registration.
    pub fn put_registration(&mut self, key: KeyId, registration: &RegistrationRecord) {
        let place = resource_key(key, &registration.resource);
        self.put(Table::Registrations, &place, registration);
    }

    /// Removes a registration.
    pub fn delete_registration(&mut self, key: KeyId, resource: &str) {
        self.0.delete(Table::Registrations, &resource_key(key, resource));
    }

    /// Adds an entry to a key's history, under a number that it never had.
    pub fn add_history(&mut self, key: KeyId, number: u64, entry: &HistoryRecord) {
        self.insert(Table::History, &numbered_key(key, number), entry);
    }

    /// Removes an entry of a key's history.
    pub fn delete_history(&mut self, key: KeyId, number: u64) {
        self.0.delete(Table::History, &numbered_key(key, number));
    }

    /// Writes what is left of a purged key or a deleted instance.
    pub fn put_tombstone(&mut self, id: Uuid, tombstone: &Tombstone) {
        self.put(Table::Tombstones, id.as_bytes(), tombstone);
    }

    /// Adds an event, under a number that there never was.
    pub fn add_event(&mut self, event: &EventRecord) {
        self.insert(Table::Events, &event.seq.to_be_bytes(), event);
    }

    /// Removes an event.
    pub fn delete_event(&mut self, seq: u64) {
        self.0.delete(Table::Events, &seq.to_be_bytes());
    }

    /// Moves a key in a table of instants.
    pub(crate) fn move_instant(
        &mut self,
        table: Table,
        key: KeyId,
        before: Option<u64>,
        after: Option<u64>,
    ) {
        if before == after {
            return;
        }
        if let Some(at_ms) = before {
            self.0.delete(table, &instant_key(at_ms, key));
        }
        if let Some(at_ms) = after {
            self.0.put(table, &instant_key(at_ms, key), Vec::new());
        }
    }

    /// Removes a version of a key.
    pub(crate) fn delete_version(&mut self, key: KeyId, version: u32) {
        self.0.delete(Table::Versions, &version_key(key, version));
    }

    /// Adds a key to a group of keys, or removes it.
    pub(crate) fn set_member(&mut self, table: Table, group: &[u8; 16], key: KeyId, member: bool) {
        let place = pair_key(group, key.bytes());
        match member {
            true => self.0.insert(table, &place, Vec::new()),
            false => self.0.delete(table, &place),
        }
    }

    /// Writes a version of a key.
    pub fn put_version(&mut self, key: KeyId, version: &VersionRecord) {
        self.put(Table::Versions, &version_key(key, version.version), version);
    }

    /// Writes a principal with its name and certificate.
    pub fn put_principal(&mut self, principal: &PrincipalRecord) {
        self.put(Table::Principals, principal.id.bytes(), principal);
        self.put(Table::PrincipalNames, principal.name.as_bytes(), &principal.id);
        if let Some(uri) = &principal.certificate {
            self.put(Table::CertificateNames, uri.as_bytes(), &principal.id);
        }
    }

    /// Removes a principal with its name and certificate.
    pub fn delete_principal(&mut self, principal: &PrincipalRecord) {
        self.0.delete(Table::Principals, principal.id.bytes());
        self.0.delete(Table::PrincipalNames, principal.name.as_bytes());
        if let Some(uri) = &principal.certificate {
            self.0.delete(Table::CertificateNames, uri.as_bytes());
        }
    }

    /// Writes a token.
    pub fn put_token(&mut self, token: &TokenRecord) {
        self.put(Table::Tokens, token.id.bytes(), token);
    }

    /// Removes a token.
    pub fn delete_token(&mut self, token: TokenId) {
        self.0.delete(Table::Tokens, token.bytes());
    }

    /// Writes a role binding.
    pub fn put_binding(&mut self, binding: &BindingRecord) {
        self.put(Table::Bindings, &binding_key(&binding.grant), binding);
    }

    /// Removes a role binding.
    pub fn delete_binding(&mut self, grant: &Grant) {
        self.0.delete(Table::Bindings, &binding_key(grant));
    }

    pub(crate) fn put<T: Serialize>(&mut self, table: Table, key: &[u8], value: &T) {
        self.0.put(table, key, codec::encode(value));
    }

    /// Writes a record that is not there, as the caller knows without looking.
    pub(crate) fn insert<T: Serialize>(&mut self, table: Table, key: &[u8], value: &T) {
        self.0.insert(table, key, codec::encode(value));
    }
}

/// Decodes a record that this code wrote.
fn decode_record<T: DeserializeOwned>(bytes: &[u8]) -> T {
    codec::decode(bytes).expect("storage checks every record, and only this code writes them")
}

/// The key of a version record, and back.
pub fn version_key(key: KeyId, version: u32) -> [u8; 20] {
    let mut bytes = [0; 20];
    bytes[..16].copy_from_slice(key.bytes());
    bytes[16..].copy_from_slice(&version.to_be_bytes());
    bytes
}

/// The key id at the start of the key of a key or version record.
pub fn key_id_of(record_key: &[u8]) -> Option<KeyId> {
    Some(KeyId(Uuid::from_slice(record_key.get(..16)?).ok()?))
}

/// The key under which a name stands that is unique in an instance.
fn name_key(instance: InstanceId, name: &str) -> Vec<u8> {
    [&instance.bytes()[..], name.as_bytes()].concat()
}

/// The instance and the alias of an alias record.
pub fn alias_of(record_key: &[u8]) -> Option<(InstanceId, String)> {
    let (instance, alias) = record_key.split_at_checked(16)?;
    let instance = InstanceId(Uuid::from_slice(instance).ok()?);
    Some((instance, String::from_utf8(alias.to_vec()).ok()?))
}

fn pair_key(first: &[u8; 16], second: &[u8; 16]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(first);
    bytes[16..].copy_from_slice(second);
    bytes
}

fn resource_key(key: KeyId, resource: &str) -> Vec<u8> {
    [&key.bytes()[..], resource.as_bytes()].concat()
}

fn numbered_key(key: KeyId, number: u64) -> [u8; 24] {
    let mut bytes = [0; 24];
    bytes[..16].copy_from_slice(key.bytes());
    bytes[16..].copy_from_slice(&number.to_be_bytes());
    bytes
}

fn instant_key(at_ms: u64, key: KeyId) -> [u8; 24] {
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&at_ms.to_be_bytes());
    bytes[8..].copy_from_slice(key.bytes());
    bytes
}

fn instant_of(record_key: &[u8]) -> Option<(u64, KeyId)> {
    let (at_ms, key) = record_key.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*at_ms), key_id_of(key)?))
}

/// The end of all keys that begin with `prefix`: the least key above them.
fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

// A longer name would share its length byte, and perhaps its bindings, with another one.
const _: () = assert!(crate::limits::NAME_BYTES <= u8::MAX as usize);

/// Length-prefixed, so that no subject is the prefix of another.
fn subject_prefix(subject: &Subject) -> Vec<u8> {
    let (tag, name) = match subject {
        Subject::Principal(id) => (1, &id.bytes()[..]),
        Subject::Group(name) => (2, name.as_bytes()),
    };
    let mut bytes = vec![tag, u8::try_from(name.len()).unwrap_or(u8::MAX)];
    bytes.extend_from_slice(name);
    bytes
}

fn binding_key(grant: &Grant) -> Vec<u8> {
    let mut bytes = subject_prefix(&grant.subject);
    match grant.scope {
        Scope::Cluster => bytes.push(0),
        Scope::Instance(instance) => {
            bytes.push(1);
            bytes.extend(instance.bytes());
        }
        Scope::Ring(instance, ring) => {
            bytes.push(2);
            bytes.extend(pair_key(instance.bytes(), ring.bytes()));
        }
        Scope::Key(key) => {
            bytes.push(3);
            bytes.extend(key.bytes());
        }
    }
    bytes.push(grant.role as u8);
    bytes
}
