//! Why a worker does not start.

use crate::MemoryError;

/// Why a worker does not start. Once started, it ends only when it is told to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operator sets it.
    #[error("the environment variable {0} is not set")]
    MissingVariable(&'static str),
    /// The operator corrects it, or builds the service with the feature that it needs.
    #[error("DATABASE_URL starts with {0:?}, which this service is not built for")]
    UnknownDatabase(String),
    /// The memory could not be opened.
    #[error("failed to open the memory of answers")]
    Memory(#[from] MemoryError),
    /// The broker refused a queue: most often one of that name exists with other arguments.
    #[error("the broker refused queue {queue}")]
    Queue {
        /// The queue that was to be declared.
        queue: String,
        /// What the broker said.
        source: lapin::Error,
    },
    /// The broker could not be reached or refused the connection; only the first kind is retried.
    #[error("failed to open a connection to the broker")]
    Connection(#[source] lapin::Error),
    /// The broker took the connection and did not speak; it is tried again.
    #[error("the broker did not answer within {0} s")]
    Silent(u64),
    /// The process can't listen for the signal that ends it.
    #[error("failed to listen for signals")]
    Signal(#[source] std::io::Error),
}
