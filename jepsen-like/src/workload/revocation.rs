//! After a disable has returned, no use that begins then may succeed, on any node.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use uuid::Uuid;

use super::block_on;
use crate::failure::{Failure, Result, ensure, require};
use crate::history::{Event, History, Op, Outcome};
use crate::scale::generator;
use crate::sdk::{Access, Session};
use crate::wait::wait_until_async;

/// Keys that are disabled in turn.
const KEYS: usize = 6;
/// Rounds between two looks at who leads.
const BLOCK: u32 = 10;
/// Uses in flight on each node beside the measured ones, so that barrier rounds are always out.
const LOAD_PER_NODE: usize = 3;
/// Longest call.
pub(super) const CALL: Duration = Duration::from_secs(10);
/// For a leader to be there again.
const LEADER_WITHIN: Duration = Duration::from_secs(30);

/// What is a violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judge {
    /// A use after a disable, and a refusal after an enable.
    Both,
    /// Only a use after a disable: to see that this alone is found.
    Disables,
}

/// What the rounds have shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// Disables that were followed by uses.
    pub rounds: u64,
    /// Encrypts and decrypts begun after a disable had returned.
    pub after_disable: u64,
    /// Those of them that a follower answered.
    pub on_followers: u64,
    /// Those that were neither refused nor served (no quorum for a moment).
    pub inconclusive: u64,
    /// Uses of the load beside them.
    pub load: u64,
}

impl Uses {
    /// At least 3 of 10 uses went to followers, and nearly all have said something.
    pub fn check_spread(&self) -> Result<()> {
        require(self.on_followers * 10 >= self.after_disable * 3, || {
            format!("less than 30 % of the uses were on followers: {self:?}")
        })?;
        require(self.inconclusive * 10 <= self.after_disable, || {
            format!("more than 10 % of the uses were neither refused nor served: {self:?}")
        })
    }
}

/// The keys of a revocation run, and a ciphertext of each.
pub struct Keys {
    keys: Vec<(String, Vec<u8>)>,
}

impl Keys {
    /// Makes the keys through the first node of `access`.
    pub async fn create(access: &Access, prefix: &str) -> Result<Keys> {
        let sessions = access.sessions(CALL)?;
        let session = first(&sessions)?;
        let mut keys = Vec::new();
        for number in 0..KEYS {
            let alias = format!("{prefix}-{number}");
            change(session, Op::Create, &alias).await?;
            let what = format!("a ciphertext of {alias}");
            let ciphertext = wait_until_async(CALL, &what, || async {
                match session.encrypt(&alias, b"before the disable").await {
                    (_, Some(ciphertext)) => Ok(ciphertext),
                    (outcome, None) => Err(format!("{outcome:?}")),
                }
            })
            .await?;
            keys.push((alias, ciphertext));
        }
        Ok(Keys { keys })
    }

    /// One of the keys: alias and ciphertext.
    pub fn get(&self, place: usize) -> (&str, &[u8]) {
        let (alias, ciphertext) = &self.keys[place % self.keys.len()];
        (alias, ciphertext)
    }
}

/// Runs rounds: disable on one node, use on others, enable again. Stops at the first violation.
pub async fn rounds(
    access: &Access,
    keys: &Keys,
    rounds: u32,
    seed: u64,
    judge: Judge,
    history: &History,
) -> Result<Uses> {
    let mut run = Run {
        sessions: access.sessions(CALL)?,
        keys,
        judge,
        rng: generator(seed, 99),
        history,
        uses: Uses::default(),
    };
    require(run.sessions.len() >= 2, || "rounds need at least two nodes".to_owned())?;
    let load = Load::start(access.clone());
    let outcome = run.all(rounds).await;
    let served = load.stop()?;
    outcome?;
    run.uses.load = served;
    require(served > 0, || "the load beside the rounds was never served".to_owned())?;
    Ok(run.uses)
}

/// One use that must be refused: encrypt and decrypt, begun now. `Ok(true)` if the answer was a refusal
/// because of the key's state, `Ok(false)` if it said nothing.
pub async fn must_be_refused(
    session: &Session,
    key: (&str, &[u8]),
    history: &History,
) -> Result<[bool; 2]> {
    let (alias, ciphertext) = key;
    let invoked = history.now();
    let ((encrypted, _), (decrypted, _)) =
        tokio::join!(session.encrypt(alias, b"after the disable"), session.decrypt(ciphertext));
    let returned = history.now();
    for (op, outcome) in [(Op::Encrypt, &encrypted), (Op::Decrypt, &decrypted)] {
        history.record(Event {
            client: 0,
            node: session.node,
            op,
            key: alias.to_owned(),
            request_id: None,
            invoked,
            returned,
            outcome: outcome.clone(),
        });
    }
    Ok([refusal(&encrypted, session, alias)?, refusal(&decrypted, session, alias)?])
}

/// A change that must be made.
pub async fn change(session: &Session, op: Op, alias: &str) -> Result<u64> {
    let request_id = Uuid::new_v4();
    let what = format!("{op:?} of {alias} on node {}", session.node);
    wait_until_async(LEADER_WITHIN, &what, || async {
        match session.change(op, alias, request_id).await {
            Outcome::Changed(key) => Ok(key.log_index),
            other => Err(format!("{other:?}")),
        }
    })
    .await
}

