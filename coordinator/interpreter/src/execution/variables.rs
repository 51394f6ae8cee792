//! The variables of all scopes, and how much they hold together.

use serde_json::{Map, Value};

use super::Execution;
use crate::ids::ScopeId;
use crate::limits::json_bytes;

impl Execution {
    /// The variable of this name that is seen in the scope: its own, or that of one around it.
    pub(crate) fn variable(&self, scope: ScopeId, name: &str) -> Option<&Value> {
        let scopes = std::iter::successors(self.scopes.get(&scope), |scope| {
            self.scopes.get(&scope.parent?)
        });
        let mut found = scopes.filter_map(|scope| scope.variables.get(name));
        found.next().map(|value| &**value)
    }

    /// How many bytes of JSON all variables have, once these are assigned in the scope.
    pub(crate) fn variables_bytes_with(
        &self,
        scope: Option<ScopeId>,
        assigned: &Map<String, Value>,
    ) -> usize {
        let scope = scope.and_then(|scope| self.scopes.get(&scope));
        let replaced = |name: &String| scope.and_then(|scope| scope.variables.get(name));
        let gone: usize = assigned
            .keys()
            .filter_map(replaced)
            .map(|value| bytes(value))
            .sum();
        let new: usize = assigned.values().map(bytes).sum();
        self.variables_bytes
            .saturating_sub(gone)
            .saturating_add(new)
    }

    /// Nobody sees the variables of this scope any more.
    pub(super) fn forget_variables(&mut self, scope: ScopeId) {
        let Some(scope) = self.scopes.get_mut(&scope) else {
            return;
        };
        let forgotten = std::mem::take(&mut scope.variables);
        let gone: usize = forgotten.values().map(|value| bytes(value)).sum();
        self.variables_bytes = self.variables_bytes.saturating_sub(gone);
    }

    pub(super) fn derive_variables_bytes(&self) -> usize {
        let scopes = self.scopes.values();
        let values = scopes.flat_map(|scope| scope.variables.values());
        values.map(|value| bytes(value)).sum()
    }
}

fn bytes(value: &Value) -> usize {
    json_bytes(value, usize::MAX).unwrap_or(usize::MAX)
}
