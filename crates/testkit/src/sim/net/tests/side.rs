//! A member that writes down what it hears.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use conclave_core::codec;
use conclave_core::replica::{Barrier, BoxFuture};
use conclave_raft::transport::{Handler, NotAdmitted};
use conclave_raft::types::Vote;
use conclave_raft::wire::{Answer, Header, Proposed, Request, SnapshotAnswer, SnapshotHead};
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

/// What a member has heard, and how it answers.
#[derive(Default)]
pub(super) struct Side {
    heard: Arc<Mutex<Heard>>,
    /// How long it works on a question.
    pub(super) work: Mutex<Duration>,
    /// Says that nothing has happened.
    pub(super) refuses: Mutex<bool>,
}

#[derive(Default)]
struct Heard {
    /// Numbers of questions and of append requests, as they came.
    numbers: Vec<u64>,
    /// When each came.
    times: Vec<Instant>,
    /// Questions that were answered.
    finished: Vec<u64>,
    /// Streams that ended.
    ended: u64,
    snapshots: Vec<Result<Vec<u8>, String>>,
    headers: Vec<Header>,
}

impl Side {
    /// The numbers that came, in order.
    pub(super) fn numbers(&self) -> Vec<u64> {
        self.heard.lock().unwrap().numbers.clone()
    }

    pub(super) fn times(&self) -> Vec<Instant> {
        self.heard.lock().unwrap().times.clone()
    }

    pub(super) fn finished(&self) -> Vec<u64> {
        self.heard.lock().unwrap().finished.clone()
    }

    pub(super) fn ended(&self) -> u64 {
        self.heard.lock().unwrap().ended
    }

    pub(super) fn snapshots(&self) -> Vec<Result<Vec<u8>, String>> {
        self.heard.lock().unwrap().snapshots.clone()
    }

    pub(super) fn headers(&self) -> Vec<Header> {
        self.heard.lock().unwrap().headers.clone()
    }

    fn hear(&self, from: Header, number: u64) {
        let mut heard = self.heard.lock().unwrap();
        heard.headers.push(from);
        heard.hear(number);
    }
}

impl Heard {
    fn hear(&mut self, number: u64) {
        self.numbers.push(number);
        self.times.push(Instant::now());
    }
}

impl Handler for Side {
    fn call(&self, from: Header, request: Request) -> BoxFuture<'_, Result<Answer, NotAdmitted>> {
        Box::pin(async move {
            let number = match request {
                Request::Report(Some(number), _) => number,
                Request::Seal(message) => return Ok(Answer::Seal(message)),
                Request::Append(_) => return Err(NotAdmitted("only written down".to_owned())),
                other => panic!("{other:?}"),
            };
            self.hear(from, number);
            let work = *self.work.lock().unwrap();
            sleep(work).await;
            self.heard.lock().unwrap().finished.push(number);
            if *self.refuses.lock().unwrap() {
                return Ok(Answer::Proposed(Proposed::NotEntered));
            }
            Ok(Answer::ReadIndex(Barrier { index: number, time: Default::default() }))
        })
    }

    fn append(
        &self,
        _: Header,
        mut requests: BoxStream<'static, Vec<u8>>,
    ) -> Result<BoxStream<'static, Result<Vec<u8>, NotAdmitted>>, NotAdmitted> {
        if *self.refuses.lock().unwrap() {
            return Err(NotAdmitted("not now".to_owned()));
        }
        // As a member does it: by a task of its own that ends when nobody wants the answers.
        let (answered, mut answers) = mpsc::channel(64);
        let heard = self.heard.clone();
        tokio::spawn(async move {
            while let Some(request) = requests.next().await {
                heard.lock().unwrap().hear(number_of(&request));
                if answered.send(Ok(request)).await.is_err() {
                    break;
                }
            }
            heard.lock().unwrap().ended += 1;
        });
        Ok(futures::stream::poll_fn(move |context| answers.poll_recv(context)).boxed())
    }

    fn snapshot(
        &self,
        _: Header,
        head: SnapshotHead,
        mut chunks: BoxStream<'static, Result<Vec<u8>, NotAdmitted>>,
    ) -> BoxFuture<'_, Result<SnapshotAnswer, NotAdmitted>> {
        Box::pin(async move {
            let mut bytes = Vec::new();
            while let Some(chunk) = chunks.next().await {
                match chunk {
                    Ok(chunk) => bytes.extend(chunk),
                    Err(why) => {
                        self.heard.lock().unwrap().snapshots.push(Err(why.0.clone()));
                        return Err(why);
                    }
                }
            }
            self.heard.lock().unwrap().snapshots.push(Ok(bytes));
            Ok(SnapshotAnswer { vote: head.vote })
        })
    }
}

/// The vote of a member, won or not.
pub(super) fn vote(term: u64, member: u64, won: bool) -> Vote {
    codec::decode(&codec::encode(&((term, Some(member)), won))).unwrap()
}

/// An append request with nothing in it but a number: no leader speaks like that.
pub(super) fn request(number: u64) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

pub(super) fn number_of(request: &[u8]) -> u64 {
    request.try_into().map_or(u64::MAX, u64::from_be_bytes)
}
