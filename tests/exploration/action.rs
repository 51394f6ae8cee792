//! What can happen next.

use jiff::{SignedDuration, Timestamp};
use sagamore_interpreter::{ClaimedEffect, Sequence, WaitKind};

use crate::node::Node;

/// A timer of more than this is that of the compensation phase, before which something else always happens here.
const BACKOFF_MAX: SignedDuration = SignedDuration::from_hours(1);

/// Something that can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A task message reaches its service, which does the work and says so.
    ///
    /// That is one, though the work may be done some time before the answer comes: only an undo of the same key would
    /// see the difference, and none is sent while the answer is waited for.
    Answer(Sequence),
    /// The service fails, and says this of the effect.
    Fail(Sequence, ClaimedEffect),
    /// The work is done, but no answer comes in time.
    TimeOut(Sequence),
    /// A step that nobody waits for any more answers.
    Late(Sequence),
    /// The message of a step that was answered or given up is delivered once more.
    ///
    /// So the fault is spent when the second delivery arrives, instead of when the message was doubled.
    Redeliver(Sequence),
    /// A backoff is over.
    Timer(Sequence),
    /// StopExecution.
    Stop,
    /// An operator decides on an incident.
    Operate(Sequence, Act),
}

/// What an operator can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Retry,
    Skip,
    Resolve,
    Abandon,
}

impl Action {
    /// Whether it counts as a fault.
    pub fn is_fault(self) -> bool {
        match self {
            Action::Fail(..) | Action::TimeOut(_) | Action::Redeliver(_) | Action::Stop => true,
            Action::Answer(_) | Action::Late(_) | Action::Timer(_) | Action::Operate(..) => false,
        }
    }

    /// Whether it must happen some day, so that an execution which waits for it is not stuck.
    pub fn is_sure(self) -> bool {
        !self.is_fault() && !matches!(self, Action::Late(_))
    }
}

/// Everything that can happen next.
pub fn actions(node: &Node) -> Vec<Action> {
    let mut found = Vec::new();
    let dues = node.saga.waits.values().filter_map(|wait| wait.due);
    let first = dues.min().unwrap_or(Timestamp::MAX);
    found.extend(node.messages().map(|(task, ..)| Action::Answer(task)));
    for wait in node.saga.waits.values() {
        match (&wait.kind, wait.due) {
            (WaitKind::Timer, Some(due))
                if due == first && due.duration_since(node.saga.now) < BACKOFF_MAX =>
            {
                found.push(Action::Timer(wait.wait));
            }
            (WaitKind::Incident(_), _) => {
                let acts = [Act::Retry, Act::Skip, Act::Resolve, Act::Abandon];
                found.extend(acts.map(|act| Action::Operate(wait.wait, act)));
            }
            (WaitKind::Timer | WaitKind::Task(_), _) => {}
        }
    }
    found.extend(node.late.iter().copied().map(Action::Late));
    if node.faults > 0 {
        found.extend(faults(node, first));
    }
    found
}

fn faults(node: &Node, first: Timestamp) -> Vec<Action> {
    let mut found = Vec::new();
    for (task, is_undo, due) in node.messages() {
        found.push(Action::Fail(task, ClaimedEffect::None));
        // What an undo says of its effect is not asked for.
        if !is_undo {
            found.push(Action::Fail(task, ClaimedEffect::Committed));
            found.push(Action::Fail(task, ClaimedEffect::Unknown));
        }
        if due == first {
            found.push(Action::TimeOut(task));
        }
    }
    for (entry, step) in node.steps() {
        // That of a composite is no message.
        let tasks = step.attempts.iter().map(|attempt| attempt.task);
        let sent = tasks.filter(|task| *task != entry.0);
        let is_over =
            |task: &Sequence| !node.saga.waits.contains_key(task) && !node.late.contains(task);
        found.extend(sent.filter(is_over).map(Action::Redeliver));
    }
    if !node.saga.execution.is_terminal() {
        found.push(Action::Stop);
    }
    found
}
