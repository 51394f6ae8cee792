//! The point of no return: when it is passed, and what waits for an operator at it and past it. Source: the saga extension,
//! "Pivot".

use serde_json::{Value, json};

use super::turn::{Failure, Turn};
use crate::compensation::{entry_input, of_visit};
use crate::effect::{About, Incident};
use crate::execution::{Activity, Broken, Phase};
use crate::history::{Event, Outcome, Payload, Trigger};
use crate::ids::{EntryId, Runner, ScopeId};
use crate::mutation::{self, Mutation};

impl Turn<'_> {
    /// An attempt has ended: when it was the pivot's and had its effect, nothing before it is undone any more.
    pub(super) fn note_attempt(&mut self, runner: Runner) -> Result<(), Broken> {
        match runner {
            Runner::State(scope) => match self.position(scope)?.entry {
                Some(entry) => self.note_pivot(entry),
                None => Ok(()),
            },
            Runner::Undo(_) => Ok(()),
        }
    }

    pub(super) fn note_pivot(&mut self, entry: EntryId) -> Result<(), Broken> {
        let step = self.step(entry)?;
        let is_pivot = step.is_pivot && !mutation::is(Mutation::ForgetPivot);
        let is_committed = is_pivot && of_visit(&step.attempts) == Outcome::Committed;
        if is_committed && self.execution.head.pivot.is_none() {
            self.record_letting_go(Event::PivotCommitted { entry })?;
        }
        Ok(())
    }

    /// Whether the scope stands at a pivot whose effect may be there: it can go neither on nor back.
    pub(super) fn is_doubtful_pivot(&self, scope: ScopeId) -> Result<bool, Broken> {
        let Some(entry) = self.position(scope)?.entry else {
            return Ok(false);
        };
        let step = self.step(entry)?;
        Ok(step.is_pivot
            && !step.disposition.is_settled()
            && of_visit(&step.attempts) == Outcome::Unknown)
    }

    /// The state failed where it is for an operator to decide.
    pub(super) fn suspend_state(&mut self, scope: ScopeId, failure: Failure) -> Result<(), Broken> {
        let group = self.group_of_ended();
        let Failure { error, cause, .. } = failure;
        let position = self.position(scope)?;
        let (state, input) = (position.state.to_string(), position.input.clone());
        let key = self.key(position.visit);
        let wait = self.record(Event::StateSuspended {
            scope,
            error: error.clone(),
            cause: cause.clone(),
            group,
        })?;
        let entry = json!({
            "State": state,
            "Input": *input,
            "Error": error,
            "Cause": cause,
            "IdempotencyKey": key,
        });
        let about = match self.execution.head.pivot {
            Some(_) => About::State,
            None => About::Pivot,
        };
        let incident = Incident {
            about,
            state,
            error,
            cause,
            entry,
        };
        self.raise(wait, incident);
        Ok(())
    }

    /// The pivot, whose effect may be there, would be undone next.
    pub(super) fn suspend_pivot(
        &mut self,
        entry: EntryId,
        trigger: &Trigger,
    ) -> Result<(), Broken> {
        let step = self.step(entry)?;
        let input = entry_input(step, trigger);
        let (state, cause) = (step.state.to_string(), step.cause.clone());
        let error = step.error.clone();
        let error = error.unwrap_or_else(|| "Sagamore.EffectUnknown".to_owned());
        let wait = self.record(Event::PivotSuspended {
            entry,
            input: Payload::new(input.clone()),
            trigger: trigger.clone(),
            error: error.clone(),
            cause: cause.clone(),
        })?;
        let incident = Incident {
            about: About::PivotUndo,
            state,
            error,
            cause,
            entry: input,
        };
        self.raise(wait, incident);
        Ok(())
    }

    /// The scope that stands at the pivot, which is this entry's state, while an operator is asked about it.
    pub(super) fn asked_about(&self, entry: EntryId) -> Option<ScopeId> {
        let scope = self.execution.scopes.get(&ScopeId::TOP)?;
        let Phase::At(position) = &scope.phase else {
            return None;
        };
        let is_pivot = self.execution.ledger.get(&entry)?.step()?.is_pivot;
        let is_asked = matches!(position.activity, Activity::Suspended(_));
        (is_pivot && is_asked && position.entry == Some(entry)).then_some(scope.id)
    }
}

/// What an operator gives for the result of a state, or null.
pub(super) fn given(output: Option<&Payload>) -> Payload {
    output.cloned().unwrap_or_else(|| Payload::new(Value::Null))
}
