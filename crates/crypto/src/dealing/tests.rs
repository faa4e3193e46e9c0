use super::*;
use crate::commitment::{CommitmentError, check_share};
use crate::testing::SeededEntropy;

const KEYSPACE: Uuid = Uuid::from_u128(0x5f0c_1a2b_0000_4000_8000_0000_0000_0001);

fn dealing(seed: u64) -> Dealing {
    deal(&SeededEntropy::new(seed), KEYSPACE, 1, SharePlan::new(5, 3).unwrap())
}

/// The share as its custodian hands it in.
fn submitted(dealing: &Dealing, index: u8) -> Share {
    let dealt = &dealing.shares[usize::from(index) - 1];
    let text = ShareText::parse(&dealt.to_text().encode()).unwrap();
    Share::from_text(&text).unwrap()
}

fn recover_with(dealing: &Dealing, shares: &[Share]) -> Result<RootKey, RecoverError> {
    recover(KEYSPACE, 1, 3, shares, &dealing.check_value)
}

#[test]
fn a_ceremony_on_paper_recovers_the_root_key() {
    let dealing = dealing(1);
    for chosen in [[1, 2, 3], [1, 3, 5], [5, 4, 2]] {
        let shares = chosen.map(|index| submitted(&dealing, index));
        for share in &shares {
            let index = check_share(KEYSPACE, 1, &dealing.commitments, share);
            assert_eq!(index, Ok(share.index()));
        }
        let root = recover_with(&dealing, &shares).unwrap();
        assert_eq!(root.expose(), dealing.root.expose());
    }
}

#[test]
fn the_text_says_what_the_share_belongs_to() {
    let dealing = dealing(1);
    let text = dealing.shares[3].to_text();
    let header = text.header();
    assert_eq!(header.line(), "conclave-share-v1 5f0c1a2b epoch 1 index 4 of 5 need 3");
    assert_eq!(dealing.shares.iter().map(DealtShare::index).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
}

#[test]
fn too_few_wrong_and_foreign_shares_do_not_recover() {
    let (own, foreign) = (dealing(1), dealing(2));
    let pick = |dealing: &Dealing, indexes: &[u8]| -> Vec<Share> {
        indexes.iter().map(|index| submitted(dealing, *index)).collect()
    };
    let error = |shares: &[Share]| recover_with(&own, shares).unwrap_err();
    let few = CombineError::TooFew { have: 2, needed: 3 };
    assert_eq!(error(&pick(&own, &[1, 2])), RecoverError::Combine(few));
    let repeated = CombineError::Repeated { index: 2 };
    assert_eq!(error(&pick(&own, &[1, 2, 2])), RecoverError::Combine(repeated));
    assert_eq!(error(&pick(&foreign, &[1, 2, 3])), RecoverError::CheckValue);
    let mut mixed = pick(&own, &[1, 2]);
    mixed.extend(pick(&foreign, &[3]));
    assert_eq!(error(&mixed), RecoverError::CheckValue);
    let short = [[1u8, 1], [2, 2], [3, 3]].map(|bytes| Share::from_bytes(&bytes).unwrap());
    assert_eq!(error(&short), RecoverError::CheckValue);
    let right = pick(&own, &[1, 2, 3]);
    assert!(recover(KEYSPACE, 2, 3, &right, &own.check_value).is_err());
}

#[test]
fn a_damaged_share_is_named_by_its_commitment() {
    let dealing = dealing(1);
    let bytes = submitted(&dealing, 2).to_bytes();
    for at in 8..bytes.len() * 8 {
        let mut changed = bytes.to_vec();
        changed[at / 8] ^= 1 << (at % 8);
        let share = Share::from_bytes(&changed).unwrap();
        let check = check_share(KEYSPACE, 1, &dealing.commitments, &share);
        assert_eq!(check, Err(CommitmentError::Wrong { index: 2 }));
    }
}

#[test]
fn two_dealings_have_nothing_in_common() {
    let entropy = SeededEntropy::new(1);
    let plan = SharePlan::new(5, 3).unwrap();
    let (one, two) = (deal(&entropy, KEYSPACE, 1, plan), deal(&entropy, KEYSPACE, 1, plan));
    assert_ne!(one.root.expose(), two.root.expose());
    assert_ne!(one.check_value, two.check_value);
    assert!(one.commitments.iter().all(|commitment| !two.commitments.contains(commitment)));
}

#[test]
fn debug_shows_nothing_secret() {
    let dealing = dealing(1);
    let shown = format!("{dealing:?}");
    assert!(shown.contains("root: RootKey(SecretBytes(32 bytes))"), "{shown}");
    assert!(shown.contains("share: Share { index: 1, .. }"), "{shown}");
}
