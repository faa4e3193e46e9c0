//! Which requests carry a request id, and how they get one.

use conclave_proto::v1;
use uuid::Uuid;

use crate::call::Kind;
use crate::error::Error;
use crate::reason::Reason;

/// A mutation: a repeat with the same request id and body gets the first answer.
pub(crate) trait Mutation {
    fn request_id_mut(&mut self) -> &mut String;
}

/// The request with a request id: the caller's own, or a fresh one.
pub(crate) fn mutation<M: Mutation>(mut request: M) -> Result<(Kind, M), Error> {
    let text = request.request_id_mut();
    let id = if text.is_empty() {
        // Begins with the time, so that what a node remembers of one client lies together.
        Uuid::now_v7()
    } else {
        Uuid::parse_str(text).map_err(|_| {
            Error::new(
                Reason::InvalidArgument,
                format!("the request id `{text}` is not a UUID"),
                "give a UUID, or none to have one made",
            )
        })?
    };
    *text = id.to_string();
    Ok((Kind::Mutation(id), request))
}

macro_rules! mutations {
    ($($message:ident)*) => {
        $(impl Mutation for v1::$message {
            fn request_id_mut(&mut self) -> &mut String {
                &mut self.request_id
            }
        })*
    };
}

mutations! {
    CreateKeyRequest KeyRequest UpdateKeyRequest SealRequest
    SetVersionEnabledRequest DeleteKeyRequest AliasRequest SetKeyPolicyRequest
    RegisterResourceRequest UnregisterResourceRequest
    CreateInstanceRequest InstanceRequest SetInstancePolicyRequest
    KeyRingRequest DeleteKeyRingRequest SetDeletionFloorRequest
    CreatePrincipalRequest PrincipalRequest GroupRequest CreateTokenRequest RevokeTokenRequest
    BindRoleRequest UnbindRoleRequest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_made_kept_or_refused() {
        let (kind, made) = mutation(v1::SealRequest::default()).unwrap();
        assert_eq!(kind, Kind::Mutation(Uuid::parse_str(&made.request_id).unwrap()));
        let id = Uuid::new_v4();
        let (kind, kept) = mutation(v1::SealRequest { request_id: id.to_string() }).unwrap();
        assert_eq!((kind, kept.request_id), (Kind::Mutation(id), id.to_string()));
        let wrong = v1::SealRequest { request_id: "7".to_owned() };
        assert_eq!(mutation(wrong).unwrap_err().reason, Reason::InvalidArgument);
    }
}
