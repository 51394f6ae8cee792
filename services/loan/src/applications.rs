//! The service that keeps the applications: opens them, and closes them when nothing comes of them.

use sagamore_worker::{Context, Effect, Failure, Worker};
use serde_json::{Value, json};

use crate::{Books, Error, Request, service};

/// Runs the service until it is told to end.
///
/// # Errors
/// It does not start.
pub async fn run() -> Result<(), Error> {
    service::run(NAME, equip).await
}

/// The service's name.
pub const NAME: &str = "applications";

/// Gives a worker the queues and handlers of this service.
pub fn equip(worker: Worker, books: &Books) -> Worker {
    worker
        .on("applications.open", books.with(open))
        .undo("applications.close", books.with(close))
}

async fn open(request: Request, context: Context, books: Books) -> Result<Value, Failure> {
    if request.amount == 0 {
        let failure = Failure::new("Application.Invalid", "a loan of nothing");
        return Err(failure.effect(Effect::None));
    }
    books.done(&context).await?;
    Ok(json!({ "opened": context.idempotency_key() }))
}

async fn close(_: Value, context: Context, books: Books) -> Result<Value, Failure> {
    books.undone(&context).await?;
    Ok(json!({ "closed": context.compensates() }))
}
