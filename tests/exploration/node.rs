//! One state of the exploration: the saga, its mirror, the services, what is under way, and how it came to this.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use jiff::{SignedDuration, Timestamp};
use sagamore_interpreter::definition::Machine;
use sagamore_interpreter::execution::{Disposition, Step};
use sagamore_interpreter::{
    ClaimedEffect, EntryId, Ignored, Input, Reply, Sequence, Settlement, WaitKind,
};
use sagamore_tests::saga::{Saga, Services, decided};
use serde_json::{Value, json};

use crate::action::{Act, Action};
use crate::mirror::Mirror;
use crate::plan::{self, Plan};

/// A saga somewhere on its way.
#[derive(Clone)]
pub struct Node {
    pub plan: Arc<Plan>,
    pub saga: Saga,
    pub mirror: Mirror,
    pub services: Services,
    /// Steps that nobody waits for any more, but which have had their effect: each may say so at any time, or never.
    pub late: BTreeSet<Sequence>,
    /// How many faults may happen yet.
    pub faults: u8,
    pub path: Option<Arc<Taken>>,
}

/// An input that was taken, and what came before it.
pub struct Taken {
    pub before: Option<Arc<Taken>>,
    pub at: Timestamp,
    pub input: Input,
}

/// A task message that is under way.
#[derive(Clone)]
struct Message {
    task: Sequence,
    key: String,
    compensates: Option<String>,
}

impl Node {
    pub fn start(plan: &Plan, faults: u8) -> Result<Node> {
        let (definition, input) = (plan.definition(), plan::input());
        let (mut saga, _) = Saga::start(&definition.to_string(), input.clone())?;
        saga.take_once();
        let mirror = Mirror::start(&definition, &input, &saga)?;
        Ok(Node {
            plan: Arc::new(plan.clone()),
            saga,
            mirror,
            services: Services::default(),
            late: BTreeSet::new(),
            faults,
            path: None,
        })
    }

    /// The same with a plan that says more.
    pub fn adopt(&mut self, plan: Plan, machine: Arc<Machine>, definition: &Value) -> Result<()> {
        self.plan = Arc::new(plan);
        self.saga.adopt(machine);
        self.mirror.reference.adopt(definition)
    }

    /// Lets it happen.
    pub fn act(&mut self, action: &Action) -> Result<()> {
        self.faults -= u8::from(action.is_fault());
        match action {
            Action::Answer(task) => {
                let message = self.message(*task)?;
                let reply = self.work(&message);
                self.reply(*task, reply)
            }
            Action::Fail(task, effect) => {
                let message = self.message(*task)?;
                // Of an effect that is unknown the worst case is that it is there.
                if *effect != ClaimedEffect::None {
                    self.work(&message);
                }
                self.reply(*task, failure(*effect))
            }
            Action::TimeOut(task) => {
                let message = self.message(*task)?;
                if message.compensates.is_some() {
                    self.work(&message);
                }
                self.due(*task)
            }
            Action::Timer(wait) => self.due(*wait),
            Action::Late(task) => {
                self.late.remove(task);
                self.reply(*task, success())
            }
            Action::Redeliver(task) => {
                let reply = match self.step_of(*task) {
                    Some((_, step)) => {
                        let key = step.key.clone();
                        self.work_on(&key, None)
                    }
                    None => bail!("task {task} is of no step"),
                };
                self.reply(*task, reply)
            }
            Action::Stop => {
                // Written as a client would, so that a new field of it needs nothing here.
                let stop = json!({ "stop": { "error": "Stopped", "cause": null } });
                self.take(serde_json::from_value(stop)?).map(drop)
            }
            Action::Operate(incident, act) => self.operate(*incident, *act),
        }
    }

    /// Every task message that is under way, with the time it is due.
    pub fn messages(&self) -> impl Iterator<Item = (Sequence, bool, Timestamp)> {
        let waits = self.saga.waits.values();
        waits.filter_map(|wait| match &wait.kind {
            WaitKind::Task(message) => {
                let due = wait.due.unwrap_or(Timestamp::MAX);
                Some((wait.wait, message.compensates.is_some(), due))
            }
            WaitKind::Timer | WaitKind::Incident(_) => None,
        })
    }

    /// The entry that this attempt is of.
    pub fn step_of(&self, task: Sequence) -> Option<(EntryId, &Step)> {
        self.steps()
            .find(|(_, step)| step.attempts.iter().any(|attempt| attempt.task == task))
    }

    pub fn steps(&self) -> impl Iterator<Item = (EntryId, &Step)> {
        let entries = self.saga.execution.ledger.iter();
        entries.filter_map(|(id, entry)| Some((*id, entry.step()?)))
    }

