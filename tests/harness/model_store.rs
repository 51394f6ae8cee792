//! The model of the store: what the simulation runs the coordinator on.
//!
//! It keeps everything in maps, has the clock that it is told, never waits, and fails when it is told to. The
//! differential test holds it equal to Postgres and SQLite.

mod machines;
mod reads;
mod turns;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sagamore::store::{
    CoordinatorId, Created, DueWait, Error, EventWrite, ExecutionFilter, ExecutionRow, IncidentRow,
    LateReplyRow, Loaded, MachineRow, NewMachine, PageKey, RevisionId, SetAside, Store, TaskRow,
    Unsent, Version, WaitWriteKind, Want, Writes, of_map_runs,
};
use sagamore_interpreter::{
    Entry, EntryId, Execution, ExecutionId, Head, HistoryRecord, Input, Scope, ScopeId, Sequence,
    Status,
};
use serde_json::Value;

/// How a call of the store fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing of it is done.
    Lost,
    /// All of it is done, and the caller does not learn so.
    Doubtful,
}

/// A store in memory. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct ModelStore {
    tables: Arc<Mutex<Tables>>,
}

#[derive(Debug, Default)]
struct Tables {
    now: Timestamp,
    away: bool,
    faults: VecDeque<Option<Fault>>,
    executions: BTreeMap<ExecutionId, ExecutionTable>,
    waits: BTreeMap<(ExecutionId, Sequence), WaitTable>,
    events: BTreeMap<(CoordinatorId, u64), EventWrite>,
    coordinators: BTreeMap<CoordinatorId, Lease>,
    commands: BTreeMap<String, Value>,
    asides: BTreeMap<ExecutionId, Aside>,
    late: BTreeMap<(ExecutionId, Sequence, &'static str), LateReplyRow>,
    machines: BTreeMap<String, RevisionId>,
    revisions: BTreeMap<RevisionId, MachineRow>,
}

#[derive(Debug, Clone)]
struct ExecutionTable {
    version: Version,
    revision: RevisionId,
    head: Head,
    scopes: BTreeMap<ScopeId, Scope>,
    entries: BTreeMap<EntryId, Entry>,
    history: Vec<HistoryRecord>,
}

#[derive(Debug, Clone)]
struct WaitTable {
    owner: CoordinatorId,
    due: Option<Timestamp>,
    held: Option<Timestamp>,
    opened_at: Timestamp,
    republish: bool,
    /// The place of a message, `None` once it is known to be sent.
    number: Option<u64>,
    /// Whether another coordinator may have sent it, too.
    handed_on: bool,
    kind: WaitWriteKind,
}

#[derive(Debug, Clone, Copy)]
struct Lease {
    until: Timestamp,
    sent_through: u64,
}

#[derive(Debug, Clone)]
struct Aside {
    opened_at: Timestamp,
    execution_arn: String,
    aside: SetAside,
}

/// An execution with all that is stored of it, for audits.
#[derive(Debug, Clone)]
pub struct Audited {
    /// Its version.
    pub version: Version,
    /// The execution, as a turn would load it.
    pub execution: Execution,
    /// Its history.
    pub history: Vec<HistoryRecord>,
    /// What it waits for, with the time.
    pub waits: BTreeMap<Sequence, (Option<Timestamp>, WaitWriteKind)>,
}

impl ModelStore {
    /// Sets the store's clock. It has microseconds, like that of Postgres.
    pub fn set_now(&self, now: Timestamp) {
        self.tables().now = floor(now);
    }

    /// The store's clock.
    pub fn now(&self) -> Timestamp {
        self.tables().now
    }

    /// Whether every call fails, as when the database is away.
    pub fn set_away(&self, away: bool) {
        self.tables().away = away;
    }

    /// How the next calls that write fare, one each: `None` succeeds. Calls past them succeed.
    pub fn plan_faults(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.tables().faults.extend(faults);
    }

    /// The earliest time at which a wait of anybody is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.tables()
            .waits
            .values()
            .filter_map(|wait| wait.due)
            .min()
    }

    /// All executions with all that is stored of them.
    pub fn audit(&self) -> Vec<Audited> {
        let tables = self.tables();
        let audited = tables.executions.iter().map(|(id, row)| {
            let waits = tables
                .waits
                .range((*id, Sequence(0))..=(*id, Sequence(u64::MAX)));
            Audited {
                version: row.version,
                execution: row.load(),
                history: row.history.clone(),
                waits: waits
                    .map(|((_, wait), row)| (*wait, (row.due, row.kind.clone())))
                    .collect(),
            }
        });
        audited.collect()
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, read: impl FnOnce(&Tables) -> T) -> Result<T, Error> {
        let tables = self.tables();
        if tables.away {
            Err(away())
        } else {
            Ok(read(&tables))
        }
    }

