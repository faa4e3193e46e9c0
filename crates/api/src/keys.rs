//! The service `conclave.v1.Keys`.

mod change;
mod read;
mod write;

use crate::call::Call;
use crate::context::Context;
use conclave_proto::v1;
use conclave_proto::v1::keys_server::Keys;
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// See `proto/conclave/v1/keys.proto`.
pub(crate) struct KeysService(pub(crate) Arc<Context>);

/// One handler: read the call, run it, answer.
macro_rules! handlers {
    ($($method:ident($request:ident) -> $answer:ident;)*) => {
        #[tonic::async_trait]
        impl Keys for KeysService {
            $(
                async fn $method(
                    &self,
                    request: Request<v1::$request>,
                ) -> Result<Response<v1::$answer>, Status> {
                    let call = Call::of(&self.0, &request)?;
                    Ok(Response::new(self.0.$method(&call, request.into_inner()).await?))
                }
            )*
        }
    };
}

handlers! {
    create_key(CreateKeyRequest) -> KeyAnswer;
    get_key(GetKeyRequest) -> KeyAnswer;
    list_keys(ListKeysRequest) -> ListKeysAnswer;
    rotate_key(KeyRequest) -> KeyAnswer;
    enable_key(KeyRequest) -> KeyAnswer;
    disable_key(KeyRequest) -> KeyAnswer;
    update_key(UpdateKeyRequest) -> KeyAnswer;
    set_version_enabled(SetVersionEnabledRequest) -> KeyAnswer;
    delete_key(DeleteKeyRequest) -> KeyAnswer;
    cancel_deletion(KeyRequest) -> KeyAnswer;
    delete_now(KeyRequest) -> KeyAnswer;
    restore_key(KeyRequest) -> KeyAnswer;
    purge_key(KeyRequest) -> KeyAnswer;
    add_alias(AliasRequest) -> KeyAnswer;
    remove_alias(AliasRequest) -> KeyAnswer;
    set_key_policy(SetKeyPolicyRequest) -> KeyAnswer;
    register_resource(RegisterResourceRequest) -> KeyAnswer;
    unregister_resource(UnregisterResourceRequest) -> KeyAnswer;
    get_history(GetKeyRequest) -> HistoryAnswer;
    get_impact(GetKeyRequest) -> ImpactAnswer;
}

#[cfg(test)]
mod tests;
