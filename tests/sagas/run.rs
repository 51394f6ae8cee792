//! One random saga, from its start to its end.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::files::{distribute, file};
use crate::mirror::Mirror;
use anyhow::{Context, Result, bail, ensure};
use jiff::{SignedDuration, Timestamp};
use sagamore_interpreter::{
    Child, ChildEnd, ClaimedEffect, CompensationEnd, Dispatch, Input, Payload, Reply, Route,
    Sequence, Settlement, Status,
};
use sagamore_tests::saga::text::Writer;
use sagamore_tests::saga::{Choices, Saga, Services, decided, definition, input};
use serde_json::{Value, json};

/// The most that happens by chance to one saga.
const CHANCES_MAX: usize = 60;
/// Decisions after which an operator no longer only tries again.
const PATIENCE: usize = 30;
/// The most that happens until a saga that nothing disturbs any more has ended.
const STEPS_MAX: usize = 3_000;

/// Makes a saga of these bytes and all that happens to it, beside the reference interpreter.
pub fn saga(bytes: &[u8]) -> Result<()> {
    let mut choices = Choices(bytes);
    let definition = definition(&mut choices);
    run(&mut choices, &definition, true)
}

/// The same of a saga whose Maps are distributed, which the reference interpreter does not know.
pub fn distributed(bytes: &[u8]) -> Result<()> {
    let mut choices = Choices(bytes);
    let mut definition = definition(&mut choices);
    distribute(&mut choices, &mut definition);
    run(&mut choices, &definition, false)
}

fn run(choices: &mut Choices<'_>, definition: &Value, is_mirrored: bool) -> Result<()> {
    let (saga, _) =
        Saga::start(&definition.to_string(), input()).with_context(|| format!("{definition:#}"))?;
    let mirror = is_mirrored.then(|| Mirror::start(definition, &input(), &saga));
    let mirror = mirror
        .transpose()
        .with_context(|| format!("{definition:#}"))?;
    let mut run = Run {
        saga,
        mirror,
        services: Services::default(),
        seen: 0,
        asked: 0,
        messages: Vec::new(),
        replies: Vec::new(),
        denied: BTreeSet::new(),
        taken: Vec::new(),
        decisions: 0,
    };
    let outcome = run.play(choices);
    outcome.with_context(|| format!("{definition}\n{}\n", run.told()))
}

pub(super) struct Run {
    saga: Saga,
    mirror: Option<Mirror>,
    services: Services,
    /// How many of the saga's task messages the services have got.
    seen: usize,
    /// How many of its questions to other executions they have got.
    asked: usize,
    /// Task messages that are under way, or may come once more.
    pub(super) messages: Vec<(Sequence, Dispatch)>,
    /// Replies that are under way.
    pub(super) replies: Vec<Input>,
    /// Attempts of which a service said that nothing was done.
    denied: BTreeSet<Sequence>,
    /// What the saga took so far.
    taken: Vec<Input>,
    /// How often an operator decided.
    decisions: usize,
}

impl Run {
    fn play(&mut self, choices: &mut Choices<'_>) -> Result<()> {
        for _ in 0..CHANCES_MAX {
            self.receive();
            if choices.are_used_up() {
                break;
            }
            self.chance(choices)?;
        }
        self.settle()?;
        self.services
            .check(&self.saga.execution, &self.saga.history)
    }

    fn receive(&mut self) {
        let sent = self.saga.dispatched[self.seen..].iter().cloned();
        self.messages.extend(sent);
        self.seen = self.saga.dispatched.len();
        // An execution that is asked undoes what it did, and says so sooner or later.
        for (task, _, key) in &self.saga.asked[self.asked..] {
            self.services.work("", Some(key));
            self.replies.push(Input::ChildCompensated {
                task: *task,
                end: CompensationEnd::Undone,
            });
        }
        self.asked = self.saga.asked.len();
    }

    pub(super) fn take(&mut self, input: Input) -> Result<()> {
        self.taken.push(input.clone());
        let is_heartbeat = self.saga.is_heartbeat_due(&input);
        // What is ignored is as good an outcome.
        let ignored = self.saga.take(&input)?.err();
        match &mut self.mirror {
            Some(mirror) => mirror.take(&input, ignored, is_heartbeat, &self.saga),
            None => Ok(()),
        }
    }

    /// Something happens.
    fn chance(&mut self, choices: &mut Choices<'_>) -> Result<()> {
        match choices.one_of(16) {
            0..=7 if !self.messages.is_empty() => {
                let which = choices.one_of(self.messages.len());
                let (task, message) = self.messages.swap_remove(which);
                self.deliver(choices, task, message)
            }
            8 | 9 if !self.replies.is_empty() => {
                let which = choices.one_of(self.replies.len());
                let reply = self.replies.swap_remove(which);
                self.take(reply)
            }
            10 if !self.taken.is_empty() => {
                let which = choices.one_of(self.taken.len());
                self.take(self.taken[which].clone())
            }
            11 => self.take(Input::Stop {
                error: Some("Stopped".to_owned()),
                cause: None,
                rolls_back: choices.once_in(3),
                parent: None,
            }),
            12 => {
                let by = SignedDuration::from_millis([300, 1_000, 2_500, 7_000][choices.one_of(4)]);
                self.pass(by)
            }
            13 => self.decide_incidents(choices),
            _ => self.next_due(),
        }
    }

