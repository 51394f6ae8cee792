//! What is left out, since the engine and the specification, or its second reading, don't agree on it yet.
//!
//! Each has its reproduction: `DISPUTED=1` explores these, too, and fails at the first. One that is settled is deleted
//! here.

use sagamore_interpreter::WaitKind;
use sagamore_interpreter::execution::{Disposition, Step};

use crate::action::{Act, Action};
use crate::node::Node;

/// What it is about, when this is left out.
pub fn dispute(node: &Node, action: Action) -> Option<&'static str> {
    match action {
        Action::Late(task) | Action::Redeliver(task) => {
            let (_, step) = node.step_of(task)?;
            let is_settled = step.disposition.is_settled();
            late(node, step).filter(|_| is_settled)
        }
        Action::Operate(incident, Act::Abandon) => {
            let wait = node.saga.waits.get(&incident)?;
            let WaitKind::Incident(incident) = &wait.kind else {
                return None;
            };
            let is_of_undo = node.steps().any(|(_, step)| {
                step.disposition == Disposition::Suspended && step.state.as_str() == incident.state
            });
            // The engine lets the undo that is under way go on, the reference gives it up with all else.
            let has_stray = !node.saga.execution.head.strays.is_empty();
            (has_stray && !is_of_undo).then_some("abandoning a state while a late effect is undone")
        }
        _ => None,
    }
}

/// An effect that shows once its entry is settled.
fn late(node: &Node, step: &Step) -> Option<&'static str> {
    let head = &node.saga.execution.head;
    let has_pivot = node.steps().any(|(_, step)| step.is_pivot);
    let is_not_executed = step.disposition == Disposition::NotExecuted;
    if node.plan.is_repeated(step.state.as_str()) {
        // Its undo is on its own, so the engine gives it no place among the iterations of the next try that are undone;
        // the reference does, and is stricter by it.
        Some("an effect that shows late in a Map that is tried again")
    } else if head.pivot.is_some() && is_not_executed {
        // A Catcher had it undone, which came to nothing. Past the pivot the engine releases it; the reference undoes
        // it, as both do with a step whose undo was sent.
        Some("an effect that shows past the pivot, of a step that was to be undone before it")
    } else if head.is_compensating && has_pivot {
        // It gets another round, which is released with all else once the pivot is known to have happened, though the
        // effect is gone; or it is undone past the pivot, which the guards forbid.
        Some("an effect that shows while what was done before the pivot is undone")
    } else {
        None
    }
}
