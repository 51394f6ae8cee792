use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::definition::Machine;
use crate::execution::Execution;
use crate::history::{Event, HistoryRecord};
use crate::ids::ExecutionId;
use crate::input::{Parent, Start};

/// The head of an execution with this name, started by that task.
fn head(name: &str, parent: Option<Parent>) -> Head {
    let arn = format!("arn:aws:states:us-east-1:000000000000:execution:loan:{name}");
    let start = Start {
        name: name.to_owned(),
        machine_arn: "arn:aws:states:us-east-1:000000000000:stateMachine:loan".to_owned(),
        machine_name: "loan".to_owned(),
        role_arn: String::new(),
        input: Payload::default(),
        parent,
        arn: arn.clone(),
        block: None,
        map_run: None,
    };
    let record = HistoryRecord {
        sequence: Sequence(1),
        at: Timestamp::UNIX_EPOCH,
        event_id: Some(1),
        previous_event_id: 0,
        event: Event::ExecutionStarted {
            start: Box::new(start),
            timeout_at: None,
        },
    };
    Execution::begin(ExecutionId::of(&arn), &record)
        .unwrap()
        .head
}

/// What task 7 of an execution sends.
fn sent(resource: &str, arguments: Value, head: &Head) -> Result<Route, String> {
    let definition = json!({ "StartAt": "A", "States": { "A": { "Type": "Task", "Resource": resource, "End": true } } });
    let (machine, _) = Machine::parse(&definition.to_string()).unwrap();
    let state = machine.states().next().unwrap();
    let resource = crate::states::resource_of(state).unwrap();
    let sender = Sender {
        head,
        task: Sequence(7),
        map_run: None,
    };
    match deliver(resource, &Payload::new(arguments), &sender)? {
        Delivery::Sent { route, .. } => Ok(route),
        Delivery::Told { .. } => Err("told".to_owned()),
    }
}

fn refused(action: &str, arguments: Value, expected: &str) {
    let resource = format!("arn:aws:states:::{action}");
    let problem = sent(&resource, arguments.clone(), &head("ada", None)).unwrap_err();
    assert_eq!(
        problem,
        format!("The Parameters '{arguments}' could not be used to start the Task: [{expected}]")
    );
}

fn child(name: &str, parent: Option<Parent>) -> crate::effect::Child {
    match sent("saga:pay", json!({}), &head(name, parent)) {
        Ok(Route::Execution(child)) => child,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_a_service_does_not_take_is_refused() {
    refused(
        "sqs:sendMessage",
        json!({ "MessageBody": 1 }),
        "The field 'QueueUrl' is required but was missing",
    );
    refused(
        "sqs:sendMessage",
        json!({ "MessageBody": 1, "QueueUrl": "https://sqs/" }),
        "The value for the field 'QueueUrl' must name what a broker can: 1 to 255 bytes, no control characters",
    );
    refused(
        "sns:publish",
        json!({ "Message": "m", "TopicArn": ["a"] }),
        "The value for the field 'TopicArn' must be a STRING",
    );
    refused(
        "lambda:invoke",
        json!({ "FunctionName": "score", "InvocationType": "Event" }),
        "The value 'Event' of the field 'InvocationType' is not run: use sqs:sendMessage to send without an answer",
    );
    refused("events:putEvents", json!("text"), "They must be an object");
    let many = vec![json!({}); 11];
    refused(
        "events:putEvents",
        json!({ "Entries": many }),
        "The field 'Entries' must have 10 elements at most",
    );
}

#[test]
fn a_function_is_named_by_its_arn_or_its_name() {
    let score = Route::Queue("score".to_owned());
    for function in [
        "score",
        "score:live",
        "123456789012:function:score",
        "arn:aws:lambda:eu-west-1:123456789012:function:score:7",
    ] {
        let arguments = json!({ "FunctionName": function });
        let sent = sent(
            "arn:aws:states:::lambda:invoke",
            arguments,
            &head("ada", None),
        );
        assert_eq!(sent.as_ref(), Ok(&score), "{function}");
    }
}

#[test]
fn the_name_of_a_child_fits_and_is_its_own() {
    let short = child("ada", None);
    assert_eq!(
        short.machine_arn,
        "arn:aws:states:us-east-1:000000000000:stateMachine:pay"
    );
    assert!(short.name.starts_with("ada-"), "{}", short.name);
    let long = child(&"x".repeat(80), None);
    assert_eq!(long.name.chars().count(), 80);
    // As long a name, and another execution.
    let other = child(&format!("{}y", "x".repeat(79)), None);
    assert_ne!(long.name, other.name);
}

#[test]
fn a_child_counts_those_that_wait_above_it() {
    let parent = |is_waited_for, depth| Parent {
        execution: ExecutionId::of("parent"),
        task: Sequence(3),
        is_waited_for,
        depth,
    };
    assert_eq!(child("ada", None).depth, 1);
    assert_eq!(child("ada", Some(parent(true, 4))).depth, 5);
    // Nobody waits for the one that starts it.
    assert_eq!(child("ada", Some(parent(false, 4))).depth, 1);
    let deepest = child("ada", Some(parent(true, crate::limits::NESTING_MAX)));
    assert!(is_nested_too_deep(&deepest));
    assert!(!is_nested_too_deep(&child("ada", Some(parent(true, 4)))));
}
