//! Typed access to the records: the only place that knows keys and encodings of the tables.

use crate::codec;
use crate::command::{Grant, Scope, Subject};
use crate::ids::{KeyId, PrincipalId, TokenId};
use crate::model::{
    BindingRecord, KeyRecord, MachineRecord, PrincipalRecord, SealRecord, TokenRecord,
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

    /// The key that an alias names.
    pub fn alias(&self, alias: &str) -> Option<KeyId> {
        self.read(Table::Aliases, alias.as_bytes())
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
        let mut to = from.clone();
        to.extend([0xff; 8]);
        let limit = crate::limits::BINDINGS_PER_SUBJECT;
        self.page(Table::Bindings, Bound::Included(&from), Bound::Excluded(&to), limit)
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

    /// Writes a key.
    pub fn put_key(&mut self, key: &KeyRecord) {
        self.put(Table::Keys, key.id.bytes(), key);
    }

    /// Writes an alias.
    pub fn put_alias(&mut self, alias: &str, key: KeyId) {
        self.put(Table::Aliases, alias.as_bytes(), &key);
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
    bytes.push(match grant.scope {
        Scope::Cluster => 0,
    });
    bytes.push(grant.role as u8);
    bytes
}
