//! The service `conclave.v1.Keys`.

mod read;
mod write;

use crate::call::Call;
use crate::context::Context;
use conclave_core::lifecycle::KeyAction;
use conclave_proto::v1;
use conclave_proto::v1::keys_server::Keys;
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// See `proto/conclave/v1/keys.proto`.
pub(crate) struct KeysService(pub(crate) Arc<Context>);

#[tonic::async_trait]
impl Keys for KeysService {
    async fn create_key(
        &self,
        request: Request<v1::CreateKeyRequest>,
    ) -> Result<Response<v1::KeyAnswer>, Status> {
        let call = Call::of(&self.0, &request)?;
        Ok(Response::new(self.0.create_key(&call, request.into_inner()).await?))
    }

    async fn get_key(
        &self,
        request: Request<v1::GetKeyRequest>,
    ) -> Result<Response<v1::KeyAnswer>, Status> {
        let call = Call::of(&self.0, &request)?;
        Ok(Response::new(self.0.show_key(&call, request.get_ref()).await?))
    }

    async fn list_keys(
        &self,
        request: Request<v1::ListKeysRequest>,
    ) -> Result<Response<v1::ListKeysAnswer>, Status> {
        let call = Call::of(&self.0, &request)?;
        Ok(Response::new(self.0.list_keys(&call, request.get_ref()).await?))
    }

    async fn rotate_key(
        &self,
        request: Request<v1::KeyRequest>,
    ) -> Result<Response<v1::KeyAnswer>, Status> {
        let call = Call::of(&self.0, &request)?;
        Ok(Response::new(self.0.rotate_key(&call, request.get_ref()).await?))
    }

    async fn enable_key(
        &self,
        request: Request<v1::KeyRequest>,
    ) -> Result<Response<v1::KeyAnswer>, Status> {
        let call = Call::of(&self.0, &request)?;
        Ok(Response::new(self.0.switch_key(&call, request.get_ref(), KeyAction::Enable).await?))
    }

    async fn disable_key(
        &self,
        request: Request<v1::KeyRequest>,
    ) -> Result<Response<v1::KeyAnswer>, Status> {
        let call = Call::of(&self.0, &request)?;
        Ok(Response::new(self.0.switch_key(&call, request.get_ref(), KeyAction::Disable).await?))
    }

    async fn update_key(
        &self,
        request: Request<v1::UpdateKeyRequest>,
    ) -> Result<Response<v1::KeyAnswer>, Status> {
        let call = Call::of(&self.0, &request)?;
        Ok(Response::new(self.0.update_key(&call, request.into_inner()).await?))
    }
}

#[cfg(test)]
mod tests;
