//! One direction of a connection.

use std::sync::Arc;

use futures::StreamExt;
use futures::future::join;
use futures::stream::BoxStream;
use tokio::sync::mpsc;

use super::{Connection, Frame, once};
use crate::sim::net::state::Flight;
use crate::sim::net::transport::{Endpoint, too_long};

/// One direction of a connection.
pub(super) enum Pipe {
    /// From the sender of the stream.
    Forth(Arc<Connection>),
    /// Back to it.
    Back(Arc<Connection>),
}

impl Pipe {
    /// Carries `input` to `output` until it ends, its source dies or the connection breaks. At most
    /// about `window` frames are on their way.
    pub(super) async fn carry(
        self,
        input: BoxStream<'static, Frame>,
        output: mpsc::Sender<Frame>,
        window: usize,
    ) {
        let (takes_off, flights) = mpsc::channel(window);
        let carried = join(self.send(input, takes_off), self.land(flights, output));
        tokio::select! {
            biased;
            () = self.connection().whole.ended() => {}
            _ = carried => {}
        }
    }

    async fn send(&self, input: BoxStream<'static, Frame>, flights: mpsc::Sender<(Flight, Frame)>) {
        let mut input = input.chain(once(Frame::End));
        loop {
            let next = async {
                // Nothing is drawn from the input before there is room for it.
                let room = flights.reserve().await.ok()?;
                Some((room, input.next().await?))
            };
            let next = tokio::select! {
                biased;
                () = self.source().alive.ended() => return,
                () = self.unwanted() => return,
                next = next => next,
            };
            let Some((room, frame)) = next else { return };
            if let Some(error) = too_long(frame.bytes().len()) {
                return self.connection().fail(error);
            }
            room.send((self.take_off(&frame), frame));
        }
    }

    fn take_off(&self, frame: &Frame) -> Flight {
        let net = &self.connection().route.net;
        let shares_packet = matches!(frame, Frame::Open(_) | Frame::End);
        net.post_frame(self.source().node, self.sink().node, frame.bytes(), shares_packet)
    }

    async fn land(
        &self,
        mut flights: mpsc::Receiver<(Flight, Frame)>,
        output: mpsc::Sender<Frame>,
    ) {
        let net = &self.connection().route.net;
        while let Some((flight, frame)) = flights.recv().await {
            if !net.lands(self.source(), self.sink(), &flight).await {
                return self.connection().whole.end();
            }
            if output.send(frame).await.is_err() && matches!(self, Pipe::Forth(_)) {
                return;
            }
            // Answers that nobody wants any more are still taken from the handler, so that it goes on
            // with the requests that arrive.
        }
    }

    /// Resolves when the sender has given up: it sends nothing more.
    async fn unwanted(&self) {
        match self {
            Pipe::Forth(connection) => connection.wanted.ended().await,
            Pipe::Back(_) => std::future::pending().await,
        }
    }

    fn connection(&self) -> &Connection {
        match self {
            Pipe::Forth(connection) | Pipe::Back(connection) => connection,
        }
    }

    fn source(&self) -> &Endpoint {
        match self {
            Pipe::Forth(connection) => &connection.route.from,
            Pipe::Back(connection) => &connection.route.to,
        }
    }

    fn sink(&self) -> &Endpoint {
        match self {
            Pipe::Forth(connection) => &connection.route.to,
            Pipe::Back(connection) => &connection.route.from,
        }
    }
}
