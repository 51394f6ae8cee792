//! The differential test: random calls, from a seed.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use sagamore::store::{
    CoordinatorId, LateReply, MachineRow, ReplyKind, SetAside, Store, Unsent, Want, Writes,
};
use sagamore_interpreter::{ExecutionId, Input, Sequence};
use sagamore_tests::{Audited, Random, with_database, with_file};

use crate::sample::{coordinator, execution_arn, head, new_machine};
use crate::stores::{Stores, all};
use crate::turns::{Outboxes, Turns};

/// Sequences of one run, each on a database of its own.
const SEQUENCES: u64 = 4;
/// Calls of one sequence.
const CALLS: u32 = 150;
/// After so many calls all that is stored is compared.
const CALLS_PER_AUDIT: u32 = 25;
const MACHINES: [&str; 3] = ["loan", "Loan", "ärger"];
const EXECUTIONS: u64 = 8;

#[tokio::test]
async fn random_calls_give_the_same_with_postgres_sqlite_and_their_model() -> Result<()> {
    let given = std::env::var("SEED")
        .ok()
        .map(|seed| seed.parse())
        .transpose()
        .context("SEED is no number")?;
    let clock = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as u64;
    let seeds = given.map_or_else(
        || (0..SEQUENCES).map(|at| clock + at).collect(),
        |seed: u64| vec![seed],
    );
    for seed in seeds {
        let run = with_database(move |url| {
            with_file(move |path| async move { World::new(&url, &path, seed).await?.run().await })
        });
        run.await
            .with_context(|| format!("run again: SEED={seed} cargo verify -- --test store"))?;
    }
    Ok(())
}

pub struct World {
    pub stores: Stores,
    pub random: Random,
    pub outboxes: Outboxes,
    machines: Vec<MachineRow>,
}

impl World {
    async fn new(url: &str, path: &Path, seed: u64) -> Result<World> {
        Ok(World {
            stores: Stores::new(url, path).await?,
            random: Random::new(seed),
            outboxes: Outboxes::default(),
            machines: Vec::new(),
        })
    }

    async fn run(mut self) -> Result<()> {
        self.create_machine().await?;
        for call in 1..=CALLS {
            self.call().await.with_context(|| format!("call {call}"))?;
            if call % CALLS_PER_AUDIT == 0 {
                self.audit()
                    .await
                    .with_context(|| format!("audit after call {call}"))?;
            }
        }
        self.stores.close().await;
        Ok(())
    }

    async fn call(&mut self) -> Result<()> {
        self.stores.synchronise().await?;
        match self.random.below(26) {
            0..8 => self.transact().await,
            8 => self.conflict().await,
            9 | 10 => self.renew().await,
            11 => self.release().await,
            12 | 13 => self.take_over().await,
            14 => self.set_aside().await,
            15 => self.take_back().await,
            16 => self.create_machine().await,
            17 => self.update_machine().await,
            18 => self.delete_machine().await,
            19 => self.due().await,
            20 => self.asked_waits().await,
            21 => self.machine_pages().await,
            22 => self.execution_pages().await,
            23 => self.recall().await,
            24 => self.map_runs().await,
            _ => self.event_pages().await,
        }
    }

    fn coordinator(&mut self) -> CoordinatorId {
        coordinator(1 + u128::from(self.random.below(3)))
    }

    pub fn execution(&mut self) -> (ExecutionId, String, MachineRow) {
        let name = format!("e{}", self.random.below(EXECUTIONS));
        let machine = self
            .random
            .pick(&self.machines)
            .expect("a machine is made first")
            .clone();
        let machine = self
            .machines
            .iter()
            .find(|row| row.name == machine.name)
            .cloned()
            .unwrap_or(machine);
        (
            ExecutionId::of(&execution_arn(&machine.name, &name)),
            name,
            machine,
        )
    }

    fn stored(&self, execution: ExecutionId) -> Option<Audited> {
        self.stores
            .model
            .store
            .audit()
            .into_iter()
            .find(|row| row.execution.head.id == execution)
    }

    /// Some of the waits there are, and some there are not.
    pub fn some_waits(&mut self) -> Vec<(ExecutionId, Sequence)> {
        let mut waits = Vec::new();
        for row in self.stores.model.store.audit() {
            for wait in row.waits.keys() {
                if self.random.one_in(2) {
                    waits.push((row.execution.head.id, *wait));
                }
            }
            waits.push((row.execution.head.id, Sequence(self.random.below(50))));
        }
        waits.dedup();
        waits
    }

    fn some_writes(&mut self, now: jiff::Timestamp) -> (Want, Writes) {
        let (mut want, mut writes) = (Want::default(), Writes::default());
        let by = self.coordinator();
        for _ in 0..=self.random.below(4) {
            let (id, name, machine) = self.execution();
            if want.executions.contains_key(&id) {
                continue;
            }
            let stored = self.stored(id);
            let known = stored
                .as_ref()
                .map(|row| row.version - self.random.below(2).cast_signed());
            want.executions
                .insert(id, known.filter(|_| !self.random.one_in(3)));
            if self.random.one_in(5) {
                continue;
            }
            let mut turns = Turns {
                random: &mut self.random,
                outboxes: &mut self.outboxes,
                coordinator: by,
                now,
            };
            writes.turns.push(match stored {
                Some(stored) => turns.next(&stored, &machine),
                None => turns.first(&machine, &name),
            });
        }
        for _ in 0..self.random.below(3) {
            let (execution, ..) = self.execution();
            let kinds = ReplyKind::ALL;
            let error = self.random.one_in(2).then(|| "E".to_owned());
            writes.late.push(LateReply {
                execution,
                task: Sequence(1 + self.random.below(2)),
                kind: *self.random.pick(&kinds).expect("there are kinds"),
                at: now,
                error,
            });
        }
        want.due = self.some_waits();
        want.returned = self.some_waits();
        want.commands = (0..self.random.below(3))
            .map(|_| format!("c{}\0", self.random.below(6)))
            .collect();
        if let Some(command) = want.commands.first() {
            writes
                .answers
                .push((command.clone(), self.random.payload()));
        }
        (want, writes)
    }

