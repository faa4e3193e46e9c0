use conclave_core::apply::apply;
use conclave_core::command::{
    Algorithm, Caller, Command, CompleteUnseal, CreateKey, CredentialRef, Entry, FirstAdmin,
    InitializeSeal, Proposal, RecordShare, RotateKey, Stamp, UpdateKey, WrappedMaterial,
    WrappedWrappingKey,
};
use conclave_core::digest::StateDigest;
use conclave_core::ids::{
    CeremonyId, InstanceId, KeyId, KeyspaceId, MemberId, PrincipalId, RequestId, TokenId,
};
use conclave_core::lifecycle::{self, DeletionPolicy, KeyAction, KeyState as CoreState, Situation};
use conclave_core::outcome::{Effect, Outcome as CoreOutcome};
use conclave_core::records::MemoryRecords;
use conclave_core::state::State as CoreStateOf;
use uuid::Uuid;

use super::*;
use crate::Dice;

const KEY: KeyId = KeyId(Uuid::from_u128(1));
const ADMIN: PrincipalId = PrincipalId(Uuid::from_u128(2));
const TOKEN: TokenId = TokenId(Uuid::from_u128(3));
const CEREMONY: CeremonyId = CeremonyId(Uuid::from_u128(4));
const KEYSPACE: KeyspaceId = KeyspaceId(Uuid::from_u128(5));
const INSTANCE: InstanceId = InstanceId(Uuid::from_u128(6));

/// The state machine as it ships, unsealed.
struct Core {
    records: MemoryRecords,
    digest: StateDigest,
    index: u64,
}

impl Core {
    fn unsealed() -> Core {
        let mut core =
            Core { records: MemoryRecords::default(), digest: StateDigest::default(), index: 0 };
        let admin = FirstAdmin {
            principal: ADMIN,
            certificate: None,
            token: TOKEN,
            token_hash: [0; 32],
            ttl_ms: None,
        };
        let init = InitializeSeal {
            keyspace: KEYSPACE,
            epoch: 1,
            threshold: 1,
            commitments: vec![[1; 32]],
            check_value: vec![1],
            wrapping_key: WrappedWrappingKey { generation: 1, wrapped: vec![1] },
            admin,
            instance: INSTANCE,
        };
        let share = RecordShare {
            ceremony: CEREMONY,
            collector: MemberId(1),
            epoch: 1,
            index: 1,
            replaces: None,
        };
        let complete = CompleteUnseal { ceremony: CEREMONY, epoch: 1, indexes: vec![1] };
        let operator = || Caller::Operator { name: "olga".to_owned() };
        core.give(operator(), Command::InitializeSeal(Box::new(init))).unwrap();
        core.give(Caller::Custodian, Command::RecordShare(share)).unwrap();
        core.give(Caller::Custodian, Command::CompleteUnseal(complete)).unwrap();
        core
    }

    fn give(&mut self, caller: Caller, command: Command) -> Result<Effect, String> {
        self.index += 1;
        let request = RequestId(Uuid::from_u128(self.index.into()));
        let proposal =
            Proposal { caller, request, request_digest: [0; 32], seen_index: None, command };
        let entry = Entry { stamp: Stamp::at(1), proposal };
        let (applied, _) = apply(&mut self.records, &mut self.digest, self.index, &entry);
        match applied.outcome {
            CoreOutcome::Done(effect) => Ok(effect),
            CoreOutcome::Refused(refusal) => Err(refusal.reason().as_str().to_owned()),
        }
    }

    /// The key after a change, or why it was refused.
    fn change(&mut self, action: Action) -> Result<KeyFacts, String> {
        let command = self.command(action);
        let credential = CredentialRef::Token(TOKEN);
        let effect = self.give(Caller::Principal { principal: ADMIN, credential }, command)?;
        let Effect::Key { state, primary_version, revision, .. } = effect else {
            panic!("{action:?} came to {effect:?}");
        };
        let versions = CoreStateOf(&self.records).versions(KEY);
        let off = versions.iter().filter(|version| !version.enabled);
        Ok(KeyFacts {
            state: shown(state),
            primary: primary_version,
            revision,
            off: off.map(|version| version.version).collect(),
        })
    }

