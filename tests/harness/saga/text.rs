//! History records and effects as one readable line each.

use jiff::{SignedDuration, Timestamp};
use sagamore_interpreter::{
    Announcement, Effect, Ending, Event, HistoryRecord, Outcome, Payload, Runner, ScopeId, Status,
    Wait, WaitKind,
};

use super::Saga;

mod map;
mod sent;
mod undo;

use sent::{body, route, said};

/// The longest payload that is written out.
const PAYLOAD_CHARACTERS_MAX: usize = 600;

/// Writes what happens in a saga: times from its start, its id as `E`.
#[derive(Debug)]
pub struct Writer<'a>(pub &'a Saga);

impl Writer<'_> {
    /// `sequence #event <previous  what`, the middle ones only for what Step Functions shows.
    pub fn record(&self, record: &HistoryRecord) -> String {
        let ids = match record.event_id {
            Some(event_id) => format!("#{event_id} <{}", record.previous_event_id),
            None => String::new(),
        };
        let line = format!(
            "{:>4} {ids:<8} {}",
            record.sequence.0,
            self.event(&record.event)
        );
        self.anonymous(&line)
    }

    /// `>` begins to wait, `~` moves a deadline, `x` stops waiting, `!` tells others.
    pub fn effect(&self, effect: &Effect) -> String {
        let line = match effect {
            Effect::Open(wait) => self.wait(wait),
            Effect::Move {
                wait,
                due,
                republish,
            } => {
                let quiet = if *republish { "" } else { " not republished" };
                format!("     ~ {wait} due {}{quiet}", self.time(*due))
            }
            Effect::Close { wait } => format!("     x {wait}"),
            Effect::Announce(announcement) => match announcement {
                Announcement::Execution(status) => format!("     ! execution {}", status.as_str()),
                Announcement::Suspended(incident) => format!("     ! suspended {}", incident.state),
                Announcement::ReviewWaiting { task } => format!("     ! review waits {task}"),
                Announcement::TaskCancelled { task, state } => {
                    format!("     ! cancelled {state} {task}")
                }
                Announcement::Event(event) => format!(
                    "     ! event {} {} {}",
                    event.source, event.detail_type, event.detail
                ),
            },
            Effect::Tell(letter) => format!("     ! tells {}", said(&letter.input)),
        };
        self.anonymous(&line)
    }

    /// How it stands: status, error and cause or output, and what became of the ledger.
    pub fn standing(&self) -> String {
        let head = &self.0.execution.head;
        let mut line = head.status.as_str().to_owned();
        if let Some(error) = &head.error {
            line += &format!(" error {error}");
        }
        if let Some(cause) = &head.cause {
            line += &format!(" cause {cause:?}");
        }
        if let Some(output) = &head.output {
            line += &format!(" output {}", payload(output));
        }
        line += &format!(" compensation {}", head.compensation_status().as_str());
        self.anonymous(&line)
    }

    /// The ledger, entry by entry.
    pub fn ledger(&self) -> Vec<String> {
        let steps = self
            .0
            .execution
            .ledger
            .values()
            .filter_map(|entry| Some((entry.id, entry.step()?)));
        steps
            .map(|(id, step)| {
                let round = match step.round {
                    1 => String::new(),
                    round => format!(" round {round}"),
                };
                format!("{} {} {:?}{round}", id.0, step.state, step.disposition)
            })
            .collect()
    }

    /// A time, from the start.
    pub fn time(&self, at: Timestamp) -> String {
        duration(at.duration_since(self.0.execution.head.started_at))
    }

    fn anonymous(&self, line: &str) -> String {
        line.replace(&self.0.execution.head.id.to_string(), "E")
    }

    fn wait(&self, wait: &Wait) -> String {
        let due = match wait.due {
            Some(due) => format!(" due {}", self.time(due)),
            None => String::new(),
        };
        let number = wait.wait;
        match &wait.kind {
            WaitKind::Timer => format!("     > {number} timer{due}"),
            WaitKind::Incident(incident) => format!(
                "     > {number} incident {} {}",
                incident.state,
                failure(&incident.error, incident.cause.as_ref())
            ),
            WaitKind::Task(dispatch) => {
                let compensates = match &dispatch.compensates {
                    Some(key) => format!(" compensates {key}"),
                    None => String::new(),
                };
                format!(
                    "     > {number} {} for {} attempt {} key {}{compensates}{due} deadline {} body {}",
                    route(&dispatch.route, dispatch.is_told),
                    dispatch.state,
                    dispatch.attempt,
                    dispatch.key,
                    self.time(dispatch.deadline),
                    body(&dispatch.body)
                )
            }
        }
    }

    fn event(&self, event: &Event) -> String {
        match event {
            Event::ExecutionStarted { start, timeout_at } => {
                let timeout = timeout_at.map(|at| format!(" timeout {}", self.time(at)));
                let timeout = timeout.unwrap_or_default();
                format!("ExecutionStarted {}{timeout}", payload(&start.input))
            }
            Event::ExecutionSucceeded { output, is_kept } => {
                let kept = if *is_kept { " kept" } else { "" };
                format!("ExecutionSucceeded {}{kept}", payload(output))
            }
            Event::ExecutionEnded(ending) => format!("Execution{}", self.ending(ending)),
            Event::StateEntered {
                scope,
                kind,
                name,
                input,
                is_mark: _,
            } => format!(
                "{}{}StateEntered {name} {}",
                within(*scope),
                kind.as_str(),
                payload(input)
            ),
            Event::StateExited {
                scope,
                kind,
                name,
                output,
                assigned,
            } => format!(
                "{}{}StateExited {name} {}{}",
                within(*scope),
                kind.as_str(),
                payload(output),
                assignments(assigned.as_ref())
            ),
            Event::EvaluationFailed { .. }
            | Event::ParallelStateStarted { .. }
            | Event::ParallelStateSucceeded { .. }
            | Event::ParallelStateFailed { .. }
            | Event::ScopeClosed { .. }
            | Event::WaitScheduled { .. }
            | Event::Yielded { .. }
            | Event::BranchStarted { .. }
            | Event::BranchSucceeded { .. } => self.scope(event),
            Event::MapStateStarted { .. }
            | Event::MapItemsRead { .. }
            | Event::MapRunStarted { .. }
            | Event::MapRunSucceeded { .. }
            | Event::MapRunFailed { .. }
            | Event::MapStateSucceeded { .. }
            | Event::MapStateFailed { .. }
            | Event::MapIterationStarted { .. }
            | Event::MapIterationSucceeded { .. }
            | Event::MapIterationFailed { .. }
            | Event::MapIterationAborted { .. }
            | Event::IterationForgone { .. } => map::map(event),
            Event::TaskScheduled(_)
            | Event::TaskStarted { .. }
            | Event::TaskSubmitted { .. }
            | Event::TaskSucceeded { .. }
            | Event::TaskFailed { .. }
            | Event::TaskTimedOut { .. }
            | Event::RetryScheduled { .. } => self.task(event),
            undo => self.compensation(undo),
        }
    }

    fn scope(&self, event: &Event) -> String {
        match event {
            Event::EvaluationFailed {
                scope,
                state,
                error,
                cause,
                location,
            } => format!(
                "{}EvaluationFailed {state} {} {}",
                within(*scope),
                location.as_deref().unwrap_or("-"),
                failure(error, cause.as_ref())
            ),
            Event::ParallelStateStarted { scope } => {
                format!("{}ParallelStateStarted", within(*scope))
            }
            Event::ParallelStateSucceeded { scope } => {
                format!("{}ParallelStateSucceeded", within(*scope))
            }
            Event::ParallelStateFailed {
                scope,
                error,
                cause,
            } => format!(
                "{}ParallelStateFailed {}",
                within(*scope),
                failure(error, cause.as_ref())
            ),
            Event::ScopeClosed {
                scope,
                kind,
                drain_until,
                goes_on,
            } => {
                let goes_on = if *goes_on { ", goes on undoing" } else { "" };
                let kind = kind.map_or("nothing".to_owned(), |kind| kind.as_str().to_owned());
                format!(
                    "{}{kind}StateAborted{}{goes_on}",
                    within(*scope),
                    self.drain(*drain_until)
                )
            }
            Event::WaitScheduled { scope, until } => {
                format!("{}wait until {}", within(*scope), self.time(*until))
            }
            Event::Yielded { scope, next, .. } => format!("{}yields to {next}", within(*scope)),
            Event::BranchStarted { parent, .. } => format!("{}branch starts", within(*parent)),
            Event::BranchSucceeded { scope, output } => {
                format!("{}branch succeeds {}", within(*scope), payload(output))
            }
            other => format!("{other:?}"),
        }
    }

    fn task(&self, event: &Event) -> String {
        match event {
            Event::TaskScheduled(task) => {
                let heartbeat = task
                    .heartbeat_seconds
                    .map(|seconds| format!(" heartbeat {seconds}s"));
                format!(
                    "{}TaskScheduled {} attempt {} until {}{} {}",
                    runner(task.runner),
                    task.resource,
                    task.attempt,
                    self.time(task.timeout_at),
                    heartbeat.unwrap_or_default(),
                    payload(&task.arguments)
                )
            }
            Event::TaskStarted { runner: by, .. } => format!("{}TaskStarted", runner(*by)),
            Event::TaskSubmitted {
                runner: by, output, ..
            } => {
                let output = output
                    .as_ref()
                    .map(|output| format!(" {}", payload(output)));
                format!("{}TaskSubmitted{}", runner(*by), output.unwrap_or_default())
            }
            Event::TaskSucceeded {
                runner: by,
                task,
                output,
                ..
            } => format!("{}TaskSucceeded {task} {}", runner(*by), payload(output)),
            Event::TaskFailed {
                runner: by,
                task,
                error,
                cause,
                outcome,
                ..
            } => format!(
                "{}TaskFailed {task} {} {}",
                runner(*by),
                failure(error, cause.as_ref()),
                outcome_name(*outcome)
            ),
            Event::TaskTimedOut {
                runner: by,
                task,
                error,
                ..
            } => format!("{}TaskTimedOut {task} {error}", runner(*by)),
            Event::RetryScheduled {
                runner: by,
                retrier,
                until,
            } => format!(
                "{}retry by retrier {retrier} at {}",
                runner(*by),
                self.time(*until)
            ),
            other => format!("{other:?}"),
        }
    }

    fn ending(&self, ending: &Ending) -> String {
        let status = match ending.status {
            Status::Failed => "Failed",
            Status::TimedOut => "TimedOut",
            Status::Aborted => "Aborted",
            Status::Running | Status::Succeeded => "Ended",
        };
        let error = ending.error.as_deref().unwrap_or("no error");
        format!("{status} {}", failure(error, ending.cause.as_ref()))
    }

    fn drain(&self, until: Option<Timestamp>) -> String {
        until.map_or(String::new(), |until| {
            format!(", awaits its step until {}", self.time(until))
        })
    }
}

