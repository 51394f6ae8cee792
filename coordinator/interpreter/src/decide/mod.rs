//! `decide`: what happens next. The parent branches on the input; the leaves compute.

mod agenda;
mod child;
mod closing;
mod compensate;
mod context;
mod dispatch;
mod ending;
mod incident;
mod iteration;
mod pivot;
mod task;
mod turn;
mod undo;

use jiff::Timestamp;

use crate::definition::{BlockId, Machine};
use crate::effect::Decision;
use crate::execution::{Activity, Broken, Execution, Phase, UndoProgress, Waiter};
use crate::history::{Ending, Event, HistoryRecord, Status, Trigger, TriggerKind};
use crate::ids::{EntryId, ExecutionId, Runner, ScopeId, Sequence};
use crate::input::{Ignored, Input, Reply, Start};
use crate::limits::{VALUE_DEPTH_MAX, is_payload_too_deep};
use crate::{delivery, states};

pub(crate) use agenda::Exit;
pub(crate) use context::{Place, PlaceContext, data};
pub(crate) use dispatch::Errand;
pub(crate) use task::too_large_failure;
pub(crate) use turn::{Evaluation, Failure, Turn, in_state};

/// Seals the token of a task: a pure function of its key, the execution and the sequence.
pub type Sealer<'a> = dyn Fn(ExecutionId, Sequence) -> String + 'a;

/// Begins an execution.
///
/// # Errors
/// When an invariant is broken by it.
pub fn begin(
    machine: &Machine,
    id: ExecutionId,
    start: &Start,
    now: Timestamp,
    sealer: &Sealer<'_>,
) -> Result<(Execution, Decision), Broken> {
    let block = start.block.unwrap_or(BlockId::TOP);
    let Some(first) = machine.blocks.get(block.0 as usize) else {
        return Err(Broken::new(format!("the machine has no block {}", block.0)));
    };
    let first = first.start_at.clone();
    // The time of a machine is that of its top level.
    let timeout = machine.timeout.filter(|_| block == BlockId::TOP);
    let timeout_at = timeout.and_then(|timeout| now.checked_add(timeout).ok());
    let record = HistoryRecord {
        sequence: Sequence(1),
        at: now,
        event_id: Some(1),
        previous_event_id: 0,
        event: Event::ExecutionStarted {
            start: Box::new(start.clone()),
            timeout_at,
        },
    };
    let mut execution = Execution::begin(id, &record)?;
    let mut turn = Turn::new(machine, &mut execution, now, sealer);
    turn.began(record);
    turn.enter_later(ScopeId::TOP, first, start.input.clone());
    let decision = turn.run()?;
    Ok((execution, decision))
}

/// Takes an input. An execution that this leaves in an error is to be thrown away and loaded again.
///
/// `now` is the store's clock; a turn is never before the last record. The outer error is a broken invariant, the
/// inner one why the input changed nothing.
///
/// # Errors
/// When an invariant is broken by it.
pub fn decide(
    machine: &Machine,
    execution: &mut Execution,
    input: &Input,
    now: Timestamp,
    sealer: &Sealer<'_>,
) -> Result<Result<Decision, Ignored>, Broken> {
    let mut turn = Turn::new(machine, execution, now, sealer);
    let taken = match input {
        Input::Start(start) => Err(turn.already_started(start)),
        Input::Reply { task, reply, bytes } => {
            turn.answer_bytes = *bytes;
            turn.reply(*task, reply)?
        }
        Input::Published { task, message_id } => turn.published(*task, message_id)?,
        Input::ChildStarted {
            task,
            arn,
            started_at,
            is_waited_for,
        } => turn.child_started(*task, arn, *started_at, *is_waited_for)?,
        Input::ChildEnded { task, end } => turn.child_ended(*task, end)?,
        Input::ChildCompensated { task, end } => turn.child_compensated(*task, *end)?,
        Input::CompensateChild {
            parent,
            task,
            trigger,
        } => turn.compensate_child(*parent, *task, trigger)?,
        Input::ReleaseChild { parent } => turn.release_child(*parent)?,
        Input::Unroutable { task, only_publish } => turn.unroutable(*task, *only_publish)?,
        Input::DeadLettered { task, reason } => turn.dead_lettered(*task, reason)?,
        Input::Due { wait } => turn.due(*wait)?,
        Input::Stop {
            error,
            cause,
            rolls_back,
            parent,
        } => match parent {
            Some(parent) if !turn.is_child_of(*parent) => Err(Ignored::NotItsChild),
            _ => turn.stop(error, cause, *rolls_back)?,
        },
        Input::RetryIncident {
            incident,
            by,
            reason,
            arguments,
        } => turn.retry_incident(*incident, (by, reason), arguments.as_ref())?,
        Input::SettleIncident {
            incident,
            settlement,
            by,
            reason,
        } => turn.settle_incident(*incident, settlement, (by, reason))?,
    };
    match taken {
        Ok(()) => turn.run().map(Ok),
        Err(ignored) => Ok(Err(ignored)),
    }
}

