//! The service that assesses the risk. It has no effects: plain handlers, plain JSON.

use sagamore_worker::{Context, Failure, Worker};
use serde::{Deserialize, Serialize};

use crate::{Books, Error, service};

/// Runs the service until it is told to end.
///
/// # Errors
/// It does not start.
pub async fn run() -> Result<(), Error> {
    service::run(NAME, equip).await
}

/// The service's name.
pub const NAME: &str = "risk";

/// Gives a worker the queues and handlers of this service.
pub fn equip(worker: Worker, _: &Books) -> Worker {
    worker.on("risk.assess", assess)
}

#[derive(Deserialize)]
struct Case {
    amount: u64,
    facts: Facts,
}

#[derive(Deserialize)]
struct Facts {
    credit: Credit,
    income: Income,
}

#[derive(Deserialize)]
struct Credit {
    score: u32,
}

#[derive(Deserialize)]
struct Income {
    monthly: u64,
}

#[derive(Serialize)]
struct Assessment {
    risk: Risk,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Risk {
    Low,
    High,
}

async fn assess(case: Case, _: Context) -> Result<Assessment, Failure> {
    let affordable = case.facts.income.monthly.saturating_mul(MONTHS_MAX);
    let risk = if case.amount > affordable || case.facts.credit.score < SCORE_MIN {
        Risk::High
    } else {
        Risk::Low
    };
    Ok(Assessment { risk })
}

/// How many months' income a loan of low risk is at most.
const MONTHS_MAX: u64 = 12;
const SCORE_MIN: u32 = 500;
