//! The service `conclave.v1.Keys`.

mod change;
mod read;
mod write;

use crate::context::Context;
use crate::handlers::handlers;
use conclave_proto::v1::keys_server::Keys;
use std::sync::Arc;

/// See `proto/conclave/v1/keys.proto`.
pub(crate) struct KeysService(pub(crate) Arc<Context>);

handlers! {
    Keys for KeysService, into_inner;
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
