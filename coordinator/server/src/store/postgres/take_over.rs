//! What a coordinator left behind becomes another's.
//!
//! First what may not have been sent, a page at a time, each with a place in the new owner's outbox; when none is
//! left, all else. Executions are locked as a turn locks them, so no turn changes a wait under our hands.
//!
//! The row of a coordinator whose lease has lapsed is kept for a day: what its last transaction still wrote is found.

use std::collections::HashMap;

use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::PostgresStore;
use super::fault::{clock, fault};
use crate::store::convert::{number, span_micros};
use crate::store::rows::{
    EventColumns, OwnEvent, OwnMessage, own_unsent, unsent_event, unsent_message,
};
use crate::store::{COORDINATORS_REMEMBERED, CoordinatorId, Error, Unsent};

/// Waits that change hands in one transaction, once nothing is left to be sent.
const WAITS_PER_TRANSACTION: i64 = 1_000;

/// See [`Store::take_over`](crate::store::Store::take_over).
pub(super) async fn take_over(
    store: &PostgresStore,
    coordinator: CoordinatorId,
    limit: u32,
    numbers: &(dyn Fn() -> u64 + Sync),
) -> Result<Vec<Unsent>, Error> {
    let mut transaction = store.pool.begin().await.map_err(fault)?;
    let left = Left {
        coordinator: coordinator.0,
        lapsed: lapsed(&mut transaction, coordinator).await?,
    };
    if left.lapsed.0.is_empty() {
        return Ok(Vec::new());
    }
    loop {
        let places = places(&mut transaction, &left, limit).await?;
        if places.is_empty() {
            transaction.commit().await.map_err(fault)?;
            inherit(&store.pool, &left).await?;
            return Ok(Vec::new());
        }
        let unsent = claim(&mut transaction, coordinator, places, numbers).await?;
        // All of a page may have been answered while its locks were waited for.
        if !unsent.is_empty() {
            transaction.commit().await.map_err(fault)?;
            return Ok(unsent);
        }
    }
}

/// See [`Store::unsent`](crate::store::Store::unsent).
pub(super) async fn unsent(
    pool: &PgPool,
    coordinator: CoordinatorId,
    numbers: &[u64],
) -> Result<Vec<Unsent>, Error> {
    let numbers: Vec<i64> = numbers.iter().copied().map(number).collect();
    let mut transaction = pool.begin().await.map_err(fault)?;
    await_takeovers(&mut transaction, coordinator).await?;
    let messages = own_messages(&mut transaction, coordinator, &numbers).await?;
    let events = own_events(&mut transaction, coordinator, &numbers).await?;
    own_unsent(messages, events)
}

/// A takeover whose connection was lost may be under way still; it holds the rows of those that it takes from.
async fn await_takeovers(
    connection: &mut PgConnection,
    coordinator: CoordinatorId,
) -> Result<(), Error> {
    const SQL: &str = "SELECT FROM coordinators WHERE id <> $1 ORDER BY id FOR SHARE";
    sqlx::query(SQL)
        .bind(coordinator.0)
        .execute(connection)
        .await
        .map_err(fault)?;
    Ok(())
}

async fn own_messages(
    connection: &mut PgConnection,
    coordinator: CoordinatorId,
    numbers: &[i64],
) -> Result<Vec<OwnMessage>, Error> {
    const SQL: &str = "SELECT number, execution_id, wait, due, body FROM waits
        WHERE owner = $1 AND republish AND number = ANY($2)";
    sqlx::query_as(SQL)
        .bind(coordinator.0)
        .bind(numbers)
        .fetch_all(connection)
        .await
        .map_err(fault)
}

async fn own_events(
    connection: &mut PgConnection,
    coordinator: CoordinatorId,
    numbers: &[i64],
) -> Result<Vec<OwnEvent>, Error> {
    const SQL: &str = "SELECT number, routing_key, recipient, body FROM events WHERE owner = $1 AND number = ANY($2)";
    sqlx::query_as(SQL)
        .bind(coordinator.0)
        .bind(numbers)
        .fetch_all(connection)
        .await
        .map_err(fault)
}

/// Who left something, and up to which number each had sent.
struct Left {
    coordinator: Uuid,
    lapsed: (Vec<Uuid>, Vec<i64>),
}

/// A place in an outbox: whose, which, and of which execution; with a wait it is a message, without one an event.
type Place = (Uuid, i64, Uuid, Option<i64>);

/// Waits for a takeover that is under way, of another coordinator or of a connection that was lost.
async fn lapsed(
    connection: &mut PgConnection,
    coordinator: CoordinatorId,
) -> Result<(Vec<Uuid>, Vec<i64>), Error> {
    const SQL: &str = concat!(
        "SELECT id, sent_through FROM coordinators WHERE id <> $1 AND lease_until <= ",
        clock!(),
        " ORDER BY id FOR UPDATE"
    );
    let rows: Vec<(Uuid, i64)> = sqlx::query_as(SQL)
        .bind(coordinator.0)
        .fetch_all(connection)
        .await
        .map_err(fault)?;
    Ok(rows.into_iter().unzip())
}

