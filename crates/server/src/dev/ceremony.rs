//! Initialises the cluster and unseals it, through the API like anybody else. The shares lie in the
//! folder: that is what makes this a cluster for development.

use std::future::Future;
use std::time::Duration;

use conclave_client::{Client, Error, Reason, v1};
use tokio::time::{sleep, timeout};
use zeroize::{Zeroize, Zeroizing};

use super::folder::Folder;
use super::layout::Layout;
use super::prepare;
use super::progress::Progress;
use crate::failure::Failure;

/// How many shares are dealt, and how many open the cluster.
pub const SHARES: u32 = 5;
pub const THRESHOLD: u32 = 3;
/// From processes to a leader, and for every other step of the ceremony: elections included, on a
/// busy machine.
const STEP_WITHIN: Duration = Duration::from_secs(60);
/// How often is asked again.
const ASK_EVERY: Duration = Duration::from_millis(200);
/// A member that was away during one ceremony needs another.
const CEREMONIES: usize = 3;

/// What the cluster says of itself once it is open.
pub struct Cluster {
    /// Its id.
    pub id: String,
}

/// Initialises the cluster if that has not been confirmed yet, and unseals all of its nodes.
///
/// # Errors
/// The cluster does not answer, or the shares of the folder do not open it.
pub async fn open(
    folder: &Folder,
    layout: &Layout,
    progress: &Progress,
) -> Result<Cluster, Failure> {
    let ceremony =
        Ceremony { folder, client: operator(folder, layout)?, nodes: layout.nodes.len() };
    progress.step("waiting for a leader");
    let status = ceremony.all_answer().await?;
    let mut dealt = false;
    if !status.cluster.is_some_and(|cluster| cluster.initialized) {
        progress.step(&format!("init: dealing {SHARES} shares, {THRESHOLD} needed"));
        dealt = ceremony.init().await?;
    }
    progress.step("unsealing with the shares of the folder");
    for _ in 0..CEREMONIES {
        match ceremony.unseal().await {
            Ok(()) => {}
            // The first start was cut short between dealing and confirming.
            Err(error) if !dealt && is_about_shares(&error) => {
                dealt = ceremony.init().await?;
                if !dealt {
                    return Err(error.into());
                }
            }
            Err(error) => return Err(error.into()),
        }
        if let Some(cluster) = ceremony.opened().await? {
            return Ok(cluster);
        }
    }
    Err(Failure::refused(
        format!("after {CEREMONIES} ceremonies a node is still sealed"),
        format!("look into {}", folder.log(1).display()),
    ))
}

/// A client with all addresses and these files of the folder's `pki`.
fn operator(folder: &Folder, layout: &Layout) -> Result<Client, Error> {
    let file = |ending: &str| folder.pki().join(format!("{}.{ending}", prepare::OPERATOR));
    Client::builder()
        .addrs(layout.nodes.iter().map(super::layout::Place::api))
        .ca_cert(folder.pki().join("ca.pem"))
        .client_cert(file("pem"))
        .client_key(file("key"))
        .build()
}

struct Ceremony<'a> {
    folder: &'a Folder,
    client: Client,
    nodes: usize,
}

