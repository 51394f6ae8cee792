//! One case per rule of the store, on each of the databases.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use jiff::Timestamp;
use sagamore::store::{
    Error, Found, MachineRow, PostgresStore, SqliteStore, Store, TurnWrite, Unsent, Want, Writes,
};
use sagamore_interpreter::{Execution, ExecutionId, ScopeId, Sequence};
use sagamore_tests::{with_database, with_file};
use serde_json::{Value, json};

use crate::sample::{
    coordinator, empty_turn, event, first_turn, message, new_machine, record, scope, timer,
};

/// Tests each rule on each of the databases.
macro_rules! rules {
    ($($rule:ident,)*) => {
        mod postgres {
            $(
                #[tokio::test]
                async fn $rule() -> anyhow::Result<()> {
                    super::on_postgres(super::$rule).await
                }
            )*
        }

        mod sqlite {
            $(
                #[tokio::test]
                async fn $rule() -> anyhow::Result<()> {
                    super::on_sqlite(super::$rule).await
                }
            )*
        }
    };
}

rules! {
    of_starts_at_once_one_succeeds_and_the_others_find_it,
    turns_at_once_of_one_execution_follow_each_other,
    batches_that_overlap_do_not_deadlock,
    a_turn_on_another_version_is_not_written,
    only_what_a_lapsed_coordinator_left_is_taken_over,
    what_two_take_over_at_once_goes_to_one,
    whatever_json_can_hold_is_read_as_it_was_written,
    a_caller_that_goes_away_leaves_nothing_half_done,
}

/// A store on a database of its own, with a machine in it.
async fn on_postgres<F: Future<Output = Result<()>>>(
    rule: impl FnOnce(PostgresStore, MachineRow) -> F,
) -> Result<()> {
    let run = with_database(|url| async move {
        let store = PostgresStore::connect(&url, 8).await?;
        let (machine, _) = store.create_machine(new_machine("loan")).await?;
        rule(store.clone(), machine).await?;
        store.close().await;
        Ok(())
    });
    run.await
}

/// A store on a file of its own, with a machine in it.
async fn on_sqlite<F: Future<Output = Result<()>>>(
    rule: impl FnOnce(SqliteStore, MachineRow) -> F,
) -> Result<()> {
    let run = with_file(|path| async move {
        let store = SqliteStore::open(path).await?;
        let (machine, _) = store.create_machine(new_machine("loan")).await?;
        rule(store.clone(), machine).await?;
        store.close().await;
        Ok(())
    });
    run.await
}

fn want(execution: ExecutionId) -> Want {
    Want {
        executions: BTreeMap::from([(execution, None)]),
        ..Want::default()
    }
}

async fn write<S: Store>(store: &S, turn: TurnWrite) -> Result<(), Error> {
    let writes = Writes {
        turns: vec![turn],
        answers: Vec::new(),
        late: Vec::new(),
    };
    store.transact(&Want::default(), |_| (writes, ())).await
}

async fn load<S: Store>(store: &S, execution: ExecutionId) -> Result<(i64, Execution)> {
    let wanted = want(execution);
    let found = store.transact(&wanted, |mut loaded| {
        (Writes::default(), loaded.executions.remove(&execution))
    });
    let Some(Found::Stored(stored)) = found.await? else {
        anyhow::bail!("the execution is not there")
    };
    Ok((stored.version, stored.execution))
}

async fn of_starts_at_once_one_succeeds_and_the_others_find_it<S: Store>(
    store: S,
    machine: MachineRow,
) -> Result<()> {
    let turn = first_turn(&machine, "e", Value::Null);
    let id = turn.head.id;
    let starts = (0..8).map(|_| {
        let (store, turn) = (store.clone(), turn.clone());
        tokio::spawn(async move { write(&store, turn).await })
    });
    let mut begun = 0;
    for start in futures_util::future::join_all(starts).await {
        match start? {
            Ok(()) => begun += 1,
            Err(error) => assert!(matches!(error, Error::Unavailable(_)), "{error:?}"),
        }
    }
    assert_eq!(begun, 1);
    assert_eq!(load(&store, id).await?.0, 1);
    assert_eq!(store.history(id).await?, turn.history);
    Ok(())
}

