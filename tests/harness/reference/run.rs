//! The reference execution: what it consists of, and where each input goes.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::boundary::{Effect, Input, Label, Reply, Task};
use super::ledger::{Disposition, Entry, Outcome, UndoDoing};
use super::model::{self, Kind, Machine, Policy, State};
use super::undoing::Compensation;

/// One execution of a machine.
#[derive(Debug, Clone)]
pub struct Reference {
    pub(super) policy: Policy,
    pub(super) input: Value,
    /// In order of starting; the first is the top level.
    pub(super) scopes: Vec<Scope>,
    /// In order of entering.
    pub(super) visits: Vec<Visit>,
    /// In order of arming.
    pub(super) entries: Vec<Entry>,
    /// In order of starting, those that are through included.
    pub(super) compensations: Vec<Compensation>,
    /// The states that are entered next, first come, first served.
    pub(super) agenda: VecDeque<(ScopeId, String, Value)>,
    pub(super) committed_pivot: Option<VisitId>,
    /// What compensations were to undo that were over when the pivot was committed.
    pub(super) owed: BTreeSet<VisitId>,
    /// Whether the incident of a phase that passed its timeout is open.
    pub(super) phase_is_suspended: bool,
    /// What it ends with, or has ended with.
    pub(super) ending: Option<Ending>,
    pub(super) is_over: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ScopeId(pub usize);
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct VisitId(pub usize);
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EntryId(pub usize);

/// The scope that is the machine's top level.
pub(super) const TOP: ScopeId = ScopeId(0);

/// The top level, one branch or one iteration, in one try of its composite.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    pub machine: Arc<Machine>,
    /// The visit of the Parallel or Map it is in.
    pub parent: Option<VisitId>,
    /// Its chain.
    pub visits: Vec<VisitId>,
    pub condition: Condition,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    /// Goes forward, or undoes in order to go on.
    Open,
    Succeeded(Value),
    /// An iteration whose failure is tolerated, while it undoes what it did.
    Forgoing,
    /// The same once that is done.
    Forgone,
    /// Somebody else's error or a stop ended it.
    Closed,
}

/// One visit of a state.
#[derive(Debug, Clone)]
pub(super) struct Visit {
    pub label: Label,
    pub scope: ScopeId,
    pub state: Arc<State>,
    pub input: Value,
    pub doing: Doing,
    /// How often each retrier was used.
    pub uses: Vec<u32>,
    /// What is known of each attempt; `None` while it is out.
    pub attempts: Vec<Option<Outcome>>,
    /// Those of which it is known that nothing is left to undo.
    pub nothing: BTreeSet<usize>,
    /// Whether one of the attempts has returned something.
    pub has_result: bool,
    /// The branches or iterations of all tries; those of the present try begin at `first_child`.
    pub children: Vec<ScopeId>,
    /// The first of them in each attempt.
    pub tries: Vec<usize>,
    pub first_child: usize,
    /// The branches or iterations of the present try that are still to start, with what they get.
    pub waiting: VecDeque<(Arc<Machine>, Value)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Doing {
    /// An attempt is out, children are open, or the time of a Wait runs.
    Working,
    BackingOff,
    /// Its scope compensates, or what is inside it; then it goes on.
    Undoing,
    /// An error brought up an incident.
    Suspended(String),
    /// Its scope compensates, but its attempt may answer yet.
    Draining,
    Over,
}

#[derive(Debug, Clone)]
pub(super) struct Ending {
    pub status: &'static str,
    pub error: Option<String>,
}

impl Reference {
    /// Starts an execution.
    ///
    /// # Errors
    /// When the definition has something that the reference does not know.
    pub fn start(definition: &Value, input: &Value) -> Result<Reference> {
        let (machine, policy) = model::read(definition)?;
        let mut started = Reference {
            policy,
            input: input.clone(),
            scopes: Vec::new(),
            visits: Vec::new(),
            entries: Vec::new(),
            compensations: Vec::new(),
            agenda: VecDeque::new(),
            committed_pivot: None,
            owed: BTreeSet::new(),
            phase_is_suspended: false,
            ending: None,
            is_over: false,
        };
        started.open(machine, None, input.clone());
        started.settle();
        Ok(started)
    }

