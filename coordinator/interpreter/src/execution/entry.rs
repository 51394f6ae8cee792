//! An entry of the ledger: one visit of a state that has `Compensate`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Flight, Held, Waiter};
use crate::compensation::Disposition;
use crate::definition::StateName;
use crate::history::{Outcome, Payload, Trigger, present};
use crate::ids::{EntryId, ExecutionId, ScopeId, Sequence};
use crate::input::CompensationEnd;

/// One link of a scope's chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its id: the sequence of the record that armed it.
    pub id: EntryId,
    /// The scope whose chain it is in.
    pub scope: ScopeId,
    /// The entry before it in that chain.
    pub before: Option<EntryId>,
    /// What it stands for.
    pub subject: Subject,
}

/// What an [`Entry`] stands for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A step that can be undone.
    Step(Box<Step>),
    /// The branches of a Parallel that is over, each with a chain of its own.
    Group(Vec<ScopeId>),
    /// The iterations of a Map that is over, each with a chain of its own.
    Iterations {
        /// They, in order of their index.
        scopes: Vec<ScopeId>,
        /// How many are undone at a time.
        concurrency: u32,
    },
}

impl Subject {
    /// The branches or iterations it holds; none for a step.
    pub(crate) fn inner(&self) -> &[ScopeId] {
        match self {
            Subject::Step(_) => &[],
            Subject::Group(scopes) | Subject::Iterations { scopes, .. } => scopes,
        }
    }
}

/// A visit of a step that can be undone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The state.
    pub state: StateName,
    /// What it got.
    pub input: Payload,
    /// What was sent to the service.
    pub arguments: Payload,
    /// Those variables that its undo reads, as they were when the state was entered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variables: Option<Payload>,
    /// What the service gave back; `None` while that is not known.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub result: Option<Payload>,
    /// What the state yielded; `None` while that is not known.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub output: Option<Payload>,
    /// The error of the last attempt that failed.
    pub error: Option<String>,
    /// Its cause.
    pub cause: Option<String>,
    /// The idempotency key K.
    pub key: String,
    /// Whether it is the pivot, which is never undone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_pivot: bool,
    /// The round of undoing, from 1.
    pub round: u32,
    /// How the rounds before were settled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past: Vec<Disposition>,
    /// Its attempts, in order.
    pub attempts: Vec<Attempt>,
    /// How it stands.
    pub disposition: Disposition,
    /// The attempt that was in flight when the scope was closed and may answer yet, and until when.
    pub drain: Option<(Sequence, Timestamp)>,
    /// The undo of this round.
    pub undo: Option<Box<Undo>>,
    /// Whether a success became known after the undo of this round was sent, so that another round follows.
    pub undo_again: bool,
    /// Whether it was to be undone before the pivot, had there been anything: an effect that shows yet is undone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_owed: bool,
}

/// One attempt of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Its number, from 1.
    pub number: u32,
    /// The record that scheduled it.
    pub task: Sequence,
    /// Whether it had its effect; `None` while it is out.
    pub outcome: Option<Outcome>,
    /// What it gave back.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub result: Option<Payload>,
    /// Its error.
    pub error: Option<String>,
    /// The execution that did it, when one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child: Option<ExecutionId>,
    /// Whether that execution succeeded and has nothing that could be undone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub left_nothing: bool,
}

/// The undo of an entry, in one round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Undo {
    /// What the undo got: the entry as it was then.
    pub input: Payload,
    /// What set it off.
    pub trigger: Trigger,
    /// The event that entered it, as causes quote it.
    pub entered_event: u64,
    /// When it was entered.
    pub entered_at: Timestamp,
    /// The id of its last event.
    pub last_event: u64,
    /// The attempt, from 1; it counts on through an operator's retry.
    pub attempt: u32,
    /// How often each retrier was used.
    pub retries: Vec<u32>,
    /// What an operator has sent in place of what the definition says.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub arguments: Option<Payload>,
    /// How those executions ended their undoing which it asked so far, when executions did the step's attempts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asked: Vec<CompensationEnd>,
    /// What goes on.
    pub progress: UndoProgress,
    /// The undo's own result, once there is one.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub result: Option<Payload>,
}

/// What goes on in an [`Undo`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoProgress {
    /// It computes, within a turn.
    Running,
    /// Its task is out.
    Task(Flight),
    /// The next attempt waits for its time.
    Backoff {
        /// The timer.
        wait: Sequence,
        /// Its time.
        until: Timestamp,
    },
    /// It failed for good; an operator decides.
    Incident(Sequence),
    /// It waits for the decision on its phase.
    Held,
}

