//! Named mutants: known bugs, built in on purpose behind the feature `mutants`, chosen by name at
//! run time, never in a release. Each must be caught by an ordinary test.

/// A known bug that can be switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Cryptographic operations do not wait for a read barrier.
    NoReadBarrier,
    /// A request joins a barrier round that has already been sent.
    JoinSentRound,
    /// A member confirms a leadership that it has helped to end.
    ConfirmBlindly,
    /// A request is authorized from the view it finds on arrival, before its barrier.
    AuthorizeBeforeBarrier,
    /// The request memory forgets: a repeat has a second effect.
    ForgetRequests,
    /// Apply does not check that the credential is still valid.
    TrustCredential,
    /// A principal may bind a role to itself.
    SelfGrant,
    /// A disabled key is used as if it were enabled.
    IgnoreDisabled,
    /// The audit chain does not cover the record before.
    UnchainedAudit,
    /// The applied index is published before the caches are told.
    PublishBeforeEvict,
    /// What was read before an eviction is kept in the caches after it.
    InsertAfterEvict,
    /// The caches outlive the installation of a snapshot.
    KeepCacheOnInstall,
    /// The log acknowledges what it has not committed yet.
    AckBeforeSync,
    /// The applied record is not in the transaction of the records that it speaks of.
    AppliedOutsideTransaction,
    /// The log drops committed entries without asking whether the state holds them durably.
    PurgeAhead,
    /// A starting member counts learners towards the majority that it waits for.
    LearnerCountsAsVoter,
    /// A snapshot leaves the request memory out.
    MemoryLostInSnapshot,
    /// An operation of the data plane is answered before its record is written.
    AnswerBeforeJournal,
    /// No timer of a key ever runs.
    TimersSleep,
    /// At the end of the restore window the material stays.
    KeepMaterial,
    /// What prevents deletion does not.
    ForceRetention,
    /// A destroyed key can be purged before its purge floor.
    PurgeEarly,
    /// A record that is written before the first one of its table is not seen by ranges over all.
    StaleFront,
    /// What a sync that runs is writing is not read.
    BlindToSync,
}

impl Mutant {
    /// All mutants.
    pub const ALL: [Mutant; 24] = [
        Mutant::NoReadBarrier,
        Mutant::JoinSentRound,
        Mutant::ConfirmBlindly,
        Mutant::AuthorizeBeforeBarrier,
        Mutant::ForgetRequests,
        Mutant::TrustCredential,
        Mutant::SelfGrant,
        Mutant::IgnoreDisabled,
        Mutant::UnchainedAudit,
        Mutant::PublishBeforeEvict,
        Mutant::InsertAfterEvict,
        Mutant::KeepCacheOnInstall,
        Mutant::AckBeforeSync,
        Mutant::AppliedOutsideTransaction,
        Mutant::PurgeAhead,
        Mutant::LearnerCountsAsVoter,
        Mutant::MemoryLostInSnapshot,
        Mutant::AnswerBeforeJournal,
        Mutant::TimersSleep,
        Mutant::KeepMaterial,
        Mutant::ForceRetention,
        Mutant::PurgeEarly,
        Mutant::StaleFront,
        Mutant::BlindToSync,
    ];

