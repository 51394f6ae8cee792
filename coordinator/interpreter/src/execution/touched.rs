//! Which rows of an execution changed since they were last written.

use std::collections::BTreeSet;

use crate::ids::{EntryId, ScopeId, Sequence};

/// What a turn changed beside the head, which it always does.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Touched {
    /// Scopes that were made, changed or removed; one that is no longer there was removed.
    pub scopes: BTreeSet<ScopeId>,
    /// Entries that were made or changed.
    pub entries: BTreeSet<EntryId>,
    /// Waits that ended.
    pub(crate) closed: BTreeSet<Sequence>,
}

impl Touched {
    pub(crate) fn scope(&mut self, scope: ScopeId) {
        self.scopes.insert(scope);
    }

    pub(crate) fn entry(&mut self, entry: EntryId) {
        self.entries.insert(entry);
    }
}
