//! Child executions: what a Task starts, and what it has once that ends.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::sdk::{Call, metadata};
use super::{Delivery, Parameters, Sender};
use crate::definition::{Action, BlockId, Pattern, Resource};
use crate::effect::{Body, Child, Route};
use crate::history::{Payload, Status};
use crate::ids::ExecutionId;
use crate::input::{ChildEnd, Reply};
use crate::limits::{CAUSE_CHARACTERS_MAX, NESTING_MAX, VALUE_DEPTH_MAX, is_payload_too_deep};

/// `saga:<machine>`: a machine beside the sender's own.
pub(super) fn of_saga(machine: &str, sender: &Sender<'_>) -> Child {
    let own = &sender.head.start.machine_arn;
    let beside = own.rsplit_once(':').map_or("", |(beside, _)| beside);
    Child {
        machine_arn: format!("{beside}:{machine}"),
        name: name(sender),
        is_waited_for: true,
        depth: depth(sender, true),
        block: None,
        map_run: None,
    }
}

/// An execution for an item of a distributed Map, of the sender's own machine.
pub(super) fn of_item(label: &str, processor: BlockId, sender: &Sender<'_>) -> Child {
    Child {
        machine_arn: format!("{}/{label}", sender.head.start.machine_arn),
        name: name(sender),
        is_waited_for: true,
        depth: depth(sender, true),
        block: Some(processor),
        map_run: sender.map_run.clone(),
    }
}

/// `states:startExecution`
pub(super) fn start_execution(
    parameters: &Parameters<'_>,
    pattern: Pattern,
    sender: &Sender<'_>,
) -> Result<Delivery, String> {
    let machine_arn = parameters.required_text("StateMachineArn")?.to_owned();
    let given = parameters.text("Name")?;
    let input = match parameters.get("Input") {
        None => json!({}),
        Some(Value::String(text)) => {
            let input = serde_json::from_str(text).map_err(|error| {
                parameters.refused(&format!(
                    "The value for the field 'Input' must be JSON: {error}"
                ))
            })?;
            if is_payload_too_deep(&input) {
                let problem = format!(
                    "The value for the field 'Input' must nest no deeper than {VALUE_DEPTH_MAX} levels"
                );
                return Err(parameters.refused(&problem));
            }
            input
        }
        Some(input) => input.clone(),
    };
    let is_waited_for = matches!(pattern, Pattern::Sync | Pattern::SyncJson);
    let child = Child {
        machine_arn,
        name: given.map_or_else(|| name(sender), str::to_owned),
        is_waited_for,
        depth: depth(sender, is_waited_for),
        block: None,
        map_run: None,
    };
    Ok(Delivery::Sent {
        route: Route::Execution(child),
        is_told: false,
        body: Body::Json(Payload::new(input)),
        receipt: None,
    })
}

/// A name that nobody gave: the parent's, so that the two are found together, and what tells its tasks apart.
fn name(sender: &Sender<'_>) -> String {
    let id = Uuid::new_v5(&sender.head.id.0, sender.task.to_string().as_bytes());
    let id = id.simple().to_string();
    let parent: String = sender.head.start.name.chars().take(NAME_KEPT_MAX).collect();
    format!("{parent}-{}", &id[..ID_KEPT])
}

fn depth(sender: &Sender<'_>, is_waited_for: bool) -> u32 {
    let above = sender.head.start.parent.filter(|_| is_waited_for);
    let above = above.filter(|parent| parent.is_waited_for);
    above.map_or(1, |parent| parent.depth + 1)
}

/// Whether too many executions wait for one another.
pub(crate) fn is_nested_too_deep(child: &Child) -> bool {
    child.depth > NESTING_MAX
}

impl Child {
    /// Its id.
    pub(crate) fn id(&self) -> ExecutionId {
        let execution = self
            .machine_arn
            .replacen(":stateMachine:", ":execution:", 1);
        ExecutionId::of(&format!("{execution}:{}", self.name))
    }
}

