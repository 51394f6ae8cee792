//! The store in Postgres.
//!
//! A turn is four round trips: begin, lock and load, write, commit. Statements are set-wise, so a batch of a hundred
//! turns costs four as well. Every statement of a turn names the execution, and locks executions in the order of
//! their ids before it touches anything else of theirs: so no two batches wait for each other in a circle.

mod coordinators;
mod executions;
mod fault;
mod incidents;
mod load;
mod machines;
mod replies;
mod take_over;
mod transact;
mod waits;
mod write;

use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use sagamore_interpreter::{ExecutionId, HistoryRecord, Sequence, Status};
use sqlx::migrate::MigrateError;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

use self::fault::fault;
use super::rows::Definitions;
use super::{
    CoordinatorId, Created, DueWait, Error, ExecutionFilter, ExecutionRow, IncidentRow,
    LateReplyRow, Loaded, MachineRow, NewMachine, PageKey, SetAside, Store, TaskRow, Unsent, Want,
    Writes,
};

/// How long to wait for a connection before the store counts as not available.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

/// A session that keeps its locks for longer without a word is ended by the database: its coordinator is gone.
const IDLE_IN_TRANSACTION: &str = "30s";

/// A statement that takes longer is ended by the database, and the lane tries again.
const STATEMENT_TIMEOUT: &str = "60s";

/// Executions, their history and what they wait for, in Postgres.
#[derive(Debug, Clone)]
pub struct PostgresStore {
    pool: PgPool,
    definitions: Definitions,
}

impl PostgresStore {
    /// Connects, and brings the tables up to date. Many coordinators may do so at once.
    ///
    /// # Errors
    /// When the URL is none (`Refused`), the database does not answer (`Unavailable`), or has tables of a newer release.
    pub async fn connect(url: &str, connections: u32) -> Result<PostgresStore, Error> {
        let options =
            PgConnectOptions::from_str(url).map_err(|source| Error::Refused(source.into()))?;
        let options = options.application_name("sagamore");
        migrate(options.clone()).await?;
        let sessions = [
            ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION),
            ("statement_timeout", STATEMENT_TIMEOUT),
        ];
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            // The check would cost a round trip per turn, and a connection may still break a moment later.
            .test_before_acquire(false)
            .connect_lazy_with(options.options(sessions));
        Ok(PostgresStore {
            pool,
            definitions: Definitions::default(),
        })
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// Migrations may rewrite a table, so this session has no limit of time.
async fn migrate(options: PgConnectOptions) -> Result<(), Error> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_lazy_with(options);
    let migrated = sqlx::migrate!("./migrations/postgres").run(&pool).await;
    pool.close().await;
    migrated.map_err(|source| match source {
        MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => fault(source),
        other => Error::Refused(other.into()),
    })
}

impl Store for PostgresStore {
    async fn transact<T: Send>(
        &self,
        want: &Want,
        turns: impl FnOnce(Loaded) -> (Writes, T) + Send,
    ) -> Result<T, Error> {
        transact::transact(self, want, turns).await
    }

    async fn renew(
        &self,
        coordinator: CoordinatorId,
        lease: Duration,
        sent_through: u64,
    ) -> Result<(), Error> {
        coordinators::renew(&self.pool, coordinator, lease, sent_through).await
    }

    async fn take_over(
        &self,
        coordinator: CoordinatorId,
        limit: u32,
        numbers: &(dyn Fn() -> u64 + Sync),
    ) -> Result<Vec<Unsent>, Error> {
        take_over::take_over(self, coordinator, limit, numbers).await
    }

    async fn unsent(
        &self,
        coordinator: CoordinatorId,
        numbers: &[u64],
    ) -> Result<Vec<Unsent>, Error> {
        take_over::unsent(&self.pool, coordinator, numbers).await
    }

    async fn release(&self, coordinator: CoordinatorId) -> Result<(), Error> {
        coordinators::release(&self.pool, coordinator).await
    }

    async fn recall(&self) -> Result<(), Error> {
        coordinators::recall(&self.pool).await
    }

    async fn due(
        &self,
        coordinator: CoordinatorId,
        horizon: Duration,
        limit: u32,
    ) -> Result<(Timestamp, Vec<DueWait>), Error> {
        waits::due(&self.pool, coordinator, horizon, limit).await
    }

