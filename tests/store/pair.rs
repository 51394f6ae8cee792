//! Both stores, and what they answer as text that can be compared.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Debug;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;
use sagamore::store::{
    CoordinatorId, Created, Error, ExecutionRow, Found, Loaded, MachineRow, NewMachine,
    PostgresStore, RevisionId, Store, Unsent, Want, Writes,
};
use sagamore_tests::ModelStore;

pub struct Pair {
    pub postgres: PostgresStore,
    pub model: ModelStore,
    /// The model's revisions, by those of Postgres.
    revisions: BTreeMap<RevisionId, RevisionId>,
}

impl Pair {
    pub async fn new(url: &str) -> Result<Pair> {
        let postgres = PostgresStore::connect(url, 4).await?;
        Ok(Pair {
            postgres,
            model: ModelStore::default(),
            revisions: BTreeMap::new(),
        })
    }

    /// Sets the model's clock by that of Postgres.
    pub async fn synchronise(&self) -> Result<Timestamp> {
        let (now, _) = self
            .postgres
            .due(CoordinatorId(uuid::Uuid::nil()), Duration::ZERO, 0)
            .await?;
        self.model.set_now(now);
        Ok(now)
    }

    /// Writes with both what the model's revisions stand in; with what both knew before.
    pub async fn transact(&self, want: &Want, writes: Writes) -> Result<String> {
        let for_postgres = Writes {
            turns: self.translated(&writes)?,
            answers: writes.answers.clone(),
        };
        let mut now = None;
        let postgres = self.postgres.transact(want, |loaded| {
            now = Some(loaded.now);
            (for_postgres, self.told_loaded(loaded, true))
        });
        let postgres = postgres.await;
        if let Some(now) = now {
            self.model.set_now(now);
        }
        let model = self
            .model
            .transact(want, |loaded| (writes, self.told_loaded(loaded, false)))
            .await;
        agree("transact", &postgres, &model)
    }

    fn translated(&self, writes: &Writes) -> Result<Vec<sagamore::store::TurnWrite>> {
        let turns = writes.turns.iter().map(|turn| {
            let revision = self
                .revisions
                .iter()
                .find(|(_, model)| **model == turn.revision);
            let mut turn = turn.clone();
            turn.revision = *revision.context("a revision that was never made")?.0;
            Ok(turn)
        });
        turns.collect()
    }

    fn told_loaded(&self, loaded: Loaded, is_postgres: bool) -> String {
        let executions = loaded.executions.into_iter().map(|(id, found)| {
            let found = match found {
                Found::Unchanged => "unchanged".to_owned(),
                Found::Stored(mut stored) => {
                    if is_postgres {
                        stored.revision = self.renamed(stored.revision);
                    }
                    format!("{stored:?}")
                }
            };
            (id, found)
        });
        let executions: BTreeMap<_, _> = executions.collect();
        let sorted = |waits: HashSet<_>| waits.into_iter().collect::<BTreeSet<_>>();
        let (due, handed_on) = (sorted(loaded.due), sorted(loaded.handed_on));
        let answers: BTreeMap<_, _> = loaded.answers.into_iter().collect();
        format!("{executions:?} {due:?} {handed_on:?} {answers:?}")
    }

    fn renamed(&self, revision: RevisionId) -> RevisionId {
        self.revisions.get(&revision).copied().unwrap_or(revision)
    }

    fn renamed_machine(&self, row: MachineRow) -> MachineRow {
        MachineRow {
            revision: self.renamed(row.revision),
            ..row
        }
    }

    pub async fn create_machine(&mut self, machine: NewMachine) -> Result<MachineRow> {
        let (row, created) = self.postgres.create_machine(machine.clone()).await?;
        self.note(&row, created == Created::New);
        let (expected, expected_created) = self.model.create_machine(machine).await?;
        if created == Created::New {
            self.revisions.insert(row.revision, expected.revision);
        }
        let told = Ok((self.renamed_machine(row), created));
        agree(
            "create_machine",
            &told,
            &Ok((expected.clone(), expected_created)),
        )?;
        Ok(expected)
    }

