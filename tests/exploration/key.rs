//! When two states of the exploration are one.
//!
//! A key holds all that decides what can happen from now on, and nothing else:
//!
//! - The engine only compares sequence numbers, and each new one is greater than all before it. So they are replaced by
//!   their ranks, which leaves every comparison as it is.
//! - Ids of events and the times of what is past are written down and never read. What is due is kept, from now on.
//!   That of the phase is left out, as it never comes here.
//! - Data is left out: no state here reads what another one, or a service, gave it. What is sent to an undo is data.
//!   So are the names and causes of the errors of single attempts; those that an execution ends with are kept.
//! - Of a step of which nothing can be heard any more it is left out how it came to what it came to: an entry that is
//!   settled is only kept as settled, and one that is to be undone as that. Where a fault may still deliver its message
//!   twice, or an answer is under way, all is kept.
//! - Of the plan, what was passed is left out but for what it used up, and everything once nothing is entered any more.
//! - The guards know nothing of the future that is not in the ledger and in the scopes: their maps only grow by what
//!   is in there, under the same names.
//! - The reference is part of the key, since it may remember what the engine does not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::Timestamp;
use sagamore_interpreter::execution::{
    Activity, Attempt, Disposition, Flight, Phase, Position, Step, Subject, UndoPhase, UndoProgress,
};
use sagamore_interpreter::{Entry, Payload, Scope, ScopeId, Sequence, Trigger};
use sagamore_tests::reference::Label;

use crate::node::Node;

/// A hash: that two states share one by chance is to be expected once in a million of the largest explorations.
pub type Key = u64;

pub fn key(node: &Node) -> Key {
    let text = ranked(&text(node));
    let execution = &node.saga.execution;
    let top = execution.scopes.get(&ScopeId::TOP);
    let state = top
        .and_then(|scope| scope.position())
        .map(|position| position.state.as_str());
    // Once it is about to end no state is entered any more.
    let is_ending = execution.is_terminal() || execution.is_finishing();
    let ahead = state
        .filter(|_| !is_ending)
        .map(|state| node.plan.ahead(state));
    let mut hasher = DefaultHasher::new();
    (&text, &ahead).hash(&mut hasher);
    hasher.finish()
}

fn text(node: &Node) -> String {
    let execution = &node.saga.execution;
    let is_quiet = node.faults == 0 && node.late.is_empty();
    let mut scopes: Vec<Scope> = execution.scopes.values().cloned().collect();
    scopes
        .iter_mut()
        .for_each(|scope| strip_scope(scope, is_quiet));
    let head = &execution.head;
    let phase = head.undo_phase.map(|phase| match phase {
        UndoPhase::Timed { wait, .. } => ("timed", wait),
        UndoPhase::Overdue { incident } => ("overdue", incident),
    });
    let tally = head.tally;
    let mut text = format!(
        "{:?} {:?} {} {} {} {:?} {} {:?} {phase:?} {scopes:?} {:?}",
        head.status,
        head.error,
        tally.compensated > 0,
        tally.skipped > 0,
        tally.abandoned > 0,
        head.strays,
        head.is_compensating,
        head.pivot,
        node.late
    );
    for entry in execution.ledger.values() {
        write_entry(&mut text, node, entry);
    }
    for wait in node.saga.waits.values() {
        let due = wait
            .due
            .map(|due| due.duration_since(node.saga.now).as_secs());
        // That of the phase never comes.
        let due = due.filter(|seconds| *seconds < 3_600);
        let _ = write!(text, "\n{:?} {due:?}", wait.wait);
    }
    let tasks = &node.mirror.tasks;
    let late = node.late.iter().filter_map(|task| tasks.get(task));
    let late: BTreeSet<&Label> = late.map(|task| &task.label).collect();
    let standing = node.mirror.reference.standing(node.faults > 0, &late);
    text.push_str(&standing);
    text
}

fn write_entry(text: &mut String, node: &Node, entry: &Entry) {
    let Entry {
        id,
        scope,
        before,
        subject,
    } = entry;
    let _ = write!(text, "\n{id:?} {scope:?} {before:?} ");
    let step = match subject {
        Subject::Step(step) => step,
        group => {
            let _ = write!(text, "{group:?}");
            return;
        }
    };
    let effect = node.services.of(&step.key);
    let mut kept = step.clone();
    strip_step(&mut kept);
    let _ = if !is_silent(node, step) {
        write!(text, "{kept:?} {effect:?}")
    } else if step.disposition.is_settled() {
        // What is not as it should be stays so, and shows at the end.
        let is_right = match step.disposition {
            Disposition::Skipped | Disposition::Abandoned => true,
            Disposition::Released => effect.is_there && !effect.is_refused,
            _ => !effect.is_there,
        };
        write!(text, "settled {}", is_right || effect.is_by_hand)
    } else if matches!(
        step.disposition,
        Disposition::Committed | Disposition::Unknown
    ) {
        write!(text, "{} to be undone {effect:?}", step.state)
    } else {
        kept.attempts.clear();
        kept.past.clear();
        kept.round = 0;
        write!(text, "{kept:?} {effect:?}")
    };
}