    fn command(&self, action: Action) -> Command {
        let material = WrappedMaterial { generation: 1, wrapped: vec![7] };
        match action {
            Action::Create(_) => Command::CreateKey(CreateKey {
                key: KEY,
                instance: INSTANCE,
                ring: INSTANCE.default_ring(),
                alias: Some("orders".to_owned()),
                algorithm: Algorithm::Aes256GcmSiv,
                description: String::new(),
                labels: Default::default(),
                expires_at_ms: None,
                rotate_every_ms: None,
                material,
            }),
            Action::Enable(_) => Command::EnableKey { key: KEY },
            Action::Disable(_) => Command::DisableKey { key: KEY },
            Action::Rotate(_) => {
                let present =
                    CoreStateOf(&self.records).key(KEY).map_or(0, |key| key.primary_version);
                Command::RotateKey(RotateKey { key: KEY, version: present + 1, material })
            }
            Action::Delete(_) => Command::DeleteKey { key: KEY, force: false },
            Action::Cancel(_) => Command::CancelDeletion { key: KEY },
            Action::Switch(_, version, enabled) => {
                Command::SetVersionEnabled { key: KEY, version, enabled }
            }
            _ => Command::UpdateKey(UpdateKey {
                key: KEY,
                description: Some("text".to_owned()),
                set_labels: Default::default(),
                remove_labels: Vec::new(),
                ring: None,
            }),
        }
    }
}

fn shown(state: CoreState) -> State {
    match state {
        CoreState::Enabled => State::Enabled,
        CoreState::Disabled => State::Disabled,
        CoreState::PendingDeletion => State::PendingDeletion,
        other => panic!("no action leads to {other}"),
    }
}

/// Any change; rotations are frequent, so that walks meet the limit.
fn any_change(dice: &mut Dice) -> Action {
    let changes = [Action::Create, Action::Enable, Action::Disable, Action::Update];
    let deletion = [Action::Delete, Action::Cancel];
    match dice.below(16) {
        number @ 0..8 => changes[number as usize / 2](0),
        8 => deletion[dice.below(2) as usize](0),
        9 => Action::Cancel(0),
        10 => Action::Switch(0, dice.below(7) as u32, dice.chance(50)),
        _ => Action::Rotate(0),
    }
}

#[test]
fn changes_are_what_the_state_machine_makes_of_them() {
    for seed in 0..10 {
        let mut dice = Dice::new(seed);
        let mut core = Core::unsealed();
        let mut state = KeyModel::initial();
        for _ in 0..2_500 {
            let action = any_change(&mut dice);
            let real = core.change(action);
            match ask(state, action) {
                Ok(after) => assert_eq!(real.ok(), after, "seed {seed}: {action:?} of {state:?}"),
                Err(reason) => {
                    assert_eq!(
                        real,
                        Err(reason.to_owned()),
                        "seed {seed}: {action:?} of {state:?}"
                    );
                }
            }
            state = ask(state, action).unwrap_or(state);
        }
        assert_eq!(state.unwrap().primary, conclave_core::limits::VERSIONS_PER_KEY, "seed {seed}");
    }
}

#[test]
fn uses_are_allowed_where_the_lifecycle_allows_them() {
    for core in [CoreState::Enabled, CoreState::Disabled, CoreState::PendingDeletion] {
        let off = Versions::default().set(2, true);
        let facts = KeyFacts { state: shown(core), primary: 3, revision: 9, off };
        let state = Some(facts);
        let uses = [
            (Action::Encrypt(0), KeyAction::Encrypt),
            (Action::Decrypt(0, 1), KeyAction::Decrypt),
            (Action::Decrypt(0, 3), KeyAction::Decrypt),
        ];
        for (action, asked) in uses {
            let at = Situation { state: core, expired: false, asked_from: core };
            let allowed = lifecycle::transition(&DeletionPolicy::default(), at, asked);
            let allowed = allowed.map(|_| state).map_err(|_| "KEY_STATE");
            assert_eq!(ask(state, action), allowed, "{action:?} of {core}");
        }
        let is_usable = core == CoreState::Enabled;
        let refused = if is_usable { "VERSION_STATE" } else { "KEY_STATE" };
        assert_eq!(ask(state, Action::Decrypt(0, 2)), Err(refused), "{core}");
        for version in [0, 4] {
            let action = Action::Decrypt(0, version);
            assert_eq!(ask(state, action), Err("CIPHERTEXT_INVALID"), "{action:?} of {core}");
        }
        assert_eq!(ask(state, Action::Get(0)), Ok(state));
    }
}