    pub async fn update_machine(
        &mut self,
        name: &str,
        definition: Option<&str>,
        role_arn: Option<&str>,
    ) -> Result<()> {
        let row = self
            .postgres
            .update_machine(name, definition, role_arn)
            .await?;
        if let Some(row) = &row {
            self.note(row, true);
        }
        let expected = self
            .model
            .update_machine(name, definition, role_arn)
            .await?;
        if let Some((row, expected)) = row.as_ref().zip(expected.as_ref()) {
            self.revisions.insert(row.revision, expected.revision);
        }
        agree(
            "update_machine",
            &Ok(row.map(|row| self.renamed_machine(row))),
            &Ok(expected),
        )?;
        Ok(())
    }

    /// The model's row gets the time that Postgres gave.
    fn note(&self, row: &MachineRow, is_new: bool) {
        if is_new {
            self.model.set_now(row.updated_at);
        }
    }

    pub fn machines(&self, rows: Result<Vec<MachineRow>, Error>) -> Result<Vec<MachineRow>, Error> {
        rows.map(|rows| {
            rows.into_iter()
                .map(|row| self.renamed_machine(row))
                .collect()
        })
    }

    pub fn executions(
        &self,
        rows: Result<Vec<ExecutionRow>, Error>,
    ) -> Result<Vec<ExecutionRow>, Error> {
        rows.map(|rows| {
            let renamed = rows.into_iter().map(|row| ExecutionRow {
                revision: self.renamed(row.revision),
                ..row
            });
            renamed.collect()
        })
    }

    /// Takes over with both; places count on from `number` in each.
    pub async fn take_over(
        &self,
        coordinator: CoordinatorId,
        limit: u32,
        number: u64,
    ) -> Result<Vec<Unsent>> {
        let postgres = counted(&self.postgres, coordinator, limit, number).await;
        let model = counted(&self.model, coordinator, limit, number).await;
        agree("take_over", &postgres, &model)?;
        Ok(model?)
    }
}

async fn counted<S: Store>(
    store: &S,
    coordinator: CoordinatorId,
    limit: u32,
    number: u64,
) -> Result<Vec<Unsent>, Error> {
    let last = AtomicU64::new(number);
    store
        .take_over(coordinator, limit, &|| {
            last.fetch_add(1, Ordering::Relaxed) + 1
        })
        .await
}

/// Asks both and compares; gives what they said.
pub async fn both<T: Debug>(
    call: &str,
    postgres: impl Future<Output = Result<T, Error>>,
    model: impl Future<Output = Result<T, Error>>,
) -> Result<String> {
    agree(call, &postgres.await, &model.await)
}

/// What both said, when it is the same.
pub fn agree<T: Debug>(
    call: &str,
    postgres: &Result<T, Error>,
    model: &Result<T, Error>,
) -> Result<String> {
    let (told, expected) = (told(postgres), told(model));
    anyhow::ensure!(
        told == expected,
        "{call} differs\n{}",
        difference(&told, &expected)
    );
    Ok(told)
}

fn told<T: Debug>(result: &Result<T, Error>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(Error::Unavailable(_)) => "unavailable".to_owned(),
        Err(Error::Refused(_)) => "refused".to_owned(),
        Err(Error::Corrupt { .. }) => "corrupt".to_owned(),
    }
}

/// Where two texts part, with what stands around.
fn difference(told: &str, expected: &str) -> String {
    let (told, expected): (Vec<char>, Vec<char>) =
        (told.chars().collect(), expected.chars().collect());
    let same = told
        .iter()
        .zip(&expected)
        .take_while(|(a, b)| a == b)
        .count();
    let around = |text: &[char]| {
        text.iter()
            .skip(same.saturating_sub(400))
            .take(800)
            .collect::<String>()
    };
    format!(
        "postgres: …{}…\n   model: …{}…",
        around(&told),
        around(&expected)
    )
}
