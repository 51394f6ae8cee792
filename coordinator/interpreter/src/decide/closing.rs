//! How branches and iterations are closed whose Parallel or Map has failed, or whose execution is over.

use super::turn::Turn;
use crate::definition::{StateKind, StateName};
use crate::effect::Announcement;
use crate::execution::{Activity, Broken, Phase};
use crate::history::Event;
use crate::ids::{Runner, ScopeId};
use crate::limits::DRAIN_MAX;

impl Turn<'_> {
    /// Whether Step Functions shows that what failed in a branch is aborted too: where its Parallel has a Retry, even when
    /// no attempt is left, and where there is an event for it.
    pub(super) fn shows_failed_branch(
        &self,
        parallel: ScopeId,
        failed: &StateName,
    ) -> Result<bool, Broken> {
        let has_retry = match &self.state(&self.position(parallel)?.state)?.kind {
            StateKind::Parallel(parallel) => !parallel.retry.is_empty(),
            _ => false,
        };
        let has_event = matches!(
            self.state(failed)?.kind,
            StateKind::Task(_) | StateKind::Wait(_) | StateKind::Parallel(_) | StateKind::Map(_)
        );
        Ok(has_retry && has_event)
    }

    /// Closes the branches or iterations of the Parallel or Map that the scope is in.
    pub(super) fn close_branches(&mut self, scope: ScopeId, drains: bool) -> Result<(), Broken> {
        let Phase::At(position) = &self.scope(scope)?.phase else {
            return Ok(());
        };
        let Activity::Branches(branches) = &position.activity else {
            return Ok(());
        };
        for branch in branches.clone() {
            self.close(branch, drains, true)?;
        }
        Ok(())
    }

    /// Closes a scope and those inside it. A step in flight that can be undone may answer yet when it `drains`.
    pub(super) fn close(
        &mut self,
        scope: ScopeId,
        drains: bool,
        is_shown: bool,
    ) -> Result<(), Broken> {
        let Some(state) = self.execution.scopes.get(&scope) else {
            return Ok(());
        };
        if matches!(state.phase, Phase::Ended(_) | Phase::Closed) {
            return Ok(());
        }
        if matches!(state.phase, Phase::Iterating(_)) {
            return self.close_iterations(scope, drains);
        }
        self.close_branches(scope, drains)?;
        let name = self
            .scope(scope)?
            .position()
            .map(|position| position.state.clone());
        let kind = name
            .map(|name| self.state(&name))
            .transpose()?
            .map(|state| super::agenda::state_type(&state.kind));
        let goes_on = !drains && matches!(self.scope(scope)?.phase, Phase::Compensating(_));
        let drain_until = self.let_go(scope, drains)?;
        let closed = Event::ScopeClosed {
            scope,
            kind,
            drain_until,
            goes_on,
        };
        if is_shown && kind.is_some() {
            self.show(Runner::State(scope), closed)?;
        } else {
            self.record(closed)?;
        }
        Ok(())
    }

    /// Until when the step in flight may answer yet; one that can't be undone, or doesn't drain, is cancelled.
    pub(super) fn let_go(
        &mut self,
        scope: ScopeId,
        drains: bool,
    ) -> Result<Option<jiff::Timestamp>, Broken> {
        let Phase::At(position) = &self.scope(scope)?.phase else {
            return Ok(None);
        };
        let Activity::Task(flight) = &position.activity else {
            return Ok(None);
        };
        let (task, timeout_at, child) = (flight.task, flight.timeout_at, flight.child);
        let state = position.state.to_string();
        let stands = match position.entry {
            Some(entry) => Some(self.step(entry)?.disposition),
            None => None,
        };
        let has_entry = stands.is_some_and(|stands| !stands.is_settled());
        // What it did is undone with all else, unless that stays, too.
        let rolls_back = stands.is_none_or(|stands| !stands.is_settled());
        self.stop_child(task, child, rolls_back);
        if !drains || !has_entry {
            self.announce(Announcement::TaskCancelled { task, state });
            return Ok(None);
        }
        let until = self
            .now
            .checked_add(DRAIN_MAX)
            .map_or(timeout_at, |latest| latest.min(timeout_at));
        self.move_due(task, until, false);
        Ok(Some(until))
    }
}
