//! Executions that speak to one another: a child says when it begins, when it ends and when it has undone what it did; a parent
//! when it no longer waits, when what the child did is to be undone, and when it never will be.

use jiff::Timestamp;
use serde_json::json;

use super::Taken;
use super::turn::{Failure, Turn};
use crate::compensation::CompensationStatus;
use crate::delivery;
use crate::effect::{Wait, WaitKind};
use crate::execution::{Attempt, Broken, Disposition};
use crate::history::{
    Ending, Event, Outcome, Payload, Status, Target, TaskScheduled, Then, Trigger, TriggerKind,
};
use crate::ids::{EntryId, ExecutionId, Runner, ScopeId, Sequence};
use crate::input::{Attempted, ChildEnd, ClaimedEffect, CompensationEnd, Ignored, Input};

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
            // Source: the saga extension, "Order", of a child execution; past its pivot nothing is undone that was done.
            effect: match head.compensation_status() {
                _ if head.pivot.is_some() => ClaimedEffect::Unknown,
                CompensationStatus::None | CompensationStatus::Compensated => ClaimedEffect::None,
                CompensationStatus::Compensating
                | CompensationStatus::Suspended
                | CompensationStatus::Incomplete
                | CompensationStatus::Abandoned => ClaimedEffect::Unknown,
            },
            is_undoable: head.is_kept || head.pivot.is_some(),
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
            self.stop_child(task, Some(ExecutionId::of(arn)), true);
            return Ok(Ok(()));
        };
        if flight.is_submitted {
            return Ok(Err(Ignored::TaskClosed));
        }
        let resource = self.resource(runner)?;
        let output = delivery::started(resource, arn, started_at, &self.call(task));
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
        let asked = match self.execution.entry_of_attempt(task) {
            Some(entry) => self.asks_executions(entry)?.then_some(entry),
            None => None,
        };
        let is_success = end.status == Status::Succeeded;
        if let Some(entry) = asked.filter(|_| is_success && !end.is_undoable) {
            return self.child_left_nothing(task, end, entry);
        }
        let taken = self.answer_by_child(task, end)?;
        if !is_success || !end.is_undoable {
            return Ok(taken);
        }
        let may_ask = match asked {
            Some(entry) => !self.step(entry)?.disposition.is_settled(),
            None => false,
        };
        if !may_ask {
            self.tell_release(task, ExecutionId::of(&end.arn));
            return Ok(Ok(()));
        }
        Ok(taken)
    }

    fn answer_by_child(&mut self, task: Sequence, end: &ChildEnd) -> Result<Taken, Broken> {
        match self.resource_of(task)? {
            Some(resource) => self.answer(task, &end.reply(resource)),
            None => Ok(Err(Ignored::TaskClosed)),
        }
    }

    /// A step that nothing can be undone of is none, however late that is known.
    fn child_left_nothing(
        &mut self,
        task: Sequence,
        end: &ChildEnd,
        entry: EntryId,
    ) -> Result<Taken, Broken> {
        let step = self.step(entry)?;
        let is_told = |attempt: &Attempt| attempt.task == task && attempt.left_nothing;
        let is_open = !step.disposition.is_settled() && step.undo.is_none();
        let is_news = is_open && !step.attempts.iter().any(is_told);
        if is_news {
            self.record(Event::EntryReleased {
                entry,
                task: Some(task),
            })?;
        }
        if self.execution.waits.contains_key(&task) {
            return self.answer_by_child(task, end);
        }
        Ok(if is_news {
            Ok(())
        } else {
            Err(Ignored::TaskClosed)
        })
    }

    /// Stops the child of an attempt that is given up. What it did it undoes itself.
    pub(super) fn stop_child(
        &mut self,
        task: Sequence,
        child: Option<ExecutionId>,
        rolls_back: bool,
    ) {
        let Some(child) = child else { return };
        let cause = format!(
            "The execution {} no longer waits for it.",
            self.execution.head.start.arn
        );
        let stop = Input::Stop {
            error: Some(CANCELLED.to_owned()),
            cause: Some(cause),
            rolls_back,
            parent: Some(self.attempted(task)),
        };
        self.tell(child, stop);
    }

    fn attempted(&self, task: Sequence) -> Attempted {
        Attempted {
            execution: self.execution.head.id,
            task,
        }
    }

    /// The next of the executions that did a step's attempts is asked to undo what it did; when all have, the undo is through.
    pub(super) fn ask_next_child(&mut self, entry: EntryId) -> Result<(), Broken> {
        let (step, undo) = (self.step(entry)?, self.undo(entry)?);
        let Some((attempt, child)) = step.children().nth(undo.asked.len()) else {
            let result = Payload::new(json!({ "Executions": undo.asked.len() }));
            return self.undo_succeeded(entry, &result);
        };
        let (arguments, trigger) = (undo.input.clone(), undo.trigger.clone());
        let runner = Runner::Undo(entry);
        let resource = self.resource(runner)?;
        let timeout_at = self.now.checked_add(resource.timeout_default());
        let resource = resource.to_string();
        let scheduled = TaskScheduled {
            runner,
            resource: resource.clone(),
            arguments,
            attempt: self.undo(entry)?.attempt,
            // It has a time of its own: that of its machine's CompensationPolicy.
            timeout_at: timeout_at.unwrap_or(Timestamp::MAX),
            timeout_seconds: None,
            heartbeat_seconds: None,
            child: Some(child),
            receipt: None,
        };
        let task = self.show(runner, Event::TaskScheduled(Box::new(scheduled)))?;
        self.show(runner, Event::TaskStarted { runner, resource })?;
        self.open(Wait {
            wait: task,
            due: None,
            kind: WaitKind::Timer,
        });
        let ask = Input::CompensateChild {
            parent: self.attempted(attempt),
            task,
            trigger: Box::new(trigger),
        };
        self.tell(child, ask);
        Ok(())
    }

    /// A child has undone what it did.
    pub(super) fn child_compensated(
        &mut self,
        task: Sequence,
        end: CompensationEnd,
    ) -> Result<Taken, Broken> {
        let Some((runner @ Runner::Undo(entry), _)) = self.flying(task)? else {
            return Ok(Err(Ignored::TaskClosed));
        };
        if end == CompensationEnd::PastPivot {
            let failure = Failure::new(
                "Sagamore.PastPivot",
                "The execution has passed its pivot, and nothing it did before is undone.",
            );
            self.attempt_failed(runner, task, failure, Outcome::NotExecuted)?;
            return Ok(Ok(()));
        }
        self.record(Event::ChildCompensated { entry, end })?;
        let resource = self.resource(runner)?.to_string();
        let output = Payload::new(json!({ "compensation": end }));
        self.show(
            runner,
            Event::TaskSucceeded {
                runner,
                task,
                resource,
                output,
            },
        )?;
        self.ask_next_child(entry)?;
        Ok(Ok(()))
    }

    /// Whether an attempt of another execution started this one.
    pub(super) fn is_child_of(&self, parent: Attempted) -> bool {
        let own = self.execution.head.start.parent;
        own.is_some_and(|own| own.execution == parent.execution && own.task == parent.task)
    }

    /// The execution that waited for this one undoes it.
    pub(super) fn compensate_child(
        &mut self,
        parent: Attempted,
        task: Sequence,
        trigger: &Trigger,
    ) -> Result<Taken, Broken> {
        if !self.is_child_of(parent) {
            self.tell_compensated(parent.execution, task, CompensationEnd::Undone);
            return Ok(Ok(()));
        }
        if self.execution.head.asked_by == Some(task) {
            return Ok(Err(Ignored::AlreadyCompensating));
        }
        if let Some(end) = self.compensation_end() {
            self.tell_compensated(parent.execution, task, end);
            return Ok(Ok(()));
        }
        self.record(Event::UndoRequested { task })?;
        let trigger = Trigger {
            kind: TriggerKind::Parent,
            ..trigger.clone()
        };
        if self.execution.head.is_kept {
            self.begin_compensation(ScopeId::TOP, Target::Scope, Then::Settle, trigger)?;
        } else if !self.execution.is_terminal() && !self.execution.is_finishing() {
            let ending = Ending {
                status: Status::Aborted,
                error: Some(CANCELLED.to_owned()),
                cause: None,
            };
            self.finish(ending, trigger)?;
        }
        Ok(Ok(()))
    }

    /// Says that what this execution did is undone, once it is.
    pub(super) fn answer_parent(&mut self) -> Result<(), Broken> {
        let head = &self.execution.head;
        let (Some(task), Some(parent)) = (head.asked_by, head.start.parent) else {
            return Ok(());
        };
        if let Some(end) = self.compensation_end() {
            self.record(Event::UndoAnswered)?;
            self.tell_compensated(parent.execution, task, end);
        }
        Ok(())
    }

    /// What became of what this execution did, once nothing more will.
    fn compensation_end(&self) -> Option<CompensationEnd> {
        let head = &self.execution.head;
        let is_through = self.execution.is_terminal() && !head.is_kept && head.strays.is_empty();
        is_through.then(|| match head.compensation_status() {
            _ if head.pivot.is_some() => CompensationEnd::PastPivot,
            CompensationStatus::Incomplete => CompensationEnd::Incomplete,
            CompensationStatus::Abandoned => CompensationEnd::Abandoned,
            CompensationStatus::None
            | CompensationStatus::Compensated
            | CompensationStatus::Compensating
            | CompensationStatus::Suspended => CompensationEnd::Undone,
        })
    }

    fn tell_compensated(&mut self, to: ExecutionId, task: Sequence, end: CompensationEnd) {
        self.tell(to, Input::ChildCompensated { task, end });
    }

    /// Nobody asks any more to have what this execution did undone.
    pub(super) fn release_child(&mut self, parent: Attempted) -> Result<Taken, Broken> {
        if !self.is_child_of(parent) {
            return Ok(Err(Ignored::NotItsChild));
        }
        let head = &self.execution.head;
        if !head.is_kept || head.asked_by.is_some() {
            return Ok(Err(Ignored::ExecutionClosed));
        }
        self.record_letting_go(Event::LedgerClosed)?;
        Ok(Ok(()))
    }

    fn tell_release(&mut self, task: Sequence, child: ExecutionId) {
        let parent = self.attempted(task);
        self.tell(child, Input::ReleaseChild { parent });
    }

    /// Whether what a success leaves may yet be undone by the execution that waited for it.
    pub(super) fn is_kept_for_parent(&self) -> bool {
        let head = &self.execution.head;
        let is_waited_for = head.start.parent.is_some_and(|it| it.is_waited_for);
        let mut steps = self.execution.ledger.values().filter_map(|it| it.step());
        let is_left = steps.any(|step| step.disposition != Disposition::Released);
        is_waited_for && head.pivot.is_none() && is_left
    }

    /// Records what takes entries out of the hands of any undo, and tells the executions that did their steps.
    pub(super) fn record_letting_go(&mut self, event: Event) -> Result<Sequence, Broken> {
        let open = self.open_children();
        let sequence = self.record(event)?;
        self.let_children_go(open)?;
        Ok(sequence)
    }

    /// The same of what Step Functions shows.
    pub(super) fn show_letting_go(
        &mut self,
        previous: u64,
        event: Event,
    ) -> Result<Sequence, Broken> {
        let open = self.open_children();
        let sequence = self.show_after(previous, event)?;
        self.let_children_go(open)?;
        Ok(sequence)
    }

    /// The entries that are not settled and whose steps other executions did.
    fn open_children(&self) -> Vec<EntryId> {
        if !self.machine.has_children {
            return Vec::new();
        }
        let open = self.execution.ledger.values().filter(|entry| {
            let step = entry.step().filter(|step| !step.disposition.is_settled());
            step.is_some_and(|step| step.children().next().is_some())
        });
        open.map(|entry| entry.id).collect()
    }

    pub(super) fn let_children_go(&mut self, entries: Vec<EntryId>) -> Result<(), Broken> {
        for entry in entries {
            let step = self.step(entry)?;
            if !step.disposition.is_settled() {
                continue;
            }
            let children: Vec<_> = step.children().collect();
            for (task, child) in children {
                self.tell_release(task, child);
            }
        }
        Ok(())
    }
}

/// The error of an execution that nobody waits for any more.
const CANCELLED: &str = "Sagamore.Cancelled";
