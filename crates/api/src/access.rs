//! The service `conclave.v1.Access`.

mod bindings;
mod principals;
mod tokens;

use crate::context::Context;
use crate::handlers::handlers;
use conclave_proto::v1::access_server::Access;
use std::sync::Arc;

/// See `proto/conclave/v1/access.proto`.
pub(crate) struct AccessService(pub(crate) Arc<Context>);

handlers! {
    Access for AccessService, get_ref;
    create_principal(CreatePrincipalRequest) -> PrincipalAnswer;
    get_principal(GetPrincipalRequest) -> PrincipalAnswer;
    list_principals(ListPrincipalsRequest) -> ListPrincipalsAnswer;
    disable_principal(PrincipalRequest) -> PrincipalAnswer;
    add_to_group(GroupRequest) -> PrincipalAnswer;
    remove_from_group(GroupRequest) -> PrincipalAnswer;
    create_token(CreateTokenRequest) -> CreateTokenAnswer;
    list_tokens(ListTokensRequest) -> ListTokensAnswer;
    revoke_token(RevokeTokenRequest) -> TokenAnswer;
    bind_role(BindRoleRequest) -> BindingAnswer;
    unbind_role(UnbindRoleRequest) -> BindingAnswer;
    list_bindings(ListBindingsRequest) -> ListBindingsAnswer;
    check_role(CheckRoleRequest) -> CheckRoleAnswer;
}

#[cfg(test)]
mod tests;
