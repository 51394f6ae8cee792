//! The chains of the ledger: entries join at the end, and leave it once they are settled.

use crate::execution::{Activity, Broken, Entry, Execution, Phase, Subject};
use crate::ids::{EntryId, ScopeId, Sequence};

impl Execution {
    /// Adds an entry at the end of its scope's chain.
    pub(super) fn push_entry(
        &mut self,
        sequence: Sequence,
        scope: ScopeId,
        subject: Subject,
    ) -> Result<(), Broken> {
        let id = EntryId(sequence);
        let before = self.scope(scope)?.last_entry.replace(id);
        self.ledger.insert(
            id,
            Entry {
                id,
                scope,
                before,
                subject,
            },
        );
        self.touched.entry(id);
        Ok(())
    }

    /// Puts a settled entry that must be undone after all at the end of its chain again, or says that it has none.
    pub(super) fn rejoin(&mut self, entry: EntryId) -> Result<bool, Broken> {
        let scope = self.entry(entry)?.scope;
        if !self.scopes.contains_key(&scope) {
            return Ok(false);
        }
        if !self.is_chained(entry) {
            let before = self.scope(scope)?.last_entry.replace(entry);
            self.entry(entry)?.before = before;
        }
        Ok(true)
    }

    /// When the Parallel that `scope` stands in is over: keeps those of its branches that have something to undo.
    pub(super) fn gather(&mut self, scope: ScopeId, sequence: Sequence) -> Result<(), Broken> {
        let branches = match &mut self.scope(scope)?.phase {
            Phase::At(position) => match &mut position.activity {
                Activity::Branches(branches) => std::mem::take(branches),
                Activity::Running
                | Activity::Task { .. }
                | Activity::Backoff { .. }
                | Activity::Waiting { .. } => return Ok(()),
            },
            Phase::Between
            | Phase::Yielding { .. }
            | Phase::Compensating(_)
            | Phase::Ended(_)
            | Phase::Closed => return Ok(()),
        };
        self.position(scope)?.activity = Activity::Running;
        let mut kept = Vec::new();
        for branch in branches {
            let Some(state) = self.scopes.get_mut(&branch) else {
                continue;
            };
            state.phase = Phase::Closed;
            self.touched.scope(branch);
            self.prune_chain(branch);
            if self.scopes.contains_key(&branch) {
                kept.push(branch);
            }
        }
        if kept.is_empty() {
            Ok(())
        } else {
            self.push_entry(sequence, scope, Subject::Group(kept))
        }
    }

    /// Lets settled entries leave the end of the scope's chain, and of the chains around it.
    pub(super) fn prune(&mut self, scope: ScopeId) {
        let mut next = Some(scope);
        while let Some(scope) = next {
            next = self.scopes.get(&scope).and_then(|scope| scope.parent);
            self.prune_chain(scope);
        }
    }

    fn prune_chain(&mut self, id: ScopeId) {
        let Some(scope) = self.scopes.get(&id) else {
            return;
        };
        let mut last = scope.last_entry;
        while let Some(entry) = last.and_then(|last| self.ledger.get(&last)) {
            if !self.is_settled(entry) {
                break;
            }
            last = entry.before;
        }
        if last != scope.last_entry {
            self.touched.scope(id);
        }
        if last.is_none() && scope.phase == Phase::Closed {
            self.scopes.remove(&id);
            self.touched.scope(id);
        } else if let Some(scope) = self.scopes.get_mut(&id) {
            scope.last_entry = last;
        }
    }

    fn is_settled(&self, entry: &Entry) -> bool {
        match &entry.subject {
            Subject::Step(step) => step.disposition.is_settled(),
            Subject::Group(branches) => branches
                .iter()
                .all(|branch| !self.scopes.contains_key(branch)),
        }
    }

    fn is_chained(&self, entry: EntryId) -> bool {
        let scope = self
            .ledger
            .get(&entry)
            .and_then(|entry| self.scopes.get(&entry.scope));
        let mut last = scope.and_then(|scope| scope.last_entry);
        while let Some(id) = last {
            if id == entry {
                return true;
            }
            last = self.ledger.get(&id).and_then(|entry| entry.before);
        }
        false
    }
}
