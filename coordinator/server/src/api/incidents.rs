//! Incidents: what waits for an operator, and having it tried again.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use sagamore_interpreter::{ExecutionId, Ignored, Input, Sequence};
use serde_json::{Value, json};
use uuid::Uuid;

use super::rest;
use super::router::{Api, read_body};
use crate::advance::{Error as AdvanceError, Request};
use crate::commands::Members;
use crate::store::{IncidentKind, IncidentRow, SetAside, Store};

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

/// `POST /sagamore/v1/incidents/{execution}/{incident}/retry`: an undo that failed for good is tried again, or the
/// input (incident 0) for which an execution was set aside.
pub(super) async fn retry<S: Store>(
    State(api): State<Api<S>>,
    Path((execution, incident)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    // A page of another site can't read an answer, but could send this request from a browser that reaches us.
    if headers
        .get("sec-fetch-site")
        .is_some_and(|site| site != "same-origin" && site != "none")
    {
        return rest::error(
            StatusCode::FORBIDDEN,
            "CrossSite",
            "This request came from the page of another site.",
        );
    }
    let (Ok(execution), Ok(incident)) = (execution.parse::<Uuid>(), incident.parse()) else {
        let message = "The address is /sagamore/v1/incidents/{execution}/{incident}/retry, with the execution's id (a \
                       UUID) and the incident's number, both as GET /sagamore/v1/incidents shows them.";
        return rest::error(StatusCode::NOT_FOUND, "UnknownIncident", message);
    };
    let (by, reason) = match read_operator(body).await {
        Ok(operator) => operator,
        Err(message) => return rest::error(StatusCode::BAD_REQUEST, "BadRequest", &message),
    };
    let execution = ExecutionId(execution);
    if incident == 0 {
        return retry_set_aside(&api, execution).await;
    }
    let incident = Sequence(incident);
    let request = Request {
        execution,
        input: Input::RetryIncident {
            incident,
            by,
            reason,
        },
        machine: None,
        command: None,
    };
    answer(
        execution,
        incident,
        api.commands.advance().submit(request).await,
    )
}

/// Tries the input of a set-aside execution again. When it still can't be taken, the execution is set aside again.
async fn retry_set_aside<S: Store>(api: &Api<S>, execution: ExecutionId) -> Response {
    let aside = match api.store().take_back(execution).await {
        Ok(Some(aside)) => aside,
        Ok(None) => return unknown_incident(),
        Err(error) => return rest::fault(error),
    };
    let machine = match &aside.input {
        Input::Start(start) => api.store().machine(&start.machine_name).await,
        Input::Reply { .. }
        | Input::Published { .. }
        | Input::ChildStarted { .. }
        | Input::ChildEnded { .. }
        | Input::Unroutable { .. }
        | Input::DeadLettered { .. }
        | Input::Due { .. }
        | Input::Stop { .. }
        | Input::RetryIncident { .. } => Ok(None),
    };
    let machine = match machine {
        Ok(machine) => machine,
        Err(error) => return put_back(api, &aside, rest::fault(error)).await,
    };
    let request = Request {
        execution,
        input: aside.input.clone(),
        machine,
        command: None,
    };
    let result = api.commands.advance().submit(request).await;
    let failed = result.is_err();
    let response = answer(execution, Sequence(0), result);
    if failed {
        put_back(api, &aside, response).await
    } else {
        response
    }
}

/// Sets an execution aside again, whose input could not be tried.
async fn put_back<S: Store>(api: &Api<S>, aside: &SetAside, response: Response) -> Response {
    match api.store().set_aside(aside).await {
        Ok(()) => response,
        Err(error) => {
            tracing::error!(execution = %aside.execution, "an input that was set aside could not be set aside again");
            rest::fault(error)
        }
    }
}

fn answer(
    execution: ExecutionId,
    incident: Sequence,
    result: Result<crate::advance::Answer, AdvanceError>,
) -> Response {
    let taken = match result {
        Ok(answer) => answer.taken,
        Err(AdvanceError::UnknownExecution) => return unknown_incident(),
        Err(error @ (AdvanceError::SetAside(_) | AdvanceError::Stopping)) => {
            return rest::fault(error);
        }
    };
    match taken {
        Ok(()) => {
            let body =
                json!({ "execution": execution, "incident": incident, "status": "retrying" });
            rest::json(StatusCode::OK, body)
        }
        Err(Ignored::UnknownIncident | Ignored::UnknownTask) => unknown_incident(),
        // What was set aside is no longer wanted: another answer came first, or the execution has ended.
        Err(
            Ignored::TaskClosed
            | Ignored::NotDue
            | Ignored::ExecutionClosed
            | Ignored::AlreadyCompensating
            | Ignored::AlreadyStarted { .. },
        ) => {
            let body =
                json!({ "execution": execution, "incident": incident, "status": "obsolete" });
            rest::json(StatusCode::OK, body)
        }
    }
}

fn unknown_incident() -> Response {
    let message = "There is no such incident, or it is settled.";
    rest::error(StatusCode::NOT_FOUND, "UnknownIncident", message)
}

/// Who has it tried again, and why; both optional, and so is the whole body.
async fn read_operator(body: Body) -> Result<(Option<String>, Option<String>), String> {
    let body = read_body(body).await.map_err(|fault| fault.to_string())?;
    if body.trim_ascii().is_empty() {
        return Ok((None, None));
    }
    let request: Value =
        serde_json::from_slice(&body).map_err(|error| format!("the body is not JSON: {error}"))?;
    let members = Members::of(&request).map_err(|error| error.message)?;
    let text = |member, max| {
        members
            .free_text(member, max)
            .map(|text| text.map(str::to_owned))
            .map_err(|error| error.message)
    };
    Ok((
        text("by", BY_CHARACTERS_MAX)?,
        text("reason", REASON_CHARACTERS_MAX)?,
    ))
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
/// The longest name of an operator, in characters.
const BY_CHARACTERS_MAX: usize = 200;
/// The longest reason, in characters.
const REASON_CHARACTERS_MAX: usize = 4_000;
