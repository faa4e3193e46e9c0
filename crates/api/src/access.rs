//! The service `conclave.v1.Access`.

mod bindings;
mod principals;
mod tokens;

use crate::call::Call;
use crate::context::Context;
use conclave_proto::v1;
use conclave_proto::v1::access_server::Access;
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// See `proto/conclave/v1/access.proto`.
pub(crate) struct AccessService(pub(crate) Arc<Context>);

/// One handler: read the call, run it, answer.
macro_rules! handlers {
    ($($method:ident($request:ident) -> $answer:ident;)*) => {
        #[tonic::async_trait]
        impl Access for AccessService {
            $(
                async fn $method(
                    &self,
                    request: Request<v1::$request>,
                ) -> Result<Response<v1::$answer>, Status> {
                    let call = Call::of(&self.0, &request)?;
                    Ok(Response::new(self.0.$method(&call, request.get_ref()).await?))
                }
            )*
        }
    };
}

handlers! {
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
