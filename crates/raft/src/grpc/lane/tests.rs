use super::*;
use conclave_proto::peer::Frame;
use conclave_proto::peer::peer_server::{Peer, PeerServer};
use futures::StreamExt;
use futures::stream::BoxStream;
use hyper_util::rt::TokioIo;
use std::io;
use tonic::transport::Endpoint;
use tonic::{Request, Response, Status, Streaming};
use tower::service_fn;

const PATIENCE: Duration = Duration::from_secs(5);

/// Answers two questions at a time, the later one first; ends the stream at an empty one.
struct Backwards;

#[tonic::async_trait]
impl Peer for Backwards {
    type ExchangeStream = BoxStream<'static, Result<Letter, Status>>;
    type AppendStream = BoxStream<'static, Result<Frame, Status>>;

    async fn exchange(
        &self,
        call: Request<Streaming<Letter>>,
    ) -> Result<Response<Self::ExchangeStream>, Status> {
        let pairs = call.into_inner().map(Result::unwrap).chunks(2);
        let answers = pairs.flat_map(|pair| {
            let letters = pair.into_iter().rev();
            let answers = letters.map(|letter| match letter.body.is_empty() {
                true => Err(Status::aborted("an empty question")),
                false => Ok(letter),
            });
            futures::stream::iter(answers.collect::<Vec<_>>())
        });
        Ok(Response::new(answers.boxed()))
    }

    async fn call(&self, _: Request<Frame>) -> Result<Response<Frame>, Status> {
        Err(Status::unimplemented("not asked"))
    }

    async fn append(
        &self,
        _: Request<Streaming<Frame>>,
    ) -> Result<Response<Self::AppendStream>, Status> {
        Err(Status::unimplemented("not asked"))
    }

    async fn snapshot(&self, _: Request<Streaming<Frame>>) -> Result<Response<Frame>, Status> {
        Err(Status::unimplemented("not asked"))
    }
}

/// A lane to [`Backwards`], in memory.
fn lane() -> Lane {
    let connector = service_fn(|_: http::Uri| async {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let incoming = futures::stream::iter([Ok::<_, io::Error>(theirs)]);
        let incoming = incoming.chain(futures::stream::pending());
        let server = tonic::transport::Server::builder().add_service(PeerServer::new(Backwards));
        tokio::spawn(server.serve_with_incoming(incoming));
        Ok::<_, io::Error>(TokioIo::new(ours))
    });
    open(Endpoint::from_static("http://memory").connect_with_connector_lazy(connector))
}

fn open(channel: Channel) -> Lane {
    Lane::open(PeerClient::new(channel), Request::new)
}

#[tokio::test]
async fn an_answer_finds_its_question_in_whatever_order_it_comes() {
    let lane = lane();
    let ask = |body: &[u8]| lane.ask(body.to_vec()).unwrap().answer(PATIENCE);
    for _ in 0..10 {
        let answers = tokio::join!(ask(b"first"), ask(b"second"));
        assert_eq!(answers, (Ok(b"first".to_vec()), Ok(b"second".to_vec())));
    }
    assert!(lock(&lane.asked).waiting.is_empty());
}

#[tokio::test]
async fn who_waits_learns_of_the_end_and_another_lane_is_needed() {
    let lane = lane();
    let ask = |body: &[u8]| lane.ask(body.to_vec()).unwrap().answer(PATIENCE);
    let (ended, waiting) = tokio::join!(ask(b""), ask(b""));
    assert!(matches!(ended, Err(TransportError::Lost(_))), "{ended:?}");
    assert!(matches!(waiting, Err(TransportError::Lost(_))), "{waiting:?}");
    assert!(lane.ask(b"more".to_vec()).is_none());
}

/// What is not sent must never be, once it was said so: the same proposal may go elsewhere.
#[tokio::test(start_paused = true)]
async fn a_question_that_waits_for_the_stream_is_withdrawn() {
    let never = service_fn(|_: http::Uri| {
        std::future::pending::<Result<TokioIo<tokio::io::DuplexStream>, io::Error>>()
    });
    let lane = open(Endpoint::from_static("http://nowhere").connect_with_connector_lazy(never));
    let answer = lane.ask(b"question".to_vec()).unwrap().answer(PATIENCE).await;
    assert!(matches!(answer, Err(TransportError::NotSent(_))), "{answer:?}");
    assert!(lock(&lane.asked).waiting.is_empty());
    // And the stream, whenever it opens, does not carry it.
    let (letters, outgoing) = mpsc::unbounded_channel();
    let mut wanted = Wanted { letters: outgoing, asked: lane.asked.clone() };
    letters.send(Letter { number: 1, body: Vec::new() }).unwrap();
    drop(letters);
    assert_eq!(wanted.next().await, None);
}