fn within(scope: ScopeId) -> String {
    match scope {
        ScopeId::TOP => String::new(),
        scope => format!("[{}] ", scope.0),
    }
}

fn runner(runner: Runner) -> String {
    match runner {
        Runner::State(scope) => within(scope),
        Runner::Undo(entry) => format!("entry {} ", entry.0),
    }
}

fn failure(error: &str, cause: Option<&String>) -> String {
    match cause {
        None => error.to_owned(),
        Some(cause) => format!("{error} {cause:?}"),
    }
}

fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Committed => "Committed",
        Outcome::NotExecuted => "NotExecuted",
        Outcome::Unknown => "Unknown",
    }
}

fn payload(payload: &Payload) -> String {
    let text = payload.to_string();
    if text.len() <= PAYLOAD_CHARACTERS_MAX {
        return text;
    }
    let start: String = text.chars().take(40).collect();
    format!("{start}… ({} bytes)", text.len())
}

/// A duration as a script writes it: `+5s`, `+1.5s`.
fn duration(duration: SignedDuration) -> String {
    let seconds = duration.as_millis() as f64 / 1_000.0;
    format!("+{seconds}s")
}

fn assignments(assigned: Option<&Payload>) -> String {
    let text = assigned.map(|assigned| format!(" assigns {}", payload(assigned)));
    text.unwrap_or_default()
}