    /// The name by which it is chosen.
    pub const fn name(self) -> &'static str {
        match self {
            Mutant::NoReadBarrier => "no_read_barrier",
            Mutant::JoinSentRound => "join_sent_round",
            Mutant::ConfirmBlindly => "confirm_blindly",
            Mutant::AuthorizeBeforeBarrier => "authorize_before_barrier",
            Mutant::ForgetRequests => "forget_requests",
            Mutant::TrustCredential => "trust_credential",
            Mutant::SelfGrant => "self_grant",
            Mutant::IgnoreDisabled => "ignore_disabled",
            Mutant::UnchainedAudit => "unchained_audit",
            Mutant::PublishBeforeEvict => "publish_before_evict",
            Mutant::InsertAfterEvict => "insert_after_evict",
            Mutant::KeepCacheOnInstall => "keep_cache_on_install",
            Mutant::AckBeforeSync => "ack_before_sync",
            Mutant::AppliedOutsideTransaction => "applied_outside_transaction",
            Mutant::PurgeAhead => "purge_ahead",
            Mutant::LearnerCountsAsVoter => "learner_counts_as_voter",
            Mutant::MemoryLostInSnapshot => "memory_lost_in_snapshot",
            Mutant::AnswerBeforeJournal => "answer_before_journal",
            Mutant::TimersSleep => "timers_sleep",
            Mutant::KeepMaterial => "keep_material",
            Mutant::ForceRetention => "force_retention",
            Mutant::PurgeEarly => "purge_early",
            Mutant::StaleFront => "stale_front",
            Mutant::BlindToSync => "blind_to_sync",
        }
    }

    /// The mutant with this name.
    ///
    /// # Errors
    /// There is none; the known names are listed.
    pub fn named(name: &str) -> Result<Mutant, String> {
        Mutant::ALL.into_iter().find(|mutant| mutant.name() == name).ok_or_else(|| {
            let names: Vec<_> = Mutant::ALL.iter().map(|mutant| mutant.name()).collect();
            format!("there is no mutant {name:?}; the mutants are {}", names.join(", "))
        })
    }

    /// Whether this mutant is switched on; always false without the feature.
    #[inline]
    pub fn active(self) -> bool {
        #[cfg(feature = "mutants")]
        {
            selection::chosen() == Some(self)
        }
        #[cfg(not(feature = "mutants"))]
        {
            false
        }
    }
}

#[cfg(feature = "mutants")]
pub use selection::choose;

#[cfg(feature = "mutants")]
mod selection {
    use super::Mutant;
    use std::cell::Cell;
    use std::sync::OnceLock;

    static PROCESS: OnceLock<Mutant> = OnceLock::new();

    thread_local! {
        static THREAD: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    /// Switches a mutant on for the whole process, by name.
    ///
    /// # Errors
    /// The name is unknown (the known names are listed), or another mutant was chosen before.
    pub fn choose(name: &str) -> Result<(), String> {
        let mutant = Mutant::named(name)?;
        PROCESS.set(mutant).map_err(|_| "a mutant was chosen already".to_owned())
    }

    /// Runs `f` with a mutant switched on for this thread: for tests of single functions.
    pub fn with<T>(mutant: Mutant, f: impl FnOnce() -> T) -> T {
        let _off_at_the_end = SwitchOff;
        THREAD.set(Some(mutant));
        f()
    }

    /// Switches off when it goes, also when the test between has panicked.
    struct SwitchOff;

    impl Drop for SwitchOff {
        fn drop(&mut self) {
            THREAD.set(None);
        }
    }

    pub(super) fn chosen() -> Option<Mutant> {
        THREAD.get().or_else(|| PROCESS.get().copied())
    }
}

#[cfg(feature = "mutants")]
pub use selection::with;

#[cfg(feature = "mutants")]
pub use table::{TableCell, with_flipped};

#[cfg(feature = "mutants")]
pub(crate) use table::is_flipped;

/// A mutant of each cell of the lifecycle table: what is allowed becomes refused, what is refused leads
/// to where the key is, and a timer that does something does nothing.
#[cfg(feature = "mutants")]
mod table {
    use crate::lifecycle::{KeyAction, KeyState, Timer};
    use std::cell::Cell;

    /// A cell of the lifecycle table.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum TableCell {
        /// What an action does in a state.
        Action(KeyState, KeyAction),
        /// What a timer does in a state.
        Timer(KeyState, Timer),
    }

    thread_local! {
        static FLIPPED: Cell<Option<TableCell>> = const { Cell::new(None) };
    }

    /// Runs `f` with a cell flipped for this thread.
    pub fn with_flipped<T>(cell: TableCell, f: impl FnOnce() -> T) -> T {
        let _back_at_the_end = FlipBack;
        FLIPPED.set(Some(cell));
        f()
    }

    /// Flips back when it goes, also when the test between has panicked.
    struct FlipBack;

    impl Drop for FlipBack {
        fn drop(&mut self) {
            FLIPPED.set(None);
        }
    }

    pub(crate) fn is_flipped(cell: TableCell) -> bool {
        FLIPPED.get() == Some(cell)
    }
}
