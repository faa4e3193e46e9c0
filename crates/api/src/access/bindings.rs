//! Role bindings.

use crate::call::Call;
use crate::context::Context;
use crate::digest;
use crate::error::ApiError;
use crate::moment::On;
use crate::mutate::{Done, Mutation, unexpected_effect};
use crate::render;
use crate::validate::{self, PrincipalSelector, SubjectSelector};
use conclave_core::access::{AccessFacts, Held, Resource};
use conclave_core::command::{Command, Grant};
use conclave_core::model::BindingRecord;
use conclave_core::outcome::{Effect, Refusal, Thing};
use conclave_core::roles::Action;
use conclave_core::seams::random_uuid;
use conclave_core::state::State;
use conclave_proto::v1;
use conclave_proto::v1::bind_role_request::Subject as BindSubject;
use conclave_proto::v1::unbind_role_request::Subject as UnbindSubject;

impl Context {
    pub(super) async fn bind_role(
        &self,
        call: &Call,
        request: &v1::BindRoleRequest,
    ) -> Result<v1::BindingAnswer, ApiError> {
        let request_id = validate::request_id(&request.request_id)?;
        let role = validate::role(&request.role)?;
        let scope = validate::scope(&request.scope)?;
        let until_ms = validate::time("until", request.until)?;
        let subject = match request.subject.as_ref().ok_or_else(validate::no_subject)? {
            BindSubject::Principal(name) => of_principal(name)?,
            BindSubject::Group(name) => SubjectSelector::Group(validate::group(name)?),
        };
        let digest = digest::of_binding(call, "BindRole", role, &subject, &scope, until_ms);
        let id = random_uuid(&*self.entropy);
        let mut bound = None;
        let (action, on) = (Action::BindRole, On::Scope(&scope));
        let mutation = Mutation { call, request: request_id, digest, action, on };
        let done = self
            .mutate(mutation, |basis| {
                let scope = basis.scope(&scope)?;
                let grant = Grant { role, subject: subject.resolve(&basis.state)?, scope };
                bound = Some(grant.clone());
                Ok(Command::BindRole { grant, id, until_ms })
            })
            .await?;
        self.binding_answer(call, done, bound, until_ms).await
    }

    pub(super) async fn unbind_role(
        &self,
        call: &Call,
        request: &v1::UnbindRoleRequest,
    ) -> Result<v1::BindingAnswer, ApiError> {
        let request_id = validate::request_id(&request.request_id)?;
        let role = validate::role(&request.role)?;
        let scope = validate::scope(&request.scope)?;
        let subject = match request.subject.as_ref().ok_or_else(validate::no_subject)? {
            UnbindSubject::Principal(name) => of_principal(name)?,
            UnbindSubject::Group(name) => SubjectSelector::Group(validate::group(name)?),
        };
        let digest = digest::of_binding(call, "UnbindRole", role, &subject, &scope, None);
        let mut unbound = None;
        let (action, on) = (Action::BindRole, On::Scope(&scope));
        let mutation = Mutation { call, request: request_id, digest, action, on };
        let done = self
            .mutate(mutation, |basis| {
                let scope = basis.scope(&scope)?;
                let grant = Grant { role, subject: subject.resolve(&basis.state)?, scope };
                unbound = Some(grant.clone());
                Ok(Command::UnbindRole { grant })
            })
            .await?;
        self.binding_answer(call, done, unbound, None).await
    }

    pub(super) async fn list_bindings(
        &self,
        call: &Call,
        _: &v1::ListBindingsRequest,
    ) -> Result<v1::ListBindingsAnswer, ApiError> {
        self.fresh(call).await?.judge(call, Action::ListAccess)?;
        let snapshot = self.replica().state();
        let state = State(&*snapshot);
        let bindings = state.bindings(usize::MAX);
        let view = self.view.load();
        let bindings =
            bindings.iter().map(|binding| render::access::binding(&state, &view, binding));
        Ok(v1::ListBindingsAnswer { bindings: bindings.collect() })
    }

    pub(super) async fn check_role(
        &self,
        call: &Call,
        request: &v1::CheckRoleRequest,
    ) -> Result<v1::CheckRoleAnswer, ApiError> {
        let selector = validate::principal(&request.principal)?;
        let action = validate::action(&request.action)?;
        let key = validate::optional_key(&request.key)?;
        let moment = self.fresh(call).await?;
        moment.judge(call, Action::ListAccess)?;
        let snapshot = self.replica().state();
        let state = State(&*snapshot);
        let record = state
            .principal(selector.resolve(&state)?)
            .ok_or(Refusal::NotFound { what: Thing::Principal })?;
        let on = match &key {
            None => Resource::Cluster,
            Some(selector) => {
                let found = moment.key(call, &state, selector);
                Resource::of_key(&found.ok_or_else(|| On::Key(selector).missing(call))?)
            }
        };
        let (allowed, because) = if record.disabled {
            (false, "the principal is disabled".to_owned())
        } else {
            let facts: &dyn AccessFacts = &*moment.view;
            let held = Held::by(facts, record.id, &record.groups, moment.now.unscaled_ms);
            verdict(action, held.on(on).find(|role| role.permits(action)))
        };
        Ok(v1::CheckRoleAnswer { allowed, because })
    }

    async fn binding_answer(
        &self,
        call: &Call,
        done: Done,
        grant: Option<Grant>,
        until_ms: Option<u64>,
    ) -> Result<v1::BindingAnswer, ApiError> {
        let (Effect::Binding(id), Some(grant)) = (done.effect, grant) else {
            return Err(unexpected_effect());
        };
        let snapshot = self.state_at(done.index, &call.deadline).await?;
        let binding = BindingRecord { id, grant, until_ms };
        Ok(v1::BindingAnswer {
            binding: Some(render::access::binding(&State(&*snapshot), &self.view.load(), &binding)),
            log_index: done.index,
            replayed: done.replayed,
        })
    }
}

fn of_principal(name: &str) -> Result<SubjectSelector, ApiError> {
    let selector: PrincipalSelector = validate::principal(name)?;
    Ok(SubjectSelector::Principal(selector))
}

fn verdict(action: Action, by: Option<conclave_core::roles::Role>) -> (bool, String) {
    match by {
        Some(role) => (true, format!("the role {role} permits {action}")),
        None if action == Action::Random => (true, "any authenticated principal may".to_owned()),
        None => (false, format!("no role of the principal permits {action}")),
    }
}
