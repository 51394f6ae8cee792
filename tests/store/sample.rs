//! Executions as the store sees them: it does not mind what they mean.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use sagamore::store::{
    Addressee, CoordinatorId, EventWrite, MachineRow, NewMachine, Outgoing, RevisionId, Route,
    TurnWrite, WaitWrite, WaitWriteKind,
};
use sagamore_interpreter::definition::{BlockId, StateName};
use sagamore_interpreter::execution::{Disposition, Phase, Step, Subject};
use sagamore_interpreter::{
    Entry, EntryId, Event, ExecutionId, Head, HistoryRecord, Incident, Scope, ScopeId, Sequence,
    Start, StateType, Status, Tally,
};
use sagamore_messages::{Kind, TaskMessage, Token};
use serde_json::Value;
use uuid::Uuid;

/// Long before any test: what began, began in the past.
pub const BEGIN: Timestamp = Timestamp::constant(1_700_000_000, 0);

pub fn coordinator(number: u128) -> CoordinatorId {
    CoordinatorId(Uuid::from_u128(number))
}

pub fn new_machine(name: &str) -> NewMachine {
    NewMachine {
        name: name.to_owned(),
        arn: format!("arn:aws:states:us-east-1:000000000000:stateMachine:{name}"),
        kind: "STANDARD".to_owned(),
        definition: "{}".to_owned(),
        role_arn: "role".to_owned(),
    }
}

pub fn execution_arn(machine: &str, name: &str) -> String {
    format!("arn:aws:states:us-east-1:000000000000:execution:{machine}:{name}")
}

/// The Map Run of a machine.
pub fn map_run(machine: &MachineRow) -> String {
    format!(
        "arn:aws:states:us-east-1:000000000000:mapRun:{}/each:1",
        machine.name
    )
}

/// The head of an execution that was not written yet.
pub fn head(machine: &MachineRow, name: &str, input: Value) -> Head {
    let arn = execution_arn(&machine.name, name);
    let start = Start {
        name: name.to_owned(),
        machine_arn: machine.arn.clone(),
        machine_name: machine.name.clone(),
        role_arn: machine.role_arn.clone(),
        input: Arc::new(input),
        parent: None,
        block: None,
        // Some are of a Map Run.
        map_run: name.ends_with('1').then(|| map_run(machine)),
        arn,
    };
    Head {
        id: ExecutionId::of(&start.arn),
        start,
        started_at: BEGIN,
        status: Status::Running,
        stopped_at: None,
        output: None,
        error: None,
        cause: None,
        sequence: Sequence(0),
        event_id: 0,
        at: BEGIN,
        timeout_at: None,
        tally: Tally::default(),
        strays: Vec::new(),
        is_compensating: false,
        pivot: None,
        is_kept: false,
        asked_by: None,
        undo_phase: None,
    }
}

/// The turn that makes an execution, with one event, one scope and nothing to wait for.
pub fn first_turn(machine: &MachineRow, name: &str, input: Value) -> TurnWrite {
    let mut head = head(machine, name, input.clone());
    let history = vec![record(&mut head, true, input)];
    let mut turn = empty_turn(coordinator(1), 1, machine.revision, head);
    turn.scopes = vec![(
        ScopeId::TOP,
        Some(scope(ScopeId::TOP, Sequence(1), Value::Null)),
    )];
    turn.history = history;
    turn
}

pub fn empty_turn(
    coordinator: CoordinatorId,
    version: i64,
    revision: RevisionId,
    head: Head,
) -> TurnWrite {
    TurnWrite {
        coordinator,
        version,
        revision,
        head,
        scopes: Vec::new(),
        entries: Vec::new(),
        history: Vec::new(),
        opens: Vec::new(),
        moves: Vec::new(),
        closes: Vec::new(),
        events: Vec::new(),
    }
}

