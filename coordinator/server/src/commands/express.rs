//! StartExecution of an EXPRESS machine, and StartSyncExecution, which waits for its end.

use jiff::Timestamp;
use sagamore_interpreter::{Head, Parent, Payload};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::arn::ARN_CHARACTERS_MAX;
use super::name::NAME_CHARACTERS_MAX;
use super::start::{Commands, invalid_input, start_of};
use super::{ApiError, Members, check_name, epoch_seconds, machine_arn, read_payload};
use crate::advance::{EXPRESS_MAX, NotStarted};
use crate::store::{MachineRow, Store};

/// An EXPRESS execution that was started.
pub(super) struct Started {
    /// Its ARN.
    pub arn: String,
    /// When it began.
    pub at: Timestamp,
    /// Gets its head once it has ended.
    end: oneshot::Receiver<Head>,
}

impl<S: Store> Commands<S> {
    /// StartSyncExecution: `{stateMachineArn, name?, input?, includedData?}` in, what became of it out.
    ///
    /// # Errors
    /// As in Step Functions: `StateMachineTypeNotSupported` for a machine of type STANDARD.
    pub async fn start_sync_execution(&self, request: &Value) -> Result<Value, ApiError> {
        let members = Members::of(request)?;
        let arn = members.required("stateMachineArn", ARN_CHARACTERS_MAX)?;
        let name = members.text("name", NAME_CHARACTERS_MAX)?;
        let name = name.map_or_else(|| Uuid::new_v4().to_string(), str::to_owned);
        check_name(&name)?;
        let input = read_payload(members.free_text("input", usize::MAX)?.unwrap_or("{}"))
            .map_err(invalid_input)?;
        let included = members.word("includedData", &[ALL_DATA, "METADATA_ONLY"])?;
        let machine = self.store().machine(machine_arn(arn)?.name).await?;
        let machine = machine.filter(|machine| machine.arn == arn);
        let machine = machine.ok_or_else(|| ApiError::no_machine(arn))?;
        if !machine.is_express() {
            return Err(ApiError::wrong_machine_kind());
        }
        let started = self.start_express(machine, name, input, None)?;
        match started.end.await {
            Ok(head) => Ok(ended(&head, included.is_none_or(|word| word == ALL_DATA))),
            Err(_) => Err(ApiError::internal(
                "The execution is lost: its coordinator stopped, or its log says why",
            )),
        }
    }

    /// Starts an execution of an EXPRESS machine. It has a name like others, and an id of its own: a second one of that name
    /// is another one.
    pub(super) fn start_express(
        &self,
        machine: MachineRow,
        name: String,
        input: Payload,
        parent: Option<Parent>,
    ) -> Result<Started, ApiError> {
        let arn = machine.arn.replacen(":stateMachine:", ":express:", 1);
        let arn = format!("{arn}:{name}:{}", Uuid::new_v4());
        let start = start_of(&machine, arn.clone(), name, input, parent);
        let started = self.advance().express().start(&machine, &start);
        let (at, end) = started.map_err(|refused| match refused {
            NotStarted::Busy => ApiError::new(
                "ExecutionLimitExceeded",
                format!(
                    "This coordinator runs {EXPRESS_MAX} EXPRESS executions already, or is stopping"
                ),
            ),
            NotStarted::Broken(problem) => ApiError::internal(problem),
        })?;
        Ok(Started { arn, at, end })
    }
}

/// What became of an execution, with its data or without.
fn ended(head: &Head, has_data: bool) -> Value {
    let stopped_at = head.stopped_at.unwrap_or(head.at);
    let took = stopped_at.duration_since(head.started_at).as_millis();
    let mut response = json!({
        "executionArn": head.start.arn,
        "stateMachineArn": head.start.machine_arn,
        "name": head.start.name,
        "startDate": epoch_seconds(head.started_at),
        "stopDate": epoch_seconds(stopped_at),
        "status": head.status.as_str(),
        // Nobody is billed; SDKs expect the member. Source: Step Functions, "Billing details": in steps of 100 ms.
        "billingDetails": {
            "billedMemoryUsedInMB": 64,
            "billedDurationInMilliseconds": (took / 100 + 1) * 100,
        },
    });
    let texts = [("error", &head.error), ("cause", &head.cause)];
    for (member, text) in texts {
        if let Some(text) = text {
            response[member] = json!(text);
        }
    }
    let details = json!({ "included": has_data });
    response["inputDetails"] = details.clone();
    if has_data {
        response["input"] = json!(head.start.input.to_string());
    }
    if let Some(output) = &head.output {
        response["outputDetails"] = details;
        if has_data {
            response["output"] = json!(output.to_string());
        }
    }
    response
}

const ALL_DATA: &str = "ALL_DATA";