struct Run<'a> {
    sessions: Vec<Session>,
    keys: &'a Keys,
    judge: Judge,
    rng: StdRng,
    history: &'a History,
    uses: Uses,
}

impl Run<'_> {
    async fn all(&mut self, rounds: u32) -> Result<()> {
        let mut done = 0;
        while done < rounds {
            let block = BLOCK.min(rounds - done);
            let before = self.leader().await?;
            let mut by_node = vec![0u64; self.sessions.len()];
            for number in done..done + block {
                self.round(number, &mut by_node)
                    .await
                    .map_err(|failure| failure.context(format!("round {number}")))?;
            }
            // Only if the same leader led the same term throughout is it known who followed.
            if self.leader().await? == before {
                for (session, uses) in self.sessions.iter().zip(by_node) {
                    if session.node != before.1 {
                        self.uses.on_followers += uses;
                    }
                }
            }
            done += block;
        }
        Ok(())
    }

    async fn round(&mut self, number: u32, by_node: &mut [u64]) -> Result<()> {
        let places = self.sessions.len();
        let disable_at = self.rng.random_range(0..places);
        let use_at = (disable_at + self.rng.random_range(1..places)) % places;
        let key = self.keys.get(number as usize);
        change(&self.sessions[disable_at], Op::Disable, key.0).await?;
        let said = must_be_refused(&self.sessions[use_at], key, self.history).await?;
        self.uses.rounds += 1;
        for refused in said {
            self.uses.after_disable += 1;
            by_node[use_at] += 1;
            self.uses.inconclusive += u64::from(!refused);
        }
        let enable_at = self.rng.random_range(0..places);
        change(&self.sessions[enable_at], Op::Enable, key.0).await?;
        let again = (enable_at + 1) % places;
        self.must_serve(again, key.0).await
    }

    /// After an enable has returned, a use on another node is served.
    async fn must_serve(&self, place: usize, alias: &str) -> Result<()> {
        let session = &self.sessions[place];
        let (outcome, _) = session.encrypt(alias, b"after the enable").await;
        let judged = self.judge == Judge::Both;
        ensure(!judged || !matches!(outcome, Outcome::Refused(_)), || {
            format!(
                "node {} refused {alias} after its enable had returned: {outcome:?}",
                session.node
            )
        })
    }

    async fn leader(&self) -> Result<(u64, u32)> {
        leader_seen(first(&self.sessions)?).await
    }
}

/// Term and leader as a node knows them, once it knows of one.
pub(super) async fn leader_seen(session: &Session) -> Result<(u64, u32)> {
    wait_until_async(LEADER_WITHIN, "a leader", || async {
        match session.leader().await {
            Ok((term, Some(leader))) => Ok((term, leader)),
            other => Err(format!("{other:?}")),
        }
    })
    .await
}

/// Whether an outcome is the refusal that a disabled key must give; success is the violation looked for.
fn refusal(outcome: &Outcome, session: &Session, alias: &str) -> Result<bool> {
    match outcome {
        Outcome::Refused(reason) if reason == "KEY_STATE" => Ok(true),
        Outcome::Unavailable(_) | Outcome::Unknown(_) => Ok(false),
        other => Err(Failure::violation(format!(
            "node {} answered {other:?} for {alias}, a use begun after its disable had returned",
            session.node
        ))),
    }
}

/// Uses of a key that stays enabled, on all nodes, on a thread of its own.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    served: Arc<AtomicU64>,
    thread: JoinHandle<Result<()>>,
}

impl Load {
    pub(super) fn start(access: Access) -> Load {
        let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (to_stop, to_served) = (stop.clone(), served.clone());
        let thread = thread::spawn(move || block_on(Load::run(access, to_stop, to_served)));
        Load { stop, served, thread }
    }

    async fn run(access: Access, stop: Arc<AtomicBool>, served: Arc<AtomicU64>) -> Result<()> {
        let sessions = access.sessions(CALL)?;
        let alias = format!("load-{}", Uuid::new_v4().simple());
        change(first(&sessions)?, Op::Create, &alias).await?;
        let local = tokio::task::LocalSet::new();
        for session in sessions.iter().flat_map(|session| vec![session; LOAD_PER_NODE]) {
            let (session, stop, served) = (session.clone(), stop.clone(), served.clone());
            let alias = alias.clone();
            local.spawn_local(async move {
                while !stop.load(Ordering::SeqCst) {
                    match session.encrypt(&alias, b"load").await.0 {
                        Outcome::Used => drop(served.fetch_add(1, Ordering::SeqCst)),
                        _ => tokio::time::sleep(Duration::from_millis(20)).await,
                    }
                }
            });
        }
        local.await;
        Ok(())
    }

    pub(super) fn stop(self) -> Result<u64> {
        self.stop.store(true, Ordering::SeqCst);
        self.thread
            .join()
            .unwrap_or_else(|_| Err(Failure::harness("the load's thread panicked")))?;
        Ok(self.served.load(Ordering::SeqCst))
    }
}

fn first(sessions: &[Session]) -> Result<&Session> {
    sessions.first().ok_or_else(|| Failure::harness("no nodes"))
}
