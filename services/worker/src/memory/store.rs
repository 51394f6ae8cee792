//! Where the memory is kept.

use super::in_memory::InMemory;
use super::transaction::Transaction;

/// What this service answered, per idempotency key: in Postgres, in SQLite, or in the process.
///
/// - A key that was answered gets the same answer again, and no handler runs. Only successes are answers: a failed attempt is
///   forgotten with its work, as the next attempt of the same visit has the same key and must run.
/// - While a key runs, a second message of it, and the undo of it, wait until it has ended, in whichever process each of them is.
/// - The undo of a key that never ran is a success, `{"nothing_to_undo": true}`. A message of that key which arrives afterwards is
///   the failure `Worker.Compensated`, without effect. So is one of a key that was undone.
/// - The undo of a key that ran, or may have, calls the handler of the undo, once per undo's own key. A later round of the same
///   undo looks again: it calls the handler if there is still something to undo, whatever an earlier round answered.
///
/// A message that is worked on holds one connection and one open transaction for as long as its handler runs.
///
/// The table `sagamore_memory` is created when it is missing. Its rows are small and are never deleted by this library; a row may go
/// once the execution it belongs to has ended for good (column `changed_at`).
#[derive(Clone)]
pub struct Memory(pub(super) Kept);

#[derive(Clone)]
pub(super) enum Kept {
    InMemory(InMemory),
    #[cfg(feature = "postgres")]
    Postgres(sqlx::PgPool),
    #[cfg(feature = "sqlite")]
    Sqlite(sqlx::SqlitePool),
}

/// Where the effects of a worker's handlers are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effects {
    /// Anywhere. That a step begins is written down before its handler runs, at the price of one more commit: if the process dies
    /// while the handler runs, the undo still knows that there may be something to undo.
    #[default]
    Anywhere,
    /// Only in the transaction that the handler gets from its context: a step that did not commit has no effect, so nothing is
    /// written before it.
    InTransaction,
}

/// Why the memory could not be asked. The worker holds the message and asks again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database refused or lost a statement.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    #[error("failed to {doing} in the memory of answers")]
    Database {
        /// What was being done.
        doing: &'static str,
        /// What the database said.
        source: sqlx::Error,
    },
    /// A row holds what this version did not write.
    #[error("the memory of key {key} is unreadable")]
    Unreadable {
        /// The idempotency key.
        key: String,
        /// What is wrong with the answer; `None` when its state is unknown.
        source: Option<serde_json::Error>,
    },
}

#[cfg(feature = "postgres")]
impl Error {
    /// Whether the database was not there, so that waiting for it may help.
    pub(crate) fn is_unavailable(&self) -> bool {
        match self {
            Self::Database {
                source: sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut,
                ..
            } => true,
            Self::Database {
                source: sqlx::Error::Database(refusal),
                ..
            } => refusal.code().is_some_and(|code| code == STARTING_UP),
            Self::Database { .. } | Self::Unreadable { .. } => false,
        }
    }
}

impl Memory {
    /// A memory that ends with the process: for tests, and for trying things out.
    pub fn in_memory() -> Self {
        Self(Kept::InMemory(InMemory::default()))
    }

    /// A memory in the Postgres at `url`, with room for `connections_max` messages at once. Its table is created when missing.
    ///
    /// # Errors
    /// The database can't be reached, or refuses the table.
    #[cfg(feature = "postgres")]
    pub async fn postgres(url: &str, connections_max: u32) -> Result<Self, Error> {
        super::postgres::open(url, connections_max).await
    }

    /// A memory in the SQLite file at `url`, such as `sqlite:service.db`; file and table are created when missing.
    ///
    /// # Errors
    /// The file can't be opened or written.
    #[cfg(feature = "sqlite")]
    pub async fn sqlite(url: &str) -> Result<Self, Error> {
        super::sqlite::open(url).await
    }

    /// The pool beneath it, for a service that keeps tables of its own there; `None` when it is not in Postgres.
    #[cfg(feature = "postgres")]
    pub fn postgres_pool(&self) -> Option<&sqlx::PgPool> {
        match &self.0 {
            Kept::Postgres(pool) => Some(pool),
            Kept::InMemory(_) => None,
            #[cfg(feature = "sqlite")]
            Kept::Sqlite(_) => None,
        }
    }

    pub(super) async fn begin(&self, service: &str) -> Result<Transaction, Error> {
        match &self.0 {
            Kept::InMemory(memory) => Ok(Transaction::InMemory(memory.begin(service))),
            #[cfg(feature = "postgres")]
            Kept::Postgres(pool) => {
                let begun = super::postgres::begin(pool, service).await?;
                Ok(Transaction::Postgres(begun))
            }
            #[cfg(feature = "sqlite")]
            Kept::Sqlite(pool) => {
                let begun = super::sqlite::begin(pool, service).await?;
                Ok(Transaction::Sqlite(begun))
            }
        }
    }
}

/// Postgres's `cannot_connect_now`.
#[cfg(feature = "postgres")]
const STARTING_UP: &str = "57P03";
