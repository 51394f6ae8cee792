//! A turn: one input taken, from its first record to a state in which everybody waits.

use jiff::Timestamp;

use super::Sealer;
use super::agenda::Agenda;
use crate::definition::{Machine, State, StateName};
use crate::effect::{Announcement, Decision, Effect, Letter, Wait};
use crate::execution::{Broken, Execution, Position, Scope, Step, Undo};
use crate::history::{Event, HistoryRecord};
use crate::ids::{EntryId, ExecutionId, Runner, ScopeId, Sequence};
use crate::input::Input;
use crate::limits::CAUSE_CHARACTERS_MAX;
use crate::query;

/// Why a state fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The error's name.
    pub error: String,
    /// What happened.
    pub cause: Option<String>,
    /// Whether a `Fail` state says so, by decision of the business.
    pub is_decided: bool,
    /// The evaluation of JSONata that failed, when that is why.
    pub evaluation: Option<Evaluation>,
}

/// Where JSONata failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Evaluation {
    /// The field, with slashes; `None` where it is the state's input.
    pub location: Option<String>,
    /// Whether it was evaluated, and what it yielded was not what the field takes.
    pub is_late: bool,
}

impl Failure {
    pub(crate) fn new(error: &str, cause: impl Into<String>) -> Failure {
        Failure {
            error: error.to_owned(),
            cause: Some(cut(cause.into())),
            is_decided: false,
            evaluation: None,
        }
    }

    /// As somebody else reports it.
    pub(crate) fn reported(error: &str, cause: Option<String>) -> Failure {
        Failure {
            error: error.to_owned(),
            cause: cause.map(cut),
            is_decided: false,
            evaluation: None,
        }
    }

    /// As a `Fail` state says.
    pub(crate) fn decided(error: String, cause: Option<String>) -> Failure {
        Failure {
            error,
            cause: cause.map(cut),
            is_decided: true,
            evaluation: None,
        }
    }

    /// What a query's error makes of a state: the text names the state, as Step Functions does.
    pub(crate) fn of_query(state: &str, entered_event: u64, error: &query::Error) -> Failure {
        let evaluation = error.jsonata_field().map(|field| Evaluation {
            location: Some(field.to_owned()),
            is_late: false,
        });
        Failure {
            evaluation,
            ..Failure::new(error.name(), in_state(state, entered_event, error))
        }
    }
}

/// A turn in progress. It changes its execution only by records.
pub(crate) struct Turn<'a> {
    pub(crate) machine: &'a Machine,
    pub(crate) execution: &'a mut Execution,
    pub(crate) now: Timestamp,
    pub(super) sealer: &'a Sealer<'a>,
    pub(super) agenda: Agenda,
    /// How many bytes the reply had that this turn takes.
    pub(super) answer_bytes: Option<u32>,
    /// The last record before this turn.
    before: Sequence,
    history: Vec<HistoryRecord>,
    opened: Vec<Wait>,
    moved: Vec<(Sequence, Timestamp, bool)>,
    announced: Vec<Announcement>,
    told: Vec<Letter>,
}

impl<'a> Turn<'a> {
    pub(super) fn new(
        machine: &'a Machine,
        execution: &'a mut Execution,
        now: Timestamp,
        sealer: &'a Sealer<'a>,
    ) -> Self {
        let (now, before) = (now.max(execution.head.at), execution.head.sequence);
        Turn {
            machine,
            execution,
            now,
            sealer,
            agenda: Agenda::default(),
            answer_bytes: None,
            before,
            history: Vec::new(),
            opened: Vec::new(),
            moved: Vec::new(),
            announced: Vec::new(),
            told: Vec::new(),
        }
    }

    /// Takes note of the first record, which made the execution.
    pub(super) fn began(&mut self, record: HistoryRecord) {
        self.before = Sequence(0);
        if let Some(due) = self.execution.head.timeout_at {
            let wait = Wait {
                wait: record.sequence,
                due: Some(due),
                kind: crate::effect::WaitKind::Timer,
            };
            self.opened.push(wait);
        }
        self.history.push(record);
        self.announced
            .push(Announcement::Execution(crate::history::Status::Running));
        self.tell_parent_of_start();
    }

    /// Goes on until everybody waits, and says what was decided.
    pub(super) fn run(mut self) -> Result<Decision, Broken> {
        self.work_off()?;
        self.execution.check()?;
        let mut closed = self.execution.take_closed();
        let is_open = |wait: &Sequence| !closed.contains(wait);
        let opened = self.opened.into_iter().filter(|it| is_open(&it.wait));
        let mut effects: Vec<Effect> = opened.map(Effect::Open).collect();
        let moved = self.moved.into_iter().filter(|(wait, ..)| is_open(wait));
        effects.extend(moved.map(|(wait, due, republish)| Effect::Move {
            wait,
            due,
            republish,
        }));
        // What was opened and closed in the same turn was never there for the world.
        closed.retain(|wait| *wait <= self.before);
        effects.extend(closed.iter().map(|wait| Effect::Close { wait: *wait }));
        effects.extend(self.announced.into_iter().map(Effect::Announce));
        effects.extend(self.told.into_iter().map(Effect::Tell));
        Ok(Decision {
            history: self.history,
            effects,
        })
    }

