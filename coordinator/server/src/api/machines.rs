//! Operations on state machines.
//!
//! Tags, logging and tracing configurations are accepted and not kept: an SDK or a template that sends them works here
//! too. What would be a promise not kept is refused: versions, encryption with a key of one's own.

use sagamore_interpreter::definition::{
    Fault, Machine, MachineKind, Severity, variable_references,
};
use serde_json::{Value, json};

use super::pages::{TOKEN_CHARACTERS_MAX, key_token, page_size, read_key};
use super::router::Api;
use crate::commands::arn::ARN_CHARACTERS_MAX;
use crate::commands::{ApiError, Members, check_name, epoch_seconds, execution_id, machine_arn};
use crate::store::{Created, EXPRESS, MachineRow, NewMachine, PageKey, STANDARD, Store};

/// CreateStateMachine. The same once more is no error and changes nothing.
pub(super) async fn create<S: Store>(
    api: &Api<S>,
    members: Members<'_>,
) -> Result<Value, ApiError> {
    let name = members.required("name", usize::MAX)?;
    let definition = members.required("definition", usize::MAX)?;
    let role_arn = members.required("roleArn", ARN_CHARACTERS_MAX)?;
    check_name(name)?;
    let (word, kind) = machine_kind(members)?;
    check_role(role_arn)?;
    check_definition(definition, kind)?;
    refuse_unsupported(members)?;
    let machine = NewMachine {
        name: name.to_owned(),
        arn: api.commands.arn_of_machine(name),
        kind: word.to_owned(),
        definition: definition.to_owned(),
        role_arn: role_arn.to_owned(),
    };
    let (machine, created) = api.store().create_machine(machine).await?;
    let is_same =
        *machine.definition == *definition && machine.role_arn == role_arn && machine.kind == word;
    match created {
        Created::Existed if !is_same => {
            let message = format!("State Machine Already Exists: '{}'", machine.arn);
            Err(ApiError::new("StateMachineAlreadyExists", message))
        }
        Created::New | Created::Existed => Ok(json!({
            "stateMachineArn": machine.arn,
            "creationDate": epoch_seconds(machine.created_at),
        })),
    }
}

/// UpdateStateMachine. Running executions stay on the revision they were started with.
pub(super) async fn update<S: Store>(
    api: &Api<S>,
    members: Members<'_>,
) -> Result<Value, ApiError> {
    let definition = members.text("definition", usize::MAX)?;
    let role_arn = members.text("roleArn", ARN_CHARACTERS_MAX)?;
    refuse_unsupported(members)?;
    let machine = find(api, members).await?;
    if definition.is_none()
        && role_arn.is_none()
        && !CONFIGURATIONS
            .iter()
            .any(|member| members.get(member).is_some())
    {
        let message = "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration must be specified";
        return Err(ApiError::new("MissingRequiredParameter", message));
    }
    role_arn.map_or(Ok(()), check_role)?;
    if let Some(definition) = definition {
        let kind = match machine.is_express() {
            true => MachineKind::Express,
            false => MachineKind::Standard,
        };
        check_definition(definition, kind)?;
    }
    let updated = api
        .store()
        .update_machine(&machine.name, definition, role_arn)
        .await?;
    let updated = updated.ok_or_else(|| ApiError::no_machine(&machine.arn))?;
    Ok(json!({
        "updateDate": epoch_seconds(updated.updated_at),
        "revisionId": updated.revision.0,
    }))
}

/// DescribeStateMachine.
pub(super) async fn describe<S: Store>(
    api: &Api<S>,
    members: Members<'_>,
) -> Result<Value, ApiError> {
    let machine = find(api, members).await?;
    let mut response = description(&machine);
    response["status"] = json!("ACTIVE");
    response["type"] = json!(machine.kind);
    response["creationDate"] = epoch_seconds(machine.created_at);
    Ok(response)
}

