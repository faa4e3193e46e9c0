//! Signs of life for the service manager: given only while every part of the node works, so that a
//! node which hangs is ended and started again.
//!
//! A part works if it takes a turn when it is asked to: each runtime, and consensus. What is no fault
//! of this process does not count: a sealed node, one without a quorum and one with a slow state file
//! all live.

use std::future::Future;
use std::io;
use std::thread;
use std::time::Duration;

use conclave_raft::RaftNode;
use futures::future::{BoxFuture, join_all};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// Something without which the node does not work.
pub struct Part {
    name: String,
    /// Resolves when the part has taken a turn; false: it has ended.
    turn: Box<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>,
}

/// A thread that watches. Ends when this is dropped.
pub struct Watchdog {
    _running: oneshot::Sender<()>,
}

impl Part {
    /// A runtime.
    pub fn runtime(name: impl Into<String>, handle: Handle) -> Part {
        let turn = move || -> BoxFuture<'static, bool> {
            let turn = handle.spawn(async {});
            Box::pin(async move { turn.await.is_ok() })
        };
        Part { name: name.into(), turn: Box::new(turn) }
    }

    /// Replication.
    pub fn member(member: RaftNode) -> Part {
        let turn = move || -> BoxFuture<'static, bool> {
            let member = member.clone();
            Box::pin(async move { member.turns().await })
        };
        Part { name: "raft".to_owned(), turn: Box::new(turn) }
    }

    /// Waits for a turn, for ever if none comes; says so in the log when it takes longer than `patience`.
    async fn turns(&self, patience: Duration) {
        let mut turn = (self.turn)();
        let turned = match timeout(patience, &mut turn).await {
            Ok(turned) => turned,
            Err(_) => {
                tracing::error!(part = self.name, "hangs: no sign of life until it goes on");
                turn.await
            }
        };
        if !turned {
            tracing::error!(part = self.name, "has ended: no sign of life any more");
            std::future::pending().await
        }
    }
}

impl Watchdog {
    /// Starts the thread: it runs `beside`, which may go on for ever, and, if signs of life are wanted,
    /// calls `sign` every `every` as long as all parts take their turns.
    ///
    /// A thread of its own, because it must not depend on what it watches, and because a service
    /// manager that does not read must not hold up the node.
    ///
    /// # Errors
    /// No thread or runtime can be had.
    pub fn start(
        parts: Vec<Part>,
        every: Option<Duration>,
        sign: impl Fn() + Send + 'static,
        beside: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<Watchdog> {
        let runtime = Builder::new_current_thread().enable_time().build()?;
        let (running, stopped) = oneshot::channel();
        let work = async move {
            let signs = async {
                match every {
                    Some(every) => watch(&parts, every, sign).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = stopped => {}
                () = signs => {}
                () = beside => {}
            }
        };
        thread::Builder::new().name("watchdog".to_owned()).spawn(move || runtime.block_on(work))?;
        Ok(Watchdog { _running: running })
    }
}

/// Gives a sign of life after each round in which all parts have turned.
async fn watch(parts: &[Part], every: Duration, sign: impl Fn()) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        join_all(parts.iter().map(|part| part.turns(every))).await;
        sign();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
    use std::thread::JoinHandle;

    use super::*;

    const EVERY: Duration = Duration::from_millis(20);
    /// Many rounds: no sign in all of this time means that none is given.
    const SILENCE: Duration = Duration::from_millis(400);
    const PATIENCE: Duration = Duration::from_secs(10);

    /// A runtime on a thread of its own that can be made to hang.
    struct Worker {
        handle: Handle,
        end: tokio::sync::oneshot::Sender<()>,
        thread: JoinHandle<()>,
    }

    impl Worker {
        fn start() -> Worker {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            let handle = runtime.handle().clone();
            let (end, ended) = tokio::sync::oneshot::channel();
            let thread = thread::spawn(move || runtime.block_on(async { ended.await.unwrap() }));
            Worker { handle, end, thread }
        }

        /// Blocks the thread, as a handler that waits for ever does, until the answer is dropped;
        /// returns when it blocks.
        fn hang(&self) -> Sender<()> {
            let (release, released) = mpsc::channel::<()>();
            let (begin, begun) = mpsc::channel();
            self.handle.spawn(async move {
                begin.send(()).unwrap();
                let _ = released.recv();
            });
            begun.recv_timeout(PATIENCE).unwrap();
            release
        }

        fn part(&self, name: &str) -> Part {
            Part::runtime(name, self.handle.clone())
        }

        fn finish(self) {
            self.end.send(()).unwrap();
            self.thread.join().unwrap();
        }
    }

    fn start(parts: Vec<Part>) -> (Watchdog, Receiver<()>) {
        let (signs, seen) = mpsc::channel();
        let sign = move || {
            let _ = signs.send(());
        };
        let watchdog = Watchdog::start(parts, Some(EVERY), sign, std::future::pending());
        (watchdog.unwrap(), seen)
    }

    fn is_alive(seen: &Receiver<()>) {
        for _ in 0..3 {
            seen.recv_timeout(PATIENCE).unwrap();
        }
    }

    /// The sign of a round that was under way may still come, then none.
    fn is_silent(seen: &Receiver<()>) {
        seen.try_iter().for_each(drop);
        let _ = seen.recv_timeout(SILENCE);
        assert_eq!(seen.recv_timeout(SILENCE), Err(RecvTimeoutError::Timeout));
    }

    #[test]
    fn each_part_that_hangs_stops_the_signs_until_it_goes_on() {
        let workers = [Worker::start(), Worker::start(), Worker::start()];
        let parts = ["main", "api-1", "api-2"];
        let parts = workers.iter().zip(parts).map(|(worker, name)| worker.part(name));
        let (watchdog, seen) = start(parts.collect());
        is_alive(&seen);
        for worker in &workers {
            let release = worker.hang();
            is_silent(&seen);
            drop(release);
            is_alive(&seen);
        }
        drop(watchdog);
        workers.into_iter().for_each(Worker::finish);
    }

    #[test]
    fn a_part_that_has_ended_stops_the_signs() {
        let (lasting, ending) = (Worker::start(), Worker::start());
        let (_watchdog, seen) = start(vec![lasting.part("main"), ending.part("api-1")]);
        is_alive(&seen);
        ending.finish();
        is_silent(&seen);
        lasting.finish();
    }

    #[test]
    fn the_thread_ends_with_its_owner() {
        let (watchdog, seen) = start(Vec::new());
        is_alive(&seen);
        drop(watchdog);
        while seen.recv_timeout(PATIENCE).is_ok() {}
        // The thread held the other end.
        assert_eq!(seen.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected));
    }

    #[test]
    fn without_a_watchdog_only_the_rest_runs() {
        let (signs, seen) = mpsc::channel();
        let (rest, ran) = mpsc::channel();
        let sign = move || {
            let _ = signs.send(());
        };
        let beside = async move { rest.send(()).unwrap() };
        let _watchdog = Watchdog::start(Vec::new(), None, sign, beside).unwrap();
        ran.recv_timeout(PATIENCE).unwrap();
        assert_eq!(seen.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected));
    }
}