    /// A task message reaches its service, or does not.
    fn deliver(
        &mut self,
        choices: &mut Choices<'_>,
        task: Sequence,
        message: Dispatch,
    ) -> Result<()> {
        if let Route::Execution(child) = &message.route {
            let child = child.clone();
            return self.start_child(choices, task, message, &child);
        }
        if let Route::Files(call) = &message.route {
            let reply = file(choices, task, call);
            return self.find_file(choices, reply, (task, message));
        }
        let way = match choices.one_of(16) {
            // A service that said that nothing was done, and did it when asked once more, says so.
            _ if self.denied.contains(&task) => 5,
            way => way,
        };
        if way >= 12 {
            return self.lose(choices, way, task, message);
        }
        let reply = if matches!(way, 8 | 9) {
            self.denied.insert(task);
            failure(choices, ClaimedEffect::None)
        } else if way == 10 {
            failure(choices, ClaimedEffect::Unknown)
        } else {
            self.work(choices, task, &message)
        };
        let reply = Input::Reply {
            task,
            reply,
            bytes: None,
        };
        match way {
            // It runs, and nobody hears of it.
            4 => Ok(()),
            5 => {
                self.replies.push(reply);
                Ok(())
            }
            // It is delivered to a second worker, too.
            6 | 8 => {
                self.messages.push((task, message));
                self.take(reply)
            }
            7 => {
                self.take(Input::Reply {
                    task,
                    reply: Reply::Heartbeat,
                    bytes: None,
                })?;
                self.replies.push(reply);
                Ok(())
            }
            11 => self.take(Input::Reply {
                task,
                reply: Reply::Unusable {
                    error: "Sagamore.InvalidReply".to_owned(),
                    cause: "not JSON".to_owned(),
                },
                bytes: None,
            }),
            _ => self.take(reply),
        }
    }

    /// The execution that a task asks for begins and ends, or does not.
    fn start_child(
        &mut self,
        choices: &mut Choices<'_>,
        task: Sequence,
        message: Dispatch,
        child: &Child,
    ) -> Result<()> {
        let started = started(task, child, self.saga.now);
        match choices.one_of(8) {
            0..=3 => {
                let ended = self.child_ends(choices, task, &message);
                self.replies.push(ended);
                self.take(started)
            }
            // Its end is heard of before its start.
            4 => {
                let ended = self.child_ends(choices, task, &message);
                self.replies.push(started);
                self.take(ended)
            }
            5 => self.take(Input::Reply {
                task,
                reply: failure(choices, ClaimedEffect::None),
                bytes: None,
            }),
            // It starts late, or never ends.
            6 => {
                self.messages.push((task, message));
                Ok(())
            }
            _ => self.take(started),
        }
    }

    /// How an execution that a task asks for ends, which is told sooner or later.
    fn child_ends(
        &mut self,
        choices: &mut Choices<'_>,
        task: Sequence,
        message: &Dispatch,
    ) -> Input {
        let Route::Execution(child) = &message.route else {
            unreachable!("only an execution ends")
        };
        let (status, is_undoable) = match choices.one_of(7) {
            0..=2 if self.services.work(&message.key, None) => (Status::Succeeded, true),
            3 => (Status::Failed, true),
            4 => (Status::TimedOut, true),
            // What it did is not to be undone.
            5 => (Status::Succeeded, false),
            _ => (Status::Aborted, true),
        };
        ended(task, child, (status, is_undoable), self.saga.now)
    }

    /// A task message does not reach its service, or not now.
    fn lose(
        &mut self,
        choices: &mut Choices<'_>,
        way: usize,
        task: Sequence,
        message: Dispatch,
    ) -> Result<()> {
        match way {
            // Nobody has the queue, so it never ran; of an undo that is no news for its step.
            12 => self.take(Input::Unroutable {
                task,
                only_publish: true,
            }),
            // It may have run when it was published first, and runs once more.
            13 => {
                self.messages.push((task, message));
                self.take(Input::Unroutable {
                    task,
                    only_publish: false,
                })
            }
            14 => self.take(Input::DeadLettered {
                task,
                reason: "rejected".to_owned(),
            }),
            // It is lost, or late.
            _ => {
                if choices.one_of(2) == 1 {
                    self.messages.push((task, message));
                }
                Ok(())
            }
        }
    }