    fn message(&self, task: Sequence) -> Result<Message> {
        let wait = self.saga.waits.get(&task);
        match wait.map(|wait| &wait.kind) {
            Some(WaitKind::Task(dispatch)) => Ok(Message {
                task,
                key: dispatch.key.clone(),
                compensates: dispatch.compensates.clone(),
            }),
            _ => bail!("task {task} is not out"),
        }
    }

    fn work(&mut self, message: &Message) -> Reply {
        self.work_on(&message.key, message.compensates.as_deref())
    }

    fn work_on(&mut self, key: &str, compensates: Option<&str>) -> Reply {
        match self.services.work(key, compensates) {
            true => success(),
            false => failure(ClaimedEffect::None),
        }
    }

    fn reply(&mut self, task: Sequence, reply: Reply) -> Result<()> {
        self.take(Input::Reply {
            task,
            reply,
            bytes: None,
        })
        .map(drop)
    }

    fn due(&mut self, wait: Sequence) -> Result<()> {
        let due = self.saga.waits.get(&wait).and_then(|wait| wait.due);
        let by = due
            .context("it is never due")?
            .duration_since(self.saga.now);
        self.saga.advance(by.max(SignedDuration::ZERO))?;
        let ignored = self.take(Input::Due { wait })?;
        ensure!(ignored.is_none(), "wait {wait} is due, yet {ignored:?}");
        Ok(())
    }

    fn operate(&mut self, incident: Sequence, act: Act) -> Result<()> {
        let settlement = match act {
            Act::Retry => None,
            Act::Skip => Some(Settlement::Skip { output: None }),
            Act::Resolve => Some(Settlement::Resolve),
            Act::Abandon => Some(Settlement::Abandon),
        };
        let mut incidents = self.saga.incidents().into_iter();
        let found = incidents.find(|(open, _)| *open == incident);
        let (_, key) = found.context("the incident is open")?;
        let ignored = self.take(decided(incident, settlement))?;
        if act == Act::Resolve && ignored.is_none() {
            self.services.undo_by_hand(&key);
        }
        Ok(())
    }

    fn take(&mut self, input: Input) -> Result<Option<Ignored>> {
        let tasks: Vec<Sequence> = self.messages().map(|(task, ..)| task).collect();
        let messages = tasks.into_iter().map(|task| self.message(task));
        let messages: Vec<Message> = messages.collect::<Result<_>>()?;
        self.path = Some(Arc::new(Taken {
            before: self.path.take(),
            at: self.saga.now,
            input: input.clone(),
        }));
        let ignored = self.saga.take(&input)?.err();
        self.mirror.take(&input, ignored, false, &self.saga)?;
        let answered = match &input {
            Input::Reply { task, .. } => Some(*task),
            _ => None,
        };
        for message in messages {
            let is_out = self.saga.waits.contains_key(&message.task);
            if !is_out && answered != Some(message.task) {
                self.gave_up(&message)?;
            }
        }
        self.close_late()?;
        Ok(ignored)
    }

    /// Nobody waits for this message any more. It is under way all the same, and the worst case is that it had its
    /// effect in the last moment: to undo what was not done is no different for the engine, and easier to get right.
    fn gave_up(&mut self, message: &Message) -> Result<()> {
        if message.compensates.is_some() {
            return Ok(());
        }
        self.work(message);
        match self.step_of(message.task) {
            Some(_) => {
                self.late.insert(message.task);
                Ok(())
            }
            None => self.is_for_nobody(message.task),
        }
    }

    /// What an entry that is closed, or has its result, is told late is of no use any more: both are for good.
    fn close_late(&mut self) -> Result<()> {
        let is_closed = |task: &Sequence| {
            self.step_of(*task).is_none_or(|(_, step)| {
                let is_settled = matches!(
                    step.disposition,
                    Disposition::Released | Disposition::Abandoned
                );
                is_settled || step.result.is_some()
            })
        };
        let closed: Vec<Sequence> = self.late.iter().copied().filter(is_closed).collect();
        for task in closed {
            self.late.remove(&task);
            self.is_for_nobody(task)?;
        }
        Ok(())
    }

    fn is_for_nobody(&self, task: Sequence) -> Result<()> {
        let late = Input::Reply {
            task,
            reply: success(),
            bytes: None,
        };
        let taken = self.saga.clone().take(&late)?;
        ensure!(taken.is_err(), "a late {late:?} changes what is closed");
        Ok(())
    }
}

fn success() -> Reply {
    Reply::Success(Arc::new(Value::Null))
}

fn failure(effect: ClaimedEffect) -> Reply {
    Reply::Failure {
        error: "E".to_owned(),
        cause: None,
        effect,
    }
}
