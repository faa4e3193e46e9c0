//! When connections shall end: because the node stops, or because it was sealed and the buffers of
//! its connections shall be given back and wiped.

use tokio::sync::watch;

/// Tells all connections to end.
#[derive(Debug)]
pub struct HangUp {
    wish: watch::Sender<Wish>,
}

/// What a connection knows of that.
#[derive(Clone, Debug)]
pub struct Wishes {
    wish: watch::Receiver<Wish>,
    sealed_before: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Wish {
    stopping: bool,
    /// How often the node was sealed.
    sealed: u64,
}

impl HangUp {
    /// Nobody has to end.
    pub fn new() -> HangUp {
        HangUp { wish: watch::Sender::new(Wish::default()) }
    }

    /// The node was sealed: connections that are open now shall end.
    pub fn sealed(&self) {
        self.wish.send_modify(|wish| wish.sealed += 1);
    }

    /// The node stops: every connection shall end, also one that is yet to begin.
    pub fn stop(&self) {
        self.wish.send_modify(|wish| wish.stopping = true);
    }

    /// For a connection.
    pub fn wishes(&self) -> Wishes {
        Wishes { wish: self.wish.subscribe(), sealed_before: 0 }
    }
}

impl Wishes {
    /// The connection begins: earlier seals are not for it.
    pub fn begin(&mut self) {
        self.sealed_before = self.wish.borrow_and_update().sealed;
    }

    /// Waits until the node stops; for ever if nobody can wish it any more.
    pub async fn stop(&mut self) {
        if self.wish.wait_for(|wish| wish.stopping).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until the connection shall end; for ever if nobody can wish it any more.
    pub async fn end(&mut self) {
        let before = self.sealed_before;
        let wished = self.wish.wait_for(|wish| wish.stopping || wish.sealed != before);
        if wished.await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    async fn ends(wishes: &mut Wishes) -> bool {
        timeout(Duration::from_millis(10), wishes.end()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_seal_ends_the_connections_that_were_open() {
        let hang_up = HangUp::new();
        let mut first = hang_up.wishes();
        first.begin();
        assert!(!ends(&mut first).await);
        hang_up.sealed();
        assert!(ends(&mut first).await);
        let mut second = hang_up.wishes();
        second.begin();
        assert!(!ends(&mut second).await, "it began after the seal");
    }

    #[tokio::test(start_paused = true)]
    async fn a_seal_does_not_stop_a_handshake_and_a_stop_does() {
        let hang_up = HangUp::new();
        let mut shaking = hang_up.wishes();
        hang_up.sealed();
        assert!(timeout(Duration::from_millis(10), shaking.stop()).await.is_err());
        hang_up.stop();
        assert!(timeout(Duration::from_millis(10), shaking.stop()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn stopping_ends_all_of_them() {
        let hang_up = HangUp::new();
        let (mut open, mut late) = (hang_up.wishes(), hang_up.wishes());
        open.begin();
        hang_up.stop();
        late.begin();
        assert!(ends(&mut open).await);
        assert!(ends(&mut late).await);
    }
}
