//! A database of one's own.

use std::env;
use std::str::FromStr;

use anyhow::{Context as _, Result};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgPool};
use uuid::Uuid;

/// A database that is made for one test and dropped after it.
pub struct Database {
    name: String,
    /// Its address, for processes.
    pub url: String,
    /// A few connections to it.
    pub pool: PgPool,
}

impl Database {
    /// Makes one, on the server of `DATABASE_URL`.
    ///
    /// # Errors
    /// The server can't be reached, or does not let us.
    pub async fn create() -> Result<Self> {
        let name = format!("test_{}", Uuid::now_v7().simple());
        let mut server = connect().await?;
        let create = format!("CREATE DATABASE {name}");
        sqlx::query(AssertSqlSafe(create))
            .execute(&mut server)
            .await?;
        let options = options()?.database(&name);
        let url = options.to_url_lossy().to_string();
        let pool = PgPoolOptions::new().max_connections(4);
        let pool = pool.connect_lazy_with(options);
        Ok(Self { name, url, pool })
    }

    /// Drops it, whoever is still connected.
    ///
    /// # Errors
    /// The server can't be reached.
    pub async fn drop(self) -> Result<()> {
        self.pool.close().await;
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let mut server = connect().await?;
        sqlx::query(AssertSqlSafe(drop))
            .execute(&mut server)
            .await?;
        Ok(())
    }
}

async fn connect() -> Result<PgConnection> {
    let connected = PgConnection::connect_with(&options()?).await;
    connected.context("failed to reach the server of DATABASE_URL")
}

fn options() -> Result<PgConnectOptions> {
    let url = env::var("DATABASE_URL").context("DATABASE_URL is not set: run `cargo verify`")?;
    PgConnectOptions::from_str(&url).context("DATABASE_URL is no address")
}