    /// Takes an input, and does all that needs nobody.
    ///
    /// # Errors
    /// When it is about something that a look at the snapshot shows not to be: a timer that does not run, an attempt
    /// that was never sent, an incident that is not open.
    pub fn take(&mut self, input: &Input) -> Result<()> {
        match input {
            Input::Answer { task, reply } if task.label.is_undo => {
                self.undo_answered(task, reply)?;
            }
            Input::Answer { task, reply } => self.step_answered(task, reply)?,
            Input::TimedOut { task } if task.label.is_undo => self.undo_timed_out(task)?,
            Input::TimedOut { task } => self.step_timed_out(task)?,
            Input::TimerOver { of } => self.timer_over(of)?,
            Input::Stop if self.policy.stop_abandons && self.committed_pivot.is_none() => {
                self.stop_and_abandon();
            }
            Input::Stop | Input::Rollback => self.end("ABORTED", None),
            Input::ExecutionTimeout => self.end("TIMED_OUT", None),
            Input::PhaseTimeout => self.phase_timed_out(),
            Input::Operator { incident, act } => self.operate(incident, act)?,
            Input::Restart => {}
        }
        self.settle();
        Ok(())
    }

    /// Does all that needs nobody.
    fn settle(&mut self) {
        loop {
            while let Some((scope, state, input)) = self.agenda.pop_front() {
                self.enter(scope, &state, input);
            }
            if !self.undo() && !self.close_phase() {
                break;
            }
        }
        let compensates = self.compensations.iter().any(|of| of.runs);
        if self.ending.is_some() && !compensates && self.open_strays().is_empty() {
            self.is_over = true;
        }
    }

    /// The incident of the phase is over once there is nothing left in the phase; whether it has become so.
    pub(super) fn close_phase(&mut self) -> bool {
        let is_in_it = |entry: &Entry| entry.undo.doing == UndoDoing::SuspendedByPhase;
        let is_open =
            self.compensations.iter().any(|of| of.runs) || self.entries.iter().any(is_in_it);
        let closes = self.phase_is_suspended && !is_open;
        self.phase_is_suspended &= is_open;
        closes
    }

    fn step_answered(&mut self, task: &Task, reply: &Reply) -> Result<()> {
        let visit = self.visit_named(&task.label)?;
        let sent = self.visit(visit).attempts.len();
        let attempt = usize::try_from(task.attempt)?;
        ensure!(
            task.round == 0 && (1..=sent).contains(&attempt),
            "{task:?} was never sent"
        );
        if !self.is_out(visit, attempt) {
            match reply {
                Reply::SuccessOfNothing(_) if self.visit(visit).state.asks_executions => {
                    self.left_nothing(visit, attempt);
                }
                Reply::Success(result) | Reply::SuccessOfNothing(result) => {
                    self.succeeded_late(visit, attempt, result);
                }
                Reply::Failure { .. }
                | Reply::Unusable
                | Reply::DeadLettered
                | Reply::Unroutable => {}
            }
            return Ok(());
        }
        if matches!(reply, Reply::SuccessOfNothing(_)) && self.visit(visit).state.asks_executions {
            self.left_nothing(visit, attempt);
        }
        let (outcome, returned) = read(reply);
        self.visit_mut(visit).has_result |= returned.is_ok();
        self.note(visit, attempt, outcome);
        match returned {
            _ if self.visit(visit).doing != Doing::Working => self.conclude(visit),
            Ok(result) => {
                self.conclude(visit);
                self.succeed(visit, result.clone());
            }
            Err(error) => self.fail(visit, error, true),
        }
        Ok(())
    }

