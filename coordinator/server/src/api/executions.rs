//! Operations that show executions.

use sagamore_interpreter::{Head, Status};
use serde_json::{Value, json};

use super::machines;
use super::pages::{key_token, page_size, read_key};
use super::router::Api;
use crate::commands::arn::ARN_CHARACTERS_MAX;
use crate::commands::{ApiError, Members, epoch_seconds, execution_id, map_run_arn};
use crate::store::{ExecutionFilter, ExecutionRow, ExecutionsOf, PageKey, Store};

/// DescribeExecution, with one member of our own: `compensation: {status, pending, incidents}`.
pub(super) async fn describe<S: Store>(
    api: &Api<S>,
    members: Members<'_>,
) -> Result<Value, ApiError> {
    let row = find(api, members).await?;
    Ok(description(&row.head))
}

/// ListExecutions: those of one machine or Map Run, newest first.
pub(super) async fn list<S: Store>(api: &Api<S>, members: Members<'_>) -> Result<Value, ApiError> {
    let size = page_size(members)?;
    let after = read_key(members, TOKEN_CHARACTERS_MAX, LIST)?;
    let status = members.word("statusFilter", &STATUSES.map(|(word, _)| word))?;
    let of = match members.text("mapRunArn", ARN_CHARACTERS_MAX)? {
        Some(arn) => ExecutionsOf::MapRun(map_run_arn(arn)?.to_owned()),
        None => match machines::find(api, members).await? {
            machine if machine.is_express() => return Err(ApiError::wrong_machine_kind()),
            machine => ExecutionsOf::Machine(machine.arn),
        },
    };
    let status = match status.and_then(|word| STATUSES.iter().find(|(known, _)| *known == word)) {
        // Nothing is ever redriven.
        Some((_, None)) => return Ok(json!({ "executions": [] })),
        Some((_, Some(status))) => Some(*status),
        None => None,
    };
    let filter = ExecutionFilter {
        of,
        status,
        after,
        limit: size + 1,
    };
    let mut rows = api.store().executions(&filter).await?;
    let has_more = rows.len() > size as usize;
    rows.truncate(size as usize);
    let listed: Vec<Value> = rows.iter().map(|row| item(&row.head)).collect();
    let mut response = json!({ "executions": listed });
    if let Some(last) = rows.last().filter(|_| has_more) {
        let key = PageKey {
            at: last.head.started_at,
            name: last.head.id.to_string(),
        };
        response["nextToken"] = key_token(LIST, &key);
    }
    Ok(response)
}

/// The execution that `executionArn` names.
pub(super) async fn find<S: Store>(
    api: &Api<S>,
    members: Members<'_>,
) -> Result<ExecutionRow, ApiError> {
    let arn = members.required("executionArn", ARN_CHARACTERS_MAX)?;
    let row = api.store().execution(execution_id(arn)?).await?;
    row.ok_or_else(|| ApiError::no_execution(arn))
}

fn description(head: &Head) -> Value {
    let mut response = item(head);
    let (redrivable, reason) = redrive(head.status);
    response["input"] = json!(head.start.input.to_string());
    response["inputDetails"] = json!({ "included": true });
    if let Some(output) = &head.output {
        response["output"] = json!(output.to_string());
        response["outputDetails"] = json!({ "included": true });
    }
    // Absent, not null: SDKs tell the two apart. A whole execution that timed out has neither.
    if let Some(error) = &head.error {
        response["error"] = json!(error);
    }
    if let Some(cause) = &head.cause {
        response["cause"] = json!(cause);
    }
    response["redriveStatus"] = json!(redrivable);
    response["redriveStatusReason"] = json!(reason);
    response["compensation"] = json!({
        "status": head.compensation_status().as_str(),
        "pending": head.tally.pending,
        "incidents": head.tally.incidents,
    });
    response
}

fn item(head: &Head) -> Value {
    let mut item = json!({
        "executionArn": head.start.arn,
        "stateMachineArn": head.start.machine_arn,
        "name": head.start.name,
        "status": head.status.as_str(),
        "startDate": epoch_seconds(head.started_at),
        "redriveCount": 0,
    });
    if let Some(map_run) = &head.start.map_run {
        item["mapRunArn"] = json!(map_run);
    }
    if let Some(stopped_at) = head.stopped_at {
        item["stopDate"] = epoch_seconds(stopped_at);
    }
    item
}

/// Whether an execution can be redriven: never yet, and why.
fn redrive(status: Status) -> (&'static str, String) {
    let reason = match status {
        Status::Running | Status::Succeeded => {
            format!("Execution is {} and cannot be redriven", status.as_str())
        }
        Status::Failed | Status::TimedOut | Status::Aborted => {
            "This version of Sagamore does not redrive executions".to_owned()
        }
    };
    ("NOT_REDRIVABLE", reason)
}

/// The words of `statusFilter`; one of them fits no execution here.
const STATUSES: [(&str, Option<Status>); 6] = [
    ("RUNNING", Some(Status::Running)),
    ("SUCCEEDED", Some(Status::Succeeded)),
    ("FAILED", Some(Status::Failed)),
    ("TIMED_OUT", Some(Status::TimedOut)),
    ("ABORTED", Some(Status::Aborted)),
    ("PENDING_REDRIVE", None),
];
/// The list that page tokens belong to.
const LIST: &str = "executions";
/// Source: Step Functions, `ListExecutionsPageToken`.
const TOKEN_CHARACTERS_MAX: usize = 3_096;
