//! Custodians: they hold the shares, and unseal whatever is sealed.

use std::time::Duration;

use conclave_proto::v1;
use tokio::time::sleep;

use super::caller::Caller;
use super::cluster::{Reply, SimCluster};
use super::history::{Action, Answer, Operation, Outcome};
use super::net::Alive;
use super::recorder::Recorder;
use crate::Dice;

/// Shares that are dealt, and how many are needed.
const SHARES: u32 = 5;
const THRESHOLD: u32 = 3;

/// How long a custodian waits for an answer.
const PATIENCE: Duration = Duration::from_secs(8);

/// How often custodians look.
const LOOK: Duration = Duration::from_millis(200);

/// Callers from this number on are custodians.
const FIRST_CALLER: u32 = 1_000;

/// What init gave.
pub struct Secrets {
    /// The texts of the shares.
    pub shares: Vec<String>,
    /// The token of the principal `admin`.
    pub admin: String,
}

/// Initializes the cluster at `node`.
pub async fn initialize(cluster: &SimCluster, node: u32) -> Secrets {
    let operator = Caller::nobody(cluster, FIRST_CALLER, PATIENCE).as_operator();
    let request =
        v1::InitRequest { shares: SHARES, threshold: THRESHOLD, ..v1::InitRequest::default() };
    match operator.init(node, request).await {
        Reply::Answer(answer) => Secrets {
            shares: answer.shares.into_iter().map(|share| share.text).collect(),
            admin: answer.admin_token,
        },
        other => panic!("a new cluster is initialized: {other:?}"),
    }
}

/// The custodians of a run.
pub struct Custodians {
    cluster: SimCluster,
    recorder: Recorder,
    shares: Vec<String>,
    dice: Dice,
}

impl Custodians {
    /// Custodians that hold these shares.
    pub fn new(
        cluster: &SimCluster,
        recorder: &Recorder,
        shares: Vec<String>,
        dice: Dice,
    ) -> Custodians {
        Custodians { cluster: cluster.clone(), recorder: recorder.clone(), shares, dice }
    }

    /// Looks after the cluster while on duty: some time after a node is seen sealed, enough shares are
    /// submitted to it. What has begun is brought to its end: a share of a call that is cut off may open
    /// a node, and nobody would have put it down.
    pub async fn run(mut self, duty: Alive) {
        while duty.is() {
            sleep(LOOK).await;
            for node in self.sealed() {
                // Not at once: sealed nodes are part of what is tested.
                if duty.is() && self.dice.chance(40) {
                    self.unseal(node).await;
                }
            }
        }
    }

    /// Submits shares until no node that is up is sealed.
    pub async fn unseal_all(&mut self) {
        while let Some(node) = self.sealed().first() {
            self.unseal(*node).await;
            sleep(LOOK).await;
        }
    }

    fn sealed(&self) -> Vec<u32> {
        let up = self.cluster.up();
        up.iter().filter(|life| life.services.is_sealed()).map(|life| life.node).collect()
    }

    /// Submits different shares to a node until it is unsealed, at most all of them.
    async fn unseal(&mut self, node: u32) {
        let first = self.dice.below(self.shares.len() as u64) as usize;
        for turn in 0..self.shares.len() {
            let share = (first + turn) % self.shares.len();
            self.submit(node, share).await;
            if self.cluster.life(node).is_none_or(|life| !life.services.is_sealed()) {
                return;
            }
        }
    }

    async fn submit(&self, node: u32, share: usize) {
        let number = u32::try_from(share + 1).expect("few shares");
        let custodian = Caller::nobody(&self.cluster, FIRST_CALLER + number, PATIENCE);
        let invoked = self.cluster.trace().stamp();
        let request = v1::SubmitShareRequest { share: self.shares[share].clone() };
        let outcome = match custodian.submit_share(node, request).await {
            Reply::Answer(_) => Outcome::Done(Answer::default()),
            Reply::Refused(reason) => Outcome::Refused(reason),
            Reply::NotReached => return,
            Reply::Unknown => Outcome::Unknown,
        };
        self.recorder.add(Operation {
            client: FIRST_CALLER + number,
            node,
            invoked,
            returned: self.cluster.trace().stamp(),
            request: None,
            attempts: 1,
            action: Action::SubmitShare(number),
            outcome,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::plan::Plan;
    use crate::sim::trace::Trace;

    /// A cluster of one node, its custodians, and what they put down.
    async fn sealed_cluster() -> (SimCluster, Custodians, Recorder) {
        let plan = Plan { voters: 1, learners: 0, ..Plan::from_seed(1) };
        let trace = Trace::new(false);
        let cluster = SimCluster::new(&plan, trace.clone());
        cluster.form().await;
        let secrets = initialize(&cluster, 1).await;
        let recorder = Recorder::new(trace);
        let custodians = Custodians::new(&cluster, &recorder, secrets.shares, Dice::new(1));
        (cluster, custodians, recorder)
    }

    #[tokio::test(start_paused = true)]
    async fn the_share_that_opens_a_node_is_put_down_although_duty_ends() {
        let (cluster, custodians, recorder) = sealed_cluster().await;
        let duty = Alive::new();
        let working = tokio::spawn(custodians.run(duty.clone()));
        let node = cluster.life(1).expect("nothing hinders it");
        while node.services.is_sealed() {
            sleep(Duration::from_millis(1)).await;
        }
        assert!(!working.is_finished());
        let before = recorder.take().history.operations.len();
        assert_eq!(before, THRESHOLD as usize - 1, "the last one is not answered yet");
        duty.end();
        working.await.expect("custodians do not panic");
        let last = recorder.take().history.operations;
        assert!(matches!(last[..], [Operation { outcome: Outcome::Done(_), .. }]), "{last:?}");
    }
}
