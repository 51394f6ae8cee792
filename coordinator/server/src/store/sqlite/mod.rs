//! The store in a SQLite file: for one coordinator on one machine.
//!
//! Transactions that write have the file to themselves, one after the other, so none sees what another is about to
//! change, and there is nothing to lock. Reads go on beside them, on what was committed.

mod clock;
mod coordinators;
mod executions;
mod fault;
mod incidents;
mod load;
mod machines;
mod open;
mod replies;
mod take_over;
mod transact;
mod waits;
mod write;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sagamore_interpreter::{ExecutionId, HistoryRecord, Sequence, Status};
use sqlx::{Sqlite, SqlitePool, Transaction};

use self::clock::Clock;
use self::fault::fault;
use super::rows::Definitions;
use super::{
    CoordinatorId, Created, DueWait, Error, ExecutionFilter, ExecutionRow, IncidentRow,
    LateReplyRow, Loaded, MachineRow, NewMachine, PageKey, SetAside, Store, TaskRow, Unsent, Want,
    Writes,
};

/// Executions, their history and what they wait for, in a SQLite file.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    writer: SqlitePool,
    readers: SqlitePool,
    clock: Clock,
    definitions: Definitions,
    lock: Arc<File>,
}

impl SqliteStore {
    /// Opens a file, or makes it, and brings its tables up to date. Its directory must be there.
    ///
    /// The file is this store's until it is closed, or the last clone of it is dropped. Beside it lie the log of what
    /// was committed last (`-wal`, `-shm`), which belongs to it, and the lock (`-lock`).
    ///
    /// # Errors
    /// All name the file. `Refused`, when it can't be made or written, is no database of this or an older release, or
    /// another process has it open; `Unavailable`, when the disk fails or is full, or somebody else keeps it locked.
    pub async fn open(path: impl AsRef<Path>) -> Result<SqliteStore, Error> {
        let opened = open::open(path.as_ref()).await?;
        Ok(SqliteStore {
            writer: opened.writer,
            readers: opened.readers,
            clock: Clock::default(),
            definitions: Definitions::default(),
            lock: Arc::new(opened.lock),
        })
    }

    /// Waits for what is under way, then closes the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
        if let Err(error) = self.lock.unlock() {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the lock of the database ends with the process"
            );
        }
    }

    /// Begins as the writer: a reader that becomes one may find the file locked, and waiting would not help it.
    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, Error> {
        let begun = self.writer.begin_with("BEGIN IMMEDIATE").await;
        begun.map_err(fault)
    }
}

