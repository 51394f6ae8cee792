//! What to undo next. Source: the saga extension, "Order".
//!
//! In a chain strictly in reverse: an undo starts when its successors are settled. The branches of a Parallel and the iterations of
//! a Map are independent of each other, each in reverse; of a Map no more at a time than `MaxConcurrency`. An entry that is settled
//! has left its chain, so only the ends of chains are looked at.

use crate::execution::{Cursors, Disposition, Entry, Execution, Subject};
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
}

/// What the compensation of `target` in `scope` can do now.
pub(crate) fn frontier(
    execution: &Execution,
    cursors: &mut Cursors,
    scope: ScopeId,
    target: Target,
) -> Frontier {
    match target {
        Target::Scope => chain(execution, cursors, scope),
        Target::Since(since) => match last(execution, scope) {
            Some(last) if last.id.0 > since => entry(execution, cursors, last),
            _ => Frontier::default(),
        },
        Target::Group(None) => Frontier::default(),
        Target::Group(Some(group)) => execution
            .ledger
            .get(&group)
            .map(|group| entry(execution, cursors, group))
            .unwrap_or_default(),
    }
}

fn chain(execution: &Execution, cursors: &mut Cursors, scope: ScopeId) -> Frontier {
    let last = last(execution, scope);
    let mut frontier = last
        .map(|last| entry(execution, cursors, last))
        .unwrap_or_default();
    if mutation::is(Mutation::UndoOutOfOrder)
        && let Some(before) = last.and_then(|last| execution.ledger.get(&last.before?))
    {
        frontier.add(entry(execution, cursors, before));
    }
    frontier
}

/// The end of a scope's chain.
fn last(execution: &Execution, scope: ScopeId) -> Option<&Entry> {
    let last = execution.scopes.get(&scope)?.last_entry?;
    execution.ledger.get(&last)
}

fn entry(execution: &Execution, cursors: &mut Cursors, entry: &Entry) -> Frontier {
    match &entry.subject {
        Subject::Step(step) => Frontier {
            ready: match step.disposition.awaits_undo() {
                true => vec![entry.id],
                false => Vec::new(),
            },
            is_open: !step.disposition.is_settled(),
        },
        Subject::Group(branches) => {
            let mut all = Frontier::default();
            for branch in branches {
                all.add(chain(execution, cursors, *branch));
            }
            all
        }
        Subject::Iterations {
            scopes,
            concurrency,
        } => iterations(execution, cursors, entry.id, scopes, *concurrency as usize),
    }
}

/// Those under way go on; others begin in order of their index, as far as there is room.
fn iterations(
    execution: &Execution,
    cursors: &mut Cursors,
    id: EntryId,
    scopes: &[ScopeId],
    concurrency: usize,
) -> Frontier {
    let known = cursors.0.get(&id).copied();
    let mut cursor = known.unwrap_or_else(|| execution.find_cursor(scopes));
    execution.move_cursor(&mut cursor, scopes);
    let (mut all, mut waiting, mut busy) = (Frontier::default(), Vec::new(), 0);
    for scope in &scopes[cursor.settled..cursor.begun] {
        let iteration = chain(execution, cursors, *scope);
        if is_busy(execution, *scope) {
            busy += 1;
            all.add(iteration);
        } else if !iteration.ready.is_empty() {
            waiting.push(iteration);
        }
    }
    let mut room = concurrency.saturating_sub(busy);
    for next in waiting.into_iter().take(room) {
        room -= 1;
        all.add(next);
    }
    while room > 0 && cursor.begun < scopes.len() {
        let iteration = chain(execution, cursors, scopes[cursor.begun]);
        cursor.begun += 1;
        if !iteration.ready.is_empty() {
            room -= 1;
            all.add(iteration);
        }
    }
    all.is_open = cursor.settled < scopes.len();
    cursors.0.insert(id, cursor);
    all
}

/// Whether an undo of this branch or iteration is out, or waits for its next attempt. It may stand before the end of its chain:
/// an effect that shows late takes its place there though what came before it is being undone.
pub(crate) fn is_busy(execution: &Execution, scope: ScopeId) -> bool {
    let before = |entry: &&Entry| execution.ledger.get(&entry.before?);
    let mut chain = std::iter::successors(last(execution, scope), before);
    chain.any(|entry| match &entry.subject {
        Subject::Step(step) => step.disposition == Disposition::Compensating,
        Subject::Group(inner) | Subject::Iterations { scopes: inner, .. } => {
            inner.iter().any(|inner| is_busy(execution, *inner))
        }
    })
}

impl Frontier {
    fn add(&mut self, other: Frontier) {
        self.ready.extend(other.ready);
        self.is_open |= other.is_open;
    }
}
