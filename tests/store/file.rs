//! The file of SQLite: whose it is, what is refused, and what is left of it after a crash.

use std::error::Error as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sagamore::store::{Error, NewMachine, SqliteStore, Store, Unsent, Want, Writes};
use sagamore_tests::with_file;
use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, SqliteConnection};

use crate::sample::{event, first_turn, new_machine};

/// Opens a path, which is refused, and gives the reasons.
async fn refused(path: &Path) -> Result<String> {
    match SqliteStore::open(path).await {
        Err(error @ Error::Refused(_)) => {
            let mut told = error.to_string();
            let mut cause = error.source();
            while let Some(error) = cause {
                told.push_str(&format!(": {error}"));
                cause = error.source();
            }
            Ok(told)
        }
        other => anyhow::bail!("opened: {other:?}"),
    }
}

#[track_caller]
fn assert_tells(told: &str, path: &Path, reason: &str) {
    assert!(told.contains(&path.display().to_string()), "{told}");
    assert!(told.contains(reason), "{told}");
}

async fn connect(path: &Path) -> Result<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(path);
    Ok(options.connect().await?)
}

#[tokio::test]
async fn a_file_is_one_coordinators_at_a_time() -> Result<()> {
    let run = with_file(|path| async move {
        let first = SqliteStore::open(&path).await?;
        assert_tells(&refused(&path).await?, &path, "another process has");
        let link = path.with_file_name("link.db");
        std::os::unix::fs::symlink(&path, &link)?;
        assert_tells(&refused(&link).await?, &path, "another process has");
        let secret = first.token_secret().await?;
        first.close().await;
        let second = SqliteStore::open(&link).await?;
        assert_eq!(second.token_secret().await?, secret);
        assert!(matches!(first.ping().await, Err(Error::Unavailable(_))));
        drop(second);
        SqliteStore::open(&path).await?.close().await;
        Ok(())
    });
    run.await
}

#[tokio::test]
async fn what_is_no_database_is_refused_by_name() -> Result<()> {
    let run = with_file(|path| async move {
        fs::write(&path, "what somebody wrote\n".repeat(1_000))?;
        let told = refused(&path).await?;
        assert_tells(&told, &path, "file is not a database");
        let kept = fs::read_to_string(&path)?;
        assert!(kept.starts_with("what somebody wrote"), "it is left alone");
        let directory = path.parent().context("it is in a directory")?;
        assert_tells(&refused(directory).await?, directory, "is a directory");
        assert!(!beside(directory, "-lock").exists(), "nothing is made");
        Ok(())
    });
    run.await
}

#[tokio::test]
async fn the_database_of_something_else_is_left_alone() -> Result<()> {
    let run = with_file(|path| async move {
        let mut connection = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .connect()
            .await?;
        connection.execute("CREATE TABLE songs (name TEXT)").await?;
        connection.close().await?;
        let before = fs::read(&path)?;
        let told = refused(&path).await?;
        assert_tells(&told, &path, "is the database of something else");
        assert!(fs::read(&path)? == before, "it is left alone");
        Ok(())
    });
    run.await
}

#[tokio::test]
async fn a_place_where_nothing_can_be_written_is_refused_by_name() -> Result<()> {
    let run = with_file(|path| async move {
        let absent = path.with_file_name("absent").join("sagamore.db");
        assert_tells(&refused(&absent).await?, &absent, "No such file");
        fs::write(&path, "")?;
        let within = path.join("sagamore.db");
        assert_tells(&refused(&within).await?, &within, "Not a directory");
        // Here nobody may make a file, not even root.
        let system = PathBuf::from("/proc/sagamore.db");
        assert_tells(&refused(&system).await?, &system, "can't be");
        Ok(())
    });
    run.await
}

#[tokio::test]
async fn a_file_of_a_newer_release_is_refused() -> Result<()> {
    let run = with_file(|path| async move {
        SqliteStore::open(&path).await?.close().await;
        let mut connection = connect(&path).await?;
        connection
            .execute("UPDATE _sqlx_migrations SET version = 9999 WHERE version = 1")
            .await?;
        connection.close().await?;
        let told = refused(&path).await?;
        assert_tells(&told, &path, "was written by a newer release");
        Ok(())
    });
    run.await
}

