//! Machines and their revisions.

use sagamore_interpreter::ExecutionId;
use sqlx::{SqliteConnection, SqliteExecutor, SqlitePool};

use super::SqliteStore;
use super::fault::fault;
use crate::store::convert::{micros, moment};
use crate::store::rows::{Revision, first_revision, next_revision};
use crate::store::{Created, Error, MachineRow, NewMachine, PageKey, RevisionId};

/// The columns of a [`Revision`], from `revisions r`.
macro_rules! columns {
    () => {
        "r.id, r.machine_name, r.machine_arn, r.kind, r.role_arn, r.definition, r.machine_created_at, r.created_at"
    };
}

/// See [`Store::create_machine`](crate::store::Store::create_machine).
pub(super) async fn create(
    store: &SqliteStore,
    machine: NewMachine,
) -> Result<(MachineRow, Created), Error> {
    let mut transaction = store.begin().await?;
    if let Some(existing) = newest(&mut *transaction, &machine.name).await? {
        return Ok((existing.into_row()?, Created::Existed));
    }
    let row = first_revision(machine, moment(store.clock.now())?);
    insert_revision(&mut transaction, &row).await?;
    insert_machine(&mut transaction, &row).await?;
    transaction.commit().await.map_err(fault)?;
    Ok((row, Created::New))
}

/// See [`Store::update_machine`](crate::store::Store::update_machine).
pub(super) async fn update(
    store: &SqliteStore,
    name: &str,
    definition: Option<&str>,
    role_arn: Option<&str>,
) -> Result<Option<MachineRow>, Error> {
    let mut transaction = store.begin().await?;
    let Some(before) = newest(&mut *transaction, name).await? else {
        return Ok(None);
    };
    let now = moment(store.clock.now())?;
    let row = next_revision(before.into_row()?, definition, role_arn, now);
    insert_revision(&mut transaction, &row).await?;
    set_revision(&mut transaction, name, row.revision).await?;
    transaction.commit().await.map_err(fault)?;
    Ok(Some(row))
}

/// See [`Store::machine`](crate::store::Store::machine).
pub(super) async fn machine(readers: &SqlitePool, name: &str) -> Result<Option<MachineRow>, Error> {
    let row = newest(readers, name).await?;
    row.map(Revision::into_row).transpose()
}

/// See [`Store::machine_of`](crate::store::Store::machine_of).
pub(super) async fn machine_of(
    readers: &SqlitePool,
    execution: ExecutionId,
) -> Result<Option<MachineRow>, Error> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM executions e JOIN revisions r ON r.id = e.revision WHERE e.id = $1"
    );
    let row: Option<Revision> = sqlx::query_as(SQL)
        .bind(execution.0)
        .fetch_optional(readers)
        .await
        .map_err(fault)?;
    row.map(Revision::into_row).transpose()
}

/// See [`Store::machines`](crate::store::Store::machines).
pub(super) async fn machines(
    readers: &SqlitePool,
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
    let rows: Vec<Revision> = query.fetch_all(readers).await.map_err(fault)?;
    rows.into_iter().map(Revision::into_row).collect()
}

/// See [`Store::delete_machine`](crate::store::Store::delete_machine).
pub(super) async fn delete(writer: &SqlitePool, name: &str) -> Result<bool, Error> {
    const SQL: &str = "DELETE FROM machines WHERE name = $1";
    let done = sqlx::query(SQL).bind(name).execute(writer).await;
    Ok(done.map_err(fault)?.rows_affected() > 0)
}

async fn newest(from: impl SqliteExecutor<'_>, name: &str) -> Result<Option<Revision>, Error> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM machines m JOIN revisions r ON r.id = m.revision WHERE m.name = $1"
    );
    let query = sqlx::query_as(SQL).bind(name);
    query.fetch_optional(from).await.map_err(fault)
}

async fn insert_revision(connection: &mut SqliteConnection, row: &MachineRow) -> Result<(), Error> {
    const SQL: &str = "INSERT INTO revisions
            (id, machine_name, machine_arn, kind, role_arn, definition, machine_created_at, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let query = sqlx::query(SQL)
        .bind(row.revision.0)
        .bind(row.name.as_str())
        .bind(row.arn.as_str())
        .bind(row.kind.as_str())
        .bind(row.role_arn.as_str());
    let query = query
        .bind(&*row.definition)
        .bind(micros(row.created_at))
        .bind(micros(row.updated_at));
    query.execute(connection).await.map_err(fault)?;
    Ok(())
}

async fn insert_machine(connection: &mut SqliteConnection, row: &MachineRow) -> Result<(), Error> {
    const SQL: &str = "INSERT INTO machines (name, revision, created_at) VALUES ($1, $2, $3)";
    let query = sqlx::query(SQL)
        .bind(row.name.as_str())
        .bind(row.revision.0)
        .bind(micros(row.created_at));
    query.execute(connection).await.map_err(fault)?;
    Ok(())
}

async fn set_revision(
    connection: &mut SqliteConnection,
    name: &str,
    revision: RevisionId,
) -> Result<(), Error> {
    const SQL: &str = "UPDATE machines SET revision = $2 WHERE name = $1";
    let query = sqlx::query(SQL).bind(name).bind(revision.0);
    query.execute(connection).await.map_err(fault)?;
    Ok(())
}
