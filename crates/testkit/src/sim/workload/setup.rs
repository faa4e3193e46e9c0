//! The steps before a run.

use conclave_proto::v1;
use conclave_proto::v1::bind_role_request::Subject;

use super::uuid;
use crate::Dice;
use crate::sim::caller::Caller;
use crate::sim::cluster::Reply;
use crate::sim::short::Windows;

/// The steps before a run, none of which can fail.
pub(super) struct Setup<'a> {
    pub(super) admin: &'a Caller,
    pub(super) dice: &'a mut Dice,
}

impl Setup<'_> {
    /// A principal with this role, with a token.
    pub(super) async fn principal(&mut self, name: &str, role: &str) -> v1::CreateTokenAnswer {
        let request_id = self.request_id();
        let principal = v1::CreatePrincipalRequest {
            request_id,
            name: name.to_owned(),
            cert_san: String::new(),
        };
        expect(self.admin.create_principal(1, principal).await);
        let binding = bind(self.request_id(), role, name);
        expect(self.admin.bind_role(1, binding).await);
        let token = v1::CreateTokenRequest {
            request_id: self.request_id(),
            principal: name.to_owned(),
            ..v1::CreateTokenRequest::default()
        };
        expect(self.admin.create_token(1, token).await)
    }

    /// An instance of short-lived keys.
    pub(super) async fn instance(&mut self, windows: &Windows) {
        let instance = v1::CreateInstanceRequest {
            request_id: self.request_id(),
            name: windows.instance.to_owned(),
            policy: Some(windows.policy()),
        };
        expect(self.admin.create_instance(1, instance).await);
    }

    pub(super) fn request_id(&mut self) -> String {
        uuid(self.dice).to_string()
    }
}

pub(super) fn bind(request_id: String, role: &str, name: &str) -> v1::BindRoleRequest {
    v1::BindRoleRequest {
        request_id,
        role: role.to_owned(),
        subject: Some(Subject::Principal(name.to_owned())),
        ..v1::BindRoleRequest::default()
    }
}

pub(super) fn expect<T: std::fmt::Debug>(reply: Reply<T>) -> T {
    match reply {
        Reply::Answer(answer) => answer,
        other => panic!("nothing hinders the preparations: {other:?}"),
    }
}
