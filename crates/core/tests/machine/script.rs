//! The language of these tests: `script.admin().create_key("orders")`. Ids follow from names, time
//! stands still until `wait_ms`, and each request has a fresh id unless it is given one.

use crate::machine::Machine;
use conclave_core::audit::AuditRecord;
use conclave_core::canonical::Canonical;
use conclave_core::codec;
use conclave_core::command::*;
use conclave_core::ids::*;
use conclave_core::model::{KeyRecord, SealRecord};
use conclave_core::outcome::{Applied, Effect, Outcome, Refusal};
use conclave_core::records::{MemoryRecords, RecordsRead, Table};
use conclave_core::roles::Role;
use std::collections::BTreeMap;
use std::ops::Bound;
use uuid::Uuid;

pub type Answer = Result<Effect, Refusal>;

/// Where the clock of a script starts: 2027-01-15T08:00:00Z.
pub const START_MS: u64 = 1_800_000_000_000;
pub const SECOND: u64 = 1_000;
pub const HOUR: u64 = 3_600 * SECOND;
pub const DAY: u64 = 24 * HOUR;

/// A cluster whose log is written by the test.
#[derive(Clone)]
pub struct Script {
    pub machine: Machine<MemoryRecords>,
    pub now_ms: u64,
    requests: u128,
}

impl Script {
    /// Before the first entry.
    pub fn empty() -> Self {
        Self { machine: Machine::default(), now_ms: START_MS, requests: 0 }
    }

    /// Initialized, not confirmed: 5 shares, 3 needed, principal `admin` with token `admin`.
    pub fn initialized() -> Self {
        let mut script = Self::empty();
        script.operator().send(init(1)).unwrap();
        script
    }

    /// Initialized and confirmed by a first unseal.
    pub fn unsealed() -> Self {
        let mut script = Self::initialized();
        script.unseal();
        script
    }

    /// Runs a whole ceremony.
    pub fn unseal(&mut self) {
        let epoch = self.seal().epoch;
        let ceremony = format!("ceremony at {}", self.machine.index);
        for index in 1..=3 {
            self.custodian().send(share(&ceremony, index, epoch)).unwrap();
        }
        self.custodian().send(complete(&ceremony, &[1, 2, 3], epoch)).unwrap();
    }

    /// Adds a principal with a token of its name (30 days) and roles.
    pub fn add(&mut self, name: &str, roles: &[Role]) {
        self.admin().send(create_principal(name)).unwrap();
        self.admin().send(create_token(name, name, 30 * DAY)).unwrap();
        for role in roles {
            self.admin().send(bind(grant(*role, name), None)).unwrap();
        }
    }

    pub fn wait_ms(&mut self, ms: u64) {
        self.now_ms += ms;
    }

    pub fn operator(&mut self) -> Act<'_> {
        self.act(Caller::Operator { name: "ops".into() })
    }

    pub fn custodian(&mut self) -> Act<'_> {
        self.act(Caller::Custodian)
    }

    /// The first principal, by its token.
    pub fn admin(&mut self) -> Act<'_> {
        self.by("admin")
    }

    /// A principal by the token that has its name.
    pub fn by(&mut self, name: &str) -> Act<'_> {
        self.by_token(name, name)
    }

    pub fn by_token(&mut self, name: &str, token: &str) -> Act<'_> {
        let credential = CredentialRef::Token(token_id(token));
        self.act(Caller::Principal { principal: principal_id(name), credential })
    }

    pub fn by_certificate(&mut self, name: &str, uri: &str) -> Act<'_> {
        let credential = CredentialRef::Certificate(uri.into());
        self.act(Caller::Principal { principal: principal_id(name), credential })
    }

    fn act(&mut self, caller: Caller) -> Act<'_> {
        self.requests += 1;
        let request = RequestId(Uuid::from_u128(self.requests));
        Act { script: self, caller, request, seen_index: None }
    }

    fn apply(&mut self, proposal: Proposal) -> Applied {
        let before = self.machine.clone();
        let entry = Entry { stamp: Stamp { at_ms: self.now_ms }, proposal };
        let (applied, changes) = self.machine.step(&entry);
        self.machine.assert_recomputable();
        for place in changed_places(&before.records, &self.machine.records) {
            let told = changes.touched.iter().any(|t| (t.table, &t.key) == (place.0, &place.1));
            assert!(told, "{place:?} changed, but it is not among what was touched");
        }
        applied
    }

    pub fn seal(&self) -> SealRecord {
        self.machine.state().seal().expect("an initialized cluster")
    }

    pub fn key(&self, alias: &str) -> KeyRecord {
        self.machine.state().key(key_id(alias)).expect("a key of this alias")
    }

    /// The audit records in the state, oldest first.
    pub fn audit(&self) -> Vec<AuditRecord> {
        let all = self.machine.records.range(
            Table::Audit,
            Bound::Unbounded,
            Bound::Unbounded,
            usize::MAX,
        );
        all.iter().map(|(_, bytes)| codec::decode(bytes).unwrap()).collect()
    }
}