    fn work(&mut self, choices: &mut Choices<'_>, task: Sequence, message: &Dispatch) -> Reply {
        if self
            .services
            .work(&message.key, message.compensates.as_deref())
        {
            let result = [Some("on"), Some("again"), Some("out"), None][choices.one_of(4)];
            if !self.denied.contains(&task) && choices.once_in(12) {
                return failure(choices, ClaimedEffect::Committed);
            }
            Reply::Success(Arc::new(json!(result)))
        } else {
            failure(choices, ClaimedEffect::None)
        }
    }

    fn pass(&mut self, by: SignedDuration) -> Result<()> {
        self.saga.advance(by)?;
        while let Some((due, wait)) = self.saga.next_due()
            && due <= self.saga.now
        {
            self.take(Input::Due { wait })?;
            ensure!(
                self.saga.next_due() != Some((due, wait)),
                "wait {wait} stays due"
            );
        }
        Ok(())
    }

    fn next_due(&mut self) -> Result<()> {
        let Some((due, _)) = self.saga.next_due() else {
            return Ok(());
        };
        let by = due.duration_since(self.saga.now).max(SignedDuration::ZERO);
        self.pass(by)
    }

    /// An operator decides on all that waits for one.
    fn decide_incidents(&mut self, choices: &mut Choices<'_>) -> Result<()> {
        for (incident, key) in self.saga.incidents() {
            let way = choices.one_of(8);
            // What fails however often it is tried is taken for done, or given up.
            self.decisions += 1;
            let way = match self.decisions {
                ..PATIENCE => way,
                _ => 4 + self.decisions % 4,
            };
            let settlement = match way {
                5 => Some(Settlement::Skip { output: None }),
                6 => {
                    self.services.undo_by_hand(&key);
                    Some(Settlement::Resolve)
                }
                7 => Some(Settlement::Abandon),
                _ => None,
            };
            self.take(decided(incident, settlement))?;
        }
        Ok(())
    }

    /// The weather clears: what is under way arrives, every undo succeeds, time passes.
    fn settle(&mut self) -> Result<()> {
        let mut choices = Choices(&[]);
        for _ in 0..STEPS_MAX {
            self.receive();
            if let Some(reply) = self.replies.pop() {
                self.take(reply)?;
            } else if !self.messages.is_empty() {
                let (task, message) = self.messages.remove(0);
                if let Route::Execution(child) = &message.route {
                    self.take(started(task, child, self.saga.now))?;
                    let ended = self.child_ends(&mut choices, task, &message);
                    self.take(ended)?;
                    continue;
                }
                if let Route::Files(call) = &message.route {
                    let reply = file(&mut choices, task, call);
                    self.take(reply)?;
                    continue;
                }
                let reply = self.work(&mut choices, task, &message);
                self.take(Input::Reply {
                    task,
                    reply,
                    bytes: None,
                })?;
            } else if !self.saga.incidents().is_empty() {
                self.decide_incidents(&mut choices)?;
            } else if self.saga.next_due().is_some() {
                self.next_due()?;
            } else {
                ensure!(self.saga.waits.is_empty(), "it waits for no time");
                ensure!(self.saga.execution.is_terminal(), "it does not end");
                return Ok(());
            }
        }
        bail!("it goes on for ever")
    }

    /// What happened, for whoever reads a failure.
    fn told(&self) -> String {
        let writer = Writer(&self.saga);
        let records = self.saga.history.iter().map(|record| writer.record(record));
        let inputs = self.taken.iter().map(|input| format!("took {input:?}"));
        let lines = records.chain(inputs).chain(writer.ledger());
        lines.collect::<Vec<_>>().join("\n")
    }
}

fn failure(choices: &mut Choices<'_>, effect: ClaimedEffect) -> Reply {
    Reply::Failure {
        error: ["E1", "E2"][choices.one_of(2)].to_owned(),
        cause: None,
        effect,
    }
}

fn arn(child: &Child) -> String {
    let execution = child
        .machine_arn
        .replacen(":stateMachine:", ":execution:", 1);
    format!("{execution}:{}", child.name)
}

fn started(task: Sequence, child: &Child, now: Timestamp) -> Input {
    Input::ChildStarted {
        task,
        arn: arn(child),
        started_at: now,
        is_waited_for: child.is_waited_for,
    }
}

fn ended(
    task: Sequence,
    child: &Child,
    (status, is_undoable): (Status, bool),
    now: Timestamp,
) -> Input {
    let effect = match status {
        Status::TimedOut => ClaimedEffect::Unknown,
        _ => ClaimedEffect::None,
    };
    let end = ChildEnd {
        arn: arn(child),
        name: child.name.clone(),
        machine_arn: child.machine_arn.clone(),
        input: Payload::default(),
        started_at: now,
        stopped_at: now,
        status,
        output: (status == Status::Succeeded).then(Payload::default),
        error: (status == Status::Failed).then(|| "E1".to_owned()),
        cause: None,
        effect,
        is_undoable,
    };
    Input::ChildEnded {
        task,
        end: Box::new(end),
    }
}
