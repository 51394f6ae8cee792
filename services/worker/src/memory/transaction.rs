//! What the rules ask of a database.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::in_memory;
#[cfg(feature = "postgres")]
use super::postgres;
use super::record::Record;
#[cfg(feature = "sqlite")]
use super::sqlite;
use super::store::Error;

/// One transaction of the memory. Dropped, it is rolled back.
pub(crate) enum Transaction {
    InMemory(in_memory::Transaction),
    #[cfg(feature = "postgres")]
    Postgres(postgres::Transaction),
    #[cfg(feature = "sqlite")]
    Sqlite(sqlite::Transaction),
}

/// One call, whatever the database.
macro_rules! each {
    ($self:expr, $transaction:ident => $call:expr) => {
        match $self {
            Transaction::InMemory($transaction) => $call,
            #[cfg(feature = "postgres")]
            Transaction::Postgres($transaction) => $call,
            #[cfg(feature = "sqlite")]
            Transaction::Sqlite($transaction) => $call,
        }
    };
}

impl Transaction {
    /// What is remembered of `key`, which nobody else can lock until this transaction ends. A key never seen is locked too.
    pub(super) async fn lock(&mut self, key: &str) -> Result<Record, Error> {
        each!(self, transaction => transaction.lock(key).await)
    }

    /// Remembers `record` of a locked key; the blank record forgets the key.
    pub(super) async fn put(&mut self, key: &str, record: &Record) -> Result<(), Error> {
        each!(self, transaction => transaction.put(key, record).await)
    }

    /// Marks where a handler's work begins.
    pub(super) async fn begin_work(&mut self) -> Result<(), Error> {
        each!(self, transaction => transaction.begin_work().await)
    }

    /// Takes back the handler's work, and none of the locks.
    pub(super) async fn undo_work(&mut self) -> Result<(), Error> {
        each!(self, transaction => transaction.undo_work().await)
    }

    pub(super) async fn commit(self) -> Result<(), Error> {
        each!(self, transaction => transaction.commit().await)
    }
}

/// The transaction while a handler may use it. The handler's copies of its context go blank once it has ended.
#[derive(Clone)]
pub(crate) struct Work(pub(super) Arc<Mutex<Option<Transaction>>>);

impl Work {
    pub(super) fn new(transaction: Transaction) -> Self {
        Self(Arc::new(Mutex::new(Some(transaction))))
    }

    /// Takes the transaction out of the handler's reach. `None` when it was taken before.
    pub(super) async fn take(&self) -> Option<Transaction> {
        self.0.lock().await.take()
    }
}
