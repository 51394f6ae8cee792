//! How far the undoing of each Map is, so that its settled iterations need not be looked at again and again.

use std::collections::BTreeMap;

use crate::ids::EntryId;

/// Where to look among the iterations of a Map that is over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor {
    /// All before it are settled.
    pub settled: usize,
    /// Of it and of all after it no undo has begun.
    pub begun: usize,
}

/// The cursors, by the entries that hold the iterations. Derived and never stored: one that is not there is found anew.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cursors(pub(crate) BTreeMap<EntryId, Cursor>);

impl PartialEq for Cursors {
    /// What is derived tells no two executions apart.
    fn eq(&self, _: &Cursors) -> bool {
        true
    }
}
