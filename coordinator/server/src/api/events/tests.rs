use std::sync::Arc;

use jiff::Timestamp;
use sagamore_interpreter::{EntryId, Outcome, Runner, ScopeId, Sequence, Trigger, TriggerKind};

use sagamore_interpreter::definition::StateName;

use super::*;

fn render(event_of: Event, with_data: bool) -> Option<Value> {
    let record = HistoryRecord {
        sequence: Sequence(9),
        at: Timestamp::from_millisecond(1_500).unwrap(),
        event_id: Some(4),
        previous_event_id: 3,
        event: event_of,
    };
    event(&record, "us-east-1", with_data)
}

fn check(event_of: Event, expected: &Value) {
    let mut event = render(event_of, true).unwrap();
    assert_eq!(event["timestamp"], 1.5);
    for common in ["timestamp", "id", "previousEventId"] {
        event.as_object_mut().unwrap().shift_remove(common);
    }
    assert_eq!(&event, expected);
}

fn payload() -> Payload {
    Arc::new(json!({"amount": 1.0}))
}

#[test]
fn a_state_is_entered_and_exited_under_its_type() {
    check(
        Event::StateEntered {
            scope: ScopeId::TOP,
            kind: StateType::Choice,
            name: StateName::new("Risky"),
            input: payload(),
            is_mark: false,
        },
        &json!({"type": "ChoiceStateEntered", "stateEnteredEventDetails":
            {"name": "Risky", "input": "{\"amount\":1.0}", "inputDetails": {"truncated": false}}}),
    );
    check(
        Event::StateExited {
            scope: ScopeId::TOP,
            kind: StateType::Compensate,
            name: StateName::new("Undo"),
            output: payload(),
            assigned: None,
        },
        &json!({"type": "CompensateStateExited", "stateExitedEventDetails":
            {"name": "Undo", "output": "{\"amount\":1.0}", "outputDetails": {"truncated": false}}}),
    );
}

#[test]
fn a_task_names_its_resource_and_what_was_sent() {
    let scheduled = TaskScheduled {
        runner: Runner::State(ScopeId::TOP),
        resource: "queue:credit.check".to_owned(),
        arguments: payload(),
        attempt: 1,
        timeout_at: Timestamp::UNIX_EPOCH,
        timeout_seconds: Some(5),
        heartbeat_seconds: None,
        child: None,
        receipt: None,
    };
    check(
        Event::TaskScheduled(Box::new(scheduled)),
        &json!({"type": "TaskScheduled", "taskScheduledEventDetails": {"resourceType": "queue",
            "resource": "credit.check", "region": "us-east-1", "parameters": "{\"amount\":1.0}", "timeoutInSeconds": 5}}),
    );
}

#[test]
fn a_failure_without_cause_has_none() {
    let failed = Event::TaskFailed {
        runner: Runner::State(ScopeId::TOP),
        task: Sequence(3),
        resource: "arn:aws:states:::aws-sdk:s3:getObject".to_owned(),
        error: "Boom".to_owned(),
        cause: None,
        outcome: Outcome::NotExecuted,
    };
    check(
        failed,
        &json!({"type": "TaskFailed", "taskFailedEventDetails":
            {"resourceType": "aws-sdk:s3", "resource": "getObject", "error": "Boom"}}),
    );
    let ending = |status| Ending {
        status,
        error: None,
        cause: None,
    };
    check(
        Event::ExecutionEnded(ending(Status::Failed)),
        &json!({"type": "ExecutionFailed", "executionFailedEventDetails": {}}),
    );
    check(
        Event::ExecutionEnded(ending(Status::TimedOut)),
        &json!({"type": "ExecutionTimedOut", "executionTimedOutEventDetails": {}}),
    );
}

#[test]
fn an_undo_is_a_task_of_its_own_name() {
    let started = Event::UndoStarted {
        entry: EntryId(Sequence(4)),
        name: StateName::new("Compensate(ReserveFunds)"),
        input: payload(),
        trigger: Trigger {
            kind: TriggerKind::Error,
            error: None,
            cause: None,
            state: None,
        },
    };
    check(
        started,
        &json!({"type": "TaskStateEntered", "stateEnteredEventDetails":
            {"name": "Compensate(ReserveFunds)", "input": "{\"amount\":1.0}", "inputDetails": {"truncated": false}}}),
    );
}

#[test]
fn an_aborted_branch_is_told_by_the_state_it_was_in() {
    let closed = |kind| Event::ScopeClosed {
        scope: ScopeId::TOP,
        kind,
        drain_until: None,
        goes_on: false,
    };
    check(
        closed(Some(StateType::Wait)),
        &json!({"type": "WaitStateAborted"}),
    );
    assert_eq!(render(closed(None), true), None);
}

#[test]
fn without_data_an_event_tells_only_what_happened() {
    let event = render(
        Event::ExecutionSucceeded {
            output: payload(),
            is_kept: false,
        },
        false,
    )
    .unwrap();
    assert_eq!(event["executionSucceededEventDetails"], json!({}));
}