/// DescribeStateMachineForExecution: the machine in the revision that the execution runs on.
pub(super) async fn describe_for_execution<S: Store>(
    api: &Api<S>,
    members: Members<'_>,
) -> Result<Value, ApiError> {
    let arn = members.required("executionArn", ARN_CHARACTERS_MAX)?;
    let machine = api.store().machine_of(execution_id(arn)?).await?;
    let machine = machine.ok_or_else(|| ApiError::no_execution(arn))?;
    let mut response = description(&machine);
    response["updateDate"] = epoch_seconds(machine.updated_at);
    Ok(response)
}

/// ListStateMachines.
pub(super) async fn list<S: Store>(api: &Api<S>, members: Members<'_>) -> Result<Value, ApiError> {
    let size = page_size(members)?;
    let after = read_key(members, TOKEN_CHARACTERS_MAX, LIST)?;
    let mut machines = api.store().machines(after.as_ref(), size + 1).await?;
    let has_more = machines.len() > size as usize;
    machines.truncate(size as usize);
    let listed: Vec<Value> = machines.iter().map(item).collect();
    let mut response = json!({ "stateMachines": listed });
    if let Some(last) = machines.last().filter(|_| has_more) {
        let key = PageKey {
            at: last.created_at,
            name: last.name.clone(),
        };
        response["nextToken"] = key_token(LIST, &key);
    }
    Ok(response)
}

/// DeleteStateMachine. Its running executions go on; that there is no such machine is no error.
pub(super) async fn delete<S: Store>(
    api: &Api<S>,
    members: Members<'_>,
) -> Result<Value, ApiError> {
    let arn = members.required("stateMachineArn", ARN_CHARACTERS_MAX)?;
    let parsed = machine_arn(arn)?;
    if parsed.qualifier.is_none()
        && let Some(machine) = api.store().machine(parsed.name).await?
        && machine.arn == arn
    {
        api.store().delete_machine(parsed.name).await?;
    }
    Ok(json!({}))
}

/// ValidateStateMachineDefinition: tells what is wrong, and is itself never refused for it.
pub(super) fn validate(members: Members<'_>) -> Result<Value, ApiError> {
    let definition = members.required("definition", usize::MAX)?;
    let severity = members.word("severity", &["ERROR", "WARNING"])?;
    let limit = members
        .count("maxResults", DIAGNOSTICS_MAX)?
        .filter(|limit| *limit > 0)
        .unwrap_or(DIAGNOSTICS_MAX);
    let (result, faults) = match Machine::parse_as(definition, machine_kind(members)?.1) {
        Ok((_, warnings)) => ("OK", warnings),
        Err(faults) => ("FAIL", faults),
    };
    let is_wanted =
        |fault: &&Fault| fault.severity == Severity::Error || severity == Some("WARNING");
    let mut diagnostics: Vec<Value> = faults.iter().filter(is_wanted).map(diagnostic).collect();
    let truncated = diagnostics.len() > limit as usize;
    diagnostics.truncate(limit as usize);
    Ok(json!({ "result": result, "diagnostics": diagnostics, "truncated": truncated }))
}

/// The machine that `stateMachineArn` names.
pub(super) async fn find<S: Store>(
    api: &Api<S>,
    members: Members<'_>,
) -> Result<MachineRow, ApiError> {
    let arn = members.required("stateMachineArn", ARN_CHARACTERS_MAX)?;
    let machine = api.store().machine(machine_arn(arn)?.name).await?;
    machine
        .filter(|machine| machine.arn == arn)
        .ok_or_else(|| ApiError::no_machine(arn))
}

fn refuse_unsupported(members: Members<'_>) -> Result<(), ApiError> {
    if members.flag("publish")? == Some(true) {
        return Err(ApiError::validation(
            "This version of Sagamore keeps no versions: leave out 'publish'",
        ));
    }
    let encryption = members
        .get("encryptionConfiguration")
        .and_then(|configuration| configuration.get("type"));
    if encryption.is_some_and(|kind| kind != "AWS_OWNED_KEY") {
        let message = "Invalid Encryption Configuration: 'This version of Sagamore does not encrypt what it stores'";
        return Err(ApiError::new("InvalidEncryptionConfiguration", message));
    }
    Ok(())
}

