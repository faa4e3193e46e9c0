//! Who may do what: principals, tokens, role bindings.

use conclave_proto::v1;
use conclave_proto::v1::access_client::AccessClient;

use crate::call::Kind;
use crate::client::Client;
use crate::error::Error;
use crate::request_id::mutation;

/// Calls of `conclave.v1.Access`. A principal is given by name or id everywhere.
impl Client {
    /// Creates a principal.
    ///
    /// # Errors
    /// `ALREADY_EXISTS`, `INVALID_ARGUMENT`; what every call may meet.
    pub async fn create_principal(
        &self,
        request: v1::CreatePrincipalRequest,
    ) -> Result<v1::PrincipalAnswer, Error> {
        let (kind, request) = mutation(request)?;
        self.run(kind, request, |wire, request| async move {
            AccessClient::with_origin(wire.connection, wire.origin).create_principal(request).await
        })
        .await
    }

    /// Shows a principal.
    ///
    /// # Errors
    /// `NOT_FOUND`; what every call may meet.
    pub async fn get_principal(&self, principal: &str) -> Result<v1::PrincipalAnswer, Error> {
        let request = v1::GetPrincipalRequest { principal: principal.to_owned() };
        self.run(Kind::Read, request, |wire, request| async move {
            AccessClient::with_origin(wire.connection, wire.origin).get_principal(request).await
        })
        .await
    }

    /// Lists one page of principals.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a wrong limit or cursor; what every call may meet.
    pub async fn list_principals(
        &self,
        request: v1::ListPrincipalsRequest,
    ) -> Result<v1::ListPrincipalsAnswer, Error> {
        self.run(Kind::Read, request, |wire, request| async move {
            AccessClient::with_origin(wire.connection, wire.origin).list_principals(request).await
        })
        .await
    }

    /// Stops all credentials of a principal.
    ///
    /// # Errors
    /// `NOT_FOUND`; what every call may meet.
    pub async fn disable_principal(
        &self,
        request: v1::PrincipalRequest,
    ) -> Result<v1::PrincipalAnswer, Error> {
        let (kind, request) = mutation(request)?;
        self.run(kind, request, |wire, request| async move {
            AccessClient::with_origin(wire.connection, wire.origin).disable_principal(request).await
        })
        .await
    }

    /// Puts a principal into a group.
    ///
    /// # Errors
    /// `NOT_FOUND`, `INVALID_ARGUMENT`; what every call may meet.
    pub async fn add_to_group(
        &self,
        request: v1::GroupRequest,
    ) -> Result<v1::PrincipalAnswer, Error> {
        let (kind, request) = mutation(request)?;
        self.run(kind, request, |wire, request| async move {
            AccessClient::with_origin(wire.connection, wire.origin).add_to_group(request).await
        })
        .await
    }

    /// Takes a principal out of a group.
    ///
    /// # Errors
    /// `NOT_FOUND`; what every call may meet.
    pub async fn remove_from_group(
        &self,
        request: v1::GroupRequest,
    ) -> Result<v1::PrincipalAnswer, Error> {
        let (kind, request) = mutation(request)?;
        self.run(kind, request, |wire, request| async move {
            AccessClient::with_origin(wire.connection, wire.origin).remove_from_group(request).await
        })
        .await
    }

    /// Makes a token. The answer holds the token once; a repeat of the request does not.
    ///
    /// # Errors
    /// `NOT_FOUND`, `INVALID_ARGUMENT`; what every call may meet.
    pub async fn create_token(
        &self,
        request: v1::CreateTokenRequest,
    ) -> Result<v1::CreateTokenAnswer, Error> {
        let (kind, request) = mutation(request)?;
        self.run(kind, request, |wire, request| async move {
            AccessClient::with_origin(wire.connection, wire.origin).create_token(request).await
        })
        .await
    }

    /// Lists tokens, of one principal or of all.
    ///
    /// # Errors
    /// `NOT_FOUND`; what every call may meet.
    pub async fn list_tokens(&self, principal: Option<&str>) -> Result<Vec<v1::Token>, Error> {
        let principal = principal.unwrap_or_default().to_owned();
        let request = v1::ListTokensRequest { principal };
        let answer = self
            .run(Kind::Read, request, |wire, request| async move {
                AccessClient::with_origin(wire.connection, wire.origin).list_tokens(request).await
            })
            .await?;
        Ok(answer.tokens)
    }

    /// Ends a token at once.
    ///
    /// # Errors
    /// `NOT_FOUND`; what every call may meet.
    pub async fn revoke_token(
        &self,
        request: v1::RevokeTokenRequest,
    ) -> Result<v1::TokenAnswer, Error> {
        let (kind, request) = mutation(request)?;
        self.run(kind, request, |wire, request| async move {
            AccessClient::with_origin(wire.connection, wire.origin).revoke_token(request).await
        })
        .await
    }

    /// Binds a role to a principal or a group.
    ///
    /// # Errors
    /// `NOT_FOUND`, `INVALID_ARGUMENT`, `PERMISSION_DENIED`; what every call may meet.
    pub async fn bind_role(
        &self,
        request: v1::BindRoleRequest,
    ) -> Result<v1::BindingAnswer, Error> {
        let (kind, request) = mutation(request)?;
        self.run(kind, request, |wire, request| async move {
            AccessClient::with_origin(wire.connection, wire.origin).bind_role(request).await
        })
        .await
    }

    /// Ends a role binding.
    ///
    /// # Errors
    /// `NOT_FOUND`, `PERMISSION_DENIED`; what every call may meet.
    pub async fn unbind_role(
        &self,
        request: v1::UnbindRoleRequest,
    ) -> Result<v1::BindingAnswer, Error> {
        let (kind, request) = mutation(request)?;
        self.run(kind, request, |wire, request| async move {
            AccessClient::with_origin(wire.connection, wire.origin).unbind_role(request).await
        })
        .await
    }

    /// Lists all role bindings.
    ///
    /// # Errors
    /// What every call may meet.
    pub async fn list_bindings(&self) -> Result<Vec<v1::Binding>, Error> {
        let request = v1::ListBindingsRequest {};
        let answer = self
            .run(Kind::Read, request, |wire, request| async move {
                AccessClient::with_origin(wire.connection, wire.origin).list_bindings(request).await
            })
            .await?;
        Ok(answer.bindings)
    }

    /// Whether a principal may perform an action (for example `Encrypt`), and why or why not.
    ///
    /// # Errors
    /// `NOT_FOUND`, `INVALID_ARGUMENT` for an unknown action; what every call may meet.
    pub async fn check_role(
        &self,
        request: v1::CheckRoleRequest,
    ) -> Result<v1::CheckRoleAnswer, Error> {
        self.run(Kind::Read, request, |wire, request| async move {
            AccessClient::with_origin(wire.connection, wire.origin).check_role(request).await
        })
        .await
    }
}
