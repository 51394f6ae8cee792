//! Leases of coordinators, and what all of them share.

use std::time::Duration;

use sqlx::PgPool;
use uuid::Uuid;

use super::fault::{clock, fault};
use crate::store::convert::{number, span_micros};
use crate::store::{ANSWERS_FORGOTTEN_MAX, ANSWERS_KEPT, CoordinatorId, Error};

/// See [`Store::renew`](crate::store::Store::renew). Forgets old answers too.
pub(super) async fn renew(
    pool: &PgPool,
    coordinator: CoordinatorId,
    lease: Duration,
    sent_through: u64,
) -> Result<(), Error> {
    const SQL: &str = concat!(
        "WITH clock AS MATERIALIZED (SELECT ",
        clock!(),
        " AS now),
        events_forgotten AS (DELETE FROM events WHERE owner = $1 AND number <= $3),
        answers_forgotten AS (
            DELETE FROM commands WHERE message_id IN (
                SELECT message_id FROM commands WHERE answered_at < (SELECT now FROM clock) - $4
                ORDER BY answered_at LIMIT $5 FOR UPDATE SKIP LOCKED))
        INSERT INTO coordinators (id, lease_until, sent_through) SELECT $1, now + $2, $3 FROM clock
        ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until, sent_through = excluded.sent_through"
    );
    let query = sqlx::query(SQL)
        .bind(coordinator.0)
        .bind(span_micros(lease))
        .bind(number(sent_through));
    query
        .bind(span_micros(ANSWERS_KEPT))
        .bind(ANSWERS_FORGOTTEN_MAX)
        .execute(pool)
        .await
        .map_err(fault)?;
    Ok(())
}

/// See [`Store::release`](crate::store::Store::release). The lease ends now, not long ago: see `COORDINATORS_REMEMBERED`.
pub(super) async fn release(pool: &PgPool, coordinator: CoordinatorId) -> Result<(), Error> {
    const SQL: &str = concat!(
        "UPDATE coordinators SET lease_until = ",
        clock!(),
        " WHERE id = $1"
    );
    sqlx::query(SQL)
        .bind(coordinator.0)
        .execute(pool)
        .await
        .map_err(fault)?;
    Ok(())
}

/// See [`Store::recall`](crate::store::Store::recall).
pub(super) async fn recall(pool: &PgPool) -> Result<(), Error> {
    const SQL: &str = concat!(
        "WITH lapsed AS (UPDATE coordinators SET sent_through = 0, lease_until = ",
        clock!(),
        ")
        UPDATE waits SET number = 1 WHERE republish AND number IS NULL"
    );
    sqlx::query(SQL).execute(pool).await.map_err(fault)?;
    Ok(())
}

/// See [`Store::token_secret`](crate::store::Store::token_secret).
pub(super) async fn token_secret(pool: &PgPool) -> Result<Vec<u8>, Error> {
    let secret = [Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat();
    insert_token_secret(pool, secret).await?;
    select_token_secret(pool).await
}

async fn insert_token_secret(pool: &PgPool, secret: Vec<u8>) -> Result<(), Error> {
    const SQL: &str = "INSERT INTO settings (name, value) VALUES ('token_secret', $1) ON CONFLICT (name) DO NOTHING";
    sqlx::query(SQL)
        .bind(secret)
        .execute(pool)
        .await
        .map_err(fault)?;
    Ok(())
}

async fn select_token_secret(pool: &PgPool) -> Result<Vec<u8>, Error> {
    const SQL: &str = "SELECT value FROM settings WHERE name = 'token_secret'";
    sqlx::query_scalar(SQL).fetch_one(pool).await.map_err(fault)
}

/// See [`Store::ping`](crate::store::Store::ping).
pub(super) async fn ping(pool: &PgPool) -> Result<(), Error> {
    const SQL: &str = "SELECT 1";
    sqlx::query(SQL).execute(pool).await.map_err(fault)?;
    Ok(())
}
