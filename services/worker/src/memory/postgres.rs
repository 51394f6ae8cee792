//! The memory in Postgres: one row per key, in one transaction with the handler's own work.

use std::ops::{Deref, DerefMut};

use sqlx::postgres::PgPoolOptions;
use sqlx::{PgConnection, PgPool, Postgres};
use tokio::sync::OwnedMutexGuard;

use super::record::Record;
use super::store::{Error, Kept, Memory};
use super::transaction::{self, Work};

pub(crate) struct Transaction {
    database: sqlx::Transaction<'static, Postgres>,
    service: String,
}

/// Opens the pool and creates the table, one process at a time.
pub(super) async fn open(url: &str, connections_max: u32) -> Result<Memory, Error> {
    let pool = PgPoolOptions::new().max_connections(connections_max);
    let pool = pool.connect(url).await.map_err(doing("connect"))?;
    let mut database = pool.begin().await.map_err(doing("begin"))?;
    // CREATE TABLE IF NOT EXISTS fails when two processes run it at once.
    let statements = [
        "SELECT pg_advisory_xact_lock(hashtext('sagamore_memory'))",
        "CREATE TABLE IF NOT EXISTS sagamore_memory (
             service text NOT NULL,
             key text NOT NULL,
             state text NOT NULL DEFAULT 'open',
             uncertain integer NOT NULL DEFAULT 0,
             answer text,
             changed_at timestamptz NOT NULL DEFAULT now(),
             PRIMARY KEY (service, key)
         )",
    ];
    for statement in statements {
        let done = sqlx::query(statement).execute(&mut *database).await;
        done.map_err(doing("create the table"))?;
    }
    database.commit().await.map_err(doing("commit"))?;
    Ok(Memory(Kept::Postgres(pool)))
}

/// Begins with the isolation that the locks count on: a statement that waited sees what the other committed.
pub(super) async fn begin(pool: &PgPool, service: &str) -> Result<Transaction, Error> {
    let begun = pool
        .begin_with("BEGIN ISOLATION LEVEL READ COMMITTED")
        .await;
    let database = begun.map_err(doing("begin"))?;
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
                 SET state = $3, uncertain = $4, answer = $5, changed_at = now()
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

/// The connection inside the transaction that remembers the answer: use it as a `&mut PgConnection`.
pub struct PostgresWork(OwnedMutexGuard<Option<transaction::Transaction>>);

impl Work {
    pub(crate) async fn postgres(&self) -> Option<PostgresWork> {
        let guard = self.0.clone().lock_owned().await;
        match &*guard {
            Some(transaction::Transaction::Postgres(_)) => Some(PostgresWork(guard)),
            Some(_) | None => None,
        }
    }
}

impl Deref for PostgresWork {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        match &*self.0 {
            Some(transaction::Transaction::Postgres(transaction)) => &transaction.database,
            Some(_) | None => unreachable!("{CHECKED}"),
        }
    }
}

impl DerefMut for PostgresWork {
    fn deref_mut(&mut self) -> &mut PgConnection {
        match &mut *self.0 {
            Some(transaction::Transaction::Postgres(transaction)) => &mut transaction.database,
            Some(_) | None => unreachable!("{CHECKED}"),
        }
    }
}

fn doing(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Error {
    move |source| Error::Database { doing, source }
}

const CHECKED: &str = "the transaction's kind is checked when the guard is made";
