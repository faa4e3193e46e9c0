use super::*;
use crate::hierarchy::WrappingKey;
use crate::testing::SeededEntropy;
use crate::wrapping_keys;
use proptest::prelude::*;

const CONTEXT: HandoverContext = HandoverContext {
    purpose: Purpose::WrappingKeys,
    keyspace_id: Uuid::from_u128(1),
    ceremony_id: Uuid::from_u128(2),
    member_id: 3,
    seal_generation: 4,
};

/// Each differs from [`CONTEXT`] in one field.
fn other_contexts() -> [HandoverContext; 5] {
    [
        HandoverContext { purpose: Purpose::Share, ..CONTEXT },
        HandoverContext { keyspace_id: Uuid::from_u128(9), ..CONTEXT },
        HandoverContext { ceremony_id: Uuid::from_u128(9), ..CONTEXT },
        HandoverContext { member_id: 9, ..CONTEXT },
        HandoverContext { seal_generation: 9, ..CONTEXT },
    ]
}

fn key(seed: u64) -> HandoverKey {
    HandoverKey::generate(&SeededEntropy::new(seed))
}

#[test]
fn wrapping_keys_reach_the_member() {
    let entropy = SeededEntropy::new(1);
    let (one, two) = (WrappingKey::generate(&entropy, 1), WrappingKey::generate(&entropy, 2));
    let payload = wrapping_keys::encode(&[&one, &two]).unwrap();
    let receiver = key(1);
    let sealed = seal_to(receiver.public_key(), &CONTEXT, &payload).unwrap();
    let opened = receiver.open(&CONTEXT, &sealed).unwrap();
    let keys = wrapping_keys::decode(&opened).unwrap();
    assert_eq!(keys[0].expose(), one.expose());
    assert_eq!(keys[1].expose(), two.expose());
}

#[test]
fn a_message_opens_for_its_receiver_and_context_only() {
    let receiver = key(1);
    let sealed = seal_to(receiver.public_key(), &CONTEXT, b"payload").unwrap();
    assert_eq!(receiver.open(&CONTEXT, &sealed).unwrap().as_slice(), b"payload");
    let refused = HandoverError::NotAuthentic;
    assert_eq!(key(2).open(&CONTEXT, &sealed).unwrap_err(), refused);
    for context in other_contexts() {
        assert_eq!(receiver.open(&context, &sealed).unwrap_err(), refused, "{context:?}");
    }
}

#[test]
fn each_changed_bit_and_each_cut_is_noticed() {
    let receiver = key(1);
    let sealed = seal_to(receiver.public_key(), &CONTEXT, b"payload").unwrap();
    for at in 0..sealed.len() * 8 {
        let mut changed = sealed.clone();
        changed[at / 8] ^= 1 << (at % 8);
        assert!(receiver.open(&CONTEXT, &changed).is_err(), "bit {at}");
    }
    for len in 0..sealed.len() {
        assert!(receiver.open(&CONTEXT, &sealed[..len]).is_err(), "{len} bytes");
    }
}

#[test]
fn an_offer_holds_for_its_node_and_context_only() {
    let entropy = SeededEntropy::new(1);
    let (node, other) = (NodeKey::generate(&entropy), NodeKey::generate(&entropy));
    let offer = key(1).offer(&node, &CONTEXT);
    assert_eq!(offer.verify(&node.public_key(), &CONTEXT), Ok(()));
    assert_eq!(offer.verify(&other.public_key(), &CONTEXT), Err(HandoverError::Offer));
    for context in other_contexts() {
        assert_eq!(offer.verify(&node.public_key(), &context), Err(HandoverError::Offer));
    }
    let swapped = HandoverOffer { public_key: *key(2).public_key(), ..offer };
    assert_eq!(swapped.verify(&node.public_key(), &CONTEXT), Err(HandoverError::Offer));
}

/// A public key of small order would make the shared secret known to everybody.
#[test]
fn a_weak_public_key_is_refused() {
    let mut one = [0; 32];
    one[0] = 1;
    for weak in [[0; 32], one] {
        assert_eq!(seal_to(&weak, &CONTEXT, b"payload").unwrap_err(), HandoverError::PublicKey);
    }
}

#[test]
fn equal_messages_are_sealed_differently() {
    let receiver = key(1);
    let seal = || seal_to(receiver.public_key(), &CONTEXT, b"payload").unwrap();
    assert_ne!(seal(), seal());
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        let receiver = key(1);
        prop_assert!(receiver.open(&CONTEXT, &bytes).is_err());
        let framed = [&[FORMAT_VERSION], &bytes[..]].concat();
        prop_assert!(receiver.open(&CONTEXT, &framed).is_err());
    }
}