async fn places(
    connection: &mut PgConnection,
    left: &Left,
    limit: u32,
) -> Result<Vec<Place>, Error> {
    const SQL: &str = "WITH lapsed AS (SELECT * FROM unnest($1::uuid[], $2::bigint[]) AS l (owner, sent_through))
        SELECT owner, number, execution_id, wait FROM (
            SELECT w.owner, w.number, w.execution_id, w.wait FROM waits w JOIN lapsed l ON l.owner = w.owner
            WHERE w.republish AND w.number > l.sent_through
            UNION ALL
            SELECT e.owner, e.number, e.execution_id, NULL FROM events e JOIN lapsed l ON l.owner = e.owner
            WHERE e.number > l.sent_through) AS unsent
        ORDER BY owner, number, wait IS NOT NULL, execution_id, wait LIMIT $3";
    let query = sqlx::query_as(SQL)
        .bind(&left.lapsed.0)
        .bind(&left.lapsed.1)
        .bind(i64::from(limit));
    query.fetch_all(connection).await.map_err(fault)
}

/// Locks, reads what is still there, gives it its new places, and writes them.
async fn claim(
    connection: &mut PgConnection,
    coordinator: CoordinatorId,
    places: Vec<Place>,
    numbers: &(dyn Fn() -> u64 + Sync),
) -> Result<Vec<Unsent>, Error> {
    let (messages, events): (Vec<Place>, Vec<Place>) =
        places.iter().partition(|place| place.3.is_some());
    lock_executions(connection, messages.iter().map(|place| place.2).collect()).await?;
    let mut found_messages = read_messages(connection, &messages).await?;
    let mut found_events = read_events(connection, &events).await?;
    let mut unsent = Vec::with_capacity(places.len());
    let mut claimed = Claimed::default();
    for place in places {
        let (owner, old, execution, wait) = place;
        let given = match wait {
            Some(wait) => {
                let Some((due, body)) = found_messages.remove(&(execution, wait)) else {
                    continue;
                };
                let given = number(numbers());
                unsent.push(unsent_message((execution, wait), given, (due, &body))?);
                given
            }
            None => {
                let Some(event) = found_events.remove(&(owner, old)) else {
                    continue;
                };
                let given = number(numbers());
                unsent.push(unsent_event(given, event));
                given
            }
        };
        claimed.push(place, given);
    }
    update_messages(connection, coordinator, claimed.messages).await?;
    update_events(connection, coordinator, claimed.events).await?;
    Ok(unsent)
}

/// The due and body of a message's wait.
type Message = (Option<i64>, String);

/// New places by old ones.
#[derive(Default)]
struct Claimed {
    /// Execution, wait, new number.
    messages: (Vec<Uuid>, Vec<i64>, Vec<i64>),
    /// Owner, number, new number.
    events: (Vec<Uuid>, Vec<i64>, Vec<i64>),
}

impl Claimed {
    fn push(&mut self, (owner, old, execution, wait): Place, given: i64) {
        let (columns, key) = match wait {
            Some(wait) => (&mut self.messages, (execution, wait)),
            None => (&mut self.events, (owner, old)),
        };
        columns.0.push(key.0);
        columns.1.push(key.1);
        columns.2.push(given);
    }
}

async fn lock_executions(
    connection: &mut PgConnection,
    executions: Vec<Uuid>,
) -> Result<(), Error> {
    const SQL: &str = "SELECT FROM executions WHERE id = ANY($1) ORDER BY id FOR UPDATE";
    sqlx::query(SQL)
        .bind(executions)
        .execute(connection)
        .await
        .map_err(fault)?;
    Ok(())
}

async fn read_messages(
    connection: &mut PgConnection,
    places: &[Place],
) -> Result<HashMap<(Uuid, i64), Message>, Error> {
    const SQL: &str = "SELECT w.execution_id, w.wait, w.due, w.body
        FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::bigint[]) AS p (owner, number, execution_id, wait)
        JOIN waits w ON w.execution_id = p.execution_id AND w.wait = p.wait
        WHERE w.owner = p.owner AND w.number = p.number AND w.republish";
    let owners: Vec<Uuid> = places.iter().map(|place| place.0).collect();
    let numbers: Vec<i64> = places.iter().map(|place| place.1).collect();
    let executions: Vec<Uuid> = places.iter().map(|place| place.2).collect();
    let waits: Vec<Option<i64>> = places.iter().map(|place| place.3).collect();
    let query = sqlx::query_as(SQL)
        .bind(owners)
        .bind(numbers)
        .bind(executions)
        .bind(waits);
    let rows: Vec<(Uuid, i64, Option<i64>, String)> =
        query.fetch_all(connection).await.map_err(fault)?;
    Ok(rows
        .into_iter()
        .map(|(execution, wait, due, body)| ((execution, wait), (due, body)))
        .collect())
}