/// What a Task has of an execution that runs.
pub(crate) fn started(
    resource: &Resource,
    arn: &str,
    started_at: Timestamp,
    call: &Call,
) -> Payload {
    let mut started = json!({ "ExecutionArn": arn, "StartDate": started_at.as_millisecond() });
    if let Resource::Integration(_) = resource {
        let response = json!({ "executionArn": arn, "startDate": started_at.as_second() });
        let length = response.to_string().len().to_string();
        let headers = [
            ("connection", "keep-alive"),
            ("Content-Length", length.as_str()),
            ("Content-Type", "application/x-amz-json-1.0"),
        ];
        for (name, value) in metadata(call, &headers) {
            started[name] = value;
        }
    }
    Payload::new(started)
}

impl ChildEnd {
    /// What the end is for the Task that waited for it.
    pub(crate) fn reply(&self, resource: &Resource) -> Reply {
        match (resource, &self.output) {
            (Resource::Integration(integration), output)
                if integration.action == Action::StartExecution =>
            {
                let is_json = integration.pattern == Pattern::SyncJson;
                match output {
                    Some(output) => {
                        Reply::Success(Payload::new(self.description(Some(output), is_json)))
                    }
                    None => self.failure(
                        "States.TaskFailed".to_owned(),
                        Some(self.description_of_failure()),
                    ),
                }
            }
            (_, Some(output)) => Reply::Success(output.clone()),
            (_, None) => {
                let unnamed = match self.status {
                    Status::TimedOut => "States.Timeout",
                    _ => "States.TaskFailed",
                };
                let error = self.error.clone().unwrap_or_else(|| unnamed.to_owned());
                self.failure(error, self.cause.clone())
            }
        }
    }

    fn failure(&self, error: String, cause: Option<String>) -> Reply {
        Reply::Failure {
            error,
            cause,
            effect: self.effect,
        }
    }

    /// What the cause of a parent has room for: at first the child's own cause is made shorter, then its input left out.
    fn description_of_failure(&self) -> String {
        let whole = self.description(None, false);
        let fits = |text: &str| text.chars().count() <= CAUSE_CHARACTERS_MAX;
        let mut text = whole.to_string();
        if fits(&text) {
            return text;
        }
        let mut shorter = whole;
        if let Some(Value::String(cause)) = shorter.get_mut("Cause") {
            *cause = cause.chars().take(CAUSE_QUOTED_MAX).collect();
        }
        text = shorter.to_string();
        if fits(&text) {
            return text;
        }
        if let Value::Object(members) = &mut shorter {
            members.shift_remove("Input");
            members.insert("InputDetails".to_owned(), json!({ "Included": false }));
        }
        shorter.to_string()
    }

    /// As `DescribeExecution` has it, with input and output as JSON or as its text.
    fn description(&self, output: Option<&Payload>, is_json: bool) -> Value {
        let data = |payload: &Payload| match is_json {
            true => (**payload).clone(),
            false => Value::String(payload.to_string()),
        };
        let included = json!({ "Included": true });
        let members = [
            ("Cause", self.cause.as_ref().map(|cause| json!(cause))),
            ("Error", self.error.as_ref().map(|error| json!(error))),
            ("ExecutionArn", Some(json!(self.arn))),
            ("Input", Some(data(&self.input))),
            ("InputDetails", Some(included.clone())),
            ("Name", Some(json!(self.name))),
            ("Output", output.map(data)),
            ("OutputDetails", output.map(|_| included)),
            ("StartDate", Some(json!(self.started_at.as_millisecond()))),
            ("StateMachineArn", Some(json!(self.machine_arn))),
            ("Status", Some(json!(self.status.as_str()))),
            ("StopDate", Some(json!(self.stopped_at.as_millisecond()))),
        ];
        let members = members
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Value::Object(members.collect::<Map<_, _>>())
    }
}

/// Of a cause that is too long to be quoted, the characters that are: escaped, six times as many.
const CAUSE_QUOTED_MAX: usize = 2_000;
/// Of a name's 80 characters, those that are the parent's, and those that tell its tasks apart.
const NAME_KEPT_MAX: usize = 63;
const ID_KEPT: usize = 16;