/// As the first release left it: without the column for letters.
#[tokio::test]
async fn a_file_of_an_older_release_is_brought_up_to_date() -> Result<()> {
    let run = with_file(|path| async move {
        let store = SqliteStore::open(&path).await?;
        let (machine, _) = store.create_machine(new_machine("loan")).await?;
        store.close().await;
        let mut connection = connect(&path).await?;
        connection
            .execute("ALTER TABLE events DROP COLUMN recipient; DELETE FROM _sqlx_migrations WHERE version = 2")
            .await?;
        connection.close().await?;
        let store = SqliteStore::open(&path).await?;
        assert_eq!(store.machine("loan").await?, Some(machine.clone()));
        let mut turn = first_turn(&machine, "letters", Value::Null);
        // The third is a letter: see the sample.
        turn.events = (1..=3).map(event).collect();
        let (coordinator, events) = (turn.coordinator, turn.events.clone());
        let writes = Writes {
            turns: vec![turn],
            answers: Vec::new(),
            late: Vec::new(),
        };
        store.transact(&Want::default(), |_| (writes, ())).await?;
        let unsent = store.unsent(coordinator, &[1, 2, 3]).await?;
        let expected: Vec<Unsent> = events.into_iter().map(Unsent::Event).collect();
        assert_eq!(unsent, expected);
        store.close().await;
        Ok(())
    });
    run.await
}

/// The files as they lie on the disk at some moment are what a crash at that moment leaves.
#[tokio::test]
async fn what_was_committed_is_there_after_a_crash() -> Result<()> {
    let run = with_file(|path| async move {
        let store = SqliteStore::open(&path).await?;
        let (machine, _) = store.create_machine(new_machine("loan")).await?;
        for turn in 0..50 {
            let turn = first_turn(&machine, &turn.to_string(), Value::Null);
            let (id, history) = (turn.head.id, turn.history.clone());
            let writes = Writes {
                turns: vec![turn],
                answers: Vec::new(),
                late: Vec::new(),
            };
            store.transact(&Want::default(), |_| (writes, ())).await?;
            let crashed = path.with_file_name(format!("{id}.db"));
            fs::copy(&path, &crashed)?;
            fs::copy(beside(&path, "-wal"), beside(&crashed, "-wal"))?;
            let reopened = SqliteStore::open(&crashed).await?;
            assert_eq!(reopened.history(id).await?, history);
            assert_eq!(reopened.machine("loan").await?, Some(machine.clone()));
            reopened.close().await;
        }
        store.close().await;
        assert!(!beside(&path, "-wal").exists(), "the log is put away");
        Ok(())
    });
    run.await
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

#[tokio::test]
async fn what_was_damaged_is_told_from_what_fails() -> Result<()> {
    let run = with_file(|path| async move {
        let store = SqliteStore::open(&path).await?;
        let large = NewMachine {
            definition: "x".repeat(1_000_000),
            ..new_machine("large")
        };
        store.create_machine(large).await?;
        let (machine, _) = store.create_machine(new_machine("loan")).await?;
        let turn = first_turn(&machine, "e", Value::Null);
        let id = turn.head.id;
        let writes = Writes {
            turns: vec![turn],
            answers: Vec::new(),
            late: Vec::new(),
        };
        store.transact(&Want::default(), |_| (writes, ())).await?;
        let mut other = connect(&path).await?;
        other.execute("UPDATE history SET records = '['").await?;
        other.close().await?;
        let read = store.history(id).await;
        assert!(matches!(read, Err(Error::Corrupt { .. })), "{read:?}");
        store.close().await;

        let mut bytes = fs::read(&path)?;
        // The tables begin on the first pages; what is long follows behind them.
        let middle = bytes.len() / 2;
        bytes[middle..middle + 100_000].fill(0xff);
        fs::write(&path, bytes)?;
        let store = SqliteStore::open(&path).await?;
        let read = store.machine("large").await;
        assert!(matches!(read, Err(Error::Corrupt { .. })), "{read:?}");
        assert_eq!(store.machine("loan").await?, Some(machine));
        store.close().await;
        Ok(())
    });
    run.await
}

/// Somebody who looks into the file or copies it may lock it for a while.
#[tokio::test]
async fn a_lock_of_somebody_else_is_waited_for() -> Result<()> {
    let run = with_file(|path| async move {
        let store = SqliteStore::open(&path).await?;
        let mut other = connect(&path).await?;
        other.execute("BEGIN IMMEDIATE").await?;
        let (created, unlocked) = tokio::join!(store.create_machine(new_machine("loan")), async {
            // Reads go on meanwhile.
            assert_eq!(store.machine("loan").await?, None);
            other.execute("COMMIT").await?;
            anyhow::Ok(())
        });
        unlocked?;
        let (machine, _) = created?;
        assert_eq!(store.machine("loan").await?, Some(machine));
        store.close().await;
        Ok(())
    });
    run.await
}
