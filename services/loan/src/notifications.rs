//! The service that tells the applicant. A letter that was sent can't be undone, so it comes last.

use sagamore_worker::{Context, Failure, Worker};
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
pub const NAME: &str = "notifications";

/// Gives a worker the queues and handlers of this service.
pub fn equip(worker: Worker, books: &Books) -> Worker {
    worker.on("applicants.notify", books.with(notify))
}

async fn notify(request: Request, context: Context, books: Books) -> Result<Value, Failure> {
    books.done(&context).await?;
    Ok(json!({ "notified": request.applicant }))
}
