//! All stores side by side, and what they answer as text that can be compared.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Debug;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use jiff::Timestamp;
use sagamore::store::{
    CoordinatorId, Created, Error, ExecutionRow, Found, Loaded, MachineRow, NewMachine,
    PostgresStore, RevisionId, SqliteStore, Store, TurnWrite, Unsent, Want, Writes,
};
use sagamore_tests::ModelStore;

pub struct Stores {
    pub postgres: Named<PostgresStore>,
    pub sqlite: Named<SqliteStore>,
    pub model: Named<ModelStore>,
}

/// A store, with the model's names for what it made. The model's own need no others.
pub struct Named<S> {
    pub store: S,
    revisions: BTreeMap<RevisionId, RevisionId>,
    /// When a revision was made, by the store's clock and the model's.
    times: BTreeMap<Timestamp, Timestamp>,
}

/// Has every store do the same, compares what they say, and gives it.
macro_rules! all {
    ($stores:expr, $call:literal, |$named:ident| $answer:expr) => {{
        let stores = &$stores;
        let postgres = {
            let $named = &stores.postgres;
            $answer
        };
        let sqlite = {
            let $named = &stores.sqlite;
            $answer
        };
        let model = {
            let $named = &stores.model;
            $answer
        };
        $crate::stores::agree($call, &postgres, &sqlite, &model)
    }};
}
pub(crate) use all;

impl Stores {
    pub async fn new(url: &str, path: &Path) -> Result<Stores> {
        Ok(Stores {
            postgres: Named::new(PostgresStore::connect(url, 4).await?),
            sqlite: Named::new(SqliteStore::open(path).await?),
            model: Named::new(ModelStore::default()),
        })
    }

    pub async fn close(&self) {
        self.postgres.store.close().await;
        self.sqlite.store.close().await;
    }

    /// Sets the model's clock by that of Postgres.
    pub async fn synchronise(&self) -> Result<Timestamp> {
        let nobody = CoordinatorId(uuid::Uuid::nil());
        let (now, _) = self.postgres.store.due(nobody, Duration::ZERO, 0).await?;
        self.model.store.set_now(now);
        Ok(now)
    }

    /// Writes with all what the model's revisions stand in; with what all knew before.
    pub async fn transact(&self, want: &Want, writes: &Writes) -> Result<String> {
        let mut now = None;
        let postgres = self.postgres.transact(want, writes, |at| now = Some(at));
        let postgres = postgres.await;
        if let Some(now) = now {
            self.model.store.set_now(now);
        }
        let sqlite = self.sqlite.transact(want, writes, |_| ()).await;
        let model = self.model.transact(want, writes, |_| ()).await;
        agree("transact", &postgres, &sqlite, &model)
    }

    pub async fn create_machine(&mut self, machine: NewMachine) -> Result<MachineRow> {
        let postgres = self.postgres.store.create_machine(machine.clone()).await?;
        if postgres.1 == Created::New {
            // The model's row gets the time that Postgres gave.
            self.model.store.set_now(postgres.0.updated_at);
        }
        let sqlite = self.sqlite.store.create_machine(machine.clone()).await?;
        let model = self.model.store.create_machine(machine).await?;
        self.postgres.adopt(
            Some(&postgres.0).filter(|_| postgres.1 == Created::New),
            &model.0,
        );
        self.sqlite.adopt(
            Some(&sqlite.0).filter(|_| sqlite.1 == Created::New),
            &model.0,
        );
        let postgres = Ok((self.postgres.machine(postgres.0), postgres.1));
        let sqlite = Ok((self.sqlite.machine(sqlite.0), sqlite.1));
        let row = model.0.clone();
        agree("create_machine", &postgres, &sqlite, &Ok(model))?;
        Ok(row)
    }

