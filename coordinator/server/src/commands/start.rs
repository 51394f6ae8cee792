//! StartExecution, and what all commands share.

use std::sync::Arc;

use sagamore_interpreter::definition::BlockId;
use sagamore_interpreter::{Child, ExecutionId, Ignored, Input, Parent, Payload, Start};
use sagamore_messages::Command;
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::{EXECUTION_ALREADY_EXISTS, from_stored, to_stored};
use super::arn::ARN_CHARACTERS_MAX;
use super::name::NAME_CHARACTERS_MAX;
use super::{ApiError, Members, Unreadable, check_name, epoch_seconds, machine_arn, read_payload};
use crate::advance::{self, Advance, Answer, Request};
use crate::store::{MachineRow, Store};

/// Does what clients ask for. Cheap to clone.
#[derive(Clone)]
pub struct Commands<S: Store> {
    store: S,
    advance: Advance,
    region: Arc<str>,
    account: Arc<str>,
}

impl<S: Store> Commands<S> {
    /// Commands on the machines and executions of a region and account, whose ARNs carry these two.
    pub fn new(store: S, advance: Advance, region: &str, account: &str) -> Commands<S> {
        Commands {
            store,
            advance,
            region: region.into(),
            account: account.into(),
        }
    }

    /// Does a command that came as the message `message_id`. When that message came before, the first answer is given
    /// again; a start without a name takes its name from it. `stateMachineArn` may be the bare name.
    ///
    /// # Errors
    /// What the client is told; but see [`ApiError::is_passing`].
    pub async fn run(&self, message_id: &str, command: Command) -> Result<Value, ApiError> {
        match command {
            Command::StartExecution(request) => self.start(&request, Some(message_id)).await,
            Command::StopExecution(request) => self.stop(&request, Some(message_id), false).await,
            Command::RollbackExecution(request) => {
                self.stop(&request, Some(message_id), true).await
            }
        }
    }

    /// StartExecution: `{stateMachineArn, name?, input?}` in, `{executionArn, startDate}` out.
    ///
    /// # Errors
    /// As in Step Functions: `ExecutionAlreadyExists` unless the execution of that name has the same input and runs.
    pub async fn start_execution(&self, request: &Value) -> Result<Value, ApiError> {
        self.start(request, None).await
    }

    /// The ARN of a machine with this name.
    pub fn arn_of_machine(&self, name: &str) -> String {
        format!(
            "arn:aws:states:{}:{}:stateMachine:{name}",
            self.region, self.account
        )
    }

    /// Where machines and executions are kept.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Where inputs go.
    pub fn advance(&self) -> &Advance {
        &self.advance
    }

    /// The region that ARNs and events name.
    pub fn region(&self) -> &str {
        &self.region
    }

    async fn start(&self, request: &Value, message_id: Option<&str>) -> Result<Value, ApiError> {
        let members = Members::of(request)?;
        let machine_arn = members.required("stateMachineArn", ARN_CHARACTERS_MAX)?;
        let machine_arn = match message_id {
            Some(_) if !machine_arn.starts_with("arn:") => self.arn_of_machine(machine_arn),
            _ => machine_arn.to_owned(),
        };
        let name = match (members.text("name", NAME_CHARACTERS_MAX)?, message_id) {
            (Some(name), _) => name.to_owned(),
            (None, Some(message_id)) => name_from_message(message_id),
            (None, None) => Uuid::new_v4().to_string(),
        };
        check_name(&name)?;
        let input = read_payload(members.free_text("input", usize::MAX)?.unwrap_or("{}"))
            .map_err(invalid_input)?;

        let may_be_again = message_id.is_some();
        let execution = ExecutionId::of(&execution_arn(&machine_arn, &name));
        let machine = self
            .machine_to_start(&machine_arn, execution, may_be_again)
            .await?;
        if machine.is_express() {
            let begun = self.start_express(machine, name, input, None)?;
            let (arn, at) = (begun.arn, epoch_seconds(begun.at));
            return Ok(json!({ "executionArn": arn, "startDate": at }));
        }
        let (arn, request) = start_request(machine, name, input, None);
        self.submit(request, message_id, move |answer| started(&arn, answer))
            .await
    }

    /// Starts what a task of another execution asks for, once however often it is asked.
    ///
    /// # Errors
    /// What the task fails with; but see [`ApiError::is_passing`].
    pub async fn start_child(
        &self,
        parent: Parent,
        child: &Child,
        input: Payload,
    ) -> Result<(), ApiError> {
        check_name(&child.name)?;
        let (arn, request) = match child.block {
            Some(block) => self.item_request(parent, child, block, input).await?,
            None => {
                let execution = ExecutionId::of(&execution_arn(&child.machine_arn, &child.name));
                let machine = self.machine_to_start(&child.machine_arn, execution, true);
                let (machine, name) = (machine.await?, child.name.clone());
                if machine.is_express() && child.is_waited_for {
                    return Err(ApiError::wrong_machine_kind());
                }
                if machine.is_express() {
                    return self
                        .start_express(machine, name, input, Some(parent))
                        .map(drop);
                }
                start_request(machine, name, input, Some(parent))
            }
        };
        let submitted = self.submit(request, None, move |answer| started(&arn, answer));
        submitted.await.map(drop)
    }

