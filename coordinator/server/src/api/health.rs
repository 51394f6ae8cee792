//! Whether the process lives, and whether it can do its work.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::rest;
use super::router::Api;
use crate::store::Store;

/// `GET /health`: the process answers, whatever else is away. A supervisor that restarts on a failure asks here.
pub(super) async fn alive() -> Response {
    rest::json(StatusCode::OK, json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }))
}

/// `GET /ready`: the store answers and the bus is connected. A load balancer asks here.
pub(super) async fn ready<S: Store>(State(api): State<Api<S>>) -> Response {
    let store = api.store().ping().await.is_ok();
    let bus = (api.is_bus_ready)();
    let (code, status) = match store && bus {
        true => (StatusCode::OK, "ready"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
    };
    rest::json(code, json!({ "status": status, "store": store, "bus": bus }))
}
