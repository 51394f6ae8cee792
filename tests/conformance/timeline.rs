//! The timeline of a case: what each act of its script led to, record by record, effect by effect.

use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use sagamore_interpreter::execution::Activity;
use sagamore_interpreter::{
    Child, ChildEnd, ClaimedEffect, Decision, Ignored, Input, Payload, Reply, Route, Scope,
    Sequence, Status,
};
use sagamore_tests::saga::Saga;
use sagamore_tests::saga::text::Writer;
use serde_json::json;

use crate::script::{Act, Attempt, Script};

/// What comes of the script.
pub fn timeline(definition: &str, script: &Script) -> Result<String> {
    let mut run = Run {
        is_brief: script.is_brief,
        ..Run::default()
    };
    for (line, act) in &script.acts {
        run.act(definition, line, act)
            .with_context(|| format!("{line}\n{}", run.text))?;
    }
    run.end();
    Ok(run.text)
}

#[derive(Default)]
struct Run {
    saga: Option<Saga>,
    is_brief: bool,
    text: String,
}

impl Run {
    fn act(&mut self, definition: &str, line: &str, act: &Act) -> Result<()> {
        if let Act::Start(input) = act {
            self.end();
            self.heading(line);
            let (saga, decision) = Saga::start(definition, input.clone())?;
            self.saga = Some(saga);
            self.tell(&decision);
            return Ok(());
        }
        if let Act::After(duration) = act {
            if !self.is_brief {
                self.heading(line);
            }
            return self.pass(*duration);
        }
        let input = self.input(act)?;
        if !self.is_brief {
            self.heading(line);
        }
        self.take(&input)
    }

    fn pass(&mut self, duration: jiff::SignedDuration) -> Result<()> {
        let until = self.saga()?.now.checked_add(duration)?;
        while let Some((due, wait)) = self.saga()?.next_due().filter(|(due, _)| *due <= until) {
            let saga = self.saga()?;
            saga.now = saga.now.max(due);
            if !self.is_brief {
                let saga = self.saga()?;
                let line = format!("  at {} due {wait}\n", Writer(saga).time(saga.now));
                self.text += &line;
            }
            self.take(&Input::Due { wait })?;
            ensure!(
                self.saga()?.next_due() != Some((due, wait)),
                "wait {wait} stays due"
            );
        }
        self.saga()?.now = until;
        Ok(())
    }

    fn take(&mut self, input: &Input) -> Result<()> {
        match self.saga()?.take(input)? {
            Ok(decision) => self.tell(&decision),
            Err(ignored) if !self.is_brief => {
                let ignored = match ignored {
                    Ignored::AlreadyStarted { .. } => "AlreadyStarted".to_owned(),
                    other => format!("{other:?}"),
                };
                self.text += &format!("     ignored {ignored}\n");
            }
            Err(_) => {}
        }
        Ok(())
    }

    fn tell(&mut self, decision: &Decision) {
        let Some(saga) = self.saga.as_ref().filter(|_| !self.is_brief) else {
            return;
        };
        let writer = Writer(saga);
        let records = decision.history.iter().map(|record| writer.record(record));
        let effects = decision.effects.iter().map(|effect| writer.effect(effect));
        for line in records.chain(effects) {
            self.text += &(line + "\n");
        }
    }

    fn heading(&mut self, line: &str) {
        if !self.text.is_empty() {
            self.text += "\n";
        }
        self.text += &format!("{line}\n");
    }

    /// How the execution stands when the script leaves it.
    fn end(&mut self) {
        let Some(saga) = self.saga.take() else { return };
        let writer = Writer(&saga);
        let gap = if self.is_brief { "" } else { "\n" };
        self.text += &format!("{gap}= {}\n", writer.standing());
        for entry in writer.ledger() {
            self.text += &format!("= {entry}\n");
        }
    }

    fn saga(&mut self) -> Result<&mut Saga> {
        self.saga.as_mut().context("nothing was started")
    }

    fn input(&mut self, act: &Act) -> Result<Input> {
        Ok(match act {
            Act::Start(_) | Act::After(_) => unreachable!("taken by the caller"),
            Act::Succeed(attempt, body) => {
                reply(self.task(attempt)?, Reply::Success(Arc::new(body.clone())))
            }
            Act::Fail {
                attempt,
                error,
                cause,
                effect,
            } => reply(
                self.task(attempt)?,
                Reply::Failure {
                    error: error.clone(),
                    cause: cause.clone(),
                    effect: *effect,
                },
            ),
            Act::Heartbeat(attempt) => reply(self.task(attempt)?, Reply::Heartbeat),
            Act::Unusable(attempt) => reply(
                self.task(attempt)?,
                Reply::Unusable {
                    error: "Sagamore.InvalidReply".to_owned(),
                    cause: "The reply is not JSON.".to_owned(),
                },
            ),
            Act::Published(attempt) => Input::Published {
                task: self.task(attempt)?,
                message_id: "message-1".to_owned(),
            },
            Act::ChildStarts(_)
            | Act::ChildSucceeds(..)
            | Act::ChildKeeps(..)
            | Act::ChildUndid(..)
            | Act::ChildFails { .. } => self.child_input(act)?,
            Act::Unroutable {
                attempt,
                only_publish,
            } => Input::Unroutable {
                task: self.task(attempt)?,
                only_publish: *only_publish,
            },
            Act::DeadLetter(attempt, reason) => Input::DeadLettered {
                task: self.task(attempt)?,
                reason: reason.clone(),
            },
            Act::Stop(error, cause, rolls_back) => Input::Stop {
                error: error.clone(),
                cause: cause.clone(),
                rolls_back: *rolls_back,
                parent: None,
            },
            Act::Retry(state, arguments) => Input::RetryIncident {
                incident: self.incident(state)?,
                by: Some("olga".to_owned()),
                reason: Some("the service is back".to_owned()),
                arguments: arguments.clone().map(Payload::new),
            },
            Act::Settle(state, settlement) => Input::SettleIncident {
                incident: self.incident(state)?,
                settlement: settlement.clone(),
                by: Some("olga".to_owned()),
                reason: Some("I looked".to_owned()),
            },
        })
    }

