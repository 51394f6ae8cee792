//! What the services say they did, held against what became of each saga.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use sagamore_tests::live::World;

use crate::loans::Loans;

/// Holds the services' books against the endings: each step of a saga that succeeded has one effect, each step of one that
/// was compensated has none left. Returns how many effects there were in all, undone or not.
pub async fn check(world: &World, loans: &Loans) -> Result<i64> {
    // What a child did its parent did.
    let sums = "SELECT e.name, e.status, l.state,
                    count(*) FILTER (WHERE l.kind = 'done'), count(*) FILTER (WHERE l.kind = 'undone')
                FROM executions e
                LEFT JOIN executions c ON c.id = e.id OR c.start::json -> 'parent' ->> 'execution' = e.id::text
                LEFT JOIN loan_effects l ON l.execution = c.arn
                WHERE e.start::json -> 'parent' IS NULL
                GROUP BY e.name, e.status, l.state";
    let sums: Vec<Sum> = sqlx::query_as(sums).fetch_all(&world.database.pool).await?;
    let mut books: BTreeMap<&str, Book> = BTreeMap::new();
    let mut effects = 0;
    for (name, status, state, done, undone) in &sums {
        let (_, book) = books
            .entry(name)
            .or_insert_with(|| (status, BTreeMap::new()));
        if let Some(state) = state {
            book.insert(state, done - undone);
        }
        effects += done;
    }
    for name in loans.by_name().keys() {
        let (status, book) = books
            .get(name.as_str())
            .with_context(|| format!("{name} is not there"))?;
        let expected = if *status == "SUCCEEDED" { 1 } else { 0 };
        let off: Vec<_> = book.iter().filter(|(_, left)| **left != expected).collect();
        ensure!(
            off.is_empty(),
            "{name}, which {status}, left {off:?}; each should be {expected}"
        );
        let steps = if expected == 1 { STEPS } else { &STEPS[..2] };
        let missing: Vec<_> = steps
            .iter()
            .filter(|step| !book.contains_key(**step))
            .collect();
        ensure!(
            missing.is_empty(),
            "{name}, which {status}, never did {missing:?}"
        );
    }
    Ok(effects)
}

/// Name and status of an execution, a state, how often it was done, how often undone.
type Sum = (String, String, Option<String>, i64, i64);

/// The status of an execution, and what is left of its effects by state.
type Book<'a> = (&'a str, BTreeMap<&'a str, i64>);

/// Nothing was parked, set aside or left behind.
pub async fn check_nothing_is_left(world: &World) -> Result<()> {
    let broker = sagamore_tests::live::Broker::connect().await?;
    let names = &world.names;
    let parked = broker.take_now(&names.parked()).await?;
    ensure!(parked.is_none(), "this was parked: {parked:?}");
    for queue in [names.replies(), names.commands(), names.dead()] {
        let left = broker.counts(&queue).await?.map(|(messages, _)| messages);
        ensure!(left == Some(0), "{queue} holds {left:?}");
    }
    for table in ["set_asides", "waits"] {
        let count = format!("SELECT count(*) FROM {table}");
        let count = sqlx::query_scalar(sqlx::AssertSqlSafe(count));
        let left: i64 = count.fetch_one(&world.database.pool).await?;
        ensure!(left == 0, "{left} rows are left in {table}");
    }
    Ok(())
}

/// The steps with an effect, in order. The first two are done before anything goes wrong.
const STEPS: &[&str] = &[
    "OpenApplication",
    "CheckCredit",
    "ReserveFunds",
    "RegisterLoan",
    "Transfer",
    "NotifyApplicant",
];