    fn step_timed_out(&mut self, task: &Task) -> Result<()> {
        let visit = self.visit_named(&task.label)?;
        let attempt = usize::try_from(task.attempt)?;
        ensure!(self.is_out(visit, attempt), "{task:?} is not out");
        self.note(visit, attempt, Outcome::Unknown);
        if self.visit(visit).doing == Doing::Working {
            self.fail(visit, "States.Timeout", true);
        } else {
            self.conclude(visit);
        }
        Ok(())
    }

    /// Whether the answer to this attempt of the visit is waited for, be it while it drains.
    fn is_out(&self, visit: VisitId, attempt: usize) -> bool {
        let visit = self.visit(visit);
        matches!(visit.doing, Doing::Working | Doing::Draining) && visit.attempts.len() == attempt
    }

    fn timer_over(&mut self, of: &Label) -> Result<()> {
        if of.is_undo {
            return self.undo_backoff_over(of);
        }
        let id = self.visit_named(of)?;
        let visit = self.visit(id);
        if visit.doing == Doing::BackingOff {
            self.begin_try(id);
        } else if matches!(visit.state.kind, Kind::Wait) && visit.doing == Doing::Working {
            self.succeed(id, visit.input.clone());
        } else {
            bail!("no timer of {of} runs");
        }
        Ok(())
    }

    pub(super) fn visit_named(&self, label: &Label) -> Result<VisitId> {
        let found = self.visits.iter().position(|visit| visit.label == *label);
        found
            .map(VisitId)
            .with_context(|| format!("there was no visit {label}"))
    }

    pub(super) fn visit(&self, id: VisitId) -> &Visit {
        &self.visits[id.0]
    }

    pub(super) fn visit_mut(&mut self, id: VisitId) -> &mut Visit {
        &mut self.visits[id.0]
    }

    pub(super) fn entry(&self, id: EntryId) -> &Entry {
        &self.entries[id.0]
    }

    pub(super) fn entry_mut(&mut self, id: EntryId) -> &mut Entry {
        &mut self.entries[id.0]
    }

    pub(super) fn scope(&self, id: ScopeId) -> &Scope {
        &self.scopes[id.0]
    }

    /// The composites around the visit, from the inside out, each with the branch or iteration of it.
    pub(super) fn around(&self, visit: VisitId) -> Vec<(VisitId, ScopeId)> {
        let mut found = Vec::new();
        let mut scope = self.visit(visit).scope;
        while let Some(composite) = self.scope(scope).parent {
            found.push((composite, scope));
            scope = self.visit(composite).scope;
        }
        found
    }

    /// The entry of the visit, in its latest round.
    pub(super) fn entry_of(&self, visit: VisitId) -> Option<EntryId> {
        let found = self.entries.iter().rposition(|entry| entry.visit == visit);
        found.map(EntryId)
    }

    pub(super) fn unsettled(&self) -> Vec<EntryId> {
        let entries = self.entries.iter().enumerate();
        entries
            .filter(|(_, entry)| !entry.disposition.is_settled())
            .map(|(index, _)| EntryId(index))
            .collect()
    }

    pub(super) fn set(&mut self, entry: EntryId, disposition: Disposition) {
        self.entry_mut(entry).disposition = disposition;
    }
}

/// The outcome of the attempt, and what it returned or its error. Source: "Outcome of one attempt".
pub(super) fn read(reply: &Reply) -> (Outcome, std::result::Result<&Value, &str>) {
    match reply {
        Reply::Success(result) | Reply::SuccessOfNothing(result) => {
            (Outcome::Committed, Ok(result))
        }
        Reply::Failure { error, effect } => {
            let outcome = match effect {
                Effect::Committed => Outcome::Committed,
                Effect::Unknown => Outcome::Unknown,
                Effect::None if error == "Sagamore.EffectUnknown" => Outcome::Unknown,
                Effect::None => Outcome::NotExecuted,
            };
            (outcome, Err(error))
        }
        Reply::Unusable => (Outcome::Unknown, Err("Sagamore.InvalidReply")),
        Reply::DeadLettered => (Outcome::Unknown, Err("Sagamore.DeadLettered")),
        Reply::Unroutable => (Outcome::NotExecuted, Err("Sagamore.Unroutable")),
    }
}