impl Ceremony<'_> {
    /// Waits until every node answers and there is a leader, so that one ceremony opens all.
    async fn all_answer(&self) -> Result<v1::StatusAnswer, Failure> {
        let asked = async {
            loop {
                if let Ok(status) = self.client.status(None).await
                    && status.cluster.as_ref().is_some_and(|cluster| cluster.leader.is_some())
                    && self.answering(&status) == self.nodes
                {
                    return status;
                }
                sleep(ASK_EVERY).await;
            }
        };
        timeout(STEP_WITHIN, asked).await.map_err(|_| {
            Failure::refused(
                format!("within {} s the nodes did not find each other", STEP_WITHIN.as_secs()),
                format!("look into {} and those of the other nodes", self.folder.log(1).display()),
            )
        })
    }

    fn answering(&self, status: &v1::StatusAnswer) -> usize {
        status.nodes.iter().filter(|node| node.sealed.is_some()).count()
    }

    /// Deals new shares and writes them and the token, before any share is given back. False if the
    /// cluster has been initialised and confirmed before.
    async fn init(&self) -> Result<bool, Failure> {
        let request = v1::InitRequest {
            shares: SHARES,
            threshold: THRESHOLD,
            admin_never_expires: true,
            ..v1::InitRequest::default()
        };
        let dealt = patiently(|| self.client.init(request.clone())).await;
        let mut answer = match dealt {
            Ok(answer) => answer,
            Err(error) if error.reason == Reason::AlreadyInitialized => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let written = self.keep(&answer);
        answer.shares.iter_mut().for_each(|share| share.text.zeroize());
        answer.admin_token.zeroize();
        written.map(|()| true)
    }

    fn keep(&self, answer: &v1::InitAnswer) -> Result<(), Failure> {
        for share in &answer.shares {
            self.folder.write(&self.folder.share(share.index), line(&share.text).as_bytes())?;
        }
        self.folder.write(&self.folder.token(), line(&answer.admin_token).as_bytes())
    }

    /// Gives shares until the cluster has enough. Nothing happens if no node is sealed.
    async fn unseal(&self) -> Result<(), Error> {
        for index in 1..=SHARES {
            let share = self.share(index)?;
            match patiently(|| self.client.submit_share(share.to_string())).await {
                Ok(answer) if !answer.accepted || answer.have >= answer.needed => return Ok(()),
                Ok(_) => {}
                // Given before the last start of this ceremony was cut short.
                Err(error) if error.reason == Reason::ShareRepeated => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn share(&self, index: u32) -> Result<Zeroizing<String>, Error> {
        let path = self.folder.share(index);
        std::fs::read_to_string(&path).map(Zeroizing::new).map_err(|error| {
            Error::new(
                Reason::ShareDamaged,
                format!("{}: the share cannot be read: {error}", path.display()),
                "restore it, or give another folder with --dir",
            )
        })
    }

    /// Waits until every node is unsealed; `None` if one is sealed although the others serve.
    async fn opened(&self) -> Result<Option<Cluster>, Failure> {
        let asked = async {
            loop {
                let status = self.all_answer().await?;
                let cluster = status.cluster.unwrap_or_default();
                if status.nodes.iter().all(|node| node.sealed == Some(false)) && cluster.initialized
                {
                    return Ok(Some(Cluster { id: cluster.id }));
                }
                sleep(ASK_EVERY).await;
            }
        };
        timeout(STEP_WITHIN / 4, asked).await.unwrap_or(Ok(None))
    }
}

/// Repeats a call while the cluster is not there yet: nodes that start, an election, an answer that
/// was lost. Every call of a ceremony may be repeated.
async fn patiently<T, F, Fut>(call: F) -> Result<T, Error>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<T, Error>>,
{
    let mut last = None;
    let asked = async {
        loop {
            match call().await {
                Err(error) if error.is_unavailable() => last = Some(error),
                other => return other,
            }
            sleep(ASK_EVERY).await;
        }
    };
    let outcome = timeout(STEP_WITHIN, asked).await;
    outcome.unwrap_or_else(|_| {
        Err(last.unwrap_or_else(|| {
            Error::new(Reason::DeadlineExceeded, "the cluster gave no answer", "look into the logs")
        }))
    })
}

/// Whether other shares would help.
fn is_about_shares(error: &Error) -> bool {
    matches!(
        error.reason,
        Reason::ShareDamaged
            | Reason::ShareWrong
            | Reason::ShareOldEpoch
            | Reason::ShareOtherKeyspace
            | Reason::NotInitialized
    )
}

fn line(text: &str) -> Zeroizing<String> {
    Zeroizing::new(format!("{}\n", text.trim_end()))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_unavailable_is_asked_again_and_a_refusal_is_not() {
        let calls = Cell::new(0);
        let after_two = patiently(|| async {
            calls.set(calls.get() + 1);
            match calls.get() {
                1 => Err(Error::new(Reason::NoQuorum, "", "")),
                2 => Err(Error::new(Reason::OutcomeUnknown, "", "")),
                _ => Ok(calls.get()),
            }
        });
        assert_eq!(after_two.await.unwrap(), 3);
        let refused =
            patiently(|| async { Err::<(), _>(Error::new(Reason::PermissionDenied, "", "")) });
        assert_eq!(refused.await.unwrap_err().reason, Reason::PermissionDenied);
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends_with_the_last_reason() {
        let never =
            patiently(|| async { Err::<(), _>(Error::new(Reason::NoQuorum, "no leader", "")) });
        assert_eq!(never.await.unwrap_err().message, "no leader");
    }
}
