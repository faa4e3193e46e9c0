//! Principals and groups.

use crate::call::Call;
use crate::context::Context;
use crate::digest;
use crate::error::ApiError;
use crate::moment::On;
use crate::mutate::{Done, Mutation, unexpected_effect};
use crate::render;
use crate::validate;
use conclave_core::command::Command;
use conclave_core::ids::PrincipalId;
use conclave_core::model::TokenRecord;
use conclave_core::outcome::{Effect, Refusal, Thing};
use conclave_core::replica::StateRead;
use conclave_core::roles::Action;
use conclave_core::seams::random_uuid;
use conclave_core::state::State;
use conclave_proto::v1;

impl Context {
    pub(super) async fn create_principal(
        &self,
        call: &Call,
        request: &v1::CreatePrincipalRequest,
    ) -> Result<v1::PrincipalAnswer, ApiError> {
        let request_id = validate::request_id(&request.request_id)?;
        validate::principal_name(&request.name)?;
        let certificate = validate::cert_san(&request.cert_san, &self.config)?;
        let digest = digest::create_principal(&request.name, certificate.as_deref());
        let id = PrincipalId(random_uuid(&*self.entropy));
        let mutation = Mutation {
            call,
            request: request_id,
            digest,
            action: Action::ManagePrincipals,
            on: On::Cluster,
        };
        let done = self
            .mutate(mutation, |_| {
                let (name, certificate) = (request.name.clone(), certificate.clone());
                Ok(Command::CreatePrincipal { id, name, certificate })
            })
            .await?;
        self.principal_answer(call, done, Some(id)).await
    }

    pub(super) async fn disable_principal(
        &self,
        call: &Call,
        request: &v1::PrincipalRequest,
    ) -> Result<v1::PrincipalAnswer, ApiError> {
        let request_id = validate::request_id(&request.request_id)?;
        let selector = validate::principal(&request.principal)?;
        let digest = digest::disable_principal(&selector);
        let mutation = Mutation {
            call,
            request: request_id,
            digest,
            action: Action::ManagePrincipals,
            on: On::Cluster,
        };
        let done = self
            .mutate(mutation, |basis| {
                Ok(Command::DisablePrincipal { principal: selector.resolve(&basis.state)? })
            })
            .await?;
        self.principal_answer(call, done, None).await
    }

    pub(super) async fn add_to_group(
        &self,
        call: &Call,
        request: &v1::GroupRequest,
    ) -> Result<v1::PrincipalAnswer, ApiError> {
        self.set_group_member(call, request, true).await
    }

    pub(super) async fn remove_from_group(
        &self,
        call: &Call,
        request: &v1::GroupRequest,
    ) -> Result<v1::PrincipalAnswer, ApiError> {
        self.set_group_member(call, request, false).await
    }

    async fn set_group_member(
        &self,
        call: &Call,
        request: &v1::GroupRequest,
        member: bool,
    ) -> Result<v1::PrincipalAnswer, ApiError> {
        let request_id = validate::request_id(&request.request_id)?;
        let group = validate::group(&request.group)?;
        let selector = validate::principal(&request.principal)?;
        let method = if member { "AddToGroup" } else { "RemoveFromGroup" };
        let digest = digest::of_group(method, &group, &selector);
        let mutation = Mutation {
            call,
            request: request_id,
            digest,
            action: Action::ManagePrincipals,
            on: On::Cluster,
        };
        let done = self
            .mutate(mutation, |basis| {
                let principal = selector.resolve(&basis.state)?;
                Ok(Command::SetGroupMember { group: group.clone(), principal, member })
            })
            .await?;
        self.principal_answer(call, done, None).await
    }

    pub(super) async fn get_principal(
        &self,
        call: &Call,
        request: &v1::GetPrincipalRequest,
    ) -> Result<v1::PrincipalAnswer, ApiError> {
        let selector = validate::principal(&request.principal)?;
        self.fresh(call).await?.judge(call, Action::ListAccess)?;
        let snapshot = self.replica().state();
        let state = State(&*snapshot);
        let id = selector.resolve(&state)?;
        Ok(v1::PrincipalAnswer {
            principal: Some(shown(&state, id)?),
            log_index: StateRead::applied_index(&*snapshot),
            replayed: false,
        })
    }

    pub(super) async fn list_principals(
        &self,
        call: &Call,
        request: &v1::ListPrincipalsRequest,
    ) -> Result<v1::ListPrincipalsAnswer, ApiError> {
        let limit = validate::limit(request.limit)?;
        let after = validate::cursor(&request.cursor)?.map(PrincipalId);
        self.fresh(call).await?.judge(call, Action::ListAccess)?;
        let snapshot = self.replica().state();
        let state = State(&*snapshot);
        let tokens = all_tokens(&state);
        // One more than a page shows whether there is another page.
        let mut records = state.principals(after, limit + 1);
        let more = records.len() > limit;
        records.truncate(limit);
        let next = records.last().filter(|_| more).map(|last| last.id.to_string());
        Ok(v1::ListPrincipalsAnswer {
            principals: records
                .into_iter()
                .map(|record| render::access::principal(record, &tokens))
                .collect(),
            next_cursor: next.unwrap_or_default(),
        })
    }

    async fn principal_answer(
        &self,
        call: &Call,
        done: Done,
        made: Option<PrincipalId>,
    ) -> Result<v1::PrincipalAnswer, ApiError> {
        let Effect::Principal(id) = done.effect else { return Err(unexpected_effect()) };
        let snapshot = self.state_at(done.index, &call.deadline).await?;
        Ok(v1::PrincipalAnswer {
            principal: Some(shown(&State(&*snapshot), id)?),
            log_index: done.index,
            replayed: done.replayed && made != Some(id),
        })
    }
}

fn shown(state: &State<'_>, id: PrincipalId) -> Result<v1::Principal, ApiError> {
    let record = state.principal(id).ok_or(Refusal::NotFound { what: Thing::Principal })?;
    Ok(render::access::principal(record, &all_tokens(state)))
}

/// The state finds tokens by their id only; their number is bounded per principal.
fn all_tokens(state: &State<'_>) -> Vec<TokenRecord> {
    state.tokens(None, usize::MAX)
}
