//! Leases of coordinators, and what all of them share.

use std::time::Duration;

use sqlx::{SqliteConnection, SqlitePool};
use uuid::Uuid;

use super::SqliteStore;
use super::fault::fault;
use crate::store::convert::{number, span_micros};
use crate::store::{ANSWERS_FORGOTTEN_MAX, ANSWERS_KEPT, CoordinatorId, Error};

/// See [`Store::renew`](crate::store::Store::renew). Forgets old answers too.
pub(super) async fn renew(
    store: &SqliteStore,
    coordinator: CoordinatorId,
    lease: Duration,
    sent_through: u64,
) -> Result<(), Error> {
    let mut transaction = store.begin().await?;
    let now = store.clock.now();
    let sent_through = number(sent_through);
    forget_events(&mut transaction, coordinator, sent_through).await?;
    forget_answers(&mut transaction, now - span_micros(ANSWERS_KEPT)).await?;
    let until = now + span_micros(lease);
    upsert_coordinator(&mut transaction, coordinator, until, sent_through).await?;
    transaction.commit().await.map_err(fault)
}

async fn forget_events(
    connection: &mut SqliteConnection,
    coordinator: CoordinatorId,
    sent_through: i64,
) -> Result<(), Error> {
    const SQL: &str = "DELETE FROM events WHERE owner = $1 AND number <= $2";
    let query = sqlx::query(SQL).bind(coordinator.0).bind(sent_through);
    query.execute(connection).await.map_err(fault)?;
    Ok(())
}

async fn forget_answers(connection: &mut SqliteConnection, before: i64) -> Result<(), Error> {
    const SQL: &str = "DELETE FROM commands WHERE message_id IN (
            SELECT message_id FROM commands WHERE answered_at < $1 ORDER BY answered_at LIMIT $2)";
    let query = sqlx::query(SQL).bind(before).bind(ANSWERS_FORGOTTEN_MAX);
    query.execute(connection).await.map_err(fault)?;
    Ok(())
}

async fn upsert_coordinator(
    connection: &mut SqliteConnection,
    coordinator: CoordinatorId,
    until: i64,
    sent_through: i64,
) -> Result<(), Error> {
    const SQL: &str = "INSERT INTO coordinators (id, lease_until, sent_through) VALUES ($1, $2, $3)
        ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until, sent_through = excluded.sent_through";
    let query = sqlx::query(SQL)
        .bind(coordinator.0)
        .bind(until)
        .bind(sent_through);
    query.execute(connection).await.map_err(fault)?;
    Ok(())
}

/// See [`Store::release`](crate::store::Store::release). The lease ends now, not long ago: see `COORDINATORS_REMEMBERED`.
pub(super) async fn release(store: &SqliteStore, coordinator: CoordinatorId) -> Result<(), Error> {
    const SQL: &str = "UPDATE coordinators SET lease_until = $2 WHERE id = $1";
    let query = sqlx::query(SQL).bind(coordinator.0).bind(store.clock.now());
    query.execute(&store.writer).await.map_err(fault)?;
    Ok(())
}

/// See [`Store::token_secret`](crate::store::Store::token_secret).
pub(super) async fn token_secret(store: &SqliteStore) -> Result<Vec<u8>, Error> {
    let secret = [Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat();
    insert_token_secret(&store.writer, secret).await?;
    select_token_secret(&store.readers).await
}

async fn insert_token_secret(writer: &SqlitePool, secret: Vec<u8>) -> Result<(), Error> {
    const SQL: &str = "INSERT INTO settings (name, value) VALUES ('token_secret', $1) ON CONFLICT (name) DO NOTHING";
    let query = sqlx::query(SQL).bind(secret);
    query.execute(writer).await.map_err(fault)?;
    Ok(())
}

async fn select_token_secret(readers: &SqlitePool) -> Result<Vec<u8>, Error> {
    const SQL: &str = "SELECT value FROM settings WHERE name = 'token_secret'";
    let query = sqlx::query_scalar(SQL);
    query.fetch_one(readers).await.map_err(fault)
}

/// See [`Store::ping`](crate::store::Store::ping). Reads the file, since a statement without a table would not.
pub(super) async fn ping(readers: &SqlitePool) -> Result<(), Error> {
    const SQL: &str = "SELECT EXISTS (SELECT 1 FROM settings)";
    sqlx::query(SQL).execute(readers).await.map_err(fault)?;
    Ok(())
}
