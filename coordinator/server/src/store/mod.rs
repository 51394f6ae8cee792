//! The store: executions, their history and what they wait for, kept through every crash.
//!
//! One trait: many coordinators share a Postgres, a single one does with a SQLite file, and the simulation runs on a model.
//! The differential test holds the three equal.
//! The only place for SQL.

mod convert;
mod map_runs;
mod postgres;
mod rows;
mod sqlite;
mod types;

pub use map_runs::of_map_runs;
pub use postgres::PostgresStore;
pub use sqlite::SqliteStore;
pub use types::*;

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;
use sagamore_interpreter::{ExecutionId, HistoryRecord, Sequence, Status};

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database can't be reached, or gave up on the transaction: the same again will do.
    #[error("the store is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database refused what was asked of it: the same again will not do.
    #[error("the store refused")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What was read is not what was written.
    #[error("{what} in the store is unreadable")]
    Corrupt {
        /// Which row.
        what: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

/// How long the answer to a command is kept: a redelivery that comes later is a command of its own.
const ANSWERS_KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Answers that are forgotten in one transaction.
const ANSWERS_FORGOTTEN_MAX: i64 = 1_000;

/// How long a coordinator is remembered once its lease has lapsed.
const COORDINATORS_REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

/// Where executions are kept. Postgres, SQLite, or the model of the simulation.
pub trait Store: Clone + Send + Sync + 'static {
    /// One batch of turns, in one transaction: locks the wanted executions in id order, loads those that the caller
    /// does not have in this version, has `turns` say what to write, writes it set-wise and commits.
    ///
    /// `turns` runs at most once. What it returned is written whole or not at all.
    fn transact<T: Send>(
        &self,
        want: &Want,
        turns: impl FnOnce(Loaded) -> (Writes, T) + Send,
    ) -> impl Future<Output = Result<T, Error>> + Send;

    /// Renews this coordinator's lease to `lease` from now, notes that everything up to `sent_through` was confirmed
    /// by the broker, and forgets the events up to there. Registers the coordinator the first time.
    fn renew(
        &self,
        coordinator: CoordinatorId,
        lease: Duration,
        sent_through: u64,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Takes over the waits and events of coordinators whose lease has lapsed: they are this coordinator's from now
    /// on. Returns those messages and events that may not have been sent, at most `limit`; call again until none come.
    /// `numbers` gives each returned one its new place in this coordinator's outbox.
    fn take_over(
        &self,
        coordinator: CoordinatorId,
        limit: u32,
        numbers: &(dyn Fn() -> u64 + Sync),
    ) -> impl Future<Output = Result<Vec<Unsent>, Error>> + Send;

    /// Those of this coordinator's messages and events that have these places in its outbox and are there: after a
    /// transaction of which it is not known whether it was committed.
    fn unsent(
        &self,
        coordinator: CoordinatorId,
        numbers: &[u64],
    ) -> impl Future<Output = Result<Vec<Unsent>, Error>> + Send;

    /// Gives up this coordinator's lease, so that another takes over at once.
    fn release(&self, coordinator: CoordinatorId)
    -> impl Future<Output = Result<(), Error>> + Send;

    /// Takes every task message that waits for its answer for not sent, and no coordinator for living: for a broker that forgot
    /// what it had. To be called before the first coordinator starts on it; what is taken over then is sent again.
    fn recall(&self) -> impl Future<Output = Result<(), Error>> + Send;

    /// The first `limit` waits of this coordinator that are due before `horizon` from the store's now, in order of
    /// their time; with the store's now.
    fn due(
        &self,
        coordinator: CoordinatorId,
        horizon: Duration,
        limit: u32,
    ) -> impl Future<Output = Result<(Timestamp, Vec<DueWait>), Error>> + Send;

    /// Which of these task messages still wait for their answer, so that publishing them again makes sense.
    fn still_open(
        &self,
        waits: &[(ExecutionId, Sequence)],
    ) -> impl Future<Output = Result<Vec<(ExecutionId, Sequence)>, Error>> + Send;

    /// Sets an execution aside: an input of it can't be taken. Shown as an incident; a due wait is taken out of the
    /// timers. Written once per execution: a second fault leaves the first.
    fn set_aside(&self, aside: &SetAside) -> impl Future<Output = Result<(), Error>> + Send;

    /// The input with which an execution was set aside, taken back so that it can be tried again.
    fn take_back(
        &self,
        execution: ExecutionId,
    ) -> impl Future<Output = Result<Option<SetAside>, Error>> + Send;

    /// The secret that seals tokens: made by the first coordinator, the same for all.
    fn token_secret(&self) -> impl Future<Output = Result<Vec<u8>, Error>> + Send;

    /// Stores a new machine, unless one with its name is there: then that one is returned, and nothing changed.
    fn create_machine(
        &self,
        machine: NewMachine,
    ) -> impl Future<Output = Result<(MachineRow, Created), Error>> + Send;

    /// Gives a machine a new revision; `None` when there is no such machine. Running executions stay on theirs.
    fn update_machine(
        &self,
        name: &str,
        definition: Option<&str>,
        role_arn: Option<&str>,
    ) -> impl Future<Output = Result<Option<MachineRow>, Error>> + Send;

    /// A machine by its name, in its newest revision.
    fn machine(&self, name: &str)
    -> impl Future<Output = Result<Option<MachineRow>, Error>> + Send;

    /// The machine an execution runs on: in the revision it was started with, whether or not the machine was deleted.
    fn machine_of(
        &self,
        execution: ExecutionId,
    ) -> impl Future<Output = Result<Option<MachineRow>, Error>> + Send;

    /// Machines in order of their creation (then name), after `after`.
    fn machines(
        &self,
        after: Option<&PageKey>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<MachineRow>, Error>> + Send;

    /// Deletes a machine; its running executions go on. Whether it was there.
    fn delete_machine(&self, name: &str) -> impl Future<Output = Result<bool, Error>> + Send;

    /// The head of an execution.
    fn execution(
        &self,
        execution: ExecutionId,
    ) -> impl Future<Output = Result<Option<ExecutionRow>, Error>> + Send;

    /// The head of the execution whose id is within these, both included. There is at most one: see `MapRunId`.
    fn execution_within(
        &self,
        least: ExecutionId,
        greatest: ExecutionId,
    ) -> impl Future<Output = Result<Option<ExecutionRow>, Error>> + Send;

    /// Those of an execution's records that tell of its Map Runs: see [`of_map_runs`].
    fn map_run_records(
        &self,
        execution: ExecutionId,
    ) -> impl Future<Output = Result<Vec<HistoryRecord>, Error>> + Send;

    /// How many executions of a Map Run have which status.
    fn map_run_counts(
        &self,
        map_run: &str,
    ) -> impl Future<Output = Result<Vec<(Status, u64)>, Error>> + Send;

    /// Executions, newest first.
    fn executions(
        &self,
        filter: &ExecutionFilter,
    ) -> impl Future<Output = Result<Vec<ExecutionRow>, Error>> + Send;

    /// Records of a history in order of their sequence (`reverse`: newest first) that Step Functions would show, with
    /// event ids after `after` (`reverse`: before it), at most `limit`.
    fn events(
        &self,
        execution: ExecutionId,
        after: Option<u64>,
        reverse: bool,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<HistoryRecord>, Error>> + Send;

    /// The whole history of an execution, for audits and tests.
    fn history(
        &self,
        execution: ExecutionId,
    ) -> impl Future<Output = Result<Vec<HistoryRecord>, Error>> + Send;

    /// One open wait that is a task or a review.
    fn task(
        &self,
        execution: ExecutionId,
        wait: Sequence,
    ) -> impl Future<Output = Result<Option<TaskRow>, Error>> + Send;

    /// Reviews that wait for a person, oldest first.
    fn reviews(&self, limit: u32) -> impl Future<Output = Result<Vec<TaskRow>, Error>> + Send;

    /// Open incidents, oldest first: suspended undos and executions that were set aside.
    fn incidents(&self, limit: u32)
    -> impl Future<Output = Result<Vec<IncidentRow>, Error>> + Send;

    /// How many incidents are open, and since when the oldest is.
    fn open_incidents(
        &self,
    ) -> impl Future<Output = Result<(u64, Option<Timestamp>), Error>> + Send;

    /// Replies to tasks of an execution that were over, in order of the tasks.
    fn late_replies(
        &self,
        execution: ExecutionId,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<LateReplyRow>, Error>> + Send;

    /// Running executions that wait for nothing; there should be none (invariant 11).
    fn without_cause(
        &self,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<ExecutionId>, Error>> + Send;

    /// Whether the store answers.
    fn ping(&self) -> impl Future<Output = Result<(), Error>> + Send;
}
