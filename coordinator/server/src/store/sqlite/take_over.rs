//! What a coordinator left behind becomes another's: mostly what the run of the process before this one did.
//!
//! First what may not have been sent, a page at a time, each with a place in the new owner's outbox; when none is
//! left, all else. A transaction has the file to itself, so nothing changes between what it reads and what it writes.
//!
//! The row of a coordinator whose lease has lapsed is kept for a day: what its last transaction still wrote is found.

use sqlx::SqliteConnection;
use uuid::Uuid;

use super::SqliteStore;
use super::fault::fault;
use crate::store::convert::{json, number, span_micros};
use crate::store::rows::{OwnEvent, OwnMessage, own_unsent, unsent_event, unsent_message};
use crate::store::{COORDINATORS_REMEMBERED, CoordinatorId, Error, Unsent};

/// See [`Store::take_over`](crate::store::Store::take_over).
pub(super) async fn take_over(
    store: &SqliteStore,
    coordinator: CoordinatorId,
    limit: u32,
    numbers: &(dyn Fn() -> u64 + Sync),
) -> Result<Vec<Unsent>, Error> {
    let mut transaction = store.begin().await?;
    let now = store.clock.now();
    let left = read_left(&mut transaction, coordinator, now, limit).await?;
    let mut unsent = Vec::with_capacity(left.len());
    for row in left {
        let place = number(numbers());
        if let Some(wait) = row.wait {
            let key = (row.execution_id, wait);
            unsent.push(unsent_message(key, place, (row.due, &row.body))?);
            claim_message(&mut transaction, coordinator, key, place).await?;
        } else {
            claim_event(
                &mut transaction,
                coordinator,
                (row.owner, row.number),
                place,
            )
            .await?;
            unsent.push(unsent_event(
                place,
                (row.routing_key, row.recipient, row.body),
            ));
        }
    }
    if unsent.is_empty() {
        inherit_waits(&mut transaction, coordinator, now).await?;
        forget_events(&mut transaction, coordinator, now).await?;
        forget_coordinators(&mut transaction, coordinator, now).await?;
    }
    transaction.commit().await.map_err(fault)?;
    Ok(unsent)
}

/// See [`Store::unsent`](crate::store::Store::unsent). Asked of the writer, so that a transaction which may still be
/// under way is over.
pub(super) async fn unsent(
    store: &SqliteStore,
    coordinator: CoordinatorId,
    numbers: &[u64],
) -> Result<Vec<Unsent>, Error> {
    let mut transaction = store.begin().await?;
    let numbers: Vec<i64> = numbers.iter().copied().map(number).collect();
    let numbers = json(&numbers)?;
    let messages = own_messages(&mut transaction, coordinator, &numbers).await?;
    let events = own_events(&mut transaction, coordinator, &numbers).await?;
    own_unsent(messages, events)
}

/// What may not have been sent: of whom, at which place, of which execution; with a wait it is a message, without one
/// an event.
#[derive(sqlx::FromRow)]
struct Left {
    owner: Uuid,
    number: i64,
    execution_id: Uuid,
    wait: Option<i64>,
    due: Option<i64>,
    routing_key: String,
    recipient: Option<Uuid>,
    body: String,
}

async fn read_left(
    connection: &mut SqliteConnection,
    coordinator: CoordinatorId,
    now: i64,
    limit: u32,
) -> Result<Vec<Left>, Error> {
    const SQL: &str = "WITH lapsed AS (SELECT id, sent_through FROM coordinators WHERE id <> $1 AND lease_until <= $2)
        SELECT * FROM (
            SELECT w.owner, w.number, w.execution_id, w.wait, w.due, '' AS routing_key, NULL AS recipient, w.body
            FROM lapsed l JOIN waits w ON w.owner = l.id WHERE w.republish AND w.number > l.sent_through
            UNION ALL
            SELECT e.owner, e.number, e.execution_id, NULL, NULL, e.routing_key, e.recipient, e.body
            FROM lapsed l JOIN events e ON e.owner = l.id WHERE e.number > l.sent_through)
        ORDER BY owner, number, wait IS NOT NULL, execution_id, wait LIMIT $3";
    let query = sqlx::query_as(SQL)
        .bind(coordinator.0)
        .bind(now)
        .bind(i64::from(limit));
    query.fetch_all(connection).await.map_err(fault)
}