impl Store for SqliteStore {
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
        coordinators::renew(self, coordinator, lease, sent_through).await
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
        take_over::unsent(self, coordinator, numbers).await
    }

    async fn release(&self, coordinator: CoordinatorId) -> Result<(), Error> {
        coordinators::release(self, coordinator).await
    }

    async fn recall(&self) -> Result<(), Error> {
        coordinators::recall(self).await
    }

    async fn due(
        &self,
        coordinator: CoordinatorId,
        horizon: Duration,
        limit: u32,
    ) -> Result<(Timestamp, Vec<DueWait>), Error> {
        waits::due(self, coordinator, horizon, limit).await
    }

    async fn still_open(
        &self,
        waits: &[(ExecutionId, Sequence)],
    ) -> Result<Vec<(ExecutionId, Sequence)>, Error> {
        waits::still_open(&self.readers, waits).await
    }

    async fn set_aside(&self, aside: &SetAside) -> Result<(), Error> {
        incidents::set_aside(self, aside).await
    }

    async fn take_back(&self, execution: ExecutionId) -> Result<Option<SetAside>, Error> {
        incidents::take_back(self, execution).await
    }

    async fn token_secret(&self) -> Result<Vec<u8>, Error> {
        coordinators::token_secret(self).await
    }

    async fn create_machine(&self, machine: NewMachine) -> Result<(MachineRow, Created), Error> {
        machines::create(self, machine).await
    }

    async fn update_machine(
        &self,
        name: &str,
        definition: Option<&str>,
        role_arn: Option<&str>,
    ) -> Result<Option<MachineRow>, Error> {
        machines::update(self, name, definition, role_arn).await
    }

    async fn machine(&self, name: &str) -> Result<Option<MachineRow>, Error> {
        machines::machine(&self.readers, name).await
    }

    async fn machine_of(&self, execution: ExecutionId) -> Result<Option<MachineRow>, Error> {
        machines::machine_of(&self.readers, execution).await
    }

    async fn machines(
        &self,
        after: Option<&PageKey>,
        limit: u32,
    ) -> Result<Vec<MachineRow>, Error> {
        machines::machines(&self.readers, after, limit).await
    }

    async fn delete_machine(&self, name: &str) -> Result<bool, Error> {
        machines::delete(&self.writer, name).await
    }

    async fn execution(&self, execution: ExecutionId) -> Result<Option<ExecutionRow>, Error> {
        executions::execution(&self.readers, execution).await
    }

    async fn executions(&self, filter: &ExecutionFilter) -> Result<Vec<ExecutionRow>, Error> {
        executions::executions(&self.readers, filter).await
    }

    async fn events(
        &self,
        execution: ExecutionId,
        after: Option<u64>,
        reverse: bool,
        limit: u32,
    ) -> Result<Vec<HistoryRecord>, Error> {
        executions::events(&self.readers, execution, after, reverse, limit).await
    }

    async fn execution_within(
        &self,
        least: ExecutionId,
        greatest: ExecutionId,
    ) -> Result<Option<ExecutionRow>, Error> {
        executions::execution_within(&self.readers, least, greatest).await
    }

    async fn map_run_records(&self, execution: ExecutionId) -> Result<Vec<HistoryRecord>, Error> {
        executions::map_run_records(&self.readers, execution).await
    }

    async fn map_run_counts(&self, map_run: &str) -> Result<Vec<(Status, u64)>, Error> {
        executions::map_run_counts(&self.readers, map_run).await
    }

    async fn history(&self, execution: ExecutionId) -> Result<Vec<HistoryRecord>, Error> {
        executions::history(&self.readers, execution).await
    }

    async fn task(&self, execution: ExecutionId, wait: Sequence) -> Result<Option<TaskRow>, Error> {
        waits::task(&self.readers, execution, wait).await
    }

    async fn reviews(&self, limit: u32) -> Result<Vec<TaskRow>, Error> {
        waits::reviews(&self.readers, limit).await
    }

    async fn incidents(&self, limit: u32) -> Result<Vec<IncidentRow>, Error> {
        incidents::incidents(&self.readers, limit).await
    }

    async fn open_incidents(&self) -> Result<(u64, Option<Timestamp>), Error> {
        incidents::open_incidents(&self.readers).await
    }

    async fn late_replies(
        &self,
        execution: ExecutionId,
        limit: u32,
    ) -> Result<Vec<LateReplyRow>, Error> {
        replies::late_replies(&self.readers, execution, limit).await
    }

    async fn without_cause(&self, limit: u32) -> Result<Vec<ExecutionId>, Error> {
        executions::without_cause(&self.readers, limit).await
    }

    async fn ping(&self) -> Result<(), Error> {
        coordinators::ping(&self.readers).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SQLite ends the transaction by itself then, which its connection must not be mistaken about.
    #[tokio::test]
    async fn a_full_disk_holds_up_what_writes_until_there_is_room() {
        let name = format!("sagamore-{}.db", uuid::Uuid::new_v4().simple());
        let path = std::env::temp_dir().join(name);
        let store = SqliteStore::open(&path).await.unwrap();
        let large = NewMachine {
            name: "large".to_owned(),
            arn: "arn".to_owned(),
            kind: "STANDARD".to_owned(),
            definition: "x".repeat(1_000_000),
            role_arn: "role".to_owned(),
        };
        sqlx::query("PRAGMA max_page_count = 100")
            .execute(&store.writer)
            .await
            .unwrap();
        let full = store.create_machine(large.clone()).await;
        assert!(matches!(full, Err(Error::Unavailable(_))), "{full:?}");
        // There is room for what is small, and on a new connection for all.
        store.token_secret().await.unwrap();
        store.create_machine(large).await.unwrap();
        store.close().await;
        for ending in ["", "-lock"] {
            let mut file = path.clone().into_os_string();
            file.push(ending);
            std::fs::remove_file(file).unwrap();
        }
    }
}
