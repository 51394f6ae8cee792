//! One execution under a virtual clock, without any server: what goes in is decided, what comes out is checked.
//!
//! The checks are those that must hold after every turn of every saga; they are made here, once, for the conformance
//! cases and for the random sagas alike. A violated one is an error that says which.

mod choices;
mod definition;
mod guard;
mod ledger;
mod services;
pub mod text;
mod turn;

pub use choices::Choices;
pub use definition::{definition, input};
pub use services::{Effect as ServiceEffect, Services, covered};

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Result, anyhow, bail, ensure};
use jiff::{SignedDuration, Timestamp};
use sagamore_interpreter::definition::Machine;
use sagamore_interpreter::execution::UndoProgress;
use sagamore_interpreter::{
    Decision, Dispatch, Effect, Execution, ExecutionId, HistoryRecord, Ignored, Input, Letter,
    Payload, Sequence, Settlement, Start, Wait, WaitKind, begin, decide,
};
use serde_json::Value;

use guard::Guard;

/// What an operator decides on an incident: how it is settled, or `None` for another try.
pub fn decided(incident: Sequence, settlement: Option<Settlement>) -> Input {
    let (by, reason) = (None, None);
    match settlement {
        None => Input::RetryIncident {
            incident,
            by,
            reason,
            arguments: None,
        },
        Some(settlement) => Input::SettleIncident {
            incident,
            settlement,
            by,
            reason,
        },
    }
}

/// One execution of a machine.
#[derive(Debug, Clone)]
pub struct Saga {
    machine: Arc<Machine>,
    /// What became of it so far.
    pub execution: Execution,
    /// Its history so far.
    pub history: Vec<HistoryRecord>,
    /// The virtual clock.
    pub now: Timestamp,
    /// What it waits for, as its effects said.
    pub waits: BTreeMap<Sequence, Wait>,
    /// Every task message it sent, in order.
    pub dispatched: Vec<(Sequence, Dispatch)>,
    /// All it said to other executions, in order.
    pub told: Vec<Letter>,
    /// Every attempt that asked an execution to undo what it did, with the name and the key of the step.
    pub asked: Vec<(Sequence, String, String)>,
    /// Whether each turn is taken twice, written down and read back, which takes longer than all else.
    is_repeated: bool,
    guard: Guard,
}

/// The ARN of every execution here.
const ARN: &str = "arn:aws:states:us-east-1:000000000000:execution:saga:case";

impl Saga {
    /// Starts an execution of this definition.
    ///
    /// # Errors
    /// When the definition is refused, or an invariant is violated.
    pub fn start(definition: &str, input: Value) -> Result<(Saga, Decision)> {
        let (machine, _) = Machine::parse(definition).map_err(|faults| {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            anyhow!("the definition is refused: {}", faults.join("; "))
        })?;
        let now: Timestamp = "2026-01-01T00:00:00Z".parse()?;
        let start = Start {
            arn: ARN.to_owned(),
            name: "case".to_owned(),
            machine_arn: "arn:aws:states:us-east-1:000000000000:stateMachine:saga".to_owned(),
            machine_name: "saga".to_owned(),
            role_arn: "arn:aws:iam::000000000000:role/saga".to_owned(),
            input: Payload::new(input),
            parent: None,
            block: None,
            map_run: None,
        };
        let (mut execution, decision) = begin(&machine, ExecutionId::of(ARN), &start, now, &token)?;
        execution.take_touched();
        let mut saga = Saga {
            machine: Arc::new(machine),
            execution,
            history: Vec::new(),
            now,
            waits: BTreeMap::new(),
            dispatched: Vec::new(),
            told: Vec::new(),
            asked: Vec::new(),
            is_repeated: true,
            guard: Guard::default(),
        };
        saga.heed(&decision)?;
        Ok((saga, decision))
    }

    /// Spares the checks that a turn can be taken a second time and stored: they look at each turn by itself.
    pub fn take_once(&mut self) {
        self.is_repeated = false;
    }

    /// Goes on with this machine, which differs from its own only in what nothing has looked at yet.
    pub fn adopt(&mut self, machine: Arc<Machine>) {
        self.machine = machine;
    }

    /// Takes an input at the clock's time and checks all that must hold afterwards.
    ///
    /// # Errors
    /// When an invariant is violated.
    pub fn take(&mut self, input: &Input) -> Result<Result<Decision, Ignored>> {
        let before = self.execution.clone();
        let taken = self.decide(input)?;
        match &taken {
            Err(_) => ensure!(
                self.execution == before,
                "an ignored input changed the execution"
            ),
            Ok(decision) => {
                if self.is_repeated {
                    turn::check_rows(&before, &mut self.execution)?;
                    turn::check_determinism(&self.machine, before, input, self.now, decision)?;
                } else {
                    self.execution.take_touched();
                }
                self.heed(decision)?;
                self.check_duplicate(input)?;
            }
        }
        Ok(taken)
    }

    /// Moves the clock, never back.
    pub fn advance(&mut self, by: SignedDuration) -> Result<()> {
        self.now = self.now.checked_add(by)?;
        Ok(())
    }

