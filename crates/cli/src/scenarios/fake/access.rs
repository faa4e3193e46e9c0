//! Principals, tokens and roles.

use conclave_client::v1;
use tonic::{Request, Response};
use v1::access_server::Access;

use super::{Answer, Fake, not_faked};

#[tonic::async_trait]
impl Access for Fake {
    async fn create_principal(
        &self,
        r: Request<v1::CreatePrincipalRequest>,
    ) -> Answer<v1::PrincipalAnswer> {
        self.count();
        let principal = v1::Principal { name: r.into_inner().name, ..Default::default() };
        let principal = Some(principal);
        Ok(Response::new(v1::PrincipalAnswer { principal, log_index: 4, replayed: true }))
    }
    async fn get_principal(
        &self,
        _: Request<v1::GetPrincipalRequest>,
    ) -> Answer<v1::PrincipalAnswer> {
        not_faked()
    }
    /// One principal a page.
    async fn list_principals(
        &self,
        r: Request<v1::ListPrincipalsRequest>,
    ) -> Answer<v1::ListPrincipalsAnswer> {
        let at: u32 = r.into_inner().cursor.parse().unwrap_or(0);
        let more = at + 1 < self.called().principals;
        let principal = v1::Principal { name: format!("p{at}"), ..Default::default() };
        let next_cursor = if more { (at + 1).to_string() } else { String::new() };
        Ok(Response::new(v1::ListPrincipalsAnswer { principals: vec![principal], next_cursor }))
    }
    async fn disable_principal(
        &self,
        _: Request<v1::PrincipalRequest>,
    ) -> Answer<v1::PrincipalAnswer> {
        not_faked()
    }
    async fn add_to_group(&self, _: Request<v1::GroupRequest>) -> Answer<v1::PrincipalAnswer> {
        not_faked()
    }
    async fn remove_from_group(&self, _: Request<v1::GroupRequest>) -> Answer<v1::PrincipalAnswer> {
        not_faked()
    }
    /// A token, but for the principal `again`: then this is a repeat.
    async fn create_token(
        &self,
        r: Request<v1::CreateTokenRequest>,
    ) -> Answer<v1::CreateTokenAnswer> {
        self.count();
        let r = r.into_inner();
        let replayed = r.principal == "again";
        let secret = if replayed { "" } else { "cnclv_secret" }.to_owned();
        let bound_certificate = data_encoding::HEXLOWER.encode(&r.bind_certificate_sha256);
        let token = v1::Token {
            id: format!("ttl-{}", r.ttl_s),
            principal: r.principal,
            bound_certificate,
            ..Default::default()
        };
        let token = Some(token);
        Ok(Response::new(v1::CreateTokenAnswer { token, secret, log_index: 5, replayed }))
    }
    async fn list_tokens(&self, _: Request<v1::ListTokensRequest>) -> Answer<v1::ListTokensAnswer> {
        not_faked()
    }
    async fn revoke_token(&self, _: Request<v1::RevokeTokenRequest>) -> Answer<v1::TokenAnswer> {
        not_faked()
    }
    async fn bind_role(&self, r: Request<v1::BindRoleRequest>) -> Answer<v1::BindingAnswer> {
        use v1::bind_role_request::Subject;
        self.count();
        let r = r.into_inner();
        let subject = match r.subject {
            Some(Subject::Principal(name)) => format!("principal:{name}"),
            Some(Subject::Group(name)) => format!("group:{name}"),
            None => return not_faked(),
        };
        let (id, until) = ("b".to_owned(), r.until);
        let binding = Some(v1::Binding { id, role: r.role, subject, scope: r.scope, until });
        Ok(Response::new(v1::BindingAnswer { binding, log_index: 6, replayed: false }))
    }
    async fn unbind_role(&self, _: Request<v1::UnbindRoleRequest>) -> Answer<v1::BindingAnswer> {
        not_faked()
    }
    async fn list_bindings(
        &self,
        _: Request<v1::ListBindingsRequest>,
    ) -> Answer<v1::ListBindingsAnswer> {
        not_faked()
    }
    async fn check_role(&self, _: Request<v1::CheckRoleRequest>) -> Answer<v1::CheckRoleAnswer> {
        let because = "no role".to_owned();
        Ok(Response::new(v1::CheckRoleAnswer { allowed: false, because }))
    }
}
