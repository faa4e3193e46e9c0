use super::*;
use crate::sim::history::{Answer, State};
use conclave_core::ids::{KeyId, PrincipalId, RequestId};

/// Operations by client, one after the other in the order of their return.
struct Script {
    order: Vec<Effect>,
    operations: Vec<Operation>,
}

impl Script {
    /// A key that was created from 0 to 1, at log index 10.
    fn new() -> Script {
        let mut script = Script { order: Vec::new(), operations: Vec::new() };
        script.change((0, 1), Action::Create(0), 10);
        script
    }

    fn op(&mut self, interval: (Micros, Micros), action: Action, outcome: Outcome) -> &mut Script {
        let number = self.operations.len() as u32;
        let request = action.is_mutation().then(|| Uuid::from_u128(number.into()));
        self.operations.push(Operation {
            client: number,
            node: 1,
            invoked: interval.0,
            returned: interval.1,
            request,
            attempts: 1,
            action,
            outcome,
        });
        self
    }

    fn change(&mut self, interval: (Micros, Micros), action: Action, index: u64) -> &mut Script {
        let request = Uuid::from_u128(self.operations.len() as u128);
        self.order.push(Effect { index, request, action });
        self.op(interval, action, Outcome::Done(Answer { index, ..Answer::default() }))
    }

    /// A change that took effect, and nobody was told.
    fn lost(&mut self, invoked: Micros, action: Action, index: u64) -> &mut Script {
        let request = Uuid::from_u128(self.operations.len() as u128);
        self.order.push(Effect { index, request, action });
        self.op((invoked, invoked + 1), action, Outcome::Unknown)
    }

    fn encrypt(&mut self, interval: (Micros, Micros), version: u32) -> &mut Script {
        let answer = Answer { version, ..Answer::default() };
        self.op(interval, Action::Encrypt(0), Outcome::Done(answer))
    }

    fn refused(&mut self, interval: (Micros, Micros), action: Action) -> &mut Script {
        self.op(interval, action, Outcome::Refused("KEY_STATE".to_owned()))
    }

    fn texts(&self) -> Vec<String> {
        let operations: Vec<_> = self.operations.iter().collect();
        check(&self.order, &operations).into_iter().map(|violation| violation.text).collect()
    }

    fn assert_fine(&self) {
        self.assert_told("");
    }

    /// One violation that says this; none, if this is nothing.
    fn assert_told(&self, expected: &str) {
        let texts = self.texts();
        let is_so = match texts.as_slice() {
            [] => expected.is_empty(),
            [text] => !expected.is_empty() && text.contains(expected),
            _ => false,
        };
        assert!(is_so, "{expected:?}: {texts:#?}");
    }
}

#[test]
fn a_use_lies_where_its_version_was_primary() {
    for (interval, version, told) in [
        ((2, 9), 1, ""),
        ((2, 9), 2, "fits no state that the key was in meanwhile: enabled at version 1"),
        ((2, 10), 2, ""),
        ((20, 22), 1, ""),
        ((21, 22), 1, "fits no state that the key was in meanwhile: enabled at version 2"),
        ((21, 22), 3, "fits no state"),
    ] {
        let mut script = Script::new();
        script.change((10, 20), Action::Rotate(0), 11).encrypt(interval, version);
        script.assert_told(told);
    }
}

#[test]
fn a_use_and_its_refusal_lie_where_the_key_was_enabled_or_not() {
    const ENABLED: &str = "meanwhile: enabled at version 1";
    const DISABLED: &str = "meanwhile: disabled at version 1";
    // From, to; what a use and what a refusal of one in between is told.
    let table = [
        ((2, 9), "", ENABLED),
        ((9, 10), "", ""),
        ((12, 15), "", ""),
        ((20, 22), "", ""),
        ((21, 29), DISABLED, ""),
        ((21, 30), "", ""),
        ((40, 45), "", ""),
        ((41, 45), "", ENABLED),
    ];
    for (interval, used, refused) in table {
        let mut script = Script::new();
        script.change((10, 20), Action::Disable(0), 11).change((30, 40), Action::Enable(0), 12);
        script.encrypt(interval, 1).assert_told(used);
        script.operations.pop();
        script.refused(interval, Action::Rotate(0)).assert_told(refused);
    }
}

