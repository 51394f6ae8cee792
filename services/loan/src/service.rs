//! What the five services have in common.

use sagamore_worker::{Effects, Memory, Worker};
use tracing_subscriber::EnvFilter;

use crate::{Books, BooksError, applications, credit, funds, notifications, risk};

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

/// All five services on the broker at `amqp_url`, each with a memory and books that end with the process: for one process that shows
/// them all.
///
/// # Errors
/// Never, in memory.
pub async fn in_one_process(amqp_url: &str) -> Result<Vec<Worker>, Error> {
    let equips: [(&'static str, Equip); 5] = [
        (applications::NAME, applications::equip),
        (credit::NAME, credit::equip),
        (risk::NAME, risk::equip),
        (funds::NAME, funds::equip),
        (notifications::NAME, notifications::equip),
    ];
    let mut workers = Vec::with_capacity(equips.len());
    for (name, equip) in equips {
        let worker = Worker::new(name, amqp_url, Memory::in_memory());
        let books = Books::open(name, worker.memory()).await?;
        let worker = worker.effects(Effects::InTransaction);
        workers.push(equip(worker, &books));
    }
    Ok(workers)
}

/// Gives a worker the queues and handlers of a service.
type Equip = fn(Worker, &Books) -> Worker;

/// Runs a service from the environment, with the handlers that `equip` gives it, until it is told to end.
pub(crate) async fn run(
    name: &'static str,
    equip: impl FnOnce(Worker, &Books) -> Worker,
) -> Result<(), Error> {
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| "info".to_owned());
    // What the AMQP library calls an error is told by the worker, or is expected, like the look for a queue that is not there.
    let filter = EnvFilter::new(format!("lapin=off,{filter}"));
    // A process that runs several services has set its log up already.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).try_init();
    let worker = Worker::from_environment(name).await?;
    let books = Books::open(name, worker.memory()).await?;
    // All that these services do is in their books, which are in the transaction.
    let worker = worker.effects(Effects::InTransaction);
    Ok(equip(worker, &books).run().await?)
}
