//! The reference interpreter beside a saga: what the one takes the other takes, and both must be seen to stand where the other does.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use sagamore_interpreter::{
    ChildEnd, ClaimedEffect, EntryId, Event, HistoryRecord, Ignored, Input, Reply, Runner, ScopeId,
    Sequence, Settlement, Status, WaitKind,
};
use sagamore_tests::reference::{
    Act, Disposition, Effect, Input as Told, Label, Reference, Reply as Answer, Snapshot, Task,
};
use sagamore_tests::saga::Saga;
use serde_json::Value;

/// A reference, and the names that both have for things.
#[derive(Clone)]
pub struct Mirror {
    pub reference: Reference,
    /// How much of the history is known.
    known: usize,
    visits: BTreeMap<String, u32>,
    places: BTreeMap<ScopeId, Label>,
    entries: BTreeMap<EntryId, Label>,
    rounds: BTreeMap<EntryId, u32>,
    pub tasks: BTreeMap<Sequence, Task>,
    timers: BTreeMap<Sequence, Label>,
    incidents: BTreeMap<Sequence, Label>,
}

impl Mirror {
    pub fn start(definition: &Value, input: &Value, saga: &Saga) -> Result<Mirror> {
        let mut mirror = Mirror {
            reference: Reference::start(definition, input)?,
            known: 0,
            visits: BTreeMap::new(),
            places: BTreeMap::new(),
            entries: BTreeMap::new(),
            rounds: BTreeMap::new(),
            tasks: BTreeMap::new(),
            timers: BTreeMap::new(),
            incidents: BTreeMap::new(),
        };
        mirror.compare(saga)?;
        Ok(mirror)
    }

    /// Takes what the saga took; `before` tells what was due of what.
    pub fn take(
        &mut self,
        input: &Input,
        ignored: Option<Ignored>,
        is_heartbeat: bool,
        saga: &Saga,
    ) -> Result<()> {
        // Of the executions that did the attempts of one step, the last one that is asked ends its undo.
        let new = saga.history[self.known..].iter();
        let asks_on = matches!(input, Input::ChildCompensated { .. })
            && new
                .clone()
                .all(|it| !matches!(it.event, Event::UndoSucceeded { .. }));
        let told = self.told(input, ignored, is_heartbeat)?;
        if let Some(told) = told.filter(|_| !asks_on) {
            self.reference
                .take(&told)
                .with_context(|| format!("the reference takes {told:?}"))?;
        }
        self.compare(saga)
    }

    fn told(
        &self,
        input: &Input,
        ignored: Option<Ignored>,
        is_heartbeat: bool,
    ) -> Result<Option<Told>> {
        let answer = |task: &Sequence, reply: Answer| {
            let task = self.tasks.get(task).cloned();
            let task = task.context("an answer to an unknown task")?;
            Ok(Some(Told::Answer { task, reply }))
        };
        match input {
            Input::Reply { task, reply, .. } => match answered(reply) {
                Some(reply) => answer(task, reply),
                None => Ok(None),
            },
            Input::DeadLettered { task, .. } => answer(task, Answer::DeadLettered),
            Input::Unroutable {
                task,
                only_publish: true,
            } => answer(task, Answer::Unroutable),
            Input::Unroutable { task, .. } => answer(task, failure("Sagamore.Unroutable")),
            Input::Stop { rolls_back, .. } => Ok(Some(match rolls_back {
                true => Told::Rollback,
                false => Told::Stop,
            })),
            Input::Due { .. } if ignored.is_some() => Ok(None),
            Input::Due { wait } => Ok(Some(match (self.tasks.get(wait), self.timers.get(wait)) {
                (Some(_), _) if is_heartbeat => {
                    return answer(wait, failure("States.HeartbeatTimeout"));
                }
                (Some(task), _) => Told::TimedOut { task: task.clone() },
                (None, Some(of)) => Told::TimerOver { of: of.clone() },
                (None, None) if *wait == Sequence(1) => Told::ExecutionTimeout,
                (None, None) => Told::PhaseTimeout,
            })),
            Input::RetryIncident { incident, .. } => self.decided(*incident, ignored, Act::Retry),
            Input::SettleIncident {
                incident,
                settlement,
                ..
            } => self.decided(*incident, ignored, act(settlement)),
            Input::ChildEnded { task, end } => answer(task, ended(end)),
            Input::ChildCompensated { task, .. } => answer(task, Answer::Success(Value::Null)),
            Input::Start(_)
            | Input::Published { .. }
            | Input::ChildStarted { .. }
            | Input::CompensateChild { .. }
            | Input::ReleaseChild { .. } => Ok(None),
        }
    }

