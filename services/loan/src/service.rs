//! What the five services have in common.

use sagamore_worker::{Effects, Worker};
use tracing_subscriber::EnvFilter;

use crate::{Books, BooksError};

/// Why a service ended otherwise than by being told to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The worker did not start.
    #[error("the worker did not start")]
    Worker(#[from] sagamore_worker::Error),
    /// The tables could not be created.
    #[error("the books could not be opened")]
    Books(#[from] BooksError),
}

/// Runs a service from the environment, with the handlers that `equip` gives it, until it is told to end.
pub(crate) async fn run(
    name: &'static str,
    equip: impl FnOnce(Worker, &Books) -> Worker,
) -> Result<(), Error> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // A process that runs several services has set its log up already.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).try_init();
    let worker = Worker::from_environment(name).await?;
    let books = Books::open(name, worker.memory()).await?;
    // All that these services do is in their books, which are in the transaction.
    let worker = worker.effects(Effects::InTransaction);
    Ok(equip(worker, &books).run().await?)
}
