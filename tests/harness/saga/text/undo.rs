//! What becomes of the ledger, as lines.

use sagamore_interpreter::{Event, Target, Then};

use super::{Writer, failure, outcome_name, payload, within};

impl Writer<'_> {
    pub(super) fn compensation(&self, event: &Event) -> String {
        match event {
            Event::EntryArmed { scope, state, .. } => format!("{}armed {state}", within(*scope)),
            Event::CompositeArmed {
                scope,
                state,
                group,
                ..
            } => {
                let group = group.map(|group| format!(" in place of {}", group.0));
                format!(
                    "{}armed {state}{}",
                    within(*scope),
                    group.unwrap_or_default()
                )
            }
            Event::EntryDrained {
                entry,
                task,
                outcome,
                ..
            } => format!(
                "entry {} drained {task} {}",
                entry.0,
                outcome_name(*outcome)
            ),
            Event::EntryUpgraded {
                entry,
                task,
                result,
            } => format!(
                "entry {} committed late by {task} {}",
                entry.0,
                payload(result)
            ),
            Event::CompensationStarted { .. } => self.compensation_started(event),
            Event::CompensationEnded { scope } => format!("{}is undone", within(*scope)),
            Event::UndoStarted {
                entry, name, input, ..
            } => {
                format!(
                    "TaskStateEntered {name} entry {} {}",
                    entry.0,
                    payload(input)
                )
            }
            Event::UndoSucceeded {
                entry,
                name,
                output,
            } => {
                format!(
                    "TaskStateExited {name} entry {} {}",
                    entry.0,
                    payload(output)
                )
            }
            other => incident(other),
        }
    }

    fn compensation_started(&self, event: &Event) -> String {
        match event {
            Event::CompensationStarted {
                scope,
                target,
                then,
                trigger,
                drain_until,
                phase_until: _,
            } => {
                let target = match target {
                    Target::Scope => "its scope".to_owned(),
                    Target::Since(since) => format!("its scope back to {since}"),
                    Target::Group(None) => "nothing".to_owned(),
                    Target::Group(Some(entry)) => format!("the branches of {}", entry.0),
                };
                let then = match &**then {
                    Then::Exit { next, .. } => match next {
                        Some(next) => format!("go to {next}"),
                        None => "end".to_owned(),
                    },
                    Then::Finish(ending) => self.ending(ending),
                    Then::Settle => "tell the parent".to_owned(),
                    Then::Close => "nothing".to_owned(),
                    Then::Rerun => "begin again".to_owned(),
                    Then::Forgo => "the Map goes on without".to_owned(),
                    Then::Retry { retrier } => format!("retry by retrier {retrier}"),
                };
                let kind = trigger.kind;
                format!(
                    "{}undoes {target} by {kind:?}{}, then {then}",
                    within(*scope),
                    self.drain(*drain_until)
                )
            }
            other => format!("{other:?}"),
        }
    }
}

/// What waits for an operator.
fn incident(event: &Event) -> String {
    match event {
        Event::UndoSuspended {
            entry,
            error,
            cause,
        } => format!(
            "entry {} suspended {}",
            entry.0,
            failure(error, cause.as_ref())
        ),
        Event::IncidentRetried {
            incident,
            entry,
            arguments,
            ..
        } => {
            let with = arguments
                .as_ref()
                .map(|with| format!(" with {}", payload(with)));
            let with = with.unwrap_or_default();
            match entry {
                Some(entry) => format!("incident {incident} of entry {} retried{with}", entry.0),
                None => format!("incident {incident} retried{with}"),
            }
        }
        Event::UndoRequested { task } => format!("the parent asks to undo by task {task}"),
        Event::UndoAnswered => "the parent is answered".to_owned(),
        Event::LedgerClosed => "the ledger is closed".to_owned(),
        Event::EntryReleased { entry, task } => {
            let of = task.map(|task| format!(" of task {task}"));
            let of = of.unwrap_or_default();
            format!("entry {} has nothing to undo{of}", entry.0)
        }
        Event::ChildCompensated { entry, end } => {
            format!("entry {} its child ended {end:?}", entry.0)
        }
        Event::PivotCommitted { entry } => format!("entry {} is past the pivot", entry.0),
        Event::PivotSuspended { entry, error, .. } => {
            format!("entry {} is in doubt: {error}", entry.0)
        }
        Event::StateSuspended {
            scope,
            error,
            cause,
            ..
        } => format!(
            "{}suspended {}",
            within(*scope),
            failure(error, cause.as_ref())
        ),
        Event::LedgerReleased => "nothing is undone past the pivot".to_owned(),
        Event::PhaseTimedOut => "undoing takes too long".to_owned(),
        Event::PhaseEnded => "nothing undoes any more".to_owned(),
        Event::LedgerAbandoned => "what is not being undone is abandoned".to_owned(),
        Event::IncidentSettled {
            incident,
            settlement,
            ..
        } => format!("incident {incident} settled: {}", settlement.as_str()),
        other => format!("{other:?}"),
    }
}
