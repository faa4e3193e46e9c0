//! Probes, in plain HTTP on loopback: `/healthz` while the process lives, `/readyz` whether it can
//! serve.

use std::io;

use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use conclave_api::{NotReady, Services};
use http::StatusCode;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::limits::READINESS;

/// Serves probes; runs until it is dropped or the listener fails.
pub async fn serve(listener: TcpListener, services: Services) -> io::Result<()> {
    let router = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .with_state(services);
    axum::serve(listener, router).await
}

async fn ready(State(services): State<Services>) -> impl IntoResponse {
    // Whoever cannot say it in time is waiting for the others.
    let readiness = timeout(READINESS, services.readiness()).await;
    answer(readiness.unwrap_or(Err(NotReady::NoQuorum)))
}

fn answer(readiness: Result<(), NotReady>) -> (StatusCode, Json<serde_json::Value>) {
    match readiness {
        Ok(()) => (StatusCode::OK, Json(json!({"ready": true}))),
        Err(why) => {
            let body = json!({"ready": false, "why": why.to_string()});
            (StatusCode::SERVICE_UNAVAILABLE, Json(body))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_word() {
        let (status, Json(body)) = answer(Ok(()));
        assert_eq!((status.as_u16(), body), (200, json!({"ready": true})));
        let table = [
            (NotReady::NotInitialized, "not_initialized"),
            (NotReady::Sealed, "sealed"),
            (NotReady::NoQuorum, "no_quorum"),
            (NotReady::CatchingUp, "catching_up"),
            (NotReady::AuditBlocked, "audit_blocked"),
        ];
        for (why, word) in table {
            let (status, Json(body)) = answer(Err(why));
            assert_eq!((status.as_u16(), body), (503, json!({"ready": false, "why": word})));
        }
    }
}
