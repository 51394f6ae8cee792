//! What is left out, since the engine and the specification, or its second reading, don't agree on it yet.
//!
//! Each has its reproduction: `DISPUTED=1` explores these, too, and fails at the first. One that is settled is deleted
//! here.

use sagamore_interpreter::execution::{Disposition, Step};

use crate::action::Action;
use crate::node::Node;

/// What it is about, when this is left out.
pub fn dispute(node: &Node, action: Action) -> Option<&'static str> {
    match action {
        Action::Late(task) | Action::Redeliver(task) => {
            let (_, step) = node.step_of(task)?;
            let is_settled = step.disposition.is_settled();
            late(node, step).filter(|_| is_settled)
        }
        _ => None,
    }
}

/// An effect that shows once its entry is settled.
fn late(node: &Node, step: &Step) -> Option<&'static str> {
    let head = &node.saga.execution.head;
    let has_pivot = node.steps().any(|(_, step)| step.is_pivot);
    let is_not_executed = step.disposition == Disposition::NotExecuted;
    if head.pivot.is_some() && is_not_executed {
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