fn changed_places(before: &MemoryRecords, after: &MemoryRecords) -> Vec<(Table, Vec<u8>)> {
    let map = |records: &MemoryRecords| -> BTreeMap<_, _> {
        records.iter().map(|(t, k, v)| ((t, k.to_vec()), v.to_vec())).collect()
    };
    let (before, after) = (map(before), map(after));
    let all = before.keys().chain(after.keys());
    all.filter(|place| before.get(place) != after.get(place)).cloned().collect()
}

/// A caller about to give a command.
pub struct Act<'a> {
    script: &'a mut Script,
    caller: Caller,
    request: RequestId,
    seen_index: Option<u64>,
}

impl Act<'_> {
    /// Under this request id.
    pub fn request(mut self, id: u128) -> Self {
        self.request = RequestId(Uuid::from_u128(id));
        self
    }

    /// With the applied index that the client had seen when it made the request id.
    pub fn seen(mut self, index: u64) -> Self {
        self.seen_index = Some(index);
        self
    }

    /// Gives the command; the whole answer.
    pub fn submit(self, command: Command) -> Applied {
        let proposal = Proposal {
            caller: self.caller,
            request: self.request,
            request_digest: Canonical::new("test").bytes(&codec::encode(&command)).finish(),
            seen_index: self.seen_index,
            command,
        };
        self.script.apply(proposal)
    }

    /// Gives the command; what it came to.
    pub fn send(self, command: Command) -> Answer {
        match self.submit(command).outcome {
            Outcome::Done(effect) => Ok(effect),
            Outcome::Refused(refusal) => Err(refusal),
        }
    }

    pub fn create_key(self, alias: &str) -> Answer {
        self.send(create_key(alias))
    }

    /// Makes the version after the present one.
    pub fn rotate(self, alias: &str) -> Answer {
        let present = self.script.machine.state().key(key_id(alias));
        let next = present.map_or(1, |key| key.primary_version) + 1;
        self.send(rotate(alias, next, 1))
    }

    pub fn enable(self, alias: &str) -> Answer {
        self.send(Command::EnableKey { key: key_id(alias) })
    }

    pub fn disable(self, alias: &str) -> Answer {
        self.send(Command::DisableKey { key: key_id(alias) })
    }
}

pub fn id(kind: &str, name: &str) -> Uuid {
    let hash = Canonical::new("test id").text(kind).text(name).finish();
    Uuid::from_slice(&hash[..16]).unwrap()
}

pub fn key_id(alias: &str) -> KeyId {
    KeyId(id("key", alias))
}

pub fn principal_id(name: &str) -> PrincipalId {
    PrincipalId(id("principal", name))
}

pub fn token_id(name: &str) -> TokenId {
    TokenId(id("token", name))
}

pub fn ceremony_id(name: &str) -> CeremonyId {
    CeremonyId(id("ceremony", name))
}

pub fn create_key(alias: &str) -> Command {
    Command::CreateKey(CreateKey {
        key: key_id(alias),
        alias: Some(alias.into()),
        algorithm: Algorithm::Aes256GcmSiv,
        description: String::new(),
        labels: BTreeMap::new(),
        material: material(1),
    })
}

