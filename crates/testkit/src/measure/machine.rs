//! The state machine: judging callers, applying commands, and the chain of what was done.

use std::collections::BTreeMap;

use conclave_core::access::{AccessFacts, Resource, authenticate, authorize};
use conclave_core::apply::apply;
use conclave_core::audit::AuditRecord;
use conclave_core::command::{
    Algorithm, Caller, Command, CreateKey, CredentialRef, Entry, WrappedMaterial,
};
use conclave_core::ids::{InstanceId, KeyId, PrincipalId, RequestId, TokenId};
use conclave_core::outcome::{Applied, Outcome};
use conclave_core::roles::Action;
use conclave_core::view::View;
use conclave_crypto::token;
use conclave_formats::token::Token;
use uuid::Uuid;

use super::Meter;
use super::subject::{Subject, entry};

/// From the text of a token to the proof that its holder may encrypt.
pub(super) fn judge(subject: &Subject, meter: &mut impl Meter) {
    let machine = subject.machine();
    let view = View::load(&machine.records, machine.index);
    let (now_ms, on) = (view.time().unscaled_ms, Resource::of_key(&subject.key_record()));
    meter.meter(
        || (),
        |()| {
            let shown = Token::parse(&subject.token).expect("it was issued");
            let id = TokenId(shown.token_id());
            let record = AccessFacts::token(&view, id).expect("issued");
            assert!(token::matches(&shown, &record.hash));
            let credential = CredentialRef::Token(id);
            let caller = Caller::Principal { principal: record.principal, credential };
            let who = authenticate(&view, &caller, now_ms).expect("the token is good");
            authorize(&view, &who, Action::Encrypt, on, now_ms).expect("the worker may encrypt")
        },
    );
}

/// Disables and enables a key in turn.
pub(super) fn switch(subject: &Subject, meter: &mut impl Meter) {
    let mut switches = Switches::new(subject);
    run(subject, || switches.next(), meter);
}

/// Creates a key.
pub(super) fn create(subject: &Subject, meter: &mut impl Meter) {
    let (caller, instance) = (subject.caller(), subject.key_record().instance);
    let mut count = 0;
    run(
        subject,
        || {
            count += 1;
            entry(&caller, count, Command::CreateKey(key(instance, count)))
        },
        meter,
    );
}

fn run(subject: &Subject, entries: impl FnMut() -> Entry, meter: &mut impl Meter) {
    let mut machine = subject.machine();
    meter.meter(entries, |entry| {
        machine.index += 1;
        let index = machine.index;
        let (applied, changes) = apply(&mut machine.records, &mut machine.digest, index, &entry);
        expect_done(&applied);
        changes
    });
}

/// The hash of a record of the audit chain.
pub(super) fn audit(meter: &mut impl Meter) {
    let mut record = AuditRecord {
        seq: 0,
        prev: [7; 32],
        at_ms: 1,
        index: 1,
        principal: PrincipalId(Uuid::from_u128(1)),
        action: "DisableKey".to_owned(),
        key: Some(KeyId(Uuid::from_u128(2))),
        refused: None,
        request: RequestId(Uuid::from_u128(3)),
    };
    meter.meter(
        || (),
        |()| {
            record.seq += 1;
            record.prev = record.hash();
        },
    );
}

/// Commands that disable and enable a key in turn.
pub(super) struct Switches {
    caller: Caller,
    key: KeyId,
    count: u64,
}

impl Switches {
    pub(super) fn new(subject: &Subject) -> Switches {
        Switches { caller: subject.caller(), key: subject.key(), count: 0 }
    }

    pub(super) fn next(&mut self) -> Entry {
        self.count += 1;
        let key = self.key;
        let command = match self.count % 2 {
            1 => Command::DisableKey { key },
            _ => Command::EnableKey { key },
        };
        entry(&self.caller, self.count, command)
    }
}

/// Refusals cost less; a case that measures them would measure nothing of use.
pub(super) fn expect_done(applied: &Applied) {
    assert!(matches!(applied.outcome, Outcome::Done(_)), "{applied:?}");
}

fn key(instance: InstanceId, number: u64) -> CreateKey {
    CreateKey {
        key: KeyId(Uuid::from_u64_pair(2, number)),
        instance,
        ring: instance.default_ring(),
        alias: Some(format!("key-{number:08}")),
        algorithm: Algorithm::Aes256GcmSiv,
        description: String::new(),
        labels: BTreeMap::new(),
        expires_at_ms: None,
        rotate_every_ms: None,
        material: WrappedMaterial { generation: 1, wrapped: vec![7; 48] },
    }
}
