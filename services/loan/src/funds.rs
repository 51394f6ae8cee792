//! The service that moves the money: reserves and releases it, registers and cancels the loan, transfers.

use std::time::Duration;

use sagamore_worker::{Context, Effect, Failure, Worker};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Books, Error, Faults, Request, service};

/// Runs the service until it is told to end.
///
/// # Errors
/// It does not start.
pub async fn run() -> Result<(), Error> {
    service::run(NAME, equip).await
}

/// The service's name.
pub const NAME: &str = "funds";

/// Gives a worker the queues and handlers of this service.
pub fn equip(worker: Worker, books: &Books) -> Worker {
    worker
        .on("funds.reserve", books.with(reserve))
        .undo("funds.release", books.with(release))
        .on("loans.register", books.with(register))
        .undo("loans.cancel", books.with(cancel))
        .on("funds.transfer", books.with(transfer))
}

async fn reserve(request: Request, context: Context, books: Books) -> Result<Value, Failure> {
    books.done(&context).await?;
    if request.faults.reservation_is_late {
        // The effect is there, and nobody hears of it in time. Its undo comes meanwhile, and waits for this to end.
        tokio::time::sleep(LATE).await;
    }
    Ok(json!({ "reserved": request.amount }))
}

#[derive(Deserialize)]
struct Release {
    amount: u64,
    faults: Faults,
}

async fn release(release: Release, context: Context, books: Books) -> Result<Value, Failure> {
    let attempt = context.attempt();
    if attempt <= release.faults.release_fails {
        let cause = format!("the ledger is locked, for the {attempt}. time");
        return Err(Failure::new("Funds.Locked", cause).effect(Effect::None));
    }
    books.undone(&context).await?;
    Ok(json!({ "released": release.amount }))
}

async fn register(request: Request, context: Context, books: Books) -> Result<Value, Failure> {
    books.done(&context).await?;
    Ok(json!({ "loan": context.idempotency_key(), "amount": request.amount }))
}

async fn cancel(_: Value, context: Context, books: Books) -> Result<Value, Failure> {
    books.undone(&context).await?;
    Ok(json!({ "cancelled": context.compensates() }))
}

async fn transfer(request: Request, context: Context, books: Books) -> Result<Value, Failure> {
    if request.faults.transfer_is_refused {
        let failure = Failure::new("Transfer.Refused", "the account is closed");
        return Err(failure.effect(Effect::None));
    }
    books.done(&context).await?;
    Ok(json!({ "transferred": request.amount }))
}

/// Longer than `TimeoutSeconds` of ReserveFunds.
pub(crate) const LATE: Duration = Duration::from_secs(4);
