//! Machines and their revisions.

use jiff::Timestamp;
use sagamore_interpreter::ExecutionId;
use sqlx::{PgConnection, PgPool};

use super::fault::{clock, fault};
use crate::store::convert::{micros, moment};
use crate::store::rows::{Revision, first_revision, next_revision};
use crate::store::{Created, Error, MachineRow, NewMachine, PageKey, RevisionId};

/// The columns of a [`MachineRow`], from `revisions r`.
macro_rules! columns {
    () => {
        "r.id, r.machine_name, r.machine_arn, r.kind, r.role_arn, r.definition, r.machine_created_at, r.created_at"
    };
}

/// See [`Store::create_machine`](crate::store::Store::create_machine).
pub(super) async fn create(
    pool: &PgPool,
    machine: NewMachine,
) -> Result<(MachineRow, Created), Error> {
    let mut transaction = pool.begin().await.map_err(fault)?;
    // The lock is taken first: of two who create one machine, the second waits, and finds it.
    lock_name(&mut transaction, &machine.name).await?;
    if let Some(existing) = newest(&mut transaction, &machine.name).await? {
        return Ok((existing.into_row()?, Created::Existed));
    }
    let row = first_revision(machine, now(&mut transaction).await?);
    insert_revision(&mut transaction, &row).await?;
    insert_machine(&mut transaction, &row).await?;
    transaction.commit().await.map_err(fault)?;
    Ok((row, Created::New))
}

/// See [`Store::update_machine`](crate::store::Store::update_machine).
pub(super) async fn update(
    pool: &PgPool,
    name: &str,
    definition: Option<&str>,
    role_arn: Option<&str>,
) -> Result<Option<MachineRow>, Error> {
    let mut transaction = pool.begin().await.map_err(fault)?;
    lock_name(&mut transaction, name).await?;
    let Some(before) = newest(&mut transaction, name).await? else {
        return Ok(None);
    };
    let now = now(&mut transaction).await?;
    let row = next_revision(before.into_row()?, definition, role_arn, now);
    insert_revision(&mut transaction, &row).await?;
    set_revision(&mut transaction, name, row.revision).await?;
    transaction.commit().await.map_err(fault)?;
    Ok(Some(row))
}

/// See [`Store::machine`](crate::store::Store::machine).
pub(super) async fn machine(pool: &PgPool, name: &str) -> Result<Option<MachineRow>, Error> {
    let mut connection = pool.acquire().await.map_err(fault)?;
    newest(&mut connection, name)
        .await?
        .map(Revision::into_row)
        .transpose()
}

/// See [`Store::machine_of`](crate::store::Store::machine_of).
pub(super) async fn machine_of(
    pool: &PgPool,
    execution: ExecutionId,
) -> Result<Option<MachineRow>, Error> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM executions e JOIN revisions r ON r.id = e.revision WHERE e.id = $1"
    );
    let row: Option<Revision> = sqlx::query_as(SQL)
        .bind(execution.0)
        .fetch_optional(pool)
        .await
        .map_err(fault)?;
    row.map(Revision::into_row).transpose()
}

/// See [`Store::machines`](crate::store::Store::machines).
pub(super) async fn machines(
    pool: &PgPool,
    after: Option<&PageKey>,
    limit: u32,
) -> Result<Vec<MachineRow>, Error> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM machines m JOIN revisions r ON r.id = m.revision
        WHERE (m.created_at, m.name) > ($1, $2) ORDER BY m.created_at, m.name LIMIT $3"
    );
    let (at, name) = after.map_or((i64::MIN, ""), |key| (micros(key.at), key.name.as_str()));
    let query = sqlx::query_as(SQL)
        .bind(at)
        .bind(name)
        .bind(i64::from(limit));
    let rows: Vec<Revision> = query.fetch_all(pool).await.map_err(fault)?;
    rows.into_iter().map(Revision::into_row).collect()
}

/// See [`Store::delete_machine`](crate::store::Store::delete_machine).
pub(super) async fn delete(pool: &PgPool, name: &str) -> Result<bool, Error> {
    const SQL: &str = "DELETE FROM machines WHERE name = $1";
    let done = sqlx::query(SQL)
        .bind(name)
        .execute(pool)
        .await
        .map_err(fault)?;
    Ok(done.rows_affected() > 0)
}

/// Until the end of the transaction, nobody else creates or updates a machine of this name.
async fn lock_name(connection: &mut PgConnection, name: &str) -> Result<(), Error> {
    const SQL: &str = "SELECT pg_advisory_xact_lock(hashtextextended('machine ' || $1, 0))";
    sqlx::query(SQL)
        .bind(name)
        .execute(connection)
        .await
        .map_err(fault)?;
    Ok(())
}

async fn now(connection: &mut PgConnection) -> Result<Timestamp, Error> {
    const SQL: &str = concat!("SELECT ", clock!());
    moment(
        sqlx::query_scalar(SQL)
            .fetch_one(connection)
            .await
            .map_err(fault)?,
    )
}

async fn newest(connection: &mut PgConnection, name: &str) -> Result<Option<Revision>, Error> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM machines m JOIN revisions r ON r.id = m.revision WHERE m.name = $1"
    );
    sqlx::query_as(SQL)
        .bind(name)
        .fetch_optional(connection)
        .await
        .map_err(fault)
}

async fn insert_revision(connection: &mut PgConnection, row: &MachineRow) -> Result<(), Error> {
    const SQL: &str = "INSERT INTO revisions
            (id, machine_name, machine_arn, kind, role_arn, definition, machine_created_at, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let query = sqlx::query(SQL)
        .bind(row.revision.0)
        .bind(&row.name)
        .bind(&row.arn)
        .bind(&row.kind)
        .bind(&row.role_arn);
    let query = query
        .bind(&*row.definition)
        .bind(micros(row.created_at))
        .bind(micros(row.updated_at));
    query.execute(connection).await.map_err(fault)?;
    Ok(())
}

async fn insert_machine(connection: &mut PgConnection, row: &MachineRow) -> Result<(), Error> {
    const SQL: &str = "INSERT INTO machines (name, revision, created_at) VALUES ($1, $2, $3)";
    let query = sqlx::query(SQL)
        .bind(&row.name)
        .bind(row.revision.0)
        .bind(micros(row.created_at));
    query.execute(connection).await.map_err(fault)?;
    Ok(())
}

async fn set_revision(
    connection: &mut PgConnection,
    name: &str,
    revision: RevisionId,
) -> Result<(), Error> {
    const SQL: &str = "UPDATE machines SET revision = $2 WHERE name = $1";
    sqlx::query(SQL)
        .bind(name)
        .bind(revision.0)
        .execute(connection)
        .await
        .map_err(fault)?;
    Ok(())
}