    fn decided(
        &self,
        incident: Sequence,
        ignored: Option<Ignored>,
        act: Act,
    ) -> Result<Option<Told>> {
        if ignored == Some(Ignored::UnknownIncident) {
            return Ok(None);
        }
        let incident = self.incidents.get(&incident).cloned();
        let incident = incident.context("a decision on an unknown incident")?;
        Ok(Some(Told::Operator { incident, act }))
    }

    fn compare(&mut self, saga: &Saga) -> Result<()> {
        for record in &saga.history[self.known..] {
            self.learn(record)?;
        }
        self.known = saga.history.len();
        let (mut is, mut should) = (self.seen(saga)?, self.reference.snapshot());
        // One entry holds all its rounds here; there each is armed anew.
        is.ledger.sort();
        should.ledger.sort();
        ensure!(
            is == should,
            "it stands at\n{is:#?}\nthe specification says\n{should:#?}"
        );
        Ok(())
    }

    fn learn(&mut self, record: &HistoryRecord) -> Result<()> {
        let (here, entry) = (record.sequence, EntryId(record.sequence));
        match &record.event {
            Event::StateEntered { scope, name, .. } => {
                let ordinal = self.visits.entry(name.to_string()).or_default();
                *ordinal += 1;
                let label = Label::visit(name.as_str(), *ordinal);
                self.places.insert(*scope, label);
            }
            Event::EntryArmed { scope, .. } | Event::CompositeArmed { scope, .. } => {
                let place = self.place(*scope)?;
                self.entries.insert(entry, place);
            }
            Event::UndoStarted { entry, .. } => *self.rounds.entry(*entry).or_default() += 1,
            Event::TaskScheduled(scheduled) => {
                let (label, round) = match scheduled.runner {
                    Runner::State(scope) => (self.place(scope)?, 0),
                    Runner::Undo(entry) => (self.undo(entry)?, self.rounds[&entry]),
                };
                let attempt = scheduled.attempt;
                self.tasks.insert(
                    here,
                    Task {
                        label,
                        round,
                        attempt,
                    },
                );
            }
            Event::RetryScheduled { runner, .. } => {
                let label = match runner {
                    Runner::State(scope) => self.place(*scope)?,
                    Runner::Undo(entry) => self.undo(*entry)?,
                };
                self.timers.insert(here, label);
            }
            Event::WaitScheduled { scope, .. } => {
                self.timers.insert(here, self.place(*scope)?);
            }
            Event::UndoSuspended { entry, .. } | Event::PivotSuspended { entry, .. } => {
                self.incidents.insert(here, self.undo(*entry)?);
            }
            Event::StateSuspended { scope, .. } => {
                self.incidents.insert(here, self.place(*scope)?);
            }
            Event::PhaseTimedOut => {
                self.incidents.insert(here, Label::phase());
            }
            _ => {}
        }
        Ok(())
    }

    fn place(&self, scope: ScopeId) -> Result<Label> {
        let place = self.places.get(&scope).cloned();
        place.with_context(|| format!("scope {scope:?} is in no state"))
    }

    fn undo(&self, entry: EntryId) -> Result<Label> {
        let label = self.entries.get(&entry).map(Label::undo);
        label.with_context(|| format!("there is no entry {entry:?}"))
    }

