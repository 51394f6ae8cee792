//! A database of its own for each test, on the server that `DATABASE_URL` names.

use std::panic::{AssertUnwindSafe, resume_unwind};

use anyhow::{Context, Result};
use futures_util::FutureExt;
use sqlx::migrate::MigrateDatabase;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Postgres};
use uuid::Uuid;

/// Makes a database, runs the test with its URL, and drops it however the test ends.
///
/// # Errors
/// When `DATABASE_URL` is not set, its server is away, or the test fails.
pub async fn with_database<T, F>(test: impl FnOnce(String) -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let server =
        std::env::var("DATABASE_URL").context("DATABASE_URL is not set; `cargo verify` sets it")?;
    let name = format!("sagamore_{}", Uuid::new_v4().simple());
    let url = database_url(&server, &name)?;
    Postgres::create_database(&url).await?;
    let ended = AssertUnwindSafe(test(url)).catch_unwind().await;
    drop_database(&server, &name).await?;
    match ended {
        Ok(result) => result,
        Err(panic) => resume_unwind(panic),
    }
}

/// The server's URL with another database.
fn database_url(server: &str, name: &str) -> Result<String> {
    let (address, options) = server
        .split_once('?')
        .map_or((server, None), |(address, options)| {
            (address, Some(options))
        });
    let authority = address.find("://").context("DATABASE_URL is no URL")? + 3;
    let end = address[authority..]
        .find('/')
        .map_or(address.len(), |slash| authority + slash);
    let options = options.map_or_else(String::new, |options| format!("?{options}"));
    Ok(format!("{}/{name}{options}", &address[..end]))
}

/// By force: a pool may still hold connections.
async fn drop_database(server: &str, name: &str) -> Result<()> {
    let mut connection = PgConnection::connect(server).await?;
    connection
        .execute(AssertSqlSafe(format!(
            "DROP DATABASE IF EXISTS {name} WITH (FORCE)"
        )))
        .await?;
    Ok(connection.close().await?)
}
