//! Each known bug of this crate is caught by an ordinary check: the one that holds without it.

use conclave_core::mutants::Mutant;

type Check = fn() -> Result<(), String>;

/// The bugs of this crate with the check that catches each.
const CAUGHT_BY: [(Mutant, Check); 9] = [
    (Mutant::ForgetRequests, crate::requests::check_a_repeat_has_one_effect),
    (Mutant::TrustCredential, crate::credentials::check_dead_credentials_are_refused),
    (Mutant::SelfGrant, crate::grants::check_nobody_grants_to_themselves),
    (Mutant::IgnoreDisabled, crate::usage::check_a_disabled_key_is_not_used),
    (Mutant::UnchainedAudit, crate::audit::check_every_change_breaks_the_chain),
    (Mutant::TimersSleep, crate::timers::check_timers_run),
    (Mutant::KeepMaterial, crate::deletion::check_material_goes),
    (Mutant::ForceRetention, crate::deletion::check_retention_holds),
    (Mutant::PurgeEarly, crate::deletion::check_the_purge_floor),
];

#[test]
fn without_a_mutant_every_check_holds_and_none_is_switched_on() {
    assert!(Mutant::ALL.into_iter().all(|mutant| !mutant.active()));
    for (mutant, check) in CAUGHT_BY {
        assert_eq!(check(), Ok(()), "{}", mutant.name());
    }
}

#[cfg(feature = "mutants")]
#[test]
fn each_mutant_is_caught() {
    for (mutant, check) in CAUGHT_BY {
        let seen = conclave_core::mutants::with(mutant, check);
        let seen = seen.expect_err(mutant.name());
        println!("{}: {seen}", mutant.name());
    }
}

#[cfg(feature = "mutants")]
#[test]
fn a_check_catches_its_own_mutant_only() {
    for (mutant, _) in CAUGHT_BY {
        for (other, check) in CAUGHT_BY {
            let seen = conclave_core::mutants::with(mutant, check);
            assert_eq!(seen.is_err(), mutant == other, "{} under {}", other.name(), mutant.name());
        }
    }
}