#[test]
fn what_nobody_was_told_of_has_an_open_end() {
    let mut script = Script::new();
    script.lost(10, Action::Disable(0), 11);
    script.encrypt((5_000, 5_001), 1).refused((5_003, 5_004), Action::Encrypt(0));
    script.assert_fine();
    script.encrypt((5_005, 5_006), 1).assert_told("an earlier answer has shown disabled");
}

#[test]
fn a_read_is_of_the_index_that_it_names() {
    let read = |index| Answer {
        index,
        version: 1,
        state: State::Enabled,
        revision: 2,
        ..Answer::default()
    };
    for (index, told) in [
        (12, "at log index 12 the key was at revision 1"),
        (13, ""),
        (14, ""),
        (15, "at log index 15 the key was at revision 3"),
    ] {
        let mut script = Script::new();
        script.change((2, 3), Action::Update(0), 13).change((2, 30), Action::Update(0), 15);
        script.op((10, 20), Action::Get(0), Outcome::Done(read(index)));
        script.assert_told(told);
    }
}

#[test]
fn an_order_has_each_request_once_where_it_was_acknowledged() {
    type Spoil = fn(&mut Script);
    let table: [(&str, Spoil); 9] = [
        ("it was acknowledged, and had no effect", |script| {
            script.order.pop();
        }),
        ("its effect is elsewhere: Update(0) at log index 13", |script| script.order[2].index = 13),
        ("it was refused, and had an effect", |script| {
            script.operations[2].outcome = Outcome::Refused("SEALED".to_owned());
        }),
        ("it became Disable(0)", |script| script.order[2].action = Action::Disable(0)),
        ("nobody asked for Update(0) at log index 12", |script| {
            script.operations.pop();
        }),
        ("one request had two effects", |script| {
            let again = Effect { index: 13, ..script.order[2].clone() };
            script.order.push(again);
        }),
        ("the state before it says KEY_STATE", |script| {
            script.order[2].action = Action::Enable(0);
            script.operations[2].action = Action::Enable(0);
        }),
        ("stands behind what came after it", |script| {
            script.operations[1].invoked = 50;
            script.operations[1].returned = 60;
        }),
        ("stands behind a later entry", |script| {
            script.order[1].index = 20;
            script.operations[1].outcome = Outcome::Done(Answer { index: 20, ..Answer::default() });
        }),
    ];
    for (told, spoil) in table {
        let mut script = Script::new();
        script.change((2, 3), Action::Update(0), 11).change((4, 5), Action::Update(0), 12);
        script.assert_fine();
        spoil(&mut script);
        script.assert_told(told);
    }
}

#[test]
fn an_effect_is_what_the_audit_chain_says() {
    let record = |action: &str, refused: Option<&str>| AuditRecord {
        seq: 0,
        prev: [0; 32],
        at_ms: 1,
        index: 7,
        principal: PrincipalId::NOBODY,
        action: action.to_owned(),
        key: Some(KeyId(Uuid::from_u128(1))),
        refused: refused.map(str::to_owned),
        request: RequestId(Uuid::from_u128(9)),
    };
    let effect = |action| Some(Effect { index: 7, request: Uuid::from_u128(9), action });
    let table = [
        ("CreateKey", effect(Action::Create(3))),
        ("EnableKey", effect(Action::Enable(3))),
        ("DisableKey", effect(Action::Disable(3))),
        ("RotateKey", effect(Action::Rotate(3))),
        ("UpdateKey", effect(Action::Update(3))),
        ("DeleteKey", effect(Action::Delete(3))),
        ("CancelDeletion", effect(Action::Cancel(3))),
        // Nobody has asked for it.
        ("SetVersionEnabled", effect(Action::Switch(3, 0, false))),
        ("RevokeToken", None),
    ];
    for (name, expected) in table {
        let asked = Some(Action::Update(3));
        assert_eq!(Effect::of(&record(name, None), 3, asked), expected, "{name}");
        assert_eq!(Effect::of(&record(name, Some("KEY_STATE")), 3, asked), None, "{name} refused");
    }
    let switch = Action::Switch(3, 2, true);
    let of_switch = Effect::of(&record("SetVersionEnabled", None), 3, Some(switch));
    assert_eq!(of_switch, effect(switch));
}