    fn write<T>(&self, write: impl FnOnce(&mut Tables) -> Result<T, Error>) -> Result<T, Error> {
        let mut tables = self.tables();
        match tables.fault() {
            Some(Fault::Lost) => Err(away()),
            Some(Fault::Doubtful) => write(&mut tables).and(Err(away())),
            None => write(&mut tables),
        }
    }
}

impl Tables {
    fn fault(&mut self) -> Option<Fault> {
        if self.away {
            Some(Fault::Lost)
        } else {
            self.faults.pop_front().flatten()
        }
    }
}

impl ExecutionTable {
    fn load(&self) -> Execution {
        let scopes = self.scopes.values().cloned().collect();
        Execution::load(
            self.head.clone(),
            scopes,
            self.entries.values().cloned().collect(),
        )
    }
}

impl Store for ModelStore {
    async fn transact<T: Send>(
        &self,
        want: &Want,
        turns: impl FnOnce(Loaded) -> (Writes, T) + Send,
    ) -> Result<T, Error> {
        let loaded = self.read(|tables| tables.load(want))??;
        let (writes, answer) = turns(loaded);
        self.write(|tables| tables.take(writes))?;
        Ok(answer)
    }

    async fn renew(
        &self,
        coordinator: CoordinatorId,
        lease: Duration,
        sent_through: u64,
    ) -> Result<(), Error> {
        self.write(|tables| {
            let lease = SignedDuration::try_from(lease).unwrap_or(SignedDuration::MAX);
            let until = tables.now.saturating_add(lease).unwrap_or(Timestamp::MAX);
            tables.coordinators.insert(
                coordinator,
                Lease {
                    until,
                    sent_through,
                },
            );
            tables
                .events
                .retain(|(owner, number), _| *owner != coordinator || *number > sent_through);
            Ok(())
        })
    }

    async fn take_over(
        &self,
        coordinator: CoordinatorId,
        limit: u32,
        numbers: &(dyn Fn() -> u64 + Sync),
    ) -> Result<Vec<Unsent>, Error> {
        self.write(|tables| Ok(tables.take_over(coordinator, limit, numbers)))
    }

    async fn unsent(
        &self,
        coordinator: CoordinatorId,
        numbers: &[u64],
    ) -> Result<Vec<Unsent>, Error> {
        self.read(|tables| tables.unsent(coordinator, numbers))
    }

    async fn release(&self, coordinator: CoordinatorId) -> Result<(), Error> {
        self.write(|tables| {
            if let Some(lease) = tables.coordinators.get_mut(&coordinator) {
                lease.until = tables.now;
            }
            Ok(())
        })
    }

    async fn recall(&self) -> Result<(), Error> {
        self.write(|tables| {
            let now = tables.now;
            for lease in tables.coordinators.values_mut() {
                (lease.until, lease.sent_through) = (now, 0);
            }
            for wait in tables.waits.values_mut().filter(|wait| wait.republish) {
                wait.number.get_or_insert(1);
            }
            Ok(())
        })
    }

    async fn due(
        &self,
        coordinator: CoordinatorId,
        horizon: Duration,
        limit: u32,
    ) -> Result<(Timestamp, Vec<DueWait>), Error> {
        self.read(|tables| (tables.now, tables.due(coordinator, horizon, limit)))
    }

    async fn still_open(
        &self,
        waits: &[(ExecutionId, Sequence)],
    ) -> Result<Vec<(ExecutionId, Sequence)>, Error> {
        self.read(|tables| {
            let is_open = |wait: &&(ExecutionId, Sequence)| {
                tables.waits.get(*wait).is_some_and(|row| row.republish)
            };
            waits.iter().filter(is_open).copied().collect()
        })
    }

    async fn set_aside(&self, aside: &SetAside) -> Result<(), Error> {
        self.write(|tables| {
            tables.set_aside(aside);
            Ok(())
        })
    }

    async fn take_back(&self, execution: ExecutionId) -> Result<Option<SetAside>, Error> {
        self.write(|tables| Ok(tables.take_back(execution)))
    }

    async fn token_secret(&self) -> Result<Vec<u8>, Error> {
        self.read(|_| b"the secret of the model's tokens".to_vec())
    }

    async fn create_machine(&self, machine: NewMachine) -> Result<(MachineRow, Created), Error> {
        self.write(|tables| Ok(tables.create_machine(machine)))
    }

    async fn update_machine(
        &self,
        name: &str,
        definition: Option<&str>,
        role_arn: Option<&str>,
    ) -> Result<Option<MachineRow>, Error> {
        self.write(|tables| Ok(tables.update_machine(name, definition, role_arn)))
    }