/// Whether an input was taken, or why not.
type Taken = Result<(), Ignored>;

impl Turn<'_> {
    fn already_started(&self, start: &Start) -> Ignored {
        let head = &self.execution.head;
        // The task that started it starts it again when its letter comes twice.
        let is_again = start.parent.is_some() && start.parent == head.start.parent;
        let is_equal = start.parent.is_none() && start.input == head.start.input;
        let same = is_again || is_equal && head.status == Status::Running;
        Ignored::AlreadyStarted {
            same,
            started_at: head.started_at,
        }
    }

    fn due(&mut self, wait: Sequence) -> Result<Taken, Broken> {
        match self.execution.waits.get(&wait).copied() {
            None | Some(Waiter::Incident(_)) => Ok(Err(Ignored::NotDue)),
            Some(Waiter::Execution) => self.execution_due(),
            Some(Waiter::Phase) => self.phase_due(),
            Some(Waiter::Scope(scope)) => self.scope_due(scope),
            Some(Waiter::Undo(entry)) => self.undo_due(entry),
            Some(Waiter::Drain(entry)) => self.drain_due(entry, wait),
        }
    }

    fn execution_due(&mut self) -> Result<Taken, Broken> {
        if self
            .execution
            .head
            .timeout_at
            .is_none_or(|timeout_at| self.now < timeout_at)
        {
            return Ok(Err(Ignored::NotDue));
        }
        let ending = Ending {
            status: Status::TimedOut,
            error: None,
            cause: None,
        };
        self.finish(
            ending,
            Trigger {
                kind: TriggerKind::Timeout,
                error: None,
                cause: None,
                state: None,
            },
        )?;
        Ok(Ok(()))
    }

    fn scope_due(&mut self, scope: ScopeId) -> Result<Taken, Broken> {
        let position = match &self.scope(scope)?.phase {
            Phase::Yielding { next, input, .. } => {
                let (next, input) = (next.clone(), input.clone());
                self.enter_later(scope, next, input);
                return Ok(Ok(()));
            }
            Phase::At(position) => position,
            Phase::Between
            | Phase::Compensating(_)
            | Phase::Iterating(_)
            | Phase::Ended(_)
            | Phase::Closed => {
                return Err(Broken::new(format!("scope {} waits in no state", scope.0)));
            }
        };
        match position.activity {
            Activity::Task(_) => self.task_timed_out(Runner::State(scope))?,
            Activity::Backoff { until, .. } | Activity::Waiting { until, .. }
                if self.now < until =>
            {
                return Ok(Err(Ignored::NotDue));
            }
            Activity::Backoff { .. } => self.attempt_again(scope)?,
            Activity::Waiting { .. } => {
                let state = self.state(&position.state)?;
                states::wait_over(self, scope, state)?;
            }
            Activity::Running | Activity::Branches(_) | Activity::Suspended(_) => {
                return Err(Broken::new(format!("scope {} waits for no time", scope.0)));
            }
        }
        Ok(Ok(()))
    }

    fn undo_due(&mut self, entry: EntryId) -> Result<Taken, Broken> {
        match &self.undo(entry)?.progress {
            UndoProgress::Task(_) => self.task_timed_out(Runner::Undo(entry))?,
            UndoProgress::Backoff { until, .. } if self.now < *until => {
                return Ok(Err(Ignored::NotDue));
            }
            UndoProgress::Backoff { .. } => self.dispatch(Runner::Undo(entry))?,
            UndoProgress::Running | UndoProgress::Incident(_) | UndoProgress::Held => {
                return Ok(Err(Ignored::NotDue));
            }
        }
        Ok(Ok(()))
    }

    fn stop(
        &mut self,
        error: &Option<String>,
        cause: &Option<String>,
        rolls_back: bool,
    ) -> Result<Taken, Broken> {
        if self.execution.is_terminal() {
            return Ok(Err(Ignored::ExecutionClosed));
        }
        if self.execution.is_finishing() {
            return Ok(Err(Ignored::AlreadyCompensating));
        }
        let (error, cause) = (error.clone(), cause.clone());
        let trigger = Trigger {
            kind: if rolls_back {
                TriggerKind::Rollback
            } else {
                TriggerKind::Stop
            },
            error: error.clone(),
            cause: cause.clone(),
            state: None,
        };
        let is_past = self.execution.head.pivot.is_some();
        if self.machine.policy.abandons_on_stop && !rolls_back && !is_past {
            self.record_letting_go(Event::LedgerAbandoned)?;
        }
        self.finish(
            Ending {
                status: Status::Aborted,
                error,
                cause,
            },
            trigger,
        )?;
        Ok(Ok(()))
    }

    /// Takes what the holder of a task's token says of it. A task that is only told has nobody who could say anything.
    fn reply(&mut self, task: Sequence, reply: &Reply) -> Result<Taken, Broken> {
        let resource = self.resource_of(task)?;
        match (resource, reply) {
            (Some(resource), _) if resource.is_told_only() => Ok(Err(Ignored::TaskClosed)),
            (Some(resource), Reply::Success(answer)) => {
                let result = delivery::result(resource, answer, &self.call(task));
                self.answer(task, &Reply::Success(result))
            }
            _ => self.answer(task, reply),
        }
    }

    /// The call of a service that an attempt is.
    fn call(&self, task: Sequence) -> delivery::Call {
        delivery::Call {
            execution: self.execution.head.id,
            task,
            at: self.now,
            bytes: self.answer_bytes,
        }
    }

    fn answer(&mut self, task: Sequence, reply: &Reply) -> Result<Taken, Broken> {
        // It could be written down, but not be read again.
        if let Reply::Success(result) = reply
            && is_payload_too_deep(result)
        {
            let unusable = Reply::Unusable {
                error: "Sagamore.InvalidReply".to_owned(),
                cause: format!(
                    "The objects and arrays of the result nest deeper than {VALUE_DEPTH_MAX} levels."
                ),
            };
            return self.answer(task, &unusable);
        }
        match self.execution.waits.get(&task).copied() {
            Some(Waiter::Scope(scope)) => self.task_reply(Runner::State(scope), task, reply),
            Some(Waiter::Undo(entry)) => self.task_reply(Runner::Undo(entry), task, reply),
            Some(Waiter::Drain(entry)) => self.drain_reply(entry, task, reply),
            Some(Waiter::Execution | Waiter::Phase | Waiter::Incident(_)) => {
                Ok(Err(Ignored::UnknownTask))
            }
            None => self.late_reply(task, reply),
        }
    }
}
