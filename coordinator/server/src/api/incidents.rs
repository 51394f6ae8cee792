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
    let mut item = match &row.kind {
        IncidentKind::Suspended(incident) => json!({
            "kind": "suspended",
            "about": incident.about,
            "state": Some(&incident.state).filter(|state| !state.is_empty()),
            "error": incident.error,
            "cause": incident.cause,
            "entry": incident.entry,
            "acts": incident.about.acts(),
        }),
        IncidentKind::SetAside(aside) => json!({
            "kind": "set_aside",
            "about": null,
            "state": null,
            "error": "Sagamore.SetAside",
            "cause": aside.problem,
            "entry": null,
            "acts": ["retry"],
        }),
    };
    item["execution"] = json!(row.execution);
    item["execution_arn"] = json!(row.execution_arn);
    item["incident"] = json!(row.incident);
    item["opened_at"] = json!(row.opened_at);
    item
}

/// How many incidents a list shows.
const INCIDENTS_MAX: u32 = 1_000;
