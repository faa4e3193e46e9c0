//! Clients of tokens: those that show them until they are revoked, and the one that revokes them.

use conclave_proto::v1;

use super::send::without_answer;
use super::{Client, GUEST_KEY, GUESTS, THINKS_MS, uuid};
use crate::sim::cluster::Reply;
use crate::sim::history::{Action, Answer, TokenNo};
use crate::sim::net::Alive;

impl Client {
    /// Shows tokens until it is told to stop.
    pub async fn show_tokens(mut self, going: Alive) {
        while going.is() {
            self.think(3 * THINKS_MS).await;
            let token = self.dice.below(GUESTS.into()) as TokenNo;
            self.show(token).await;
        }
    }

    /// Revokes one token after the other, spread over `safety_ms`, and asks in between for what must
    /// never be allowed.
    pub async fn revoke_tokens(mut self, going: Alive) {
        let pause = self.workload.cluster.plan().safety_ms / u64::from(GUESTS + 1);
        for token in 0..GUESTS {
            self.think(2 * pause).await;
            if !going.is() {
                return;
            }
            self.mutate(Action::BindSelf).await;
            self.mutate(Action::Revoke(token)).await;
        }
    }

    async fn show(&mut self, token: TokenNo) {
        let (node, invoked) = (self.node(), self.now());
        let guest = self.workload.guests[token as usize].caller.clone();
        let done = Answer::default();
        let reply = if self.dice.chance(50) {
            match guest.random(node, v1::RandomRequest { bytes: 16 }).await {
                Reply::Answer(_) => Reply::Answer(done),
                other => without_answer(other),
            }
        } else {
            let request = v1::UpdateKeyRequest {
                request_id: uuid(&mut self.dice).to_string(),
                key: GUEST_KEY.to_owned(),
                description: Some(format!("token {token}")),
                ..v1::UpdateKeyRequest::default()
            };
            match guest.update_key(node, request).await {
                Reply::Answer(_) => Reply::Answer(done),
                other => without_answer(other),
            }
        };
        self.one_attempt(node, invoked, Action::Show(token), reply);
    }
}