    async fn transact(&mut self) -> Result<()> {
        let now = self.stores.model.store.now();
        let (want, writes) = self.some_writes(now);
        self.stores.transact(&want, &writes).await?;
        Ok(())
    }

    /// One version in a batch is wrong: nothing of the batch is written.
    async fn conflict(&mut self) -> Result<()> {
        let now = self.stores.model.store.now();
        let (want, mut writes) = self.some_writes(now);
        let Some(turn) = writes.turns.first_mut() else {
            return Ok(());
        };
        turn.version = if turn.version == 1 {
            2
        } else {
            turn.version - self.random.below(2).cast_signed() - 1
        };
        if turn.version < 1 {
            return Ok(());
        }
        // What the version was written with is there already, and would be refused for itself.
        turn.opens.clear();
        turn.history.clear();
        let told = self.stores.transact(&want, &writes).await?;
        anyhow::ensure!(told == "unavailable", "a wrong version was written: {told}");
        Ok(())
    }

    async fn renew(&mut self) -> Result<()> {
        let by = self.coordinator();
        let lease = if self.random.one_in(2) {
            Duration::ZERO
        } else {
            Duration::from_secs(3_600)
        };
        let sent = self.random.below(self.outboxes.last(by) + 1);
        all!(self.stores, "renew", |named| named
            .store
            .renew(by, lease, sent)
            .await)?;
        Ok(())
    }

    async fn release(&mut self) -> Result<()> {
        let by = self.coordinator();
        all!(self.stores, "release", |named| named
            .store
            .release(by)
            .await)?;
        Ok(())
    }

    async fn recall(&mut self) -> Result<()> {
        all!(self.stores, "recall", |named| named.store.recall().await)?;
        Ok(())
    }

    async fn take_over(&mut self) -> Result<()> {
        let by = self.coordinator();
        let limit = 1 + self.random.below(5) as u32;
        let mut taken = self
            .stores
            .take_over(by, limit, self.outboxes.last(by))
            .await?;
        let mut calls = self.random.below(10);
        while !taken.is_empty() {
            for _ in &taken {
                self.outboxes.next(by);
            }
            let numbers: Vec<u64> = taken.iter().map(place).chain([0, 777]).collect();
            all!(self.stores, "unsent", |named| named
                .store
                .unsent(by, &numbers)
                .await)?;
            if calls == 0 {
                return Ok(());
            }
            calls -= 1;
            taken = self
                .stores
                .take_over(by, limit, self.outboxes.last(by))
                .await?;
        }
        Ok(())
    }

    async fn set_aside(&mut self) -> Result<()> {
        let (execution, name, machine) = self.execution();
        let waits = self
            .stored(execution)
            .map(|row| row.waits.keys().copied().collect::<Vec<_>>())
            .unwrap_or_default();
        let input = match self.random.pick(&waits) {
            Some(wait) if self.random.one_in(2) => Input::Due { wait: *wait },
            _ => Input::Start(Box::new(head(&machine, &name, self.random.payload()).start)),
        };
        let aside = SetAside {
            execution,
            input,
            problem: "broken\0".to_owned(),
        };
        all!(self.stores, "set_aside", |named| named
            .store
            .set_aside(&aside)
            .await)?;
        Ok(())
    }

    async fn take_back(&mut self) -> Result<()> {
        let (execution, ..) = self.execution();
        all!(self.stores, "take_back", |named| named
            .store
            .take_back(execution)
            .await)?;
        Ok(())
    }

    async fn create_machine(&mut self) -> Result<()> {
        let name = *self.random.pick(&MACHINES).expect("there are some");
        let row = self.stores.create_machine(new_machine(name)).await?;
        self.machines.push(row);
        Ok(())
    }

    async fn update_machine(&mut self) -> Result<()> {
        let name = *self.random.pick(&MACHINES).expect("there are some");
        let definition = self.random.one_in(2).then_some("{\"Comment\":\"newer\"}");
        let role_arn = self.random.one_in(2).then_some("another");
        self.stores.update_machine(name, definition, role_arn).await
    }

    async fn delete_machine(&mut self) -> Result<()> {
        let name = *self.random.pick(&MACHINES).expect("there are some");
        all!(self.stores, "delete_machine", |named| named
            .store
            .delete_machine(name)
            .await)?;
        Ok(())
    }

    async fn due(&mut self) -> Result<()> {
        let by = self.coordinator();
        let horizon = if self.random.one_in(2) {
            Duration::ZERO
        } else {
            Duration::from_secs(4 * 3_600)
        };
        let limit = 1 + self.random.below(30) as u32;
        all!(self.stores, "due", |named| named
            .store
            .due(by, horizon, limit)
            .await
            .map(|(_, waits)| waits))?;
        Ok(())
    }

    async fn asked_waits(&mut self) -> Result<()> {
        let waits = self.some_waits();
        all!(self.stores, "still_open", |named| named
            .store
            .still_open(&waits)
            .await)?;
        for (execution, wait) in waits {
            all!(self.stores, "task", |named| named
                .store
                .task(execution, wait)
                .await)?;
        }
        Ok(())
    }
}

fn place(unsent: &Unsent) -> u64 {
    match unsent {
        Unsent::Message { number, .. } => *number,
        Unsent::Event(event) => event.number,
    }
}
