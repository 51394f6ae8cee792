//! What to undo next. Source: the saga extension, "Order".
//!
//! In a chain strictly in reverse: an undo starts when its successors are settled. The branches of a Parallel are
//! independent of each other, each in reverse. An entry that is settled has left its chain, so only the ends of
//! chains are looked at.

use crate::execution::{Disposition, Entry, Execution, Subject};
use crate::history::Target;
use crate::ids::{EntryId, ScopeId};

/// What a compensation can do now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Frontier {
    /// Entries whose undo can start.
    pub ready: Vec<EntryId>,
    /// Whether anything is still to be waited for, these included.
    pub is_open: bool,
}

/// What the compensation of `target` in `scope` can do now.
pub(crate) fn frontier(execution: &Execution, scope: ScopeId, target: Target) -> Frontier {
    let mut frontier = Frontier::default();
    match target {
        Target::Scope => chain(execution, scope, &mut frontier),
        Target::Group(None) => {}
        Target::Group(Some(group)) => {
            if let Some(Entry {
                subject: Subject::Group(branches),
                ..
            }) = execution.ledger.get(&group)
            {
                branches
                    .iter()
                    .for_each(|branch| chain(execution, *branch, &mut frontier));
            }
        }
    }
    frontier
}

fn chain(execution: &Execution, scope: ScopeId, frontier: &mut Frontier) {
    let Some(scope) = execution.scopes.get(&scope) else {
        return;
    };
    let Some(last) = scope
        .last_entry
        .and_then(|last| execution.ledger.get(&last))
    else {
        return;
    };
    match &last.subject {
        Subject::Group(branches) => branches
            .iter()
            .for_each(|branch| chain(execution, *branch, frontier)),
        Subject::Step(step) => {
            frontier.is_open = true;
            if matches!(
                step.disposition,
                Disposition::Committed | Disposition::Unknown
            ) {
                frontier.ready.push(last.id);
            }
        }
    }
}
