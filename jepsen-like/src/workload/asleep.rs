//! A follower sleeps through a disable, with barrier rounds of its own out and uses waiting in its
//! sockets. Awake, it has the answers of the rounds and the uses at once: none may be served by a round
//! that was sent before the use began.

use std::time::Duration;

use rand::RngExt;
use rustix::process::Signal;

use super::revocation::{CALL, Keys, Load, Uses, change, leader_seen, must_be_refused};
use crate::failure::{Failure, Result, require};
use crate::history::{History, Op};
use crate::scale::generator;
use crate::sdk::{Access, Session};

/// Connections to the sleeper: a node serves each on one of several threads.
const CONNECTIONS: usize = 4;
/// For the uses to be written into the sleeper's sockets.
const WRITTEN_AFTER: Duration = Duration::from_millis(10);

/// Runs rounds; `signal` stops and continues the process of a node. Stops at the first violation.
pub async fn rounds(
    access: &Access,
    keys: &Keys,
    count: u32,
    seed: u64,
    history: &History,
    mut signal: impl FnMut(u32, Signal) -> Result<()>,
) -> Result<Uses> {
    let connections: Vec<Vec<Session>> = access
        .nodes
        .iter()
        .map(|node| access.only(&vec![node.clone(); CONNECTIONS]).sessions(CALL))
        .collect::<Result<_>>()?;
    open_all(&connections, keys).await?;
    let load = Load::start(access.clone());
    let mut uses = Uses::default();
    let mut rng = generator(seed, 98);
    let outcome = async {
        for number in 0..count {
            let leader = leader_seen(&connections[0][0]).await?.1;
            let followers: Vec<usize> =
                (0..connections.len()).filter(|at| connections[*at][0].node != leader).collect();
            let sleeper = followers[rng.random_range(0..followers.len())];
            let other = (sleeper + rng.random_range(1..connections.len())) % connections.len();
            let key = keys.get(number as usize);
            let (asleep, awake) = (&connections[sleeper], &connections[other][0]);
            one(asleep, awake, key, history, &mut signal, &mut uses)
                .await
                .map_err(|failure| failure.context(format!("round {number} asleep")))?;
        }
        Ok(())
    }
    .await;
    uses.load = load.stop()?;
    outcome.map(|()| uses)
}

async fn one(
    asleep: &[Session],
    awake: &Session,
    key: (&str, &[u8]),
    history: &History,
    signal: &mut impl FnMut(u32, Signal) -> Result<()>,
    uses: &mut Uses,
) -> Result<()> {
    let node = asleep[0].node;
    signal(node, Signal::STOP)?;
    let disabled = change(awake, Op::Disable, key.0).await;
    let calls = async {
        tokio::try_join!(
            must_be_refused(&asleep[0], key, history),
            must_be_refused(&asleep[1], key, history),
            must_be_refused(&asleep[2], key, history),
            must_be_refused(&asleep[3], key, history),
        )
    };
    let mut calls = std::pin::pin!(calls);
    let early = match &disabled {
        Ok(_) => tokio::time::timeout(WRITTEN_AFTER, &mut calls).await.ok(),
        Err(_) => None,
    };
    signal(node, Signal::CONT)?;
    disabled?;
    if let Some(ended) = early {
        // A call that failed says why; one that was answered should not have been.
        ended.map_err(|failure| failure.context("while it was stopped"))?;
        return Err(Failure::violation(format!("node {node} answered while it was stopped")));
    }
    let said = calls.await?;
    uses.rounds += 1;
    for refused in <[[bool; 2]; CONNECTIONS]>::from(said).into_iter().flatten() {
        uses.after_disable += 1;
        uses.on_followers += 1;
        uses.inconclusive += u64::from(!refused);
    }
    change(awake, Op::Enable, key.0).await.map(|_| ())
}

/// A first call on each connection: the handshake is no part of a round.
async fn open_all(connections: &[Vec<Session>], keys: &Keys) -> Result<()> {
    for session in connections.iter().flatten() {
        let (outcome, ciphertext) = session.encrypt(keys.get(0).0, b"open").await;
        require(ciphertext.is_some(), || format!("node {}: {outcome:?}", session.node))?;
    }
    Ok(())
}