    /// The same for an item of a distributed Map, which runs states of its parent's machine, in the revision that the
    /// parent runs.
    async fn item_request(
        &self,
        parent: Parent,
        child: &Child,
        block: BlockId,
        input: Payload,
    ) -> Result<(String, Request), ApiError> {
        let machine = self.store.machine_of(parent.execution).await?;
        let machine = machine.ok_or_else(|| ApiError::no_machine(&child.machine_arn))?;
        let (start, name) = (Some(parent), child.name.clone());
        let (_, request) = start_request(machine, name, input, start);
        let arn = execution_arn(&child.machine_arn, &child.name);
        let Input::Start(mut start) = request.input else {
            return Err(ApiError::internal("A start is no start"));
        };
        start.arn.clone_from(&arn);
        start.machine_arn.clone_from(&child.machine_arn);
        start.block = Some(block);
        start.map_run.clone_from(&child.map_run);
        let request = Request {
            execution: ExecutionId::of(&arn),
            input: Input::Start(start),
            ..request
        };
        Ok((arn, request))
    }

    /// The machine with this ARN. What comes again may find its machine deleted, and is to get its first answer all the
    /// same.
    async fn machine_to_start(
        &self,
        arn: &str,
        execution: ExecutionId,
        may_be_again: bool,
    ) -> Result<MachineRow, ApiError> {
        let machine = self.store.machine(machine_arn(arn)?.name).await?;
        if let Some(machine) = machine.filter(|machine| machine.arn == arn) {
            return Ok(machine);
        }
        if may_be_again && let Some(machine) = self.store.machine_of(execution).await? {
            return Ok(machine);
        }
        Err(ApiError::no_machine(arn))
    }

    /// Submits a request; the answer to a message is stored with the turn, and is the stored one when there is one.
    pub(super) async fn submit(
        &self,
        mut request: Request,
        message_id: Option<&str>,
        respond: impl Fn(&Answer) -> Result<Value, ApiError> + Clone + Send + Sync + 'static,
    ) -> Result<Value, ApiError> {
        let to_store = respond.clone();
        request.command = message_id.map(|message_id| advance::Command {
            message_id: message_id.to_owned(),
            answer: Box::new(move |answer| to_stored(&to_store(answer))),
        });
        let answer = self.advance.submit(request).await?;
        match &answer.answered {
            Some(stored) => from_stored(stored),
            None => respond(&answer),
        }
    }
}

/// The ARN of a new execution, and what starts it.
pub fn start_request(
    machine: MachineRow,
    name: String,
    input: Payload,
    parent: Option<Parent>,
) -> (String, Request) {
    let arn = execution_arn(&machine.arn, &name);
    let execution = ExecutionId::of(&arn);
    let start = start_of(&machine, arn.clone(), name, input, parent);
    let request = Request {
        machine: Some(machine),
        ..Request::new(execution, Input::Start(Box::new(start)))
    };
    (arn, request)
}

/// What an execution of a machine is given.
pub(super) fn start_of(
    machine: &MachineRow,
    arn: String,
    name: String,
    input: Payload,
    parent: Option<Parent>,
) -> Start {
    Start {
        arn,
        name,
        machine_arn: machine.arn.clone(),
        machine_name: machine.name.clone(),
        role_arn: machine.role_arn.clone(),
        input,
        parent,
        block: None,
        map_run: None,
    }
}

fn execution_arn(machine_arn: &str, name: &str) -> String {
    let execution = machine_arn.replacen(":stateMachine:", ":execution:", 1);
    format!("{execution}:{name}")
}

/// The response to a start, from what became of it.
fn started(arn: &str, answer: &Answer) -> Result<Value, ApiError> {
    let started_at = match answer.taken {
        Ok(()) => answer.at,
        Err(Ignored::AlreadyStarted {
            same: true,
            started_at,
        }) => started_at,
        Err(Ignored::AlreadyStarted { same: false, .. }) => {
            return Err(ApiError::new(
                EXECUTION_ALREADY_EXISTS,
                format!("Execution Already Exists: '{arn}'"),
            ));
        }
        Err(
            Ignored::TaskClosed
            | Ignored::UnknownTask
            | Ignored::NotDue
            | Ignored::ExecutionClosed
            | Ignored::AlreadyCompensating
            | Ignored::UnknownIncident
            | Ignored::ActNotOffered
            | Ignored::NotItsChild,
        ) => {
            return Err(ApiError::internal(
                "The start was ignored for a reason that no start has",
            ));
        }
    };
    Ok(json!({ "executionArn": arn, "startDate": epoch_seconds(started_at) }))
}

/// The name of an execution that was started by a message without one: the message's id, or, when that is no name, one
/// that follows from it.
fn name_from_message(message_id: &str) -> String {
    match check_name(message_id) {
        Ok(()) => message_id.to_owned(),
        Err(_) => Uuid::new_v5(&Uuid::NAMESPACE_OID, message_id.as_bytes()).to_string(),
    }
}

pub(super) fn invalid_input(problem: Unreadable) -> ApiError {
    ApiError::new(
        "InvalidExecutionInput",
        format!("Invalid State Machine Execution Input: '{problem}'"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_that_is_a_name_is_the_name() {
        assert_eq!(name_from_message("order-17"), "order-17");
    }

    #[test]
    fn a_message_id_that_is_no_name_gives_the_same_one_each_time() {
        let name = name_from_message("order:17");
        assert_eq!(name, name_from_message("order:17"));
        assert!(check_name(&name).is_ok());
    }
}
