//! What enters the ledger.

use crate::execution::{Broken, Execution, Step, Subject};
use crate::history::{Event, HistoryRecord};
use crate::ids::EntryId;

impl Execution {
    pub(super) fn apply_arming(&mut self, record: &HistoryRecord) -> Result<(), Broken> {
        match &record.event {
            Event::EntryArmed {
                scope,
                state,
                input,
                arguments,
                key,
                is_pivot,
                variables,
            } => {
                let (state, input) = (state.clone(), input.clone());
                let step = Step {
                    is_pivot: *is_pivot,
                    variables: variables.clone(),
                    ..Step::armed(state, input, arguments.clone(), key.clone())
                };
                self.head.tally.shift(None, step.disposition);
                self.push_entry(record.sequence, *scope, Subject::Step(Box::new(step)))?;
                self.position(*scope)?.entry = Some(EntryId(record.sequence));
                Ok(())
            }
            Event::CompositeArmed {
                scope,
                state,
                input,
                result,
                output,
                key,
                group,
                variables,
            } => {
                if let Some(group) = group {
                    self.cover(*group)?;
                }
                let yielded = (result.clone(), output.clone());
                let (state, input, key) = (state.clone(), input.clone(), key.clone());
                let step = Step {
                    variables: variables.clone(),
                    ..Step::completed(record.sequence, state, input, yielded, key)
                };
                self.head.tally.shift(None, step.disposition);
                self.push_entry(record.sequence, *scope, Subject::Step(Box::new(step)))
            }
            _ => Err(Broken::new("not an event of an entry that is new")),
        }
    }

    /// One undo for a whole Parallel or Map takes the place of those inside.
    fn cover(&mut self, group: EntryId) -> Result<(), Broken> {
        for scope in self.entry(group)?.subject.inner().to_vec() {
            self.scope(scope)?.is_covered = true;
        }
        self.release(self.open_inside(group))
    }
}