async fn claim_message(
    connection: &mut SqliteConnection,
    coordinator: CoordinatorId,
    (execution, wait): (Uuid, i64),
    place: i64,
) -> Result<(), Error> {
    const SQL: &str = "UPDATE waits SET owner = $1, number = $4, handed_on = true
        WHERE execution_id = $2 AND wait = $3";
    let query = sqlx::query(SQL)
        .bind(coordinator.0)
        .bind(execution)
        .bind(wait)
        .bind(place);
    query.execute(connection).await.map_err(fault)?;
    Ok(())
}

async fn claim_event(
    connection: &mut SqliteConnection,
    coordinator: CoordinatorId,
    (owner, old): (Uuid, i64),
    place: i64,
) -> Result<(), Error> {
    const SQL: &str = "UPDATE events SET owner = $1, number = $4 WHERE owner = $2 AND number = $3";
    let query = sqlx::query(SQL)
        .bind(coordinator.0)
        .bind(owner)
        .bind(old)
        .bind(place);
    query.execute(connection).await.map_err(fault)?;
    Ok(())
}

/// Takes all that was sent, and the timers.
async fn inherit_waits(
    connection: &mut SqliteConnection,
    coordinator: CoordinatorId,
    now: i64,
) -> Result<(), Error> {
    const SQL: &str = "UPDATE waits SET owner = $1, number = NULL
        WHERE owner IN (SELECT id FROM coordinators WHERE id <> $1 AND lease_until <= $2)";
    let query = sqlx::query(SQL).bind(coordinator.0).bind(now);
    query.execute(connection).await.map_err(fault)?;
    Ok(())
}

async fn forget_events(
    connection: &mut SqliteConnection,
    coordinator: CoordinatorId,
    now: i64,
) -> Result<(), Error> {
    const SQL: &str = "DELETE FROM events
        WHERE owner IN (SELECT id FROM coordinators WHERE id <> $1 AND lease_until <= $2)";
    let query = sqlx::query(SQL).bind(coordinator.0).bind(now);
    query.execute(connection).await.map_err(fault)?;
    Ok(())
}

async fn forget_coordinators(
    connection: &mut SqliteConnection,
    coordinator: CoordinatorId,
    now: i64,
) -> Result<(), Error> {
    const SQL: &str = "DELETE FROM coordinators WHERE id <> $1 AND lease_until < $2
        AND NOT EXISTS (SELECT 1 FROM waits WHERE owner = coordinators.id)
        AND NOT EXISTS (SELECT 1 FROM events WHERE owner = coordinators.id)";
    let query = sqlx::query(SQL)
        .bind(coordinator.0)
        .bind(now - span_micros(COORDINATORS_REMEMBERED));
    query.execute(connection).await.map_err(fault)?;
    Ok(())
}

async fn own_messages(
    connection: &mut SqliteConnection,
    coordinator: CoordinatorId,
    numbers: &str,
) -> Result<Vec<OwnMessage>, Error> {
    const SQL: &str = "SELECT number, execution_id, wait, due, body FROM waits
        WHERE owner = $1 AND republish AND number IN (SELECT value FROM json_each($2))";
    let query = sqlx::query_as(SQL).bind(coordinator.0).bind(numbers);
    query.fetch_all(connection).await.map_err(fault)
}

async fn own_events(
    connection: &mut SqliteConnection,
    coordinator: CoordinatorId,
    numbers: &str,
) -> Result<Vec<OwnEvent>, Error> {
    const SQL: &str = "SELECT number, routing_key, recipient, body FROM events
        WHERE owner = $1 AND number IN (SELECT value FROM json_each($2))";
    let query = sqlx::query_as(SQL).bind(coordinator.0).bind(numbers);
    query.fetch_all(connection).await.map_err(fault)
}