/// Whether nothing that is heard of the step can change its entry any more: nothing is under way, and what a second
/// delivery would bring is known, or there is none.
fn is_silent(node: &Node, step: &Step) -> bool {
    let is_under_way = |attempt: &Attempt| {
        node.late.contains(&attempt.task) || node.saga.waits.contains_key(&attempt.task)
    };
    step.disposition != Disposition::Armed
        && !step.is_pivot
        && (node.faults == 0 || step.result.is_some())
        && !step.attempts.iter().any(is_under_way)
}

fn strip_scope(scope: &mut Scope, is_quiet: bool) {
    scope.last_event = 0;
    if is_quiet {
        // They are asked only for what shows late.
        scope.undone_before = Sequence(0);
        scope.undone_between.clear();
    }
    match &mut scope.phase {
        Phase::At(position) => strip_position(position),
        Phase::Compensating(goal) => {
            strip_trigger(&mut goal.trigger);
            if let Some(position) = &mut goal.position {
                strip_position(position);
            }
        }
        Phase::Ended(output) => *output = Payload::default(),
        Phase::Between | Phase::Yielding { .. } | Phase::Iterating(_) | Phase::Closed => {}
    }
}

fn strip_position(position: &mut Position) {
    position.entered_event = 0;
    position.entered_at = Timestamp::UNIX_EPOCH;
    position.input = Payload::default();
    match &mut position.activity {
        Activity::Task(flight) => strip_flight(flight),
        Activity::Backoff { until, .. } | Activity::Waiting { until, .. } => {
            *until = Timestamp::UNIX_EPOCH;
        }
        Activity::Running | Activity::Suspended(_) | Activity::Branches(_) => {}
    }
}

fn strip_flight(flight: &mut Flight) {
    flight.timeout_at = Timestamp::UNIX_EPOCH;
}

fn strip_trigger(trigger: &mut Trigger) {
    (trigger.error, trigger.cause, trigger.state) = (None, None, None);
}

fn strip_step(step: &mut Step) {
    // The effect behind the key is written down in its place.
    step.key.clear();
    for data in [&mut step.input, &mut step.arguments] {
        *data = Payload::default();
    }
    (step.error, step.cause, step.output) = (None, None, None);
    for attempt in &mut step.attempts {
        attempt.error = None;
    }
    if let Some((_, until)) = &mut step.drain {
        *until = Timestamp::UNIX_EPOCH;
    }
    let Some(undo) = &mut step.undo else { return };
    (undo.entered_event, undo.last_event, undo.attempt) = (0, 0, 0);
    undo.entered_at = Timestamp::UNIX_EPOCH;
    undo.input = Payload::default();
    strip_trigger(&mut undo.trigger);
    match &mut undo.progress {
        UndoProgress::Task(flight) => strip_flight(flight),
        UndoProgress::Backoff { until, .. } => *until = Timestamp::UNIX_EPOCH,
        UndoProgress::Running | UndoProgress::Incident(_) | UndoProgress::Held => {}
    }
}

/// The text with each sequence number replaced by its rank among those in it.
fn ranked(text: &str) -> String {
    const NAME: &str = "Sequence(";
    let mut parts = text.split(NAME);
    let start = parts.next().unwrap_or_default();
    let numbered: Vec<(u64, &str)> = parts
        .map(|part| {
            let (number, rest) = part.split_once(')').unwrap_or((part, ""));
            (number.parse().unwrap_or(u64::MAX), rest)
        })
        .collect();
    let mut ranks: BTreeMap<u64, usize> = numbered.iter().map(|(number, _)| (*number, 0)).collect();
    for (rank, slot) in ranks.values_mut().enumerate() {
        *slot = rank;
    }
    let mut ranked = start.to_owned();
    for (number, rest) in numbered {
        let _ = write!(ranked, "{NAME}{}){rest}", ranks[&number]);
    }
    ranked
}