#[test]
fn an_answer_fits_its_state_and_no_other() {
    let facts =
        KeyFacts { state: State::Enabled, primary: 3, revision: 9, off: Versions::default() };
    let state = Some(facts);
    let answer = |version, enabled, revision| {
        let state = if enabled { State::Enabled } else { State::Disabled };
        Outcome::Done(Answer { version, state, revision, ..Answer::default() })
    };
    let without_1 = Versions::default().set(1, true);
    let refused = |reason: &str| Outcome::Refused(reason.to_owned());
    let table = [
        (Action::Encrypt(0), answer(3, false, 0), true),
        (Action::Encrypt(0), answer(2, false, 0), false),
        (Action::Encrypt(0), refused("KEY_STATE"), false),
        (Action::Decrypt(0, 2), answer(2, false, 0), true),
        (Action::Decrypt(0, 2), answer(3, false, 0), false),
        (Action::Decrypt(0, 4), answer(4, false, 0), false),
        (Action::Decrypt(0, 4), refused("CIPHERTEXT_INVALID"), true),
        (Action::Get(0), answer(3, true, 9), true),
        (Action::Get(0), answer(2, true, 9), false),
        (Action::Get(0), answer(3, false, 9), false),
        (Action::Get(0), answer(3, true, 8), false),
        (
            Action::Get(0),
            Outcome::Done(Answer {
                version: 3,
                state: State::Enabled,
                revision: 9,
                off: without_1,
                ..Answer::default()
            }),
            false,
        ),
        (Action::Get(0), refused("NOT_FOUND"), false),
        (Action::Cancel(0), refused("KEY_STATE"), true),
        (Action::Delete(0), refused("KEY_STATE"), false),
        (Action::Switch(0, 1, true), refused("VERSION_STATE"), true),
        (Action::Switch(0, 3, false), refused("VERSION_STATE"), true),
        (Action::Switch(0, 2, false), refused("VERSION_STATE"), false),
        (Action::Switch(0, 4, true), refused("NOT_FOUND"), true),
        (Action::Switch(0, 3, true), refused("NOT_FOUND"), false),
        (Action::Enable(0), refused("KEY_STATE"), true),
        (Action::Create(0), refused("ALREADY_EXISTS"), true),
        (Action::Rotate(0), refused("VERSION_LIMIT"), false),
        (Action::Encrypt(0), refused("VERSION_STATE"), false),
    ];
    for (action, outcome, fits) in table {
        let op = (action, outcome);
        assert_eq!(KeyModel::step(&state, &op), fits.then_some(state), "{op:?}");
    }
    // A change is rendered from a later state: what else its answer shows does not count.
    let rotated = Some(KeyFacts { primary: 4, revision: 10, ..facts });
    assert_eq!(KeyModel::step(&state, &(Action::Rotate(0), answer(9, false, 99))), Some(rotated));
    assert_eq!(KeyModel::step(&state, &(Action::Rotate(0), Outcome::Unknown)), Some(rotated));
}

/// What the search is told is past must be past, or it would call a right history a violation.
#[test]
fn what_is_past_never_comes_again() {
    let mut past = 0;
    for seed in 0..300 {
        let mut dice = Dice::new(seed);
        let op = any_observation(&mut dice);
        let (mut state, mut floor) = (KeyModel::initial(), KeyModel::floor(&KeyModel::initial()));
        for _ in 0..20 {
            let done = (any_change(&mut dice), Outcome::Done(Answer::default()));
            if let Some(after) = KeyModel::step(&state, &done) {
                state = after;
                KeyModel::raise(&mut floor, &done);
            }
            assert_eq!(floor, KeyModel::floor(&state), "seed {seed}");
            if KeyModel::is_past(&floor, &op) {
                past += 1;
                assert_eq!(KeyModel::step(&state, &op), None, "seed {seed}: {op:?} of {state:?}");
            }
        }
    }
    assert!(past > 1_000, "{past}");
}

fn any_observation(dice: &mut Dice) -> (Action, Outcome) {
    let version = 1 + dice.below(5) as u32;
    let answer = Answer {
        version,
        state: if dice.chance(50) { State::Enabled } else { State::Disabled },
        revision: 1 + dice.below(10),
        ..Answer::default()
    };
    let refused = |reason: &str| Outcome::Refused(reason.to_owned());
    match dice.below(7) {
        6 => (Action::Switch(0, version, true), refused("NOT_FOUND")),
        0 => (Action::Encrypt(0), Outcome::Done(answer)),
        1 => (Action::Get(0), Outcome::Done(answer)),
        2 => (Action::Create(0), Outcome::Done(answer)),
        3 => (Action::Decrypt(0, version), refused("CIPHERTEXT_INVALID")),
        4 => (Action::Update(0), refused("NOT_FOUND")),
        _ => (Action::Encrypt(0), refused("KEY_STATE")),
    }
}