fn check_role(role_arn: &str) -> Result<(), ApiError> {
    if role_arn.starts_with("arn:") {
        return Ok(());
    }
    Err(ApiError::new(
        "InvalidArn",
        format!("Invalid Role Arn: '{role_arn}'"),
    ))
}

/// `type`, as a word and as the interpreter has it; without it STANDARD.
fn machine_kind(members: Members<'_>) -> Result<(&'static str, MachineKind), ApiError> {
    let word = members.word("type", &[STANDARD, EXPRESS])?;
    Ok(match word {
        Some(EXPRESS) => (EXPRESS, MachineKind::Express),
        _ => (STANDARD, MachineKind::Standard),
    })
}

fn check_definition(definition: &str, kind: MachineKind) -> Result<(), ApiError> {
    match Machine::parse_as(definition, kind) {
        Ok(_) => Ok(()),
        Err(faults) => Err(ApiError::invalid_definition(faults)),
    }
}

/// What both descriptions of a machine have.
fn description(machine: &MachineRow) -> Value {
    let mut description = json!({
        "stateMachineArn": machine.arn,
        "name": machine.name,
        "definition": &*machine.definition,
        "roleArn": machine.role_arn,
        "loggingConfiguration": { "level": "OFF", "includeExecutionData": false },
        "tracingConfiguration": { "enabled": false },
    });
    // As in Step Functions, a machine that was never updated has no revision to tell.
    if machine.updated_at != machine.created_at {
        description["revisionId"] = json!(machine.revision.0);
    }
    let references = variable_references(&machine.definition);
    if !references.is_empty() {
        description["variableReferences"] = json!(references);
    }
    description
}

fn item(machine: &MachineRow) -> Value {
    json!({
        "stateMachineArn": machine.arn,
        "name": machine.name,
        "type": machine.kind,
        "creationDate": epoch_seconds(machine.created_at),
    })
}

fn diagnostic(fault: &Fault) -> Value {
    let severity = match fault.severity {
        Severity::Error => "ERROR",
        Severity::Warning => "WARNING",
    };
    let location = if fault.pointer.is_empty() {
        "/"
    } else {
        &fault.pointer
    };
    json!({ "severity": severity, "code": fault.code.as_str(), "message": fault.problem, "location": location })
}

/// The list that page tokens belong to.
const LIST: &str = "machines";
/// Members that update nothing here, but are an update to Step Functions.
const CONFIGURATIONS: [&str; 3] = [
    "loggingConfiguration",
    "tracingConfiguration",
    "encryptionConfiguration",
];
/// Source: Step Functions, "ValidateStateMachineDefinition", `maxResults`.
const DIAGNOSTICS_MAX: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(request: &Value, expected: &str) {
        let read = match refuse_unsupported(Members::of(request).unwrap()) {
            Ok(()) => "fine".to_owned(),
            Err(error) => error.to_string(),
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn what_is_only_decoration_is_accepted() {
        check(
            &json!({"type": "STANDARD", "tags": [{"key": "a", "value": "b"}]}),
            "fine",
        );
        check(
            &json!({"encryptionConfiguration": {"type": "AWS_OWNED_KEY"}, "publish": false}),
            "fine",
        );
    }

    #[test]
    fn what_would_not_be_kept_is_refused() {
        check(
            &json!({"publish": true}),
            "ValidationException: This version of Sagamore keeps no versions: leave out 'publish'",
        );
    }

    #[test]
    fn there_are_two_types_of_machines() {
        let request = json!({ "type": "FAST" });
        let refused = machine_kind(Members::of(&request).unwrap()).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "ValidationException: 1 validation error detected: Value 'FAST' at 'type' failed to satisfy constraint: \
             Member must satisfy enum value set: [STANDARD, EXPRESS]"
        );
    }

    #[test]
    fn a_validation_tells_what_is_wrong_and_where() {
        let request = json!({"definition": "{\"StartAt\": \"A\"}"});
        let response = validate(Members::of(&request).unwrap()).unwrap();
        assert_eq!(response["result"], "FAIL");
        assert_eq!(response["diagnostics"][0]["location"], "/");
        assert_eq!(response["truncated"], false);
    }
}
