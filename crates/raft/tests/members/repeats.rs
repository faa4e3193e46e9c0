//! Proposals that are sent again because an answer got lost: what the second answer says of the first
//! attempt.

use crate::world::{PATIENCE, World, barrier};
use crate::{TestMember, is_leader};
use conclave_core::command::{
    Caller, Command, CompleteUnseal, CredentialRef, FirstAdmin, InitializeSeal, Proposal,
    RecordShare, WrappedWrappingKey,
};
use conclave_core::ids::{
    CeremonyId, InstanceId, KeyspaceId, MemberId, PrincipalId, RequestId, TokenId,
};
use conclave_core::outcome::{Applied, Outcome, Refusal, Thing};
use conclave_core::replica::{ProposeError, Replica};
use conclave_core::state::State;
use uuid::Uuid;

const ADMIN: PrincipalId = PrincipalId(Uuid::from_u128(1));
const TOKEN: TokenId = TokenId(Uuid::from_u128(2));
const NO_TOKEN: TokenId = TokenId(Uuid::from_u128(3));

/// A cluster with one principal, which has one token, and a member that hands proposals on.
struct Stage {
    world: World,
    members: Vec<TestMember>,
    follower: usize,
    requests: u128,
}

impl Stage {
    async fn set() -> Stage {
        let world = World::new(3);
        let members = world.form().await;
        let follower = members.iter().position(|member| !is_leader(member)).expect("one leads");
        let mut stage = Stage { world, members, follower, requests: 0 };
        let operator = Caller::Operator { name: "olga".to_owned() };
        for (caller, command) in
            [(operator, init()), (Caller::Custodian, share()), (Caller::Custodian, complete())]
        {
            let applied = stage.propose(caller, command).await.unwrap();
            assert!(matches!(applied.outcome, Outcome::Done(_)), "{applied:?}");
        }
        stage
    }

    /// Proposes as the principal; the first answer gets lost.
    async fn propose_twice(&mut self, command: Command) -> Result<Applied, ProposeError> {
        self.world.lose_next_proposed();
        let admin = Caller::Principal { principal: ADMIN, credential: CredentialRef::Token(TOKEN) };
        let answer = self.propose(admin, command).await;
        assert!(self.world.has_lost_proposed(), "it was not handed on");
        answer
    }

    async fn propose(&mut self, caller: Caller, command: Command) -> Result<Applied, ProposeError> {
        self.requests += 1;
        let proposal = Proposal {
            caller,
            request: RequestId(Uuid::from_u128(self.requests)),
            request_digest: [7; 32],
            seen_index: None,
            command,
        };
        self.members[self.follower].node.propose(proposal, PATIENCE).await
    }

    async fn is_revoked(&self) -> bool {
        let node = &self.members[self.follower].node;
        barrier(node).await;
        let state = node.state();
        State(&*state).token(TOKEN).expect("made by init").revoked
    }
}

/// One share, and one is enough.
fn init() -> Command {
    Command::InitializeSeal(Box::new(InitializeSeal {
        keyspace: KeyspaceId(Uuid::from_u128(4)),
        epoch: 1,
        threshold: 1,
        commitments: vec![[1; 32]],
        check_value: vec![1; 16],
        wrapping_key: WrappedWrappingKey { generation: 1, wrapped: vec![1; 48] },
        admin: FirstAdmin {
            principal: ADMIN,
            certificate: None,
            token: TOKEN,
            token_hash: [1; 32],
            ttl_ms: None,
        },
        instance: InstanceId(Uuid::from_u128(7)),
    }))
}

fn share() -> Command {
    let ceremony = CeremonyId(Uuid::from_u128(5));
    let collector = MemberId(1);
    Command::RecordShare(RecordShare { ceremony, collector, epoch: 1, index: 1, replaces: None })
}

fn complete() -> Command {
    let ceremony = CeremonyId(Uuid::from_u128(5));
    Command::CompleteUnseal(CompleteUnseal { ceremony, epoch: 1, indexes: vec![1] })
}

/// A token that revokes itself is not valid any more when the revocation is sent again: that it is
/// refused then does not mean that it was not revoked.
#[tokio::test(start_paused = true)]
async fn a_credential_that_is_gone_says_nothing_of_the_attempt_before() {
    let mut stage = Stage::set().await;
    let answer = stage.propose_twice(Command::RevokeToken { token: TOKEN }).await;
    assert_eq!(answer, Err(ProposeError::Unknown));
    assert!(stage.is_revoked().await);

    let admin = Caller::Principal { principal: ADMIN, credential: CredentialRef::Token(TOKEN) };
    let refused = stage.propose(admin, Command::Seal).await.map(|applied| applied.outcome);
    assert_eq!(refused, Ok(Outcome::Refused(Refusal::CredentialInvalid)), "the only attempt");
}

#[tokio::test(start_paused = true)]
async fn what_is_remembered_is_the_answer_of_the_attempt_before() {
    let mut stage = Stage::set().await;
    let refused = stage.propose_twice(Command::RevokeToken { token: NO_TOKEN }).await.unwrap();
    assert!(refused.replayed);
    let not_found = Refusal::NotFound { what: Thing::Token };
    assert_eq!(refused.outcome, Outcome::Refused(not_found));

    let done = stage.propose_twice(Command::Seal).await.unwrap();
    assert!(done.replayed);
    assert!(matches!(done.outcome, Outcome::Done(_)), "{done:?}");
}