    /// Records what Step Functions would not show.
    pub(crate) fn record(&mut self, event: Event) -> Result<Sequence, Broken> {
        self.write(None, 0, event)
    }

    /// Records what Step Functions would not show, yet what comes next follows from this event.
    pub(crate) fn record_after(&mut self, previous: u64, event: Event) -> Result<Sequence, Broken> {
        self.write(None, previous, event)
    }

    /// Records what Step Functions shows, as following from the runner's last event.
    pub(crate) fn show(&mut self, runner: Runner, event: Event) -> Result<Sequence, Broken> {
        let previous = self.execution.last_event(runner);
        self.show_unless_hidden(runner, previous, event)
    }

    /// Records what Step Functions shows, unless the runner is what an iteration of a distributed Map runs here: that is
    /// shown in an execution of its own.
    pub(crate) fn show_unless_hidden(
        &mut self,
        runner: Runner,
        previous: u64,
        event: Event,
    ) -> Result<Sequence, Broken> {
        let scope = match runner {
            Runner::State(scope) => Some(scope),
            Runner::Undo(entry) => self.execution.ledger.get(&entry).map(|entry| entry.scope),
        };
        let scope = scope.and_then(|scope| self.execution.scopes.get(&scope));
        if scope.is_some_and(|scope| self.machine.block(scope.block).is_hidden) {
            return self.record_after(previous, event);
        }
        self.show_after(previous, event)
    }

    /// Records what Step Functions shows, as following from this event.
    pub(crate) fn show_after(&mut self, previous: u64, event: Event) -> Result<Sequence, Broken> {
        let event_id = self.execution.head.event_id + 1;
        self.write(Some(event_id), previous, event)
    }

    fn write(
        &mut self,
        event_id: Option<u64>,
        previous_event_id: u64,
        event: Event,
    ) -> Result<Sequence, Broken> {
        let sequence = self.next_sequence();
        let record = HistoryRecord {
            sequence,
            at: self.now,
            event_id,
            previous_event_id,
            event,
        };
        self.execution.apply(&record)?;
        self.history.push(record);
        Ok(sequence)
    }

    /// The sequence of the record that comes next.
    pub(crate) fn next_sequence(&self) -> Sequence {
        Sequence(self.execution.head.sequence.0 + 1)
    }

    /// Asks the world to wait for something.
    pub(crate) fn open(&mut self, wait: Wait) {
        self.opened.push(wait);
    }

    /// Asks the world to move a deadline.
    pub(crate) fn move_due(&mut self, wait: Sequence, due: Timestamp, republish: bool) {
        self.moved.push((wait, due, republish));
    }

    /// Tells another execution.
    pub(super) fn tell(&mut self, to: ExecutionId, input: Input) {
        self.told.push(Letter { to, input });
    }

    /// Tells the world.
    pub(crate) fn announce(&mut self, announcement: Announcement) {
        self.announced.push(announcement);
    }

    pub(crate) fn scope(&self, scope: ScopeId) -> Result<&Scope, Broken> {
        self.execution
            .scopes
            .get(&scope)
            .ok_or_else(|| Broken::new(format!("there is no scope {}", scope.0)))
    }

    pub(crate) fn position(&self, scope: ScopeId) -> Result<&Position, Broken> {
        let position = self.scope(scope)?.position();
        position.ok_or_else(|| Broken::new(format!("scope {} is in no state", scope.0)))
    }

    pub(crate) fn step(&self, entry: EntryId) -> Result<&Step, Broken> {
        let step = self
            .execution
            .ledger
            .get(&entry)
            .and_then(|entry| entry.step());
        step.ok_or_else(|| Broken::new(format!("there is no step of entry {}", entry.0)))
    }

    pub(crate) fn undo(&self, entry: EntryId) -> Result<&Undo, Broken> {
        let undo = self.step(entry)?.undo.as_deref();
        undo.ok_or_else(|| Broken::new(format!("entry {} is not being undone", entry.0)))
    }

    /// The definition of a state; the machine's lifetime, so that records can be written meanwhile.
    pub(crate) fn state(&self, name: &StateName) -> Result<&'a State, Broken> {
        let state = self.machine.state(name);
        state.ok_or_else(|| Broken::new(format!("the machine has no state {name}")))
    }
}

/// A cause as long as it may be. Each execution that waits for one that failed quotes its cause, so they would grow without end.
fn cut(mut cause: String) -> String {
    if let Some((end, _)) = cause.char_indices().nth(CAUSE_CHARACTERS_MAX) {
        cause.truncate(end);
    }
    cause
}

/// A cause that names the state.
pub(crate) fn in_state(state: &str, entered_event: u64, text: impl std::fmt::Display) -> String {
    format!(
        "An error occurred while executing the state '{state}' (entered at the event id #{entered_event}). {text}"
    )
}
