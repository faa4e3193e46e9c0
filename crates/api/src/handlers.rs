//! The handlers of a service: each reads the call, runs it and answers.

/// Implements a service of `conclave.v1` by methods of [`crate::context::Context`] of the same names,
/// which take the call and the message, by reference (`get_ref`) or by value (`into_inner`).
macro_rules! handlers {
    (
        $service:ident for $holder:ident, $take:ident;
        $($method:ident($request:ident) -> $answer:ident;)*
    ) => {
        #[tonic::async_trait]
        impl $service for $holder {
            $(
                async fn $method(
                    &self,
                    request: tonic::Request<conclave_proto::v1::$request>,
                ) -> Result<tonic::Response<conclave_proto::v1::$answer>, tonic::Status> {
                    let call = crate::call::Call::of(&self.0, &request)?;
                    Ok(tonic::Response::new(self.0.$method(&call, request.$take()).await?))
                }
            )*
        }
    };
}

pub(crate) use handlers;
