//! What is forgotten, and when: the rows are made older than they are.

use std::time::Duration;

use anyhow::Result;
use sagamore::store::{PostgresStore, SqliteStore, Store, Want, Writes};
use sagamore_tests::{with_database, with_file};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, PgConnection};

use crate::sample::{coordinator, event, first_turn, new_machine};

#[tokio::test]
async fn postgres_forgets_what_is_old() -> Result<()> {
    let run = with_database(|url| async move {
        let store = PostgresStore::connect(&url, 2).await?;
        let mut connection = PgConnection::connect(&url).await?;
        forgets_what_is_old(&store, async |sql| {
            connection.execute(sql).await?;
            Ok(())
        })
        .await?;
        store.close().await;
        Ok(())
    });
    run.await
}

#[tokio::test]
async fn sqlite_forgets_what_is_old() -> Result<()> {
    let run = with_file(|path| async move {
        let store = SqliteStore::open(&path).await?;
        let options = SqliteConnectOptions::new().filename(&path);
        let mut connection = options.connect().await?;
        forgets_what_is_old(&store, async |sql| {
            connection.execute(sql).await?;
            Ok(())
        })
        .await?;
        store.close().await;
        Ok(())
    });
    run.await
}

/// `age` runs a statement beside the store.
async fn forgets_what_is_old<S: Store>(
    store: &S,
    mut age: impl AsyncFnMut(&'static str) -> Result<()>,
) -> Result<()> {
    answer(store).await?;
    age("UPDATE commands SET answered_at = answered_at - 6 * 86400000000").await?;
    renew(store).await?;
    assert!(is_answered(store).await?, "an answer is kept for a week");
    age("UPDATE commands SET answered_at = answered_at - 86400000000").await?;
    renew(store).await?;
    assert!(!is_answered(store).await?, "and no longer");

    // The last transaction of one that is remembered is found, however late it comes.
    let (machine, _) = store.create_machine(new_machine("loan")).await?;
    for (older, found) in [
        (
            "UPDATE coordinators SET lease_until = lease_until - 43200000000",
            1,
        ),
        (
            "UPDATE coordinators SET lease_until = lease_until - 86400000000",
            0,
        ),
    ] {
        store.renew(coordinator(1), Duration::ZERO, 0).await?;
        age(older).await?;
        assert!(store.take_over(coordinator(2), 9, &|| 1).await?.is_empty());
        let mut turn = first_turn(&machine, older, Value::Null);
        turn.events = vec![event(1)];
        let writes = Writes {
            turns: vec![turn],
            answers: Vec::new(),
            late: Vec::new(),
        };
        store.transact(&Want::default(), |_| (writes, ())).await?;
        let taken = store.take_over(coordinator(2), 9, &|| 1).await?;
        assert_eq!(taken.len(), found, "{older}");
    }
    Ok(())
}

async fn renew<S: Store>(store: &S) -> Result<()> {
    Ok(store.renew(coordinator(9), Duration::ZERO, 0).await?)
}

async fn answer<S: Store>(store: &S) -> Result<()> {
    let writes = Writes {
        turns: Vec::new(),
        answers: vec![("c".to_owned(), json!("done"))],
        late: Vec::new(),
    };
    Ok(store.transact(&Want::default(), |_| (writes, ())).await?)
}

async fn is_answered<S: Store>(store: &S) -> Result<bool> {
    let want = Want {
        commands: vec!["c".to_owned()],
        ..Want::default()
    };
    let known = store.transact(&want, |loaded| {
        (Writes::default(), loaded.answers.contains_key("c"))
    });
    Ok(known.await?)
}
