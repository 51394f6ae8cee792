//! What to undo next. Source: the saga extension, "Order".
//!
//! In a chain strictly in reverse: an undo starts when its successors are settled. The branches of a Parallel and the iterations of
//! a Map are independent of each other, each in reverse; of a Map no more at a time than `MaxConcurrency`. An entry that is settled
//! has left its chain, so only the ends of chains are looked at.

use crate::execution::{Disposition, Entry, Execution, Subject};
use crate::history::Target;
use crate::ids::{EntryId, ScopeId};
use crate::mutation::{self, Mutation};

/// What a compensation can do now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Frontier {
    /// Entries whose undo can start.
    pub ready: Vec<EntryId>,
    /// Whether anything is still to be waited for, these included.
    pub is_open: bool,
    /// Whether an undo is out, or waits for its next attempt.
    is_busy: bool,
}

/// What the compensation of `target` in `scope` can do now.
pub(crate) fn frontier(execution: &Execution, scope: ScopeId, target: Target) -> Frontier {
    match target {
        Target::Scope => chain(execution, scope),
        Target::Since(since) => match last(execution, scope) {
            Some(last) if last.id.0 > since => entry(execution, last),
            _ => Frontier::default(),
        },
        Target::Group(None) => Frontier::default(),
        Target::Group(Some(group)) => execution
            .ledger
            .get(&group)
            .map(|group| entry(execution, group))
            .unwrap_or_default(),
    }
}

fn chain(execution: &Execution, scope: ScopeId) -> Frontier {
    let last = last(execution, scope);
    let mut frontier = last.map(|last| entry(execution, last)).unwrap_or_default();
    if mutation::is(Mutation::UndoOutOfOrder)
        && let Some(before) = last.and_then(|last| execution.ledger.get(&last.before?))
    {
        frontier.add(entry(execution, before));
    }
    frontier
}

/// The end of a scope's chain.
fn last(execution: &Execution, scope: ScopeId) -> Option<&Entry> {
    let last = execution.scopes.get(&scope)?.last_entry?;
    execution.ledger.get(&last)
}

fn entry(execution: &Execution, entry: &Entry) -> Frontier {
    match &entry.subject {
        Subject::Step(step) => Frontier {
            ready: match step.disposition.awaits_undo() {
                true => vec![entry.id],
                false => Vec::new(),
            },
            is_open: !step.disposition.is_settled(),
            is_busy: step.disposition == Disposition::Compensating,
        },
        Subject::Group(branches) => {
            let mut all = Frontier::default();
            for branch in branches {
                all.add(chain(execution, *branch));
            }
            all
        }
        Subject::Iterations {
            scopes,
            concurrency,
        } => iterations(execution, scopes, *concurrency),
    }
}

/// Those under way go on; others begin in order of their index, as far as there is room.
fn iterations(execution: &Execution, scopes: &[ScopeId], concurrency: u32) -> Frontier {
    let (mut all, mut waiting, mut busy) = (Frontier::default(), Vec::new(), 0);
    for scope in scopes {
        let iteration = chain(execution, *scope);
        if iteration.is_busy {
            busy += 1;
            all.add(iteration);
        } else if iteration.ready.is_empty() {
            all.is_open |= iteration.is_open;
        } else {
            all.is_open = true;
            waiting.push(iteration);
        }
    }
    let room = (concurrency as usize).saturating_sub(busy);
    waiting
        .into_iter()
        .take(room)
        .for_each(|next| all.add(next));
    all
}

impl Frontier {
    fn add(&mut self, other: Frontier) {
        self.ready.extend(other.ready);
        self.is_open |= other.is_open;
        self.is_busy |= other.is_busy;
    }
}
