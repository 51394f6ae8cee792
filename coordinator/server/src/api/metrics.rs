//! What a monitoring system reads, in the text format of Prometheus.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use metrics::{describe_gauge, gauge, with_local_recorder};
use metrics_exporter_prometheus::PrometheusBuilder;

use super::rest;
use super::router::Api;
use crate::store::Store;

/// `GET /metrics`: `sagamore_incidents_open`, and `sagamore_incident_oldest_seconds`, 0 while none is open. Read from the store, so
/// that every coordinator says the same.
pub(super) async fn metrics<S: Store>(State(api): State<Api<S>>) -> Response {
    let (open, oldest) = match api.store().open_incidents().await {
        Ok(counted) => counted,
        Err(error) => return rest::fault(error),
    };
    let age = oldest.map(|opened_at| Timestamp::now().duration_since(opened_at).as_secs_f64());
    let recorder = PrometheusBuilder::new().build_recorder();
    with_local_recorder(&recorder, || {
        describe_gauge!(OPEN, "Incidents that wait for an operator");
        describe_gauge!(OLDEST, "For how long the oldest of them has waited");
        gauge!(OPEN).set(u32::try_from(open).unwrap_or(u32::MAX));
        gauge!(OLDEST).set(age.unwrap_or(0.0).max(0.0));
    });
    let text = recorder.handle().render();
    ([(header::CONTENT_TYPE, TEXT)], text).into_response()
}

const OPEN: &str = "sagamore_incidents_open";
const OLDEST: &str = "sagamore_incident_oldest_seconds";
/// Source: Prometheus, "Exposition formats".
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
