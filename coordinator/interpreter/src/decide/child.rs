//! Executions that speak to one another: a child says when it begins and when it ends, a parent when it no longer waits.

use jiff::Timestamp;

use super::Taken;
use super::turn::Turn;
use crate::compensation::CompensationStatus;
use crate::delivery;
use crate::execution::Broken;
use crate::history::Event;
use crate::ids::{ExecutionId, Sequence};
use crate::input::{ChildEnd, ClaimedEffect, Ignored, Input};

impl Turn<'_> {
    pub(super) fn tell_parent_of_start(&mut self) {
        let head = &self.execution.head;
        let Some(parent) = head.start.parent else {
            return;
        };
        let started = Input::ChildStarted {
            task: parent.task,
            arn: head.start.arn.clone(),
            started_at: head.started_at,
            is_waited_for: parent.is_waited_for,
        };
        self.tell(parent.execution, started);
    }

    pub(super) fn tell_parent_of_end(&mut self) {
        let head = &self.execution.head;
        let Some(parent) = head.start.parent.filter(|parent| parent.is_waited_for) else {
            return;
        };
        let start = &head.start;
        let end = ChildEnd {
            arn: start.arn.clone(),
            name: start.name.clone(),
            machine_arn: start.machine_arn.clone(),
            input: start.input.clone(),
            started_at: head.started_at,
            stopped_at: head.stopped_at.unwrap_or(self.now),
            status: head.status,
            output: head.output.clone(),
            error: head.error.clone(),
            cause: head.cause.clone(),
            // Source: the saga extension, "Order", of a child execution.
            effect: match head.compensation_status() {
                CompensationStatus::None | CompensationStatus::Compensated => ClaimedEffect::None,
                CompensationStatus::Compensating
                | CompensationStatus::Suspended
                | CompensationStatus::Incomplete
                | CompensationStatus::Abandoned => ClaimedEffect::Unknown,
            },
        };
        let ended = Input::ChildEnded {
            task: parent.task,
            end: Box::new(end),
        };
        self.tell(parent.execution, ended);
    }

    /// The child of an attempt runs. One that nobody waits for any more, though it was to be waited for, is stopped: the
    /// word that it is no longer wanted may have come before there was one.
    pub(super) fn child_started(
        &mut self,
        task: Sequence,
        arn: &str,
        started_at: Timestamp,
        is_waited_for: bool,
    ) -> Result<Taken, Broken> {
        if task.0 == 0 || task > self.execution.head.sequence {
            return Ok(Err(Ignored::UnknownTask));
        }
        let Some((runner, flight)) = self.flying(task)? else {
            if !is_waited_for {
                return Ok(Err(Ignored::TaskClosed));
            }
            self.stop_child(Some(ExecutionId::of(arn)));
            return Ok(Ok(()));
        };
        if flight.is_submitted {
            return Ok(Err(Ignored::TaskClosed));
        }
        let output = delivery::started(arn, started_at);
        let resource = self.resource(runner)?;
        if resource.is_done_once_started() {
            self.task_succeeded(runner, task, &output)?;
            return Ok(Ok(()));
        }
        let submitted = Event::TaskSubmitted {
            runner,
            resource: resource.to_string(),
            output: Some(output),
        };
        self.show(runner, submitted)?;
        Ok(Ok(()))
    }

    /// The child of an attempt has ended, which is the attempt's answer.
    pub(super) fn child_ended(&mut self, task: Sequence, end: &ChildEnd) -> Result<Taken, Broken> {
        match self.resource_of(task)? {
            Some(resource) => self.answer(task, &end.reply(resource)),
            None => Ok(Err(Ignored::TaskClosed)),
        }
    }

    /// Stops the child of an attempt that is given up. What it did it undoes itself.
    pub(super) fn stop_child(&mut self, child: Option<ExecutionId>) {
        let Some(child) = child else { return };
        let cause = format!(
            "The execution {} no longer waits for it.",
            self.execution.head.start.arn
        );
        let stop = Input::Stop {
            error: Some("Sagamore.Cancelled".to_owned()),
            cause: Some(cause),
            // Whoever waited undoes what was done, and this is part of it.
            rolls_back: true,
        };
        self.tell(child, stop);
    }
}
