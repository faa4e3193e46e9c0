//! One stream to a member for short questions, many at a time. A call of its own for each would cost
//! several times as much: headers, a stream of HTTP/2 and trailers, on both sides.

use super::client::{failure, lost, not_sent};
use crate::transport::TransportError;
use conclave_proto::peer::{Letter, peer_client::PeerClient};
use futures::Stream;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tonic::transport::Channel;

type Answered = Result<Vec<u8>, TransportError>;

/// A stream, or what is left of one that has ended.
pub(super) struct Lane {
    letters: mpsc::UnboundedSender<Letter>,
    asked: Arc<Mutex<Asked>>,
}

/// The questions without an answer, by number.
#[derive(Default)]
pub(super) struct Asked {
    last: u64,
    waiting: BTreeMap<u64, Waiter>,
    ended: bool,
}

struct Waiter {
    answered: oneshot::Sender<Answered>,
    /// Whether the question has left for the network.
    sent: bool,
}

/// A question on its way. Whoever drops it waits no longer.
pub(super) struct Question {
    number: u64,
    asked: Arc<Mutex<Asked>>,
    answer: oneshot::Receiver<Answered>,
}

impl Lane {
    /// Opens a stream in the background, on the runtime that this is called in. What is asked meanwhile
    /// waits for it.
    pub(super) fn open(
        client: PeerClient<Channel>,
        request: impl FnOnce(Wanted) -> tonic::Request<Wanted>,
    ) -> Lane {
        let (letters, outgoing) = mpsc::unbounded_channel();
        let asked = Arc::new(Mutex::new(Asked::default()));
        let request = request(Wanted { letters: outgoing, asked: asked.clone() });
        tokio::spawn(carry(client, request, asked.clone()));
        Lane { letters, asked }
    }

    /// Asks; `None` if the stream has ended and another one is needed.
    pub(super) fn ask(&self, body: Vec<u8>) -> Option<Question> {
        let (answered, answer) = oneshot::channel();
        let number = {
            let mut asked = lock(&self.asked);
            if asked.ended {
                return None;
            }
            asked.last += 1;
            let number = asked.last;
            asked.waiting.insert(number, Waiter { answered, sent: false });
            number
        };
        let question = Question { number, asked: self.asked.clone(), answer };
        self.letters.send(Letter { number, body }).is_ok().then_some(question)
    }
}

impl Question {
    /// The answer, encoded; gives up after `timeout`.
    pub(super) async fn answer(mut self, timeout: Duration) -> Answered {
        match tokio::time::timeout(timeout, &mut self.answer).await {
            Ok(Ok(answered)) => answered,
            Ok(Err(_)) => Err(lost("the stream has ended")),
            Err(_) => Err(self.given_up()),
        }
    }
}

impl Question {
    /// A question that is still waiting for the stream is withdrawn, and will not be sent.
    fn given_up(&self) -> TransportError {
        match lock(&self.asked).waiting.remove(&self.number) {
            Some(Waiter { sent: false, .. }) => not_sent("the stream could not be opened in time"),
            _ => lost("no answer in time"),
        }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        lock(&self.asked).waiting.remove(&self.number);
    }
}

/// What is to be sent: letters for whose answer somebody still waits.
pub(super) struct Wanted {
    letters: mpsc::UnboundedReceiver<Letter>,
    asked: Arc<Mutex<Asked>>,
}

impl Stream for Wanted {
    type Item = Letter;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Letter>> {
        loop {
            let Some(letter) = ready!(self.letters.poll_recv(context)) else {
                return Poll::Ready(None);
            };
            if let Some(waiter) = lock(&self.asked).waiting.get_mut(&letter.number) {
                waiter.sent = true;
                return Poll::Ready(Some(letter));
            }
        }
    }
}

/// Brings the answers, and the end of the stream to all who wait for one.
async fn carry(
    mut client: PeerClient<Channel>,
    request: tonic::Request<Wanted>,
    asked: Arc<Mutex<Asked>>,
) {
    let ended = match client.exchange(request).await {
        // Only before it is open can it be said that nothing was sent.
        Err(status) => failure(status),
        Ok(opened) => {
            let mut answers = opened.into_inner();
            loop {
                match answers.message().await {
                    Ok(Some(Letter { number, body })) => {
                        if let Some(waiter) = lock(&asked).waiting.remove(&number) {
                            // It may have given up just now.
                            let _ = waiter.answered.send(Ok(body));
                        }
                    }
                    Ok(None) => break lost("the stream has ended"),
                    Err(status) => break lost(&failure(status).to_string()),
                }
            }
        }
    };
    let mut asked = lock(&asked);
    asked.ended = true;
    for waiter in std::mem::take(&mut asked.waiting).into_values() {
        let error = if waiter.sent { ended.clone() } else { not_sent("the stream has ended") };
        let _ = waiter.answered.send(Err(error));
    }
}

fn lock(asked: &Mutex<Asked>) -> MutexGuard<'_, Asked> {
    asked.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