    pub async fn update_machine(
        &mut self,
        name: &str,
        definition: Option<&str>,
        role_arn: Option<&str>,
    ) -> Result<()> {
        let postgres = &self.postgres.store;
        let postgres = postgres.update_machine(name, definition, role_arn).await?;
        if let Some(row) = &postgres {
            self.model.store.set_now(row.updated_at);
        }
        let sqlite = &self.sqlite.store;
        let sqlite = sqlite.update_machine(name, definition, role_arn).await?;
        let model = &self.model.store;
        let model = model.update_machine(name, definition, role_arn).await?;
        if let Some(expected) = &model {
            self.postgres.adopt(postgres.as_ref(), expected);
            self.sqlite.adopt(sqlite.as_ref(), expected);
        }
        let postgres = Ok(postgres.map(|row| self.postgres.machine(row)));
        let sqlite = Ok(sqlite.map(|row| self.sqlite.machine(row)));
        agree("update_machine", &postgres, &sqlite, &Ok(model))?;
        Ok(())
    }

    /// Takes over with all; places count on from `number` in each.
    pub async fn take_over(
        &self,
        coordinator: CoordinatorId,
        limit: u32,
        number: u64,
    ) -> Result<Vec<Unsent>> {
        let postgres = counted(&self.postgres.store, coordinator, limit, number).await;
        let sqlite = counted(&self.sqlite.store, coordinator, limit, number).await;
        let model = counted(&self.model.store, coordinator, limit, number).await;
        agree("take_over", &postgres, &sqlite, &model)?;
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

impl<S: Store> Named<S> {
    fn new(store: S) -> Named<S> {
        Named {
            store,
            revisions: BTreeMap::new(),
            times: BTreeMap::new(),
        }
    }

    /// Notes what the model calls a revision that was made.
    fn adopt(&mut self, made: Option<&MachineRow>, expected: &MachineRow) {
        if let Some(made) = made {
            self.revisions.insert(made.revision, expected.revision);
            self.times.insert(made.updated_at, expected.updated_at);
        }
    }

    fn revision(&self, revision: RevisionId) -> RevisionId {
        self.revisions.get(&revision).copied().unwrap_or(revision)
    }

    /// A machine as the model calls it.
    pub fn machine(&self, row: MachineRow) -> MachineRow {
        let time = |at| self.times.get(&at).copied().unwrap_or(at);
        MachineRow {
            revision: self.revision(row.revision),
            created_at: time(row.created_at),
            updated_at: time(row.updated_at),
            ..row
        }
    }

    /// An execution as the model calls it.
    pub fn execution(&self, row: ExecutionRow) -> ExecutionRow {
        ExecutionRow {
            revision: self.revision(row.revision),
            ..row
        }
    }

    async fn transact(
        &self,
        want: &Want,
        writes: &Writes,
        note: impl FnOnce(Timestamp) + Send,
    ) -> Result<String, Error> {
        let writes = Writes {
            turns: writes.turns.iter().map(|turn| self.own(turn)).collect(),
            answers: writes.answers.clone(),
            late: Vec::new(),
        };
        let decided = self.store.transact(want, |loaded| {
            note(loaded.now);
            (writes, self.told_loaded(loaded))
        });
        decided.await
    }

    /// A turn on this store's own revision.
    fn own(&self, turn: &TurnWrite) -> TurnWrite {
        let mut revisions = self.revisions.iter();
        let own = revisions.find(|(_, model)| **model == turn.revision);
        TurnWrite {
            revision: own.map_or(turn.revision, |(own, _)| *own),
            ..turn.clone()
        }
    }

    fn told_loaded(&self, loaded: Loaded) -> String {
        let executions = loaded.executions.into_iter().map(|(id, found)| {
            let found = match found {
                Found::Unchanged => "unchanged".to_owned(),
                Found::Stored(mut stored) => {
                    stored.revision = self.revision(stored.revision);
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
}

/// What all said, when it is the same.
pub fn agree<T: Debug>(
    call: &str,
    postgres: &Result<T, Error>,
    sqlite: &Result<T, Error>,
    model: &Result<T, Error>,
) -> Result<String> {
    let expected = told(model);
    for (store, answer) in [("postgres", postgres), ("sqlite", sqlite)] {
        let told = told(answer);
        anyhow::ensure!(
            told == expected,
            "{call} differs\n{}",
            difference(store, &told, &expected)
        );
    }
    Ok(expected)
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
fn difference(store: &str, told: &str, expected: &str) -> String {
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
        "{store:>8}: …{}…\n   model: …{}…",
        around(&told),
        around(&expected)
    )
}