    async fn machine(&self, name: &str) -> Result<Option<MachineRow>, Error> {
        self.read(|tables| tables.machine(name))
    }

    async fn machine_of(&self, execution: ExecutionId) -> Result<Option<MachineRow>, Error> {
        self.read(|tables| tables.machine_of(execution))
    }

    async fn machines(
        &self,
        after: Option<&PageKey>,
        limit: u32,
    ) -> Result<Vec<MachineRow>, Error> {
        self.read(|tables| tables.machines(after, limit))
    }

    async fn delete_machine(&self, name: &str) -> Result<bool, Error> {
        self.write(|tables| Ok(tables.machines.remove(name).is_some()))
    }

    async fn execution(&self, execution: ExecutionId) -> Result<Option<ExecutionRow>, Error> {
        self.read(|tables| tables.executions.get(&execution).map(ExecutionTable::row))
    }

    async fn execution_within(
        &self,
        least: ExecutionId,
        greatest: ExecutionId,
    ) -> Result<Option<ExecutionRow>, Error> {
        self.read(|tables| {
            let mut within = tables.executions.range(least..=greatest);
            within.next().map(|(_, row)| row.row())
        })
    }

    async fn map_run_records(&self, execution: ExecutionId) -> Result<Vec<HistoryRecord>, Error> {
        self.read(|tables| {
            let row = tables.executions.get(&execution);
            of_map_runs(row.map_or_else(Vec::new, |row| row.history.clone()))
        })
    }

    async fn map_run_counts(&self, map_run: &str) -> Result<Vec<(Status, u64)>, Error> {
        self.read(|tables| {
            let of_run = |row: &&ExecutionTable| row.head.start.map_run.as_deref() == Some(map_run);
            let count = |status: Status| {
                let rows = tables.executions.values().filter(of_run);
                rows.filter(|row| row.head.status == status).count() as u64
            };
            let counts = Status::ALL.map(|status| (status, count(status)));
            counts.into_iter().filter(|(_, count)| *count > 0).collect()
        })
    }

    async fn executions(&self, filter: &ExecutionFilter) -> Result<Vec<ExecutionRow>, Error> {
        self.read(|tables| tables.page(filter))
    }

    async fn events(
        &self,
        execution: ExecutionId,
        after: Option<u64>,
        reverse: bool,
        limit: u32,
    ) -> Result<Vec<HistoryRecord>, Error> {
        self.read(|tables| tables.shown(execution, after, reverse, limit))
    }

    async fn history(&self, execution: ExecutionId) -> Result<Vec<HistoryRecord>, Error> {
        self.read(|tables| {
            tables
                .executions
                .get(&execution)
                .map_or_else(Vec::new, |row| row.history.clone())
        })
    }

    async fn task(&self, execution: ExecutionId, wait: Sequence) -> Result<Option<TaskRow>, Error> {
        self.read(|tables| tables.task(execution, wait))
    }

    async fn reviews(&self, limit: u32) -> Result<Vec<TaskRow>, Error> {
        self.read(|tables| tables.reviews(limit))
    }

    async fn incidents(&self, limit: u32) -> Result<Vec<IncidentRow>, Error> {
        self.read(|tables| tables.incidents(limit))
    }

    async fn open_incidents(&self) -> Result<(u64, Option<Timestamp>), Error> {
        self.read(Tables::open_incidents)
    }

    async fn late_replies(
        &self,
        execution: ExecutionId,
        limit: u32,
    ) -> Result<Vec<LateReplyRow>, Error> {
        self.read(|tables| tables.late_replies(execution, limit))
    }

    async fn without_cause(&self, limit: u32) -> Result<Vec<ExecutionId>, Error> {
        self.read(|tables| tables.without_cause(limit))
    }

    async fn ping(&self) -> Result<(), Error> {
        self.read(|_| ())
    }
}

/// The error of a store that is away.
fn away() -> Error {
    Error::Unavailable("the model of the store is told to fail".into())
}

/// The microsecond that a moment is in.
fn floor(at: Timestamp) -> Timestamp {
    moment(micros(at)).expect("a moment that is cut off is one")
}

/// The first microsecond that is not before a deadline.
fn ceil(due: Timestamp) -> Timestamp {
    let floor = floor(due);
    if floor == due {
        floor
    } else {
        moment(micros(due) + 1).unwrap_or(floor)
    }
}

fn moment(micros: i64) -> Option<Timestamp> {
    Timestamp::from_nanosecond(i128::from(micros) * 1_000).ok()
}

fn micros(at: Timestamp) -> i64 {
    let micros = at.as_nanosecond().div_euclid(1_000);
    micros
        .try_into()
        .expect("a moment fits into 64 bits of microseconds")
}