pub fn rotate(alias: &str, version: u32, generation: u32) -> Command {
    let material = material(generation);
    Command::RotateKey(RotateKey { key: key_id(alias), version, material })
}

pub fn update(alias: &str, description: &str) -> UpdateKey {
    UpdateKey {
        key: key_id(alias),
        description: Some(description.into()),
        set_labels: BTreeMap::new(),
        remove_labels: Vec::new(),
    }
}

pub fn material(generation: u32) -> WrappedMaterial {
    WrappedMaterial { generation, wrapped: vec![0xab; 48] }
}

pub fn create_principal(name: &str) -> Command {
    Command::CreatePrincipal { id: principal_id(name), name: name.into(), certificate: None }
}

pub fn create_principal_with_certificate(name: &str, uri: &str) -> Command {
    let certificate = Some(uri.into());
    Command::CreatePrincipal { id: principal_id(name), name: name.into(), certificate }
}

pub fn disable_principal(name: &str) -> Command {
    Command::DisablePrincipal { principal: principal_id(name) }
}

pub fn join(group: &str, name: &str) -> Command {
    Command::SetGroupMember { group: group.into(), principal: principal_id(name), member: true }
}

pub fn leave(group: &str, name: &str) -> Command {
    Command::SetGroupMember { group: group.into(), principal: principal_id(name), member: false }
}

pub fn create_token(owner: &str, token: &str, ttl_ms: u64) -> Command {
    Command::CreateToken(CreateToken {
        token: token_id(token),
        principal: principal_id(owner),
        hash: [0x17; 32],
        ttl_ms,
        bound_certificate: None,
    })
}

pub fn revoke(token: &str) -> Command {
    Command::RevokeToken { token: token_id(token) }
}

pub fn grant(role: Role, name: &str) -> Grant {
    Grant { role, subject: Subject::Principal(principal_id(name)), scope: Scope::Cluster }
}

pub fn group_grant(role: Role, group: &str) -> Grant {
    Grant { role, subject: Subject::Group(group.into()), scope: Scope::Cluster }
}

pub fn bind(grant: Grant, until_ms: Option<u64>) -> Command {
    let id = id("binding", &format!("{grant:?}"));
    Command::BindRole { grant, id, until_ms }
}

pub fn unbind(grant: Grant) -> Command {
    Command::UnbindRole { grant }
}

/// Init for an epoch. Principal `admin` has Id and token of that name, in later epochs `admin-2`, …
pub fn init(epoch: u32) -> Command {
    Command::InitializeSeal(Box::new(init_of(epoch)))
}

pub fn init_of(epoch: u32) -> InitializeSeal {
    let admin = if epoch == 1 { "admin".to_owned() } else { format!("admin-{epoch}") };
    InitializeSeal {
        keyspace: KeyspaceId(id("keyspace", "test")),
        epoch,
        threshold: 3,
        commitments: (1..=5).map(|index| [index; 32]).collect(),
        check_value: vec![epoch as u8; 16],
        wrapping_key: WrappedWrappingKey { generation: 1, wrapped: vec![epoch as u8; 48] },
        admin: FirstAdmin {
            principal: principal_id(&admin),
            certificate: None,
            token: token_id(&admin),
            token_hash: [epoch as u8; 32],
            ttl_ms: Some(365 * DAY),
        },
    }
}

/// A share collected by member 1.
pub fn share(ceremony: &str, index: u8, epoch: u32) -> Command {
    Command::RecordShare(share_of(ceremony, index, epoch))
}

pub fn share_of(ceremony: &str, index: u8, epoch: u32) -> RecordShare {
    RecordShare {
        ceremony: ceremony_id(ceremony),
        collector: MemberId(1),
        epoch,
        index,
        replaces: None,
    }
}

pub fn complete(ceremony: &str, indexes: &[u8], epoch: u32) -> Command {
    Command::CompleteUnseal(CompleteUnseal {
        ceremony: ceremony_id(ceremony),
        epoch,
        indexes: indexes.to_vec(),
    })
}
