//! Holds a healed cluster against a history: everything acknowledged is there, nothing twice.

use std::collections::BTreeMap;
use std::time::Duration;

use super::expect::{Expectation, Shape, expectations};
use crate::failure::{Failure, Result, ensure};
use crate::history::{History, KeySeen, Outcome};
use crate::sdk::{Access, Session};
use crate::wait::wait_until_async;

/// A healed cluster answers within this.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Keys looked at.
    pub keys: usize,
    /// Acknowledged changes, each found.
    pub acknowledged: usize,
    /// Changes with an unknown outcome that had happened.
    pub unknown_happened: usize,
    /// Changes with an unknown outcome that had not.
    pub unknown_not_happened: usize,
}

impl Tally {
    /// All changes whose outcome was unknown when the load ended.
    pub fn unknown(&self) -> usize {
        self.unknown_happened + self.unknown_not_happened
    }

    /// Both together.
    pub fn plus(self, other: Tally) -> Tally {
        Tally {
            keys: self.keys + other.keys,
            acknowledged: self.acknowledged + other.acknowledged,
            unknown_happened: self.unknown_happened + other.unknown_happened,
            unknown_not_happened: self.unknown_not_happened + other.unknown_not_happened,
        }
    }
}

/// Compares every key of `history` with the cluster, repeats every change under its own request id,
/// and compares again. `prefix` begins the aliases of all keys of the load.
pub async fn settle(access: &Access, history: &History, prefix: &str) -> Result<Tally> {
    let sessions = access.sessions(Duration::from_secs(20))?;
    let expected = expectations(&history.events())?;
    let mut tally = Tally { keys: expected.len(), ..Tally::default() };
    for (place, (alias, expectation)) in expected.iter().enumerate() {
        let session = &sessions[place % sessions.len()];
        check_key(session, alias, expectation, &mut tally)
            .await
            .map_err(|failure| failure.context(format!("key {alias}, {expectation:?}")))?;
    }
    no_other_keys(&sessions[0], &expected, prefix).await?;
    Ok(tally)
}

async fn check_key(
    session: &Session,
    alias: &str,
    expected: &Expectation,
    tally: &mut Tally,
) -> Result<()> {
    let found = read(session, alias).await?;
    let happened = compare(found.as_ref(), expected)?;
    tally.acknowledged += expected.acknowledged.len();
    if let Some((op, request_id)) = expected.pending {
        if happened {
            tally.unknown_happened += 1;
        } else {
            tally.unknown_not_happened += 1;
        }
        let outcome = session.change(op, alias, request_id).await;
        match &outcome {
            Outcome::Changed(key) if key.replayed == happened => {}
            _ => {
                return Err(Failure::violation(format!(
                    "the repeat of an unknown change that had{} happened: {outcome:?}",
                    if happened { "" } else { " not" }
                )));
            }
        }
    }
    for (op, request_id, index) in &expected.acknowledged {
        let outcome = session.change(*op, alias, *request_id).await;
        match &outcome {
            Outcome::Changed(key) if key.replayed && key.log_index == *index => {}
            _ => {
                return Err(Failure::violation(format!(
                    "the repeat of {op:?} acknowledged at {index} is no replay: {outcome:?}"
                )));
            }
        }
    }
    let after = read(session, alias).await?;
    check_shape(after.as_ref(), expected.with_pending(), expected)
        .map_err(|failure| failure.context("after all repeats"))
}

/// Whether the pending change has happened; a violation if the key is as neither says.
fn compare(found: Option<&KeySeen>, expected: &Expectation) -> Result<bool> {
    let without = check_shape(found, expected.certain(), expected);
    if expected.pending.is_none() {
        return without.map(|()| true);
    }
    match (without, check_shape(found, expected.with_pending(), expected)) {
        (Ok(()), _) => Ok(false),
        (_, Ok(())) => Ok(true),
        (Err(one), Err(other)) => Err(Failure::violation(format!("neither {one} nor {other}"))),
    }
}

fn check_shape(
    found: Option<&KeySeen>,
    shape: Option<Shape>,
    expected: &Expectation,
) -> Result<()> {
    let (key, shape) = match (found, shape) {
        (None, None) => return Ok(()),
        (Some(key), Some(shape)) => (key, shape),
        (found, shape) => {
            return Err(Failure::violation(format!("expected {shape:?}, found {found:?}")));
        }
    };
    // The newest answer tells the revision after the acknowledged changes, all but the pending one.
    let revision = expected
        .newest
        .as_ref()
        .map(|newest| newest.revision + shape.changes - expected.acknowledged.len() as u64);
    let versions: Vec<u32> = (1..=shape.primary_version).collect();
    let same = key.enabled == shape.enabled
        && key.primary_version == shape.primary_version
        && key.versions == versions
        && revision.is_none_or(|revision| key.revision == revision);
    ensure(same, || format!("expected {shape:?} at revision {revision:?}, found {key:?}"))
}

/// No key of the load exists twice, and none that nobody asked for.
async fn no_other_keys(
    session: &Session,
    expected: &BTreeMap<String, Expectation>,
    prefix: &str,
) -> Result<()> {
    let aliases = session.aliases().await.map_err(Failure::violation)?;
    let stem = format!("{prefix}-");
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for alias in aliases.iter().filter(|alias| alias.starts_with(&stem)) {
        *seen.entry(alias).or_default() += 1;
    }
    for (alias, times) in &seen {
        ensure(*times == 1, || format!("alias {alias} belongs to {times} keys"))?;
    }
    // After the repeats every change that was sent has happened.
    let asked: Vec<&str> = expected
        .iter()
        .filter(|(_, expectation)| expectation.with_pending().is_some())
        .map(|(alias, _)| alias.as_str())
        .collect();
    let there: Vec<&str> = seen.into_keys().collect();
    ensure(asked == there, || format!("keys asked for: {asked:?}; keys there: {there:?}"))
}

async fn read(session: &Session, alias: &str) -> Result<Option<KeySeen>> {
    wait_until_async(ANSWERS_WITHIN, &format!("key {alias} readable"), || session.key(alias)).await
}