    /// The next wait that is due, and when.
    pub fn next_due(&self) -> Option<(Timestamp, Sequence)> {
        let due = |wait: &Wait| wait.due.map(|due| (due, wait.wait));
        self.waits.values().filter_map(due).min()
    }

    /// Whether it is for want of a heartbeat that this wait is due.
    pub fn is_heartbeat_due(&self, input: &Input) -> bool {
        let Input::Due { wait } = input else {
            return false;
        };
        match self.waits.get(wait).map(|wait| &wait.kind) {
            Some(WaitKind::Task(dispatch)) => self.now < dispatch.deadline,
            Some(WaitKind::Timer | WaitKind::Incident(_)) | None => false,
        }
    }

    /// The open incidents, and the key of the step that each is about.
    pub fn incidents(&self) -> Vec<(Sequence, String)> {
        let open = self.waits.values().filter_map(|wait| match &wait.kind {
            WaitKind::Incident(incident) => {
                let key = incident.entry["IdempotencyKey"].as_str();
                Some((wait.wait, key.unwrap_or_default().to_owned()))
            }
            WaitKind::Timer | WaitKind::Task(_) => None,
        });
        open.collect()
    }

    /// The open incident of a state.
    pub fn incident_of(&self, state: &str) -> Option<Sequence> {
        let mut waits = self.waits.values();
        let found = waits.find(
            |wait| matches!(&wait.kind, WaitKind::Incident(incident) if incident.state == state),
        );
        found.map(|wait| wait.wait)
    }

    fn decide(&mut self, input: &Input) -> Result<Result<Decision, Ignored>> {
        decide(&self.machine, &mut self.execution, input, self.now, &token)
            .map_err(|broken| anyhow!("{broken}, taking {input:?}"))
    }

    /// Does as the decision says and checks it against the execution.
    fn heed(&mut self, decision: &Decision) -> Result<()> {
        for effect in &decision.effects {
            match effect {
                Effect::Open(wait) => {
                    if let WaitKind::Task(dispatch) = &wait.kind {
                        self.dispatched.push((wait.wait, (**dispatch).clone()));
                    }
                    let known = self.waits.insert(wait.wait, wait.clone());
                    ensure!(known.is_none(), "wait {} is opened twice", wait.wait);
                }
                Effect::Move { wait, due, .. } => match self.waits.get_mut(wait) {
                    Some(wait) => wait.due = Some(*due),
                    None => bail!("wait {wait} is moved, which is not open"),
                },
                Effect::Close { wait } => {
                    let open = self.waits.remove(wait);
                    ensure!(open.is_some(), "wait {wait} is closed, which is not open");
                }
                Effect::Announce(_) => {}
                Effect::Tell(letter) => {
                    self.told.push(letter.clone());
                    if let Input::CompensateChild { task, .. } = &letter.input {
                        self.note_asked(*task)?;
                    }
                }
            }
        }
        let (seen, open): (Vec<_>, Vec<_>) = (
            self.waits.keys().copied().collect(),
            self.execution.open_waits().collect(),
        );
        ensure!(
            seen == open,
            "the effects left the waits {seen:?}, the execution has {open:?}"
        );
        self.guard
            .follow(&self.machine, self.execution.head.id, decision)?;
        self.guard.check(&self.execution)?;
        self.history.extend(decision.history.iter().cloned());
        if self.is_repeated {
            turn::check_history(&decision.history)?;
        }
        Ok(())
    }

    fn note_asked(&mut self, task: Sequence) -> Result<()> {
        let mut steps = self
            .execution
            .ledger
            .values()
            .filter_map(|entry| entry.step());
        let asks = steps.find(|step| {
            let undo = step.undo.as_deref();
            let progress = undo.map(|undo| &undo.progress);
            matches!(progress, Some(UndoProgress::Task(flight)) if flight.task == task)
        });
        let step = asks.ok_or_else(|| anyhow!("nobody asks by task {task}"))?;
        self.asked
            .push((task, step.state.to_string(), step.key.clone()));
        Ok(())
    }

    /// The same input again changes nothing.
    fn check_duplicate(&mut self, input: &Input) -> Result<()> {
        let before = self.execution.clone();
        if let Ok(decision) = self.decide(input)? {
            let moves_only = decision.effects.iter().all(|effect| match effect {
                Effect::Move { wait, due, .. } => {
                    self.waits.get(wait).and_then(|wait| wait.due) == Some(*due)
                }
                // A child that is not wanted is stopped as often as it says that it runs.
                Effect::Tell(_) => true,
                Effect::Open(_) | Effect::Close { .. } | Effect::Announce(_) => false,
            });
            ensure!(
                decision.history.is_empty() && moves_only,
                "taking {input:?} again decides {decision:?}"
            );
        }
        ensure!(
            self.execution == before,
            "taking {input:?} again changed the execution"
        );
        Ok(())
    }
}

fn token(_: ExecutionId, task: Sequence) -> String {
    format!("token-{task}")
}