/// The next record, noted in the head; a second after the last.
pub fn record(head: &mut Head, is_shown: bool, payload: Value) -> HistoryRecord {
    let input = Arc::new(payload);
    head.sequence = Sequence(head.sequence.0 + 1);
    head.at = head
        .at
        .saturating_add(SignedDuration::from_secs(1))
        .unwrap_or(head.at);
    let previous_event_id = head.event_id;
    let (event_id, event) = if is_shown {
        head.event_id += 1;
        let name = StateName::new("Step");
        (
            Some(head.event_id),
            Event::StateEntered {
                scope: ScopeId::TOP,
                kind: StateType::Task,
                name,
                input,
                is_mark: false,
            },
        )
    } else {
        (
            None,
            Event::Yielded {
                scope: ScopeId::TOP,
                next: StateName::new("Step"),
                input,
            },
        )
    };
    HistoryRecord {
        sequence: head.sequence,
        at: head.at,
        event_id,
        previous_event_id,
        event,
    }
}

pub fn scope(id: ScopeId, wait: Sequence, input: Value) -> Scope {
    let phase = Phase::Yielding {
        wait,
        next: StateName::new("Step"),
        input: Arc::new(input),
    };
    Scope {
        iteration: None,
        concurrency: None,
        id,
        parent: None,
        block: BlockId::TOP,
        last_event: 0,
        last_entry: None,
        had_entries: false,
        group: None,
        is_covered: false,
        variables: Default::default(),
        undone_before: Sequence(0),
        undone_between: Vec::new(),
        marks: Default::default(),
        phase,
    }
}

pub fn entry(id: EntryId, input: Value) -> Entry {
    let input = Arc::new(input);
    let step = Step {
        state: StateName::new("Step"),
        arguments: input.clone(),
        result: Some(input.clone()),
        output: None,
        error: Some("Step.Failed".to_owned()),
        cause: None,
        key: "key".to_owned(),
        past: Vec::new(),
        round: 1,
        attempts: Vec::new(),
        disposition: Disposition::Committed,
        drain: None,
        undo: None,
        is_pivot: false,
        undo_again: false,
        is_owed: false,
        variables: None,
        input,
    };
    Entry {
        id,
        scope: ScopeId::TOP,
        before: None,
        subject: Subject::Step(Box::new(step)),
    }
}

pub fn outgoing(message_id: &str, body: &Value) -> Box<Outgoing> {
    let message = TaskMessage {
        message_id: message_id.to_owned(),
        token: Token::new("token"),
        reply_to: "sagamore.replies".to_owned(),
        kind: Kind::Task,
        timestamp_seconds: 1_767_225_600,
        execution: "e".to_owned(),
        machine: "loan".to_owned(),
        state: "Step".to_owned(),
        attempt: 1,
        idempotency_key: "key".to_owned(),
        compensates: None,
        deadline: None,
        traceparent: None,
        tracestate: None,
        body: body.to_string(),
        is_text: false,
    };
    Box::new(Outgoing {
        route: Route::Queue("step".to_owned()),
        message,
        is_told: false,
    })
}

pub fn timer(wait: u64, due: Timestamp) -> WaitWrite {
    WaitWrite {
        wait: Sequence(wait),
        due: Some(due),
        kind: WaitWriteKind::Timer,
    }
}

pub fn message(wait: u64, number: u64) -> WaitWrite {
    let outgoing = outgoing(&format!("m-{wait}"), &Value::Null);
    WaitWrite {
        wait: Sequence(wait),
        due: None,
        kind: WaitWriteKind::Message(outgoing, number),
    }
}

pub fn incident(entry: Value) -> Box<Incident> {
    Box::new(Incident {
        about: Default::default(),
        state: "Step".to_owned(),
        error: "Step.Failed".to_owned(),
        cause: None,
        entry,
    })
}

pub fn event(number: u64) -> EventWrite {
    let to = match number % 3 {
        0 => Addressee::Execution(ExecutionId::of("another")),
        _ => Addressee::Listeners("execution.loan.running".to_owned()),
    };
    EventWrite {
        to,
        body: format!("{{\"id\":{number}}}"),
        number,
    }
}