/// Each adds a record to the history that it read under the lock: none is lost, none stands twice.
async fn turns_at_once_of_one_execution_follow_each_other<S: Store>(
    store: S,
    machine: MachineRow,
) -> Result<()> {
    let turn = first_turn(&machine, "e", Value::Null);
    let (id, revision) = (turn.head.id, machine.revision);
    write(&store, turn).await?;
    let turns = (0..40).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            let wanted = want(id);
            let decided = store.transact(&wanted, |mut loaded| {
                let Some(Found::Stored(stored)) = loaded.executions.remove(&id) else {
                    panic!("it is there")
                };
                let mut head = stored.execution.head;
                let history = vec![record(&mut head, true, Value::Null)];
                let turn = TurnWrite {
                    history,
                    ..empty_turn(coordinator(1), stored.version + 1, revision, head)
                };
                (
                    Writes {
                        turns: vec![turn],
                        answers: Vec::new(),
                        late: Vec::new(),
                    },
                    (),
                )
            });
            decided.await
        })
    });
    for turn in futures_util::future::join_all(turns).await {
        turn??;
    }
    let history = store.history(id).await?;
    let sequences: Vec<u64> = history.iter().map(|record| record.sequence.0).collect();
    assert_eq!(sequences, (1..=41).collect::<Vec<u64>>());
    assert_eq!(load(&store, id).await?.0, 41);
    Ok(())
}

/// Batches that share executions lock them in one order, so none is chosen as the victim of a deadlock.
async fn batches_that_overlap_do_not_deadlock<S: Store>(
    store: S,
    machine: MachineRow,
) -> Result<()> {
    let turns: Vec<TurnWrite> = (0..12)
        .map(|name| first_turn(&machine, &name.to_string(), Value::Null))
        .collect();
    let ids: Vec<ExecutionId> = turns.iter().map(|turn| turn.head.id).collect();
    store
        .transact(&Want::default(), |_| {
            (
                Writes {
                    turns,
                    answers: Vec::new(),
                    late: Vec::new(),
                },
                (),
            )
        })
        .await?;
    let batches = (0..40_usize).map(|batch| {
        let (store, revision) = (store.clone(), machine.revision);
        let executions: BTreeMap<_, _> = (0..6)
            .map(|at| (ids[(batch * 5 + at * 7) % ids.len()], None))
            .collect();
        tokio::spawn(async move {
            let want = Want {
                executions,
                ..Want::default()
            };
            let decided = store.transact(&want, |loaded| {
                let turns = loaded.executions.into_values().map(|found| {
                    let Found::Stored(stored) = found else {
                        panic!("it is not known")
                    };
                    empty_turn(
                        coordinator(1),
                        stored.version + 1,
                        revision,
                        stored.execution.head,
                    )
                });
                (
                    Writes {
                        turns: turns.collect(),
                        answers: Vec::new(),
                        late: Vec::new(),
                    },
                    (),
                )
            });
            decided.await
        })
    });
    for batch in futures_util::future::join_all(batches).await {
        batch??;
    }
    Ok(())
}

async fn a_turn_on_another_version_is_not_written<S: Store>(
    store: S,
    machine: MachineRow,
) -> Result<()> {
    let turn = first_turn(&machine, "e", Value::Null);
    let head = turn.head.clone();
    write(&store, turn).await?;
    for version in [3, 9] {
        let mut stale = empty_turn(coordinator(1), version, machine.revision, head.clone());
        stale.scopes = vec![(ScopeId::TOP, None)];
        let result = write(&store, stale).await;
        assert!(matches!(result, Err(Error::Unavailable(_))), "{result:?}");
    }
    let (version, execution) = load(&store, head.id).await?;
    assert_eq!((version, execution.scopes.len()), (1, 1));
    Ok(())
}

async fn only_what_a_lapsed_coordinator_left_is_taken_over<S: Store>(
    store: S,
    machine: MachineRow,
) -> Result<()> {
    for (by, lease, sent_through) in [(1, 0, 1), (2, 3_600, 0), (3, 3_600, 0)] {
        let mut turn = first_turn(&machine, &by.to_string(), Value::Null);
        turn.coordinator = coordinator(by);
        turn.opens = vec![
            message(1, 1),
            message(2, 2),
            timer(3, Timestamp::UNIX_EPOCH),
        ];
        turn.events = vec![event(3)];
        write(&store, turn).await?;
        store
            .renew(coordinator(by), Duration::from_secs(lease), sent_through)
            .await?;
    }
    let taken = store.take_over(coordinator(3), 10, &|| 7).await?;
    let [
        Unsent::Message {
            wait, number: 7, ..
        },
        Unsent::Event(event),
    ] = taken.as_slice()
    else {
        anyhow::bail!("taken over: {taken:?}")
    };
    assert_eq!((wait, event.number), (&Sequence(2), 7));
    assert_eq!(
        store.due(coordinator(3), Duration::ZERO, 10).await?.1.len(),
        1,
        "the timers come last"
    );
    assert!(store.take_over(coordinator(3), 10, &|| 8).await?.is_empty());
    assert_eq!(
        store.due(coordinator(3), Duration::ZERO, 10).await?.1.len(),
        2
    );
    assert_eq!(
        store.due(coordinator(2), Duration::ZERO, 10).await?.1.len(),
        1
    );
    Ok(())
}

