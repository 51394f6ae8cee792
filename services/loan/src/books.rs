//! What a service has done and undone, in one transaction with its answers.
//!
//! Each effect is a row, each undo of one another row, and nothing is ever updated: whoever wants to know whether a saga left a
//! mess counts them per execution and state. In this demo the rows *are* the effects.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sagamore_worker::{Context, Effect, Failure, Memory};
use sqlx::PgPool;

/// The books of one service: in its Postgres, or in the process when it has none.
#[derive(Clone)]
pub struct Books {
    service: &'static str,
    kept: Kept,
}

#[derive(Clone)]
enum Kept {
    InMemory(Arc<Mutex<Pages>>),
    Postgres,
}

/// Per key, effects minus undone effects.
type Pages = HashMap<String, i64>;

/// The books could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("failed to create the tables of the loan services")]
pub struct BooksError(#[source] sqlx::Error);

impl Books {
    /// The books of `service`, where its memory is. The tables are created when missing.
    ///
    /// # Errors
    /// Postgres refuses the tables.
    pub async fn open(service: &'static str, memory: &Memory) -> Result<Self, BooksError> {
        let kept = match memory.postgres_pool() {
            None => Kept::InMemory(Arc::default()),
            Some(pool) => {
                create_tables(pool).await.map_err(BooksError)?;
                Kept::Postgres
            }
        };
        Ok(Self { service, kept })
    }

    /// A handler that gets these books as a third argument.
    pub(crate) fn with<F, I, R>(&self, handler: F) -> impl Fn(I, Context) -> R + use<F, I, R>
    where
        F: Fn(I, Context, Books) -> R,
    {
        let books = self.clone();
        move |input, context| handler(input, context, books.clone())
    }

    /// Enters that this step was done.
    pub(crate) async fn done(&self, context: &Context) -> Result<(), Failure> {
        let key = context.idempotency_key();
        let Some(mut postgres) = context.postgres().await else {
            *self.pages()?.entry(key.to_owned()).or_default() += 1;
            return Ok(());
        };
        sqlx::query(
            "INSERT INTO loan_effects (service, key, execution, state, kind)
             VALUES ($1, $2, $3, $4, 'done')",
        )
        .bind(self.service)
        .bind(key)
        .bind(context.execution())
        .bind(context.state())
        .execute(&mut *postgres)
        .await?;
        Ok(())
    }

    /// Enters that the step which this undoes was undone, if it was ever done.
    pub(crate) async fn undone(&self, context: &Context) -> Result<(), Failure> {
        let key = context.compensates().unwrap_or_default();
        let Some(mut postgres) = context.postgres().await else {
            let mut pages = self.pages()?;
            let effects = pages.entry(key.to_owned()).or_default();
            *effects = (*effects - 1).max(0);
            return Ok(());
        };
        sqlx::query(
            "INSERT INTO loan_effects (service, key, execution, state, kind)
             SELECT service, key, execution, state, 'undone'
             FROM loan_effects WHERE service = $1 AND key = $2
             GROUP BY service, key, execution, state
             HAVING count(*) FILTER (WHERE kind = 'done') > count(*) FILTER (WHERE kind = 'undone')",
        )
        .bind(self.service)
        .bind(key)
        .execute(&mut *postgres)
        .await?;
        Ok(())
    }

    fn pages(&self) -> Result<MutexGuard<'_, Pages>, Failure> {
        match &self.kept {
            Kept::InMemory(pages) => Ok(pages.lock().unwrap_or_else(PoisonError::into_inner)),
            Kept::Postgres => {
                let cause = "the books are in Postgres but the memory is not";
                Err(Failure::new("Loan.Misconfigured", cause).effect(Effect::None))
            }
        }
    }
}

async fn create_tables(pool: &PgPool) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    // Five services may start at once, and CREATE TABLE IF NOT EXISTS is not made for that.
    let statements = [
        "SELECT pg_advisory_xact_lock(hashtext('loan_effects'))",
        "CREATE TABLE IF NOT EXISTS loan_effects (
             id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
             service text NOT NULL,
             key text NOT NULL,
             execution text NOT NULL,
             state text NOT NULL,
             kind text NOT NULL CHECK (kind IN ('done', 'undone')),
             at timestamptz NOT NULL DEFAULT now()
         )",
        "CREATE INDEX IF NOT EXISTS loan_effects_by_key ON loan_effects (service, key)",
        "CREATE INDEX IF NOT EXISTS loan_effects_by_execution ON loan_effects (execution)",
    ];
    for statement in statements {
        sqlx::query(statement).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}
