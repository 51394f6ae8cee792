//! The memory of answers: what makes a step safe to repeat and exact to undo.
//!
//! `rules` decides and is the same for every database; `transaction` is the little that it asks of one, and `in_memory`, `postgres`
//! and `sqlite` each do that little. No rule lives in SQL beyond "lock this key".

mod in_memory;
#[cfg(feature = "postgres")]
mod postgres;
mod record;
mod rules;
#[cfg(feature = "sqlite")]
mod sqlite;
mod store;
mod transaction;

#[cfg(feature = "postgres")]
pub use postgres::PostgresWork;
pub(crate) use rules::{Closing, Opened, Visit};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteWork;
pub use store::{Effects, Error, Memory};
pub(crate) use transaction::Work;