async fn what_two_take_over_at_once_goes_to_one<S: Store>(
    store: S,
    machine: MachineRow,
) -> Result<()> {
    let mut turn = first_turn(&machine, "e", Value::Null);
    turn.opens = (1..=300).map(|wait| message(wait, wait)).collect();
    write(&store, turn).await?;
    store.renew(coordinator(1), Duration::ZERO, 0).await?;
    let takers = (2..6).map(|by| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut all = Vec::new();
            loop {
                let taken = store.take_over(coordinator(by), 20, &|| 1).await?;
                if taken.is_empty() {
                    return Ok::<_, Error>(all);
                }
                all.extend(taken);
            }
        })
    });
    let mut waits = Vec::new();
    for taken in futures_util::future::join_all(takers).await {
        waits.extend(taken??.into_iter().filter_map(|unsent| match unsent {
            Unsent::Message { wait, .. } => Some(wait.0),
            Unsent::Event(_) => None,
        }));
    }
    waits.sort_unstable();
    assert_eq!(waits, (1..=300).collect::<Vec<u64>>());
    Ok(())
}

async fn whatever_json_can_hold_is_read_as_it_was_written<S: Store>(
    store: S,
    machine: MachineRow,
) -> Result<()> {
    let deep = (0..100).fold(Value::Null, |inner, _| json!([inner]));
    let large = json!("\u{0}é".repeat(400_000));
    let floats = json!([
        0.1 + 0.2,
        1.0e-7 / 3.0,
        5e-324,
        1.797_693_134_862_315_7e308,
        -0.0,
        u64::MAX,
        i64::MIN
    ]);
    for (name, payload) in [
        ("zero", json!({ "\u{0}": "\u{0}" })),
        ("deep", deep),
        ("large", large),
        ("floats", floats),
    ] {
        let mut turn = first_turn(&machine, name, payload.clone());
        turn.scopes = vec![(
            ScopeId::TOP,
            Some(scope(ScopeId::TOP, Sequence(1), payload)),
        )];
        let written = turn.clone();
        write(&store, turn).await?;
        let (_, execution) = load(&store, written.head.id).await?;
        assert!(execution.head == written.head, "{name}: the head differs");
        assert!(
            Some(&execution.scopes[&ScopeId::TOP]) == written.scopes[0].1.as_ref(),
            "{name}: the scope differs"
        );
        assert!(
            store.history(written.head.id).await? == written.history,
            "{name}: the history differs"
        );
    }
    Ok(())
}

/// Whoever asks may be dropped at any point. What was begun is done or undone, and the next one is not held up.
async fn a_caller_that_goes_away_leaves_nothing_half_done<S: Store>(
    store: S,
    machine: MachineRow,
) -> Result<()> {
    for polls in (0..14).map(|power| 1_u32 << power) {
        let mut turn = first_turn(&machine, &polls.to_string(), Value::Null);
        turn.opens = (1..=20).map(|wait| message(wait, wait)).collect();
        let mut writing = Box::pin(write(&store, turn.clone()));
        for _ in 0..polls {
            if futures_util::poll!(&mut writing).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(writing);
        match write(&store, turn.clone()).await {
            Ok(()) | Err(Error::Unavailable(_)) => {}
            Err(error) => return Err(error.into()),
        }
        assert_eq!(store.history(turn.head.id).await?, turn.history);
        assert!(store.task(turn.head.id, Sequence(20)).await?.is_some());
    }
    Ok(())
}

#[tokio::test]
async fn coordinators_that_start_at_once_share_tables_and_secret() -> Result<()> {
    let run = with_database(|url| async move {
        let starts = (0..6).map(|_| {
            let url = url.clone();
            tokio::spawn(async move { PostgresStore::connect(&url, 1).await?.token_secret().await })
        });
        let mut secrets = Vec::new();
        for start in futures_util::future::join_all(starts).await {
            secrets.push(start??);
        }
        assert_eq!(secrets[0].len(), 32);
        assert!(secrets.iter().all(|secret| *secret == secrets[0]));
        Ok(())
    });
    run.await
}