impl Entry {
    /// The step, unless it is a group.
    pub fn step(&self) -> Option<&Step> {
        match &self.subject {
            Subject::Step(step) => Some(step),
            Subject::Group(_) | Subject::Iterations { .. } => None,
        }
    }

    /// The undo of its step in this round, once it has begun.
    pub(crate) fn undo(&self) -> Option<&Undo> {
        self.step()?.undo.as_deref()
    }

    /// What it waits for, and as whom.
    pub(crate) fn wait(&self) -> Option<(Sequence, Waiter)> {
        let step = self.step()?;
        if let Some((task, _)) = step.drain {
            return Some((task, Waiter::Drain(self.id)));
        }
        match &step.undo.as_ref()?.progress {
            UndoProgress::Running | UndoProgress::Held => None,
            UndoProgress::Task(flight) => Some((flight.task, Waiter::Undo(self.id))),
            UndoProgress::Backoff { wait, .. } => Some((*wait, Waiter::Undo(self.id))),
            UndoProgress::Incident(incident) => {
                Some((*incident, Waiter::Incident(Held::Undo(self.id))))
            }
        }
    }

    /// Whether it is a step that is not settled.
    pub(crate) fn is_open(&self) -> bool {
        self.step()
            .is_some_and(|step| !step.disposition.is_settled())
    }

    pub(crate) fn has_attempt(&self, task: Sequence) -> bool {
        self.step()
            .is_some_and(|step| step.attempts.iter().any(|attempt| attempt.task == task))
    }

    pub(crate) fn last_event(&self) -> u64 {
        self.step()
            .and_then(|step| step.undo.as_ref())
            .map_or(0, |undo| undo.last_event)
    }
}

impl Attempt {
    /// Whether it may have done what can be undone.
    fn may_be_there(&self) -> bool {
        self.outcome != Some(Outcome::NotExecuted) && !self.left_nothing
    }
}

impl Step {
    /// Whether it had its effect, as far as its attempts tell.
    pub fn outcome(&self) -> Outcome {
        crate::compensation::of_visit(&self.attempts)
    }

    /// The attempts that executions did and that may have had an effect, the last one first: what its undo asks of, one after the
    /// other.
    pub(crate) fn children(&self) -> impl Iterator<Item = (Sequence, ExecutionId)> {
        let attempts = self.attempts.iter().rev();
        let may_be_there = attempts.filter(|attempt| attempt.may_be_there());
        may_be_there.filter_map(|attempt| Some((attempt.task, attempt.child?)))
    }

    /// How its entry stands once the visit is over, as far as its attempts tell.
    pub(crate) fn at_end(&self) -> Disposition {
        let outcome = self.outcome();
        let is_left = self.attempts.iter().any(Attempt::may_be_there);
        match outcome {
            Outcome::Committed | Outcome::Unknown if !is_left => Disposition::Released,
            outcome => outcome.into(),
        }
    }

    /// A visit whose first attempt is about to be dispatched.
    pub(crate) fn armed(state: StateName, input: Payload, arguments: Payload, key: String) -> Step {
        Step {
            state,
            input,
            arguments,
            variables: None,
            result: None,
            output: None,
            error: None,
            cause: None,
            key,
            is_pivot: false,
            round: 1,
            past: Vec::new(),
            attempts: Vec::new(),
            disposition: Disposition::Armed,
            drain: None,
            undo: None,
            undo_again: false,
            is_owed: false,
        }
    }

    /// A Parallel or Map that has completed, to be undone as a whole.
    pub(crate) fn completed(
        task: Sequence,
        state: StateName,
        input: Payload,
        (result, output): (Payload, Payload),
        key: String,
    ) -> Step {
        let attempt = Attempt {
            number: 1,
            task,
            outcome: Some(Outcome::Committed),
            result: Some(result.clone()),
            error: None,
            child: None,
            left_nothing: false,
        };
        Step {
            result: Some(result),
            output: Some(output),
            attempts: vec![attempt],
            disposition: Disposition::Committed,
            ..Step::armed(state, input.clone(), input, key)
        }
    }

    /// This round is settled, and there is something left to undo.
    pub(crate) fn begin_round(&mut self, settled: Disposition) {
        self.past.push(settled);
        self.disposition = Disposition::Committed;
        self.round += 1;
        self.undo = None;
        self.undo_again = false;
    }
}
