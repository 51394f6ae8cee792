//! The items of a Map at hand, so that an iteration need not find them anew in the input.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::history::Payload;
use crate::ids::ScopeId;

/// The items of a Map that runs.
#[derive(Debug, Clone)]
pub(crate) struct Items {
    /// The Map's effective input.
    pub input: Payload,
    /// What there is an iteration for, each: an array of items, or of batches of them.
    pub items: Payload,
    /// How many items each batch has; `None` where there are no batches.
    pub batches: Option<Arc<[u32]>>,
}

impl Items {
    /// Items that are not in batches.
    pub(crate) fn new(input: Payload, items: Payload) -> Items {
        Items {
            input,
            items,
            batches: None,
        }
    }

    /// How many iterations there are.
    pub(crate) fn iterations(&self) -> u32 {
        let iterations = self.items.as_array().map_or(0, Vec::len);
        u32::try_from(iterations).unwrap_or(u32::MAX)
    }

    /// How many items there are, where an iteration has several.
    pub(crate) fn in_batches(&self) -> Option<u32> {
        self.batches.is_some().then(|| self.count())
    }

    /// How many items there are.
    pub(crate) fn count(&self) -> u32 {
        let in_batches = self.batches.as_ref();
        in_batches.map_or_else(
            || self.iterations(),
            |sizes| sizes.iter().fold(0, |sum, size| sum.saturating_add(*size)),
        )
    }
}

/// The items of the Maps that run, by the scopes that hold their iterations. Derived and never stored: an execution
/// that was loaded has none until they are asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct ItemsCache(pub(crate) BTreeMap<ScopeId, Items>);

impl PartialEq for ItemsCache {
    /// What is derived tells no two executions apart.
    fn eq(&self, _: &ItemsCache) -> bool {
        true
    }
}
