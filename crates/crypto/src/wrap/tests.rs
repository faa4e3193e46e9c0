use super::*;
use crate::testing::SeededEntropy;

const MATERIAL: MaterialContext = MaterialContext {
    keyspace_id: Uuid::from_u128(1),
    key_id: Uuid::from_u128(2),
    version: 3,
    algorithm: Algorithm::Aes256GcmSiv,
    generation: 4,
};

const WRAPPING: WrappingKeyContext =
    WrappingKeyContext { keyspace_id: Uuid::from_u128(1), epoch: 2, generation: 4 };

fn wrapping_key(seed: u64, generation: u32) -> WrappingKey {
    WrappingKey::generate(&SeededEntropy::new(seed), generation)
}

fn material() -> KeyMaterial {
    KeyMaterial::generate(&SeededEntropy::new(9), Algorithm::Aes256GcmSiv)
}

#[test]
fn material_comes_back_in_its_place() {
    let key = wrapping_key(1, 4);
    let wrapped = wrap_material(&key, &MATERIAL, &material()).unwrap();
    assert_eq!(wrapped.len(), 32 + WRAP_OVERHEAD);
    let back = unwrap_material(&key, &MATERIAL, &wrapped).unwrap();
    assert_eq!(back.expose(), material().expose());
    assert_eq!(back.algorithm(), Algorithm::Aes256GcmSiv);
}

#[test]
fn wrapped_material_cannot_be_moved() {
    let wrapped = wrap_material(&wrapping_key(1, 4), &MATERIAL, &material()).unwrap();
    let places = [
        MaterialContext { keyspace_id: Uuid::from_u128(9), ..MATERIAL },
        MaterialContext { key_id: Uuid::from_u128(9), ..MATERIAL },
        MaterialContext { version: 9, ..MATERIAL },
        MaterialContext { generation: 9, ..MATERIAL },
    ];
    for place in places {
        let key = wrapping_key(1, place.generation);
        assert_eq!(key.expose(), wrapping_key(1, 4).expose());
        let error = unwrap_material(&key, &place, &wrapped).unwrap_err();
        assert_eq!(error, WrapError::NotAuthentic, "{place:?}");
    }
    let error = unwrap_material(&wrapping_key(2, 4), &MATERIAL, &wrapped).unwrap_err();
    assert_eq!(error, WrapError::NotAuthentic);
}

#[test]
fn each_changed_bit_and_each_cut_is_noticed() {
    let key = wrapping_key(1, 4);
    let wrapped = wrap_material(&key, &MATERIAL, &material()).unwrap();
    for at in 0..wrapped.len() * 8 {
        let mut changed = wrapped.clone();
        changed[at / 8] ^= 1 << (at % 8);
        assert_eq!(
            unwrap_material(&key, &MATERIAL, &changed).unwrap_err(),
            WrapError::NotAuthentic
        );
    }
    for len in 0..wrapped.len() {
        let cut = &wrapped[..len];
        assert_eq!(unwrap_material(&key, &MATERIAL, cut).unwrap_err(), WrapError::NotAuthentic);
    }
}

#[test]
fn a_key_of_another_generation_is_named() {
    let key = wrapping_key(1, 5);
    let error = WrapError::Generation { key: 5, context: 4 };
    assert_eq!(wrap_material(&key, &MATERIAL, &material()).unwrap_err(), error);
    assert_eq!(unwrap_material(&key, &MATERIAL, &[0; 48]).unwrap_err(), error);
    let root = RootKey::generate(&SeededEntropy::new(1));
    assert_eq!(root.wrap_wrapping_key(&WRAPPING, &key).unwrap_err(), error);
}

#[test]
fn a_wrapping_key_comes_back_in_its_place_only() {
    let entropy = SeededEntropy::new(5);
    let (root, other) = (RootKey::generate(&entropy), RootKey::generate(&entropy));
    let key = wrapping_key(1, 4);
    let wrapped = root.wrap_wrapping_key(&WRAPPING, &key).unwrap();
    let back = root.unwrap_wrapping_key(&WRAPPING, &wrapped).unwrap();
    assert_eq!((back.generation(), back.expose()), (4, key.expose()));
    let places = [
        WrappingKeyContext { keyspace_id: Uuid::from_u128(9), ..WRAPPING },
        WrappingKeyContext { epoch: 9, ..WRAPPING },
        WrappingKeyContext { generation: 9, ..WRAPPING },
    ];
    for place in places {
        let error = root.unwrap_wrapping_key(&place, &wrapped).unwrap_err();
        assert_eq!(error, WrapError::NotAuthentic, "{place:?}");
    }
    let error = other.unwrap_wrapping_key(&WRAPPING, &wrapped).unwrap_err();
    assert_eq!(error, WrapError::NotAuthentic);
}

/// The same bytes serve root and wrapping key without one opening what the other wrapped.
#[test]
fn the_levels_are_separate() {
    let bytes = || SecretBytes::copy_from(&[7; 32]);
    let root = RootKey::from_secret(bytes()).unwrap();
    let key = WrappingKey::from_secret(4, bytes()).unwrap();
    let context = WRAPPING.encode();
    let sealed = seal(&mut root.cipher(), &context, b"x");
    assert!(open(&mut root.cipher(), &context, &sealed).is_ok());
    assert!(open(&mut key.cipher(), &context, &sealed).is_err());
}
