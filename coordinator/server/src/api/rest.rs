//! What the addresses of our own have in common: JSON out, and errors as `{"error", "message"}`.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::commands::ApiError;

/// A JSON response that nobody keeps.
pub(super) fn json(status: StatusCode, body: Value) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

/// An error, told as JSON.
pub(super) fn error(status: StatusCode, name: &str, message: &str) -> Response {
    json(status, json!({ "error": name, "message": message }))
}

/// A fault that is not the caller's.
pub(super) fn fault(fault: impl Into<ApiError>) -> Response {
    let fault = fault.into();
    error(fault_status(&fault), fault.name, &fault.message)
}

/// Whether the caller may try again.
pub(super) fn fault_status(fault: &ApiError) -> StatusCode {
    if fault.is_passing() {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::INTERNAL_SERVER_ERROR
    }
}
