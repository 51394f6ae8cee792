//! What an operator decides on an incident: to have it tried again, to leave it, to take it for done by hand, to give up.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use sagamore_interpreter::{
    Event, ExecutionId, HistoryRecord, Ignored, Input, Payload, Sequence, Settlement,
};
use serde_json::json;
use uuid::Uuid;

use super::rest;
use super::router::{Api, read_body};
use crate::advance::{Answer, Error as AdvanceError, Request};
use crate::commands::{Members, payload_of};
use crate::store::{SetAside, Store};

/// `POST /sagamore/v1/incidents/{execution}/{incident}/{act}`, `act` being `retry`, `skip`, `resolve` or `abandon`: with
/// `{by?, reason?, arguments?, output?}`, the reason required but for `retry`. Incident 0 is the input for which an execution
/// was set aside; it can only be tried again.
pub(super) async fn act<S: Store>(
    State(api): State<Api<S>>,
    Path((execution, incident, name)): Path<(String, String, String)>,
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
        let message = "The address is /sagamore/v1/incidents/{execution}/{incident}/{act}, with the execution's id (a \
                       UUID) and the incident's number, both as GET /sagamore/v1/incidents shows them.";
        return rest::error(StatusCode::NOT_FOUND, "UnknownIncident", message);
    };
    let act = match read_act(&name, body).await {
        Ok(act) => act,
        Err(Unusable::Act) => {
            let message =
                format!("No act is called '{name}': there are retry, skip, resolve and abandon.");
            return rest::error(StatusCode::NOT_FOUND, "UnknownAct", &message);
        }
        Err(Unusable::Body(message)) => {
            return rest::error(StatusCode::BAD_REQUEST, "BadRequest", &message);
        }
    };
    let execution = ExecutionId(execution);
    if incident == 0 {
        return match act.kind {
            Kind::Retry { .. } => retry_set_aside(&api, execution).await,
            Kind::Settle(_) => refused(
                "An input that can't be taken can only be tried again (retry), by a version that takes it.",
            ),
        };
    }
    let incident = Sequence(incident);
    let told = act.told();
    let request = Request {
        execution,
        input: act.input(incident),
        machine: None,
        command: None,
    };
    let result = api.commands.advance().submit(request).await;
    answer(&api, execution, incident, told, result).await
}

/// What is decided, by whom and why.
struct Act {
    kind: Kind,
    by: Option<String>,
    reason: Option<String>,
}

enum Kind {
    Retry { arguments: Option<Payload> },
    Settle(Settlement),
}

impl Act {
    fn input(self, incident: Sequence) -> Input {
        let Act { kind, by, reason } = self;
        match kind {
            Kind::Retry { arguments } => Input::RetryIncident {
                incident,
                by,
                reason,
                arguments,
            },
            Kind::Settle(settlement) => Input::SettleIncident {
                incident,
                settlement,
                by,
                reason,
            },
        }
    }

    /// The word for what becomes of the incident.
    fn told(&self) -> &'static str {
        match &self.kind {
            Kind::Retry { .. } => "retrying",
            Kind::Settle(settlement) => past(settlement),
        }
    }
}

fn past(settlement: &Settlement) -> &'static str {
    match settlement {
        Settlement::Skip { .. } => "skipped",
        Settlement::Resolve => "resolved",
        Settlement::Abandon => "abandoned",
    }
}

/// Why no act was read.
enum Unusable {
    Act,
    Body(String),
}

async fn read_act(act: &str, body: Body) -> Result<Act, Unusable> {
    let unusable = |message: String| Unusable::Body(message);
    let body = read_body(body)
        .await
        .map_err(|fault| unusable(fault.to_string()))?;
    let request = match body.trim_ascii() {
        b"" => json!({}),
        body => serde_json::from_slice(body)
            .map_err(|error| unusable(format!("the body is not JSON: {error}")))?,
    };
    let members = Members::of(&request).map_err(|error| unusable(error.message))?;
    let given = |member| {
        let payload = members.get(member).map(payload_of).transpose();
        payload.map_err(|problem| unusable(format!("'{member}' can't be used: {problem}")))
    };
    let (arguments, output) = (given("arguments")?, given("output")?);
    let is_retry = act == "retry";
    if arguments.is_some() && !is_retry {
        let message = "'arguments' are what retry sends; leave them out".to_owned();
        return Err(unusable(message));
    }
    if output.is_some() && act != "skip" {
        let message = "'output' is what a skipped state yields; leave it out".to_owned();
        return Err(unusable(message));
    }
    let kind = match act {
        "retry" => Kind::Retry { arguments },
        "skip" => Kind::Settle(Settlement::Skip { output }),
        "resolve" => Kind::Settle(Settlement::Resolve),
        "abandon" => Kind::Settle(Settlement::Abandon),
        _ => return Err(Unusable::Act),
    };
    let text = |member, max| {
        let text = members.free_text(member, max);
        let text = text.map(|text| text.map(str::to_owned));
        text.map_err(|error| unusable(error.message))
    };
    let (by, reason) = (
        text("by", BY_CHARACTERS_MAX)?,
        text("reason", REASON_CHARACTERS_MAX)?,
    );
    let is_given =
        |text: &Option<String>| text.as_deref().is_some_and(|text| !text.trim().is_empty());
    if !is_retry && !is_given(&reason) {
        let message = format!("'reason' is required to {act}: it is kept in the history");
        return Err(unusable(message));
    }
    Ok(Act { kind, by, reason })
}

