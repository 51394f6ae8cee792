//! The memory in Sqlite: one row per key, in one transaction with the handler's own work.

use std::ops::{Deref, DerefMut};
use std::str::FromStr;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{Sqlite, SqliteConnection, SqlitePool};
use tokio::sync::OwnedMutexGuard;

use super::record::Record;
use super::store::{Error, Kept, Memory};
use super::transaction::{self, Work};

pub(crate) struct Transaction {
    database: sqlx::Transaction<'static, Sqlite>,
    service: String,
}

/// Opens the file and creates the table.
pub(super) async fn open(url: &str) -> Result<Memory, Error> {
    let options = SqliteConnectOptions::from_str(url).map_err(doing("read the address"))?;
    let options = options
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(WAIT_MAX);
    // One connection: SQLite has one writer, and waiting in the pool is fair where waiting for its lock is not.
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(WAIT_MAX);
    let pool = pool.connect_with(options).await.map_err(doing("connect"))?;
    sqlx::query(
        "CREATE TABLE IF NOT EXISTS sagamore_memory (
             service text NOT NULL,
             key text NOT NULL,
             state text NOT NULL DEFAULT 'open',
             uncertain integer NOT NULL DEFAULT 0,
             answer text,
             changed_at text NOT NULL DEFAULT CURRENT_TIMESTAMP,
             PRIMARY KEY (service, key)
         )",
    )
    .execute(&pool)
    .await
    .map_err(doing("create the table"))?;
    Ok(Memory(Kept::Sqlite(pool)))
}

/// Begins as a writer: a reader that becomes one may find the file locked, and waiting would not help it.
pub(super) async fn begin(pool: &SqlitePool, service: &str) -> Result<Transaction, Error> {
    let database = pool
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(doing("begin"))?;
    let service = service.to_owned();
    Ok(Transaction { database, service })
}

impl Transaction {
    /// Inserting and locking in one statement: whoever comes second waits for the first, committed or not.
    pub(super) async fn lock(&mut self, key: &str) -> Result<Record, Error> {
        let row = sqlx::query_as(
            "INSERT INTO sagamore_memory (service, key) VALUES ($1, $2)
             ON CONFLICT (service, key) DO UPDATE SET key = excluded.key
             RETURNING state, uncertain, answer",
        )
        .bind(&self.service)
        .bind(key)
        .fetch_one(&mut *self.database)
        .await
        .map_err(doing("lock a key"))?;
        Record::from_row(key, row)
    }

    pub(super) async fn put(&mut self, key: &str, record: &Record) -> Result<(), Error> {
        let query = if record.is_blank() {
            sqlx::query("DELETE FROM sagamore_memory WHERE service = $1 AND key = $2")
                .bind(&self.service)
                .bind(key)
        } else {
            sqlx::query(
                "UPDATE sagamore_memory
                 SET state = $3, uncertain = $4, answer = $5, changed_at = CURRENT_TIMESTAMP
                 WHERE service = $1 AND key = $2",
            )
            .bind(&self.service)
            .bind(key)
            .bind(record.state.as_str())
            .bind(record.uncertain)
            .bind(record.answer_text())
        };
        let done = query.execute(&mut *self.database).await;
        done.map(drop).map_err(doing("write a key"))
    }

    pub(super) async fn begin_work(&mut self) -> Result<(), Error> {
        let done = sqlx::query("SAVEPOINT sagamore_work")
            .execute(&mut *self.database)
            .await;
        done.map(drop).map_err(doing("set a savepoint"))
    }

    pub(super) async fn undo_work(&mut self) -> Result<(), Error> {
        let rollback = sqlx::query("ROLLBACK TO SAVEPOINT sagamore_work");
        let done = rollback.execute(&mut *self.database).await;
        done.map(drop).map_err(doing("roll back to a savepoint"))
    }

    pub(super) async fn commit(self) -> Result<(), Error> {
        self.database.commit().await.map_err(doing("commit"))
    }
}

/// The connection inside the transaction that remembers the answer: use it as a `&mut SqliteConnection`.
pub struct SqliteWork(OwnedMutexGuard<Option<transaction::Transaction>>);

impl Work {
    pub(crate) async fn sqlite(&self) -> Option<SqliteWork> {
        let guard = self.0.clone().lock_owned().await;
        match &*guard {
            Some(transaction::Transaction::Sqlite(_)) => Some(SqliteWork(guard)),
            Some(_) | None => None,
        }
    }
}

impl Deref for SqliteWork {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        match &*self.0 {
            Some(transaction::Transaction::Sqlite(transaction)) => &transaction.database,
            Some(_) | None => unreachable!("{CHECKED}"),
        }
    }
}

impl DerefMut for SqliteWork {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        match &mut *self.0 {
            Some(transaction::Transaction::Sqlite(transaction)) => &mut transaction.database,
            Some(_) | None => unreachable!("{CHECKED}"),
        }
    }
}

fn doing(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Error {
    move |source| Error::Database { doing, source }
}

const CHECKED: &str = "the transaction's kind is checked when the guard is made";

/// How long one handler waits for the others of the same file.
const WAIT_MAX: Duration = Duration::from_secs(600);