    /// The open incident of a state.
    fn incident(&mut self, state: &str) -> Result<Sequence> {
        let state = if state == "-" { "" } else { state };
        let found = self.saga()?.incident_of(state);
        found.context("there is no such incident")
    }

    /// What a child says.
    fn child_input(&mut self, act: &Act) -> Result<Input> {
        Ok(match act {
            Act::ChildStarts(attempt) => {
                let (task, child) = self.child(attempt)?;
                Input::ChildStarted {
                    task,
                    arn: arn(&child),
                    started_at: self.saga()?.now,
                    is_waited_for: child.is_waited_for,
                }
            }
            Act::ChildSucceeds(attempt, output) => {
                let output = Some(Arc::new(output.clone()));
                self.child_ended(attempt, |end| end.output = output)?
            }
            Act::ChildKeeps(attempt, output) => {
                let output = Some(Arc::new(output.clone()));
                self.child_ended(attempt, |end| {
                    end.output = output;
                    end.is_undoable = true;
                })?
            }
            Act::ChildUndid(attempt, end) => {
                let asked = self.saga()?.asked.iter();
                let of_state = asked.filter(|(_, state, _)| *state == attempt.state);
                let tasks: Vec<Sequence> = of_state.map(|(task, ..)| *task).collect();
                let which = attempt.number.unwrap_or(tasks.len());
                let task = tasks.get(which.saturating_sub(1)).copied();
                Input::ChildCompensated {
                    task: task.context("no such child was asked")?,
                    end: *end,
                }
            }
            Act::ChildFails {
                attempt,
                status,
                error,
                cause,
                effect,
            } => self.child_ended(attempt, |end| {
                end.status = *status;
                end.error.clone_from(error);
                end.cause.clone_from(cause);
                end.effect = *effect;
            })?,
            _ => bail!("not a child's"),
        })
    }

    /// The end of a child that succeeds, unless it is changed.
    fn child_ended(
        &mut self,
        attempt: &Attempt,
        change: impl FnOnce(&mut ChildEnd),
    ) -> Result<Input> {
        let (task, child) = self.child(attempt)?;
        let now = self.saga()?.now;
        let mut end = ChildEnd {
            arn: arn(&child),
            name: child.name,
            machine_arn: child.machine_arn,
            input: Arc::new(json!({ "of": "the child" })),
            started_at: now,
            stopped_at: now,
            status: Status::Succeeded,
            output: None,
            error: None,
            cause: None,
            effect: ClaimedEffect::None,
            is_undoable: false,
        };
        change(&mut end);
        let end = Box::new(end);
        Ok(Input::ChildEnded { task, end })
    }

    fn child(&mut self, attempt: &Attempt) -> Result<(Sequence, Child)> {
        let task = self.task(attempt)?;
        let mut sent = self.saga()?.dispatched.iter();
        let dispatch = sent.find(|(sent, _)| *sent == task).map(|(_, it)| it);
        match dispatch.map(|dispatch| &dispatch.route) {
            Some(Route::Execution(child)) => Ok((task, child.clone())),
            _ => bail!("{} starts no execution", attempt.state),
        }
    }

    fn task(&mut self, attempt: &Attempt) -> Result<Sequence> {
        let saga = self.saga()?;
        let sent = &saga.dispatched;
        let mut attempts = sent
            .iter()
            .filter(|(_, dispatch)| dispatch.state == attempt.state);
        let found = match attempt.number {
            Some(number) => attempts.nth(number - 1),
            None => attempts.next_back(),
        };
        // What only waits for its token was not sent.
        let mut positions = saga.execution.scopes.values().filter_map(Scope::position);
        let waiting = || {
            let position = positions.find(|it| it.state.as_str() == attempt.state)?;
            match &position.activity {
                Activity::Task(flight) => Some(flight.task),
                _ => None,
            }
        };
        let found = found.map(|(task, _)| *task).or_else(waiting);
        found.with_context(|| format!("{} was not sent", attempt.state))
    }
}

fn reply(task: Sequence, reply: Reply) -> Input {
    Input::Reply {
        task,
        reply,
        bytes: None,
    }
}

fn arn(child: &Child) -> String {
    let execution = child
        .machine_arn
        .replacen(":stateMachine:", ":execution:", 1);
    format!("{execution}:{}", child.name)
}