/// Tries the input of a set-aside execution again. When it still can't be taken, the execution is set aside again.
async fn retry_set_aside<S: Store>(api: &Api<S>, execution: ExecutionId) -> Response {
    let aside = match api.store().take_back(execution).await {
        Ok(Some(aside)) => aside,
        Ok(None) => return no_incident("There is no such incident, or it is settled."),
        Err(error) => return rest::fault(error),
    };
    let machine = match &aside.input {
        Input::Start(start) => api.store().machine(&start.machine_name).await,
        Input::Reply { .. }
        | Input::Published { .. }
        | Input::ChildStarted { .. }
        | Input::ChildEnded { .. }
        | Input::ChildCompensated { .. }
        | Input::CompensateChild { .. }
        | Input::ReleaseChild { .. }
        | Input::Unroutable { .. }
        | Input::DeadLettered { .. }
        | Input::Due { .. }
        | Input::Stop { .. }
        | Input::RetryIncident { .. }
        | Input::SettleIncident { .. } => Ok(None),
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
    let response = answer(api, execution, Sequence(0), "retrying", result).await;
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

async fn answer<S: Store>(
    api: &Api<S>,
    execution: ExecutionId,
    incident: Sequence,
    told: &str,
    result: Result<Answer, AdvanceError>,
) -> Response {
    let taken = match result {
        Ok(answer) => answer.taken,
        Err(AdvanceError::UnknownExecution) => {
            return no_incident(&format!("There is no execution {execution}."));
        }
        Err(error @ (AdvanceError::SetAside(_) | AdvanceError::Stopping)) => {
            return rest::fault(error);
        }
    };
    let settled = |told: &str| {
        let body = json!({ "execution": execution, "incident": incident, "status": told });
        rest::json(StatusCode::OK, body)
    };
    match taken {
        Ok(()) => settled(told),
        Err(Ignored::ActNotOffered) => refused(NOT_OFFERED),
        Err(Ignored::UnknownIncident | Ignored::UnknownTask) => {
            match api.store().history(execution).await {
                Ok(history) => no_incident(&what_became(incident, &history)),
                Err(error) => rest::fault(error),
            }
        }
        // What was set aside is no longer wanted: another answer came first, or the execution has ended.
        Err(
            Ignored::TaskClosed
            | Ignored::NotDue
            | Ignored::ExecutionClosed
            | Ignored::AlreadyCompensating
            | Ignored::NotItsChild
            | Ignored::AlreadyStarted { .. },
        ) => settled("obsolete"),
    }
}

/// Why an incident can't be decided on: it was, by whom and when, or there never was one.
fn what_became(incident: Sequence, history: &[HistoryRecord]) -> String {
    let opened = history
        .iter()
        .find(|record| record.sequence == incident)
        .filter(|record| {
            matches!(
                record.event,
                Event::UndoSuspended { .. }
                    | Event::PivotSuspended { .. }
                    | Event::StateSuspended { .. }
                    | Event::PhaseTimedOut
            )
        });
    if opened.is_none() {
        return format!("This execution never had an incident {incident}.");
    }
    let settled = history.iter().find_map(|record| match &record.event {
        Event::IncidentRetried {
            incident: of, by, ..
        } if *of == incident => Some((record.at, by, "tried again")),
        Event::IncidentSettled {
            incident: of,
            by,
            settlement,
            ..
        } if *of == incident => Some((record.at, by, past(settlement))),
        _ => None,
    });
    match settled {
        Some((at, by, how)) => {
            let by = by.as_deref().map(|by| format!(" by {by}"));
            format!(
                "Incident {incident} is settled: it was {how} at {at:.0}{}.",
                by.unwrap_or_default()
            )
        }
        None => format!("Incident {incident} is settled: what it was part of was given up."),
    }
}

fn no_incident(message: &str) -> Response {
    rest::error(StatusCode::NOT_FOUND, "UnknownIncident", message)
}

fn refused(message: &str) -> Response {
    rest::error(StatusCode::CONFLICT, "ActNotOffered", message)
}

/// What each kind of incident offers.
const NOT_OFFERED: &str = "This can't be decided of this incident. GET /sagamore/v1/incidents lists under 'acts' what can. 'arguments' are \
                           sent by the undo of a step only; 'output' is yielded by a state that failed at the pivot or past it.";
/// The longest name of an operator, in characters.
const BY_CHARACTERS_MAX: usize = 200;
/// The longest reason, in characters.
const REASON_CHARACTERS_MAX: usize = 4_000;