    async fn still_open(
        &self,
        waits: &[(ExecutionId, Sequence)],
    ) -> Result<Vec<(ExecutionId, Sequence)>, Error> {
        waits::still_open(&self.pool, waits).await
    }

    async fn set_aside(&self, aside: &SetAside) -> Result<(), Error> {
        incidents::set_aside(&self.pool, aside).await
    }

    async fn take_back(&self, execution: ExecutionId) -> Result<Option<SetAside>, Error> {
        incidents::take_back(&self.pool, execution).await
    }

    async fn token_secret(&self) -> Result<Vec<u8>, Error> {
        coordinators::token_secret(&self.pool).await
    }

    async fn create_machine(&self, machine: NewMachine) -> Result<(MachineRow, Created), Error> {
        machines::create(&self.pool, machine).await
    }

    async fn update_machine(
        &self,
        name: &str,
        definition: Option<&str>,
        role_arn: Option<&str>,
    ) -> Result<Option<MachineRow>, Error> {
        machines::update(&self.pool, name, definition, role_arn).await
    }

    async fn machine(&self, name: &str) -> Result<Option<MachineRow>, Error> {
        machines::machine(&self.pool, name).await
    }

    async fn machine_of(&self, execution: ExecutionId) -> Result<Option<MachineRow>, Error> {
        machines::machine_of(&self.pool, execution).await
    }

    async fn machines(
        &self,
        after: Option<&PageKey>,
        limit: u32,
    ) -> Result<Vec<MachineRow>, Error> {
        machines::machines(&self.pool, after, limit).await
    }

    async fn delete_machine(&self, name: &str) -> Result<bool, Error> {
        machines::delete(&self.pool, name).await
    }

    async fn execution(&self, execution: ExecutionId) -> Result<Option<ExecutionRow>, Error> {
        executions::execution(&self.pool, execution).await
    }

    async fn executions(&self, filter: &ExecutionFilter) -> Result<Vec<ExecutionRow>, Error> {
        executions::executions(&self.pool, filter).await
    }

    async fn events(
        &self,
        execution: ExecutionId,
        after: Option<u64>,
        reverse: bool,
        limit: u32,
    ) -> Result<Vec<HistoryRecord>, Error> {
        executions::events(&self.pool, execution, after, reverse, limit).await
    }

    async fn execution_within(
        &self,
        least: ExecutionId,
        greatest: ExecutionId,
    ) -> Result<Option<ExecutionRow>, Error> {
        executions::execution_within(&self.pool, least, greatest).await
    }

    async fn map_run_records(&self, execution: ExecutionId) -> Result<Vec<HistoryRecord>, Error> {
        executions::map_run_records(&self.pool, execution).await
    }

    async fn map_run_counts(&self, map_run: &str) -> Result<Vec<(Status, u64)>, Error> {
        executions::map_run_counts(&self.pool, map_run).await
    }

    async fn history(&self, execution: ExecutionId) -> Result<Vec<HistoryRecord>, Error> {
        executions::history(&self.pool, execution).await
    }

    async fn task(&self, execution: ExecutionId, wait: Sequence) -> Result<Option<TaskRow>, Error> {
        waits::task(&self.pool, execution, wait).await
    }

    async fn reviews(&self, limit: u32) -> Result<Vec<TaskRow>, Error> {
        waits::reviews(&self.pool, limit).await
    }

    async fn incidents(&self, limit: u32) -> Result<Vec<IncidentRow>, Error> {
        incidents::incidents(&self.pool, limit).await
    }

    async fn open_incidents(&self) -> Result<(u64, Option<Timestamp>), Error> {
        incidents::open_incidents(&self.pool).await
    }

    async fn late_replies(
        &self,
        execution: ExecutionId,
        limit: u32,
    ) -> Result<Vec<LateReplyRow>, Error> {
        replies::late_replies(&self.pool, execution, limit).await
    }

    async fn without_cause(&self, limit: u32) -> Result<Vec<ExecutionId>, Error> {
        executions::without_cause(&self.pool, limit).await
    }

    async fn ping(&self) -> Result<(), Error> {
        coordinators::ping(&self.pool).await
    }
}
