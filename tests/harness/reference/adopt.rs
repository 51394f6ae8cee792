//! A machine that is made up as the execution goes along.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use serde_json::Value;

use super::model::{self, Kind, Machine};
use super::run::Reference;

impl Reference {
    /// Goes on with this machine, which differs from its own only in what nothing has looked at yet.
    ///
    /// # Errors
    /// When the definition has something that the reference does not know.
    pub fn adopt(&mut self, definition: &Value) -> Result<()> {
        let (top, policy) = model::read(definition)?;
        self.policy = policy;
        // Names are unique in the whole machine, so the first state names the chain.
        let mut chains = BTreeMap::new();
        collect(top, &mut chains);
        for scope in &mut self.scopes {
            scope.machine = Arc::clone(&chains[&scope.machine.start]);
        }
        for visit in &mut self.visits {
            let chain = &self.scopes[visit.scope.0].machine;
            visit.state = Arc::clone(&chain.states[&visit.label.state]);
            // A retrier that nothing has looked at was never used.
            visit.uses.resize(visit.state.retriers.len(), 0);
            for (machine, _) in &mut visit.waiting {
                *machine = Arc::clone(&chains[&machine.start]);
            }
        }
        Ok(())
    }
}

fn collect(machine: Arc<Machine>, chains: &mut BTreeMap<String, Arc<Machine>>) {
    for state in machine.states.values() {
        match &state.kind {
            Kind::Parallel(branches) => {
                for branch in branches {
                    collect(Arc::clone(branch), chains);
                }
            }
            Kind::Map(map) => collect(Arc::clone(&map.processor), chains),
            Kind::Task
            | Kind::Wait
            | Kind::Choice(..)
            | Kind::Pass
            | Kind::Succeed
            | Kind::Fail(_)
            | Kind::Compensate(_) => {}
        }
    }
    chains.insert(machine.start.clone(), machine);
}
