//! What is read: pages as clients turn them, and all that is stored.

use anyhow::Result;
use jiff::Timestamp;
use sagamore::store::{Error, ExecutionFilter, IncidentRow, PageKey, Store, Want, Writes};
use sagamore_interpreter::{Sequence, Status};

use crate::pair::{Pair, agree, both};
use crate::sample::coordinator;
use crate::sequence::World;

/// More than there is of anything.
const ALL: u32 = 1_000;

impl World {
    pub async fn machine_pages(&mut self) -> Result<()> {
        let limit = 1 + self.random.below(2) as u32;
        let mut after: Option<PageKey> = None;
        loop {
            let postgres = self
                .pair
                .machines(self.pair.postgres.machines(after.as_ref(), limit).await);
            let model = self.pair.model.machines(after.as_ref(), limit).await;
            agree("machines", &postgres, &model)?;
            let Some(last) = model?.pop() else {
                return Ok(());
            };
            after = Some(PageKey {
                at: last.created_at,
                name: last.name,
            });
        }
    }

    pub async fn execution_pages(&mut self) -> Result<()> {
        let (.., machine) = self.execution();
        let status = self.random.one_in(2).then_some(Status::Running);
        let limit = 1 + self.random.below(3) as u32;
        let mut filter = ExecutionFilter {
            machine_arn: machine.arn,
            status,
            after: None,
            limit,
        };
        loop {
            let postgres = self
                .pair
                .executions(self.pair.postgres.executions(&filter).await);
            let model = self.pair.model.executions(&filter).await;
            agree("executions", &postgres, &model)?;
            let Some(last) = model?.pop() else {
                return Ok(());
            };
            filter.after = Some(PageKey {
                at: last.head.started_at,
                name: last.head.id.to_string(),
            });
        }
    }

    pub async fn event_pages(&mut self) -> Result<()> {
        let (execution, ..) = self.execution();
        let reverse = self.random.one_in(2);
        let limit = 1 + self.random.below(5) as u32;
        let mut after = self.random.one_in(4).then(|| self.random.below(20));
        loop {
            let postgres = self
                .pair
                .postgres
                .events(execution, after, reverse, limit)
                .await;
            let model = self
                .pair
                .model
                .events(execution, after, reverse, limit)
                .await;
            agree("events", &postgres, &model)?;
            let Some(last) = model?.pop() else {
                return Ok(());
            };
            after = last.event_id;
        }
    }

    /// All that is stored is the same.
    pub async fn audit(&mut self) -> Result<()> {
        self.pair.synchronise().await?;
        let mut want = Want {
            due: self.some_waits(),
            returned: self.some_waits(),
            ..Want::default()
        };
        want.commands = (0..6).map(|command| format!("c{command}\0")).collect();
        let Pair {
            postgres, model, ..
        } = &self.pair;
        for row in model.audit() {
            let id = row.execution.head.id;
            want.executions.insert(id, None);
            both("history", postgres.history(id), model.history(id)).await?;
            let rows = postgres
                .execution(id)
                .await
                .map(|row| row.into_iter().collect());
            let expected = model
                .execution(id)
                .await
                .map(|row| row.into_iter().collect());
            agree("execution", &self.pair.executions(rows), &expected)?;
            let machines = postgres
                .machine_of(id)
                .await
                .map(|row| row.into_iter().collect());
            let expected = model
                .machine_of(id)
                .await
                .map(|row| row.into_iter().collect());
            agree("machine_of", &self.pair.machines(machines), &expected)?;
        }
        both("reviews", postgres.reviews(ALL), model.reviews(ALL)).await?;
        both("reviews", postgres.reviews(2), model.reviews(2)).await?;
        both(
            "without_cause",
            postgres.without_cause(ALL),
            model.without_cause(ALL),
        )
        .await?;
        both("incidents", untimed(postgres, ALL), untimed(model, ALL)).await?;
        both("incidents", untimed(postgres, 2), untimed(model, 2)).await?;
        for by in 1..=3 {
            let numbers: Vec<u64> = (1..=self.outboxes.last(coordinator(by))).collect();
            both(
                "unsent",
                postgres.unsent(coordinator(by), &numbers),
                model.unsent(coordinator(by), &numbers),
            )
            .await?;
        }
        self.pair.transact(&want, Writes::default()).await?;
        Ok(())
    }
}

/// Incidents without the moment at which an execution was set aside: each store has its own clock for that.
async fn untimed<S: Store>(store: &S, limit: u32) -> Result<Vec<IncidentRow>, Error> {
    let mut rows = store.incidents(limit).await?;
    for row in rows.iter_mut().filter(|row| row.incident == Sequence(0)) {
        row.opened_at = Timestamp::UNIX_EPOCH;
    }
    Ok(rows)
}
