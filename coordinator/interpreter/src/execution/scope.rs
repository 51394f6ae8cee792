//! A scope: the machine's top level, one branch of a Parallel, or one iteration of a Map.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Flight, Held, Waiter};
use crate::definition::{BlockId, StateName};
use crate::history::{Payload, Target, Then, Trigger};
use crate::ids::{EntryId, ScopeId, Sequence};

/// One chain of states with what was armed along it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scope {
    /// Its id.
    pub id: ScopeId,
    /// The scope of its Parallel, or that which holds the iterations of its Map; `None` at the top level.
    pub parent: Option<ScopeId>,
    /// Its states.
    pub block: BlockId,
    /// Which iteration it is, from 0; `None` for any other scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iteration: Option<u32>,
    /// How many iterations it holds at a time; `None` where it holds none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// The id of its last event, which the next one follows from.
    pub last_event: u64,
    /// The last entry of its chain that is not settled; each entry knows the one before it.
    pub last_entry: Option<EntryId>,
    /// Whether an entry was ever in its chain: such a scope is kept, for an effect may show late.
    #[serde(default)]
    pub had_entries: bool,
    /// The entry that holds this branch or iteration in the chain of the scope around it, once its Parallel or Map is over.
    #[serde(default)]
    pub group: Option<EntryId>,
    /// What came before this record was undone, or had nothing to undo: an effect that shows late is undone, too.
    #[serde(default)]
    pub undone_before: Sequence,
    /// The same of what came between two records, where a compensation did not reach back to the beginning.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undone_between: Vec<(Sequence, Sequence)>,
    /// The latest visits of those states that a Compensate state undoes back to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub marks: BTreeMap<StateName, Sequence>,
    /// The variables that were assigned in it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, Payload>,
    /// Whether its Parallel or Map has completed and is undone as a whole, so that nothing in here is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_covered: bool,
    /// What it does.
    pub phase: Phase,
}

/// What a scope does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It is between two states, within a turn.
    Between,
    /// It is in a state.
    At(Box<Position>),
    /// It goes on with this state in the next turn.
    Yielding {
        /// The timer, due at once.
        wait: Sequence,
        /// The state.
        next: StateName,
        /// Its input.
        input: Payload,
    },
    /// It undoes.
    Compensating(Box<Goal>),
    /// It holds the iterations of a Map, which are scopes of their own: a row that stays small however many they are.
    Iterating(Iterations),
    /// A branch or iteration that is through and waits for its siblings.
    Ended(Payload),
    /// It is over; it is kept for the entries of its chain.
    Closed,
}

/// How far a Map is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Iterations {
    /// Iterations: items, or batches of them.
    pub length: u32,
    /// Those that have begun; the index of the next.
    pub started: u32,
    /// Those that are not over, and the Task that reads the items or writes the results.
    pub open: u32,
    /// The items of those that failed.
    pub failed: u32,
    /// How many may be open at a time.
    pub concurrency: u32,
    /// How many items may fail.
    pub failures_max: u32,
}

impl Iterations {
    /// Whether another iteration may begin.
    pub(crate) fn has_room(&self) -> bool {
        self.started < self.length && self.open < self.concurrency
    }

    /// Whether all iterations are over.
    pub(crate) fn are_over(&self) -> bool {
        self.started == self.length && self.open == 0
    }
}

/// A visit of a state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// The record that entered it.
    pub visit: Sequence,
    /// The event before that one.
    #[serde(default)]
    pub previous_event: u64,
    /// The event that entered it, as causes quote it.
    pub entered_event: u64,
    /// When it was entered.
    pub entered_at: Timestamp,
    /// The state.
    pub state: StateName,
    /// What it got.
    pub input: Payload,
    /// The entry that this visit armed.
    pub entry: Option<EntryId>,
    /// The attempt, from 1.
    pub attempt: u32,
    /// How often each retrier was used.
    pub retries: Vec<u32>,
    /// What goes on in it.
    pub activity: Activity,
}

/// What goes on in a state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activity {
    /// It computes, within a turn.
    Running,
    /// A task is out.
    Task(Flight),
    /// The next attempt waits for its time.
    Backoff {
        /// The timer.
        wait: Sequence,
        /// Its time.
        until: Timestamp,
    },
    /// A Wait state waits.
    Waiting {
        /// The timer.
        wait: Sequence,
        /// Its time.
        until: Timestamp,
    },
    /// It failed; an operator decides.
    Suspended(Box<Suspension>),
    /// The branches of a Parallel run, or the one scope that holds the iterations of a Map.
    Branches(Vec<ScopeId>),
}

/// A state that failed where it is for an operator to decide.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Suspension {
    /// The incident.
    pub incident: Sequence,
    /// Its error.
    pub error: String,
    /// Its cause.
    pub cause: Option<String>,
    /// What a Parallel or Map left of what was in it.
    pub group: Option<EntryId>,
}

/// What a scope undoes, and for what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Goal {
    /// What is undone.
    pub target: Target,
    /// What comes after.
    pub then: Then,
    /// What set it off.
    pub trigger: Trigger,
    /// The state it stands in meanwhile.
    pub position: Option<Box<Position>>,
}

impl Scope {
    /// A scope before its first state, which follows from `last_event`.
    pub(crate) fn new(
        id: ScopeId,
        parent: Option<ScopeId>,
        block: BlockId,
        last_event: u64,
    ) -> Scope {
        Scope {
            id,
            parent,
            block,
            iteration: None,
            concurrency: None,
            last_event,
            last_entry: None,
            had_entries: false,
            group: None,
            undone_before: Sequence(0),
            undone_between: Vec::new(),
            marks: BTreeMap::new(),
            variables: BTreeMap::new(),
            is_covered: false,
            phase: Phase::Between,
        }
    }

    /// Whether what was armed here by this record was undone, or is being.
    pub(crate) fn was_undone(&self, entry: EntryId) -> bool {
        let EntryId(armed) = entry;
        let mut between = self.undone_between.iter();
        armed < self.undone_before
            || between.any(|(since, before)| (since..before).contains(&&armed))
    }

    /// The state it is in, be it compensating there.
    pub fn position(&self) -> Option<&Position> {
        match &self.phase {
            Phase::At(position) => Some(position),
            Phase::Compensating(goal) => goal.position.as_deref(),
            Phase::Between
            | Phase::Yielding { .. }
            | Phase::Iterating(_)
            | Phase::Ended(_)
            | Phase::Closed => None,
        }
    }

    /// What it waits for, when that is one thing, and as whom.
    pub(crate) fn wait(&self) -> Option<(Sequence, Waiter)> {
        let wait = match &self.phase {
            Phase::At(position) => match &position.activity {
                Activity::Task(flight) => flight.task,
                Activity::Backoff { wait, .. } | Activity::Waiting { wait, .. } => *wait,
                Activity::Suspended(suspension) => {
                    let held = Waiter::Incident(Held::State(self.id));
                    return Some((suspension.incident, held));
                }
                Activity::Running | Activity::Branches(_) => return None,
            },
            Phase::Yielding { wait, .. } => *wait,
            Phase::Between
            | Phase::Compensating(_)
            | Phase::Iterating(_)
            | Phase::Ended(_)
            | Phase::Closed => return None,
        };
        Some((wait, Waiter::Scope(self.id)))
    }

    /// Whether it undoes all it did because the execution ends.
    pub(crate) fn is_finishing(&self) -> bool {
        matches!(&self.phase, Phase::Compensating(goal) if matches!(goal.then, Then::Finish(_)))
    }
}
