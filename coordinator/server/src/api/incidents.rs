//! Incidents: what waits for an operator.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::rest;
use super::router::Api;
use crate::store::{IncidentKind, IncidentRow, Store};

/// `GET /sagamore/v1/incidents`
pub(super) async fn list<S: Store>(State(api): State<Api<S>>) -> Response {
    match api.store().incidents(INCIDENTS_MAX).await {
        Ok(incidents) => {
            let incidents: Vec<Value> = incidents.iter().map(item).collect();
            rest::json(StatusCode::OK, json!({ "incidents": incidents }))
        }
        Err(error) => rest::fault(error),
    }
}

fn item(row: &IncidentRow) -> Value {
    let (kind, state, error, cause, entry) = match &row.kind {
        IncidentKind::Suspended(incident) => (
            "suspended",
            Some(incident.state.as_str()),
            incident.error.as_str(),
            incident.cause.as_deref(),
            incident.entry.clone(),
        ),
        IncidentKind::SetAside(aside) => (
            "set_aside",
            None,
            "Sagamore.SetAside",
            Some(aside.problem.as_str()),
            Value::Null,
        ),
    };
    json!({
        "execution": row.execution,
        "execution_arn": row.execution_arn,
        "incident": row.incident,
        "kind": kind,
        "state": state,
        "error": error,
        "cause": cause,
        "entry": entry,
        "opened_at": row.opened_at,
    })
}

/// How many incidents a list shows.
const INCIDENTS_MAX: u32 = 1_000;
