//! Waits and events, incidents among them.

use sagamore_interpreter::{ExecutionId, Incident, Input, Sequence};
use uuid::Uuid;

use crate::store::convert::{moment, parsed, row, sequence};
use crate::store::{
    Addressee, DueWait, Error, EventWrite, IncidentKind, IncidentRow, SetAside, TaskRow, Unsent,
};

/// The name of a wait: execution, wait.
pub fn name((execution, wait): (Uuid, i64)) -> (ExecutionId, Sequence) {
    (ExecutionId(execution), sequence(wait))
}

/// Execution, wait, due.
pub type DueColumns = (Uuid, i64, i64);

/// A wait whose time comes.
pub fn due_wait((execution, wait, due): DueColumns) -> Result<DueWait, Error> {
    Ok(DueWait {
        execution: ExecutionId(execution),
        wait: sequence(wait),
        due: moment(due)?,
    })
}

/// Execution, wait, due, opened at, body.
pub type TaskColumns = (Uuid, i64, Option<i64>, i64, String);

/// A task or review that is open.
pub fn task_row((execution, wait, due, opened_at, body): TaskColumns) -> Result<TaskRow, Error> {
    let execution = ExecutionId(execution);
    Ok(TaskRow {
        execution,
        wait: sequence(wait),
        due: due.map(moment).transpose()?,
        opened_at: moment(opened_at)?,
        outgoing: parsed(&body, || row("a task message", execution))?,
    })
}

/// A task message that may not have been sent, at this place in the outbox of its owner.
pub fn unsent_message(
    (execution, wait): (Uuid, i64),
    place: i64,
    (due, body): (Option<i64>, &str),
) -> Result<Unsent, Error> {
    let execution = ExecutionId(execution);
    Ok(Unsent::Message {
        execution,
        wait: sequence(wait),
        due: due.map(moment).transpose()?,
        outgoing: Box::new(parsed(body, || row("a task message", execution))?),
        number: place.cast_unsigned(),
    })
}

/// Routing key, recipient, body of an event.
pub type EventColumns = (String, Option<Uuid>, String);

/// An event that may not have been sent, at this place in the outbox of its owner.
pub fn unsent_event(place: i64, (routing_key, recipient, body): EventColumns) -> Unsent {
    Unsent::Event(EventWrite {
        to: match recipient {
            Some(execution) => Addressee::Execution(ExecutionId(execution)),
            None => Addressee::Listeners(routing_key),
        },
        body,
        number: place.cast_unsigned(),
    })
}

/// Place, execution, wait, due, body of a message.
pub type OwnMessage = (i64, Uuid, i64, Option<i64>, String);

/// Place, routing key, recipient, body of an event.
pub type OwnEvent = (i64, String, Option<Uuid>, String);

/// Messages and events of one coordinator, in the order of their places. Recalled messages share one: they follow the
/// events, by execution and wait.
pub fn own_unsent(
    mut messages: Vec<OwnMessage>,
    mut events: Vec<OwnEvent>,
) -> Result<Vec<Unsent>, Error> {
    messages.sort_unstable_by_key(|(place, execution, wait, ..)| (*place, *execution, *wait));
    events.sort_unstable_by_key(|(place, ..)| *place);
    let mut unsent = Vec::with_capacity(messages.len() + events.len());
    for (place, routing_key, recipient, body) in events {
        let event = unsent_event(place, (routing_key, recipient, body));
        unsent.push((place, event));
    }
    for (place, execution, wait, due, body) in messages {
        let message = unsent_message((execution, wait), place, (due, &body))?;
        unsent.push((place, message));
    }
    unsent.sort_by_key(|(place, _)| *place);
    Ok(unsent.into_iter().map(|(_, unsent)| unsent).collect())
}

/// Opened at, execution, its ARN, incident, whether it is a suspended undo, body.
pub type IncidentColumns = (i64, Uuid, String, i64, bool, String);

/// An open incident.
pub fn incident(
    (opened_at, execution, execution_arn, incident, suspended, body): IncidentColumns,
) -> Result<IncidentRow, Error> {
    let execution = ExecutionId(execution);
    let kind = if suspended {
        IncidentKind::Suspended(Box::new(parsed::<Incident>(&body, || {
            row("an incident", execution)
        })?))
    } else {
        IncidentKind::SetAside(Box::new(parsed(&body, || {
            row("what was set aside", execution)
        })?))
    };
    Ok(IncidentRow {
        execution,
        execution_arn,
        incident: sequence(incident),
        opened_at: moment(opened_at)?,
        kind,
    })
}

/// The ARN of an execution that is set aside, when it was never written.
pub fn set_aside_arn(aside: &SetAside) -> &str {
    match &aside.input {
        Input::Start(start) => &start.arn,
        _ => "",
    }
}
