//! The service that gathers the facts: asks the credit bureau, which sometimes fails, and verifies the income.

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
pub const NAME: &str = "credit";

/// Gives a worker the queues and handlers of this service.
pub fn equip(worker: Worker, books: &Books) -> Worker {
    worker
        .on("credit.check", books.with(check))
        .undo("credit.release", books.with(release))
        .on("income.verify", verify)
}

async fn check(request: Request, context: Context, books: Books) -> Result<Value, Failure> {
    let attempt = context.attempt();
    if attempt <= request.faults.bureau_fails {
        let cause = format!("the bureau failed, for the {attempt}. time");
        return Err(Failure::new("Credit.Unavailable", cause).effect(Effect::None));
    }
    books.done(&context).await?;
    Ok(json!({ "score": SCORE, "inquiry": context.idempotency_key() }))
}

async fn release(_: Value, context: Context, books: Books) -> Result<Value, Failure> {
    books.undone(&context).await?;
    Ok(json!({ "released": context.compensates() }))
}

/// Only reads, so there is nothing to enter into the books.
async fn verify(request: Request, _: Context) -> Result<Value, Failure> {
    Ok(json!({ "monthly": request.income }))
}

/// The demo's bureau thinks the same of everybody: what decides is the income.
const SCORE: u32 = 720;