    /// What is seen of the saga, by the names of the reference.
    fn seen(&self, saga: &Saga) -> Result<Snapshot> {
        let execution = &saga.execution;
        let steps = || {
            let entries = execution.ledger.iter();
            entries.filter_map(|(id, entry)| Some((id, entry.step()?)))
        };
        let drains: BTreeSet<Sequence> = steps()
            .filter_map(|(_, step)| Some(step.drain?.0))
            .collect();
        let mut seen = Snapshot {
            status: execution.head.status.as_str(),
            error: execution.head.error.clone(),
            compensation: execution.head.compensation_status().as_str(),
            out: BTreeSet::new(),
            draining: BTreeSet::new(),
            timers: BTreeSet::new(),
            incidents: BTreeSet::new(),
            ledger: Vec::new(),
        };
        // Whoever stops it gives the error, which the reference leaves out.
        if seen.status != "FAILED" {
            seen.error = None;
        }
        for (wait, open) in &saga.waits {
            match &open.kind {
                WaitKind::Task(_) => {
                    let task = self.tasks.get(wait).cloned();
                    let task = task.context("an unknown task is out")?;
                    match drains.contains(wait) {
                        true => seen.draining.insert(task),
                        false => seen.out.insert(task),
                    };
                }
                // An execution that was asked to undo what it did.
                WaitKind::Timer if self.tasks.contains_key(wait) => {
                    seen.out.insert(self.tasks[wait].clone());
                }
                WaitKind::Timer => seen.timers.extend(self.timers.get(wait).cloned()),
                WaitKind::Incident(_) => seen.incidents.extend(self.incidents.get(wait).cloned()),
            }
        }
        for (id, step) in steps() {
            let label = self.entries.get(id).cloned().context("an unknown entry")?;
            let rounds = step.past.iter().chain([&step.disposition]);
            for (round, stands) in (1..).zip(rounds) {
                seen.ledger
                    .push((label.clone(), round, disposition(*stands)));
            }
        }
        Ok(seen)
    }
}

fn disposition(of: sagamore_interpreter::execution::Disposition) -> Disposition {
    use sagamore_interpreter::execution::Disposition as Stands;
    match of {
        Stands::Armed => Disposition::Armed,
        Stands::Committed => Disposition::Committed,
        Stands::NotExecuted => Disposition::NotExecuted,
        Stands::Unknown => Disposition::Unknown,
        Stands::Released => Disposition::Released,
        Stands::Compensating => Disposition::Compensating,
        Stands::Compensated => Disposition::Compensated,
        Stands::Suspended => Disposition::Suspended,
        Stands::Skipped => Disposition::Skipped,
        Stands::Resolved => Disposition::Resolved,
        Stands::Abandoned => Disposition::Abandoned,
    }
}

fn answered(reply: &Reply) -> Option<Answer> {
    Some(match reply {
        Reply::Success(result) => Answer::Success((**result).clone()),
        Reply::Failure { error, effect, .. } => Answer::Failure {
            error: error.clone(),
            effect: self::effect(*effect),
        },
        Reply::Unusable { .. } => Answer::Unusable,
        Reply::Heartbeat => return None,
    })
}

fn ended(end: &ChildEnd) -> Answer {
    if let Some(output) = &end.output {
        let output = (**output).clone();
        return match end.is_undoable {
            true => Answer::Success(output),
            false => Answer::SuccessOfNothing(output),
        };
    }
    let unnamed = match end.status {
        Status::TimedOut => "States.Timeout",
        _ => "States.TaskFailed",
    };
    Answer::Failure {
        error: end.error.clone().unwrap_or_else(|| unnamed.to_owned()),
        effect: effect(end.effect),
    }
}

fn effect(claimed: ClaimedEffect) -> Effect {
    match claimed {
        ClaimedEffect::None => Effect::None,
        ClaimedEffect::Committed => Effect::Committed,
        ClaimedEffect::Unknown => Effect::Unknown,
    }
}

fn failure(error: &str) -> Answer {
    Answer::Failure {
        error: error.to_owned(),
        effect: Effect::Unknown,
    }
}

fn act(settlement: &Settlement) -> Act {
    match settlement {
        Settlement::Skip { output } => Act::Skip {
            output: output.as_deref().cloned(),
        },
        Settlement::Resolve => Act::Resolve,
        Settlement::Abandon => Act::Abandon,
    }
}
