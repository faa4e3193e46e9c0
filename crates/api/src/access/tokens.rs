//! Tokens: the secret leaves once, the cluster keeps its hash.

use crate::call::Call;
use crate::context::Context;
use crate::digest;
use crate::error::ApiError;
use crate::limits::{TOKEN_TTL_DEFAULT_S, TOKEN_TTL_S};
use crate::moment::On;
use crate::mutate::{Done, Mutation, unexpected_effect};
use crate::render;
use crate::validate;
use conclave_core::command::{Command, CreateToken};
use conclave_core::ids::{PrincipalId, TokenId};
use conclave_core::outcome::{Effect, Refusal, Thing};
use conclave_core::roles::Action;
use conclave_core::state::State;
use conclave_crypto::token;
use conclave_proto::v1;

impl Context {
    pub(super) async fn create_token(
        &self,
        call: &Call,
        request: &v1::CreateTokenRequest,
    ) -> Result<v1::CreateTokenAnswer, ApiError> {
        let request_id = validate::request_id(&request.request_id)?;
        let selector = validate::principal(&request.principal)?;
        let ttl_s = validate::number("ttl_s", request.ttl_s, TOKEN_TTL_DEFAULT_S, &TOKEN_TTL_S)?;
        let bound_certificate =
            validate::sha256("bind_certificate_sha256", &request.bind_certificate_sha256)?;
        let digest = digest::create_token(&selector, ttl_s, bound_certificate.as_ref());
        let issued = token::issue(&*self.entropy);
        let id = TokenId(issued.token_id());
        let hash = token::hash(&issued);
        let mutation = Mutation {
            call,
            request: request_id,
            digest,
            action: Action::ManagePrincipals,
            on: On::Cluster,
        };
        let done = self
            .mutate(mutation, |basis| {
                Ok(Command::CreateToken(CreateToken {
                    token: id,
                    principal: selector.resolve(&basis.state)?,
                    hash,
                    ttl_ms: ttl_s * 1_000,
                    bound_certificate,
                }))
            })
            .await?;
        let answer = self.token_answer(call, done).await?;
        // Only the token made by this very call can be shown: another one was shown when it was made.
        let is_this_one = answer.token.as_ref().is_some_and(|token| token.id == id.to_string());
        Ok(v1::CreateTokenAnswer {
            secret: if is_this_one { issued.encode().to_string() } else { String::new() },
            token: answer.token,
            log_index: answer.log_index,
            replayed: answer.replayed && !is_this_one,
        })
    }

    pub(super) async fn revoke_token(
        &self,
        call: &Call,
        request: &v1::RevokeTokenRequest,
    ) -> Result<v1::TokenAnswer, ApiError> {
        let request_id = validate::request_id(&request.request_id)?;
        let token = validate::token_id(&request.token_id)?;
        let digest = digest::revoke_token(token);
        let mutation = Mutation {
            call,
            request: request_id,
            digest,
            action: Action::ManagePrincipals,
            on: On::Cluster,
        };
        let done = self.mutate(mutation, |_| Ok(Command::RevokeToken { token })).await?;
        self.token_answer(call, done).await
    }

    pub(super) async fn list_tokens(
        &self,
        call: &Call,
        request: &v1::ListTokensRequest,
    ) -> Result<v1::ListTokensAnswer, ApiError> {
        let of = match request.principal.as_str() {
            "" => None,
            name => Some(validate::principal(name)?),
        };
        self.fresh(call).await?.judge(call, Action::ListAccess)?;
        let snapshot = self.replica().state();
        let state = State(&*snapshot);
        let of: Option<PrincipalId> = of.map(|selector| selector.resolve(&state)).transpose()?;
        let tokens = state.tokens(None, usize::MAX);
        let shown = tokens.iter().filter(|token| of.is_none_or(|of| token.principal == of));
        let tokens = shown.map(|token| render::access::token(&state, token)).collect();
        Ok(v1::ListTokensAnswer { tokens })
    }

    async fn token_answer(&self, call: &Call, done: Done) -> Result<v1::TokenAnswer, ApiError> {
        let Effect::Token { token, .. } = done.effect else { return Err(unexpected_effect()) };
        let snapshot = self.state_at(done.index, &call.deadline).await?;
        let state = State(&*snapshot);
        let record = state.token(token).ok_or(Refusal::NotFound { what: Thing::Token })?;
        Ok(v1::TokenAnswer {
            token: Some(render::access::token(&state, &record)),
            log_index: done.index,
            replayed: done.replayed,
        })
    }
}