async fn read_events(
    connection: &mut PgConnection,
    places: &[Place],
) -> Result<HashMap<(Uuid, i64), EventColumns>, Error> {
    const SQL: &str = "SELECT owner, number, routing_key, recipient, body FROM events
        JOIN unnest($1::uuid[], $2::bigint[]) AS p (owner, number) USING (owner, number)
        ORDER BY owner, number FOR UPDATE OF events";
    let owners: Vec<Uuid> = places.iter().map(|place| place.0).collect();
    let numbers: Vec<i64> = places.iter().map(|place| place.1).collect();
    let query = sqlx::query_as(SQL).bind(owners).bind(numbers);
    let rows: Vec<(Uuid, i64, String, Option<Uuid>, String)> =
        query.fetch_all(connection).await.map_err(fault)?;
    Ok(rows
        .into_iter()
        .map(|(owner, number, routing_key, recipient, body)| {
            ((owner, number), (routing_key, recipient, body))
        })
        .collect())
}

async fn update_messages(
    connection: &mut PgConnection,
    coordinator: CoordinatorId,
    (executions, waits, numbers): (Vec<Uuid>, Vec<i64>, Vec<i64>),
) -> Result<(), Error> {
    const SQL: &str = "UPDATE waits w SET owner = $1, number = t.number, handed_on = true
        FROM unnest($2::uuid[], $3::bigint[], $4::bigint[]) AS t (execution_id, wait, number)
        WHERE w.execution_id = t.execution_id AND w.wait = t.wait";
    let query = sqlx::query(SQL)
        .bind(coordinator.0)
        .bind(executions)
        .bind(waits)
        .bind(numbers);
    query.execute(connection).await.map_err(fault)?;
    Ok(())
}

async fn update_events(
    connection: &mut PgConnection,
    coordinator: CoordinatorId,
    (owners, numbers, given): (Vec<Uuid>, Vec<i64>, Vec<i64>),
) -> Result<(), Error> {
    const SQL: &str = "UPDATE events e SET owner = $1, number = t.given
        FROM unnest($2::uuid[], $3::bigint[], $4::bigint[]) AS t (owner, number, given)
        WHERE e.owner = t.owner AND e.number = t.number";
    let query = sqlx::query(SQL)
        .bind(coordinator.0)
        .bind(owners)
        .bind(numbers)
        .bind(given);
    query.execute(connection).await.map_err(fault)?;
    Ok(())
}

/// Takes all that was sent, and the timers; forgets what nobody needs any more.
async fn inherit(pool: &PgPool, left: &Left) -> Result<(), Error> {
    while inherit_waits(pool, left).await? > 0 {}
    forget_events(pool, left).await?;
    forget_coordinators(pool, left).await
}

async fn inherit_waits(pool: &PgPool, left: &Left) -> Result<u64, Error> {
    const SQL: &str = "WITH chosen AS MATERIALIZED (
            SELECT w.execution_id, w.wait FROM waits w
            JOIN unnest($2::uuid[], $3::bigint[]) AS l (owner, sent_through) ON l.owner = w.owner
            WHERE NOT (w.republish AND coalesce(w.number > l.sent_through, false)) LIMIT $4),
        locked AS MATERIALIZED (
            SELECT id FROM executions WHERE id IN (SELECT execution_id FROM chosen) ORDER BY id FOR UPDATE)
        UPDATE waits w SET owner = $1, number = NULL FROM locked JOIN chosen c ON c.execution_id = locked.id
        WHERE w.execution_id = c.execution_id AND w.wait = c.wait AND w.owner = ANY($2)";
    let query = sqlx::query(SQL)
        .bind(left.coordinator)
        .bind(&left.lapsed.0)
        .bind(&left.lapsed.1);
    let done = query
        .bind(WAITS_PER_TRANSACTION)
        .execute(pool)
        .await
        .map_err(fault)?;
    Ok(done.rows_affected())
}

async fn forget_events(pool: &PgPool, left: &Left) -> Result<(), Error> {
    const SQL: &str =
        "DELETE FROM events e USING unnest($1::uuid[], $2::bigint[]) AS l (owner, sent_through)
        WHERE e.owner = l.owner AND e.number <= l.sent_through";
    sqlx::query(SQL)
        .bind(&left.lapsed.0)
        .bind(&left.lapsed.1)
        .execute(pool)
        .await
        .map_err(fault)?;
    Ok(())
}

async fn forget_coordinators(pool: &PgPool, left: &Left) -> Result<(), Error> {
    const SQL: &str = concat!(
        "DELETE FROM coordinators c WHERE id = ANY($1) AND lease_until < ",
        clock!(),
        " - $2
            AND NOT EXISTS (SELECT FROM waits WHERE owner = c.id) AND NOT EXISTS (SELECT FROM events WHERE owner = c.id)"
    );
    sqlx::query(SQL)
        .bind(&left.lapsed.0)
        .bind(span_micros(COORDINATORS_REMEMBERED))
        .execute(pool)
        .await
        .map_err(fault)?;
    Ok(())
}
