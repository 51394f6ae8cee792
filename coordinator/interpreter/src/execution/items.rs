//! The items of a Map at hand, so that an iteration need not find them anew in the input.

use std::collections::BTreeMap;

use crate::history::Payload;
use crate::ids::ScopeId;

/// The items of a Map that runs.
#[derive(Debug, Clone)]
pub(crate) struct Items {
    /// The Map's effective input.
    pub input: Payload,
    /// What `ItemsPath` found in it: an array.
    pub items: Payload,
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
