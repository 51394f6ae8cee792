//! What must hold of every execution in a store, whatever happened to the coordinators.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use sagamore::store::{Found, PostgresStore, Store, Want, Writes};
use sagamore_interpreter::{Execution, ExecutionId};
use sqlx::PgPool;
use uuid::Uuid;

/// What was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// How many executions.
    pub executions: usize,
    /// How many records of history.
    pub records: usize,
}

/// Holds every execution against its history, and what it waits for against its status.
///
/// # Errors
/// What does not hold, with the execution's id.
pub async fn audit(url: &str, database: &PgPool) -> Result<Audit> {
    let store = PostgresStore::connect(url, 2).await?;
    let ids: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM executions ORDER BY id")
        .fetch_all(database)
        .await?;
    let mut audit = Audit::default();
    for id in ids {
        let waits = "SELECT wait FROM waits WHERE execution_id = $1 ORDER BY wait";
        let waits = sqlx::query_scalar(waits)
            .bind(id)
            .fetch_all(database)
            .await?;
        let records = check(&store, ExecutionId(id), &waits)
            .await
            .with_context(|| format!("execution {id}"))?;
        audit.executions += 1;
        audit.records += records;
    }
    let without_cause = store.without_cause(10).await?;
    ensure!(
        without_cause.is_empty(),
        "these run and wait for nothing: {without_cause:?}"
    );
    let left = "SELECT count(*) FROM waits w JOIN executions e ON e.id = w.execution_id
                WHERE e.status <> 'RUNNING'";
    let left: i64 = sqlx::query_scalar(left).fetch_one(database).await?;
    ensure!(
        left == 0,
        "{left} waits are left of executions that have ended"
    );
    store.close().await;
    Ok(audit)
}

/// Holds one execution against its history, and returns how many records that has.
async fn check(store: &PostgresStore, id: ExecutionId, waits: &[i64]) -> Result<usize> {
    let want = Want {
        executions: BTreeMap::from([(id, None)]),
        ..Want::default()
    };
    let loaded = store
        .transact(&want, |loaded| (Writes::default(), loaded))
        .await?;
    let Some(Found::Stored(stored)) = loaded.executions.into_values().next() else {
        anyhow::bail!("it is listed but not there");
    };
    let history = store.history(id).await?;
    let sequences = history.iter().map(|record| record.sequence.0);
    ensure!(
        sequences.eq(1..=history.len() as u64),
        "its history has gaps"
    );
    let folded = Execution::replay(id, &history)?;
    ensure!(
        folded == stored.execution,
        "it is stored as\n{:#?}\nbut its history makes it\n{folded:#?}",
        stored.execution
    );
    let expected = folded
        .open_waits()
        .map(|wait| i64::try_from(wait.0))
        .collect::<Result<Vec<_>, _>>()?;
    ensure!(
        waits == expected,
        "it waits for {waits:?} but its history says {expected:?}"
    );
    Ok(history.len())
}
