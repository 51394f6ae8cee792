//! A database that is away, or loses a transaction.

use std::collections::BTreeMap;

use anyhow::Result;
use sagamore::store::{Error, PostgresStore, Store, Want, Writes};
use sagamore_tests::{Fault, ModelStore, with_database};
use serde_json::Value;
use sqlx::{Connection, Executor, PgConnection};

use crate::sample::{first_turn, new_machine};

/// The connection is killed between a batch's decision and its writes.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_loses_its_connection_is_tried_again() -> Result<()> {
    let run = with_database(|url| async move {
        let store = PostgresStore::connect(&url, 2).await?;
        let (machine, _) = store.create_machine(new_machine("loan")).await?;
        let turn = first_turn(&machine, "e", Value::Null);
        let writes = || Writes {
            turns: vec![turn.clone()],
            answers: Vec::new(),
            late: Vec::new(),
        };
        let runtime = tokio::runtime::Handle::current();
        let want = Want::default();
        let lost = store.transact(&want, |_| {
            tokio::task::block_in_place(|| {
                runtime
                    .block_on(kill_others(&url))
                    .expect("the server is there");
            });
            (writes(), ())
        });
        let lost = lost.await;
        assert!(matches!(lost, Err(Error::Unavailable(_))), "{lost:?}");
        // Every connection of the pool was killed; each is found out by its next use.
        while store.ping().await.is_err() {}
        store.transact(&Want::default(), |_| (writes(), ())).await?;
        assert_eq!(store.history(turn.head.id).await?, turn.history);
        Ok(())
    });
    tokio::time::timeout(std::time::Duration::from_secs(60), run).await?
}

async fn kill_others(url: &str) -> Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    connection.execute(sql).await?;
    Ok(connection.close().await?)
}

#[tokio::test]
async fn a_server_that_is_not_there_is_not_available() {
    let result = PostgresStore::connect("postgres://nobody@127.0.0.1:1/none", 1).await;
    assert!(matches!(result, Err(Error::Unavailable(_))), "{result:?}");
}

/// The model fails as it is told: before the commit, or after it with the same error.
#[tokio::test]
async fn the_model_loses_what_it_is_told_to_lose() -> Result<()> {
    let model = ModelStore::default();
    let (machine, _) = model.create_machine(new_machine("loan")).await?;
    for (fault, is_written) in [(Fault::Lost, false), (Fault::Doubtful, true)] {
        let turn = first_turn(&machine, &format!("{fault:?}"), Value::Null);
        let id = turn.head.id;
        model.plan_faults([Some(fault)]);
        let want = Want {
            executions: BTreeMap::from([(id, None)]),
            ..Want::default()
        };
        let result = model
            .transact(&want, |_| {
                (
                    Writes {
                        turns: vec![turn],
                        answers: Vec::new(),
                        late: Vec::new(),
                    },
                    (),
                )
            })
            .await;
        assert!(matches!(result, Err(Error::Unavailable(_))));
        assert_eq!(
            model.execution(id).await?.is_some(),
            is_written,
            "{fault:?}"
        );
    }
    Ok(())
}
