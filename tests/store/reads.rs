//! What is read: pages as clients turn them, and all that is stored.

use anyhow::Result;
use jiff::Timestamp;
use sagamore::store::{
    Error, ExecutionFilter, ExecutionRow, ExecutionsOf, IncidentRow, MachineRow, PageKey, Store,
    Want, Writes,
};
use sagamore_interpreter::{ExecutionId, HistoryRecord, MapRunId, ScopeId, Sequence, Status};

use crate::sample::{coordinator, map_run};
use crate::sequence::World;
use crate::stores::{Named, all};

/// More than there is of anything.
const ALL: u32 = 1_000;

impl World {
    pub async fn machine_pages(&mut self) -> Result<()> {
        let limit = 1 + self.random.below(2) as u32;
        all!(self.stores, "machines", |named| machine_pages(named, limit)
            .await)?;
        Ok(())
    }

    pub async fn execution_pages(&mut self) -> Result<()> {
        let (.., machine) = self.execution();
        let of = match self.random.one_in(3) {
            true => ExecutionsOf::MapRun(map_run(&machine)),
            false => ExecutionsOf::Machine(machine.arn),
        };
        let status = self.random.one_in(2).then_some(Status::Running);
        let limit = 1 + self.random.below(3) as u32;
        let filter = ExecutionFilter {
            of,
            status,
            after: None,
            limit,
        };
        all!(self.stores, "executions", |named| execution_pages(
            named,
            filter.clone()
        )
        .await)?;
        Ok(())
    }

    pub async fn map_runs(&mut self) -> Result<()> {
        let (execution, .., machine) = self.execution();
        let map_run = map_run(&machine);
        let id = MapRunId::of(execution, ScopeId(Sequence(self.random.below(9))));
        let (least, greatest) = id.executions();
        all!(self.stores, "map runs", |named| async {
            let store = &named.store;
            let within = store.execution_within(least, greatest).await?;
            let within = within.map(|row| named.execution(row));
            let records = store.map_run_records(execution).await?;
            Ok::<_, Error>((within, records, store.map_run_counts(&map_run).await?))
        }
        .await)?;
        Ok(())
    }

    pub async fn event_pages(&mut self) -> Result<()> {
        let (execution, ..) = self.execution();
        let reverse = self.random.one_in(2);
        let limit = 1 + self.random.below(5) as u32;
        let after = self.random.one_in(4).then(|| self.random.below(20));
        all!(self.stores, "events", |named| event_pages(
            &named.store,
            execution,
            after,
            (reverse, limit)
        )
        .await)?;
        Ok(())
    }

    /// All that is stored is the same.
    pub async fn audit(&mut self) -> Result<()> {
        self.stores.synchronise().await?;
        let mut want = Want {
            due: self.some_waits(),
            returned: self.some_waits(),
            ..Want::default()
        };
        want.commands = (0..6).map(|command| format!("c{command}\0")).collect();
        let stores = &self.stores;
        for row in stores.model.store.audit() {
            let id = row.execution.head.id;
            want.executions.insert(id, None);
            all!(stores, "history", |named| named.store.history(id).await)?;
            all!(stores, "execution", |named| named
                .store
                .execution(id)
                .await
                .map(|row| row.map(|row| named.execution(row))))?;
            all!(stores, "late_replies", |named| named
                .store
                .late_replies(id, ALL)
                .await)?;
            all!(stores, "machine_of", |named| named
                .store
                .machine_of(id)
                .await
                .map(|row| row.map(|row| named.machine(row))))?;
            for wait in row.waits.into_keys() {
                all!(stores, "task", |named| named.store.task(id, wait).await)?;
            }
        }
        for limit in [ALL, 2] {
            all!(stores, "reviews", |named| named.store.reviews(limit).await)?;
            all!(stores, "incidents", |named| untimed(&named.store, limit)
                .await)?;
        }
        all!(stores, "open_incidents", |named| counted(&named.store)
            .await)?;
        all!(stores, "without_cause", |named| named
            .store
            .without_cause(ALL)
            .await)?;
        for by in (1..=3).map(coordinator) {
            let numbers: Vec<u64> = (1..=self.outboxes.last(by)).collect();
            all!(stores, "unsent", |named| named
                .store
                .unsent(by, &numbers)
                .await)?;
        }
        stores.transact(&want, &Writes::default()).await?;
        Ok(())
    }
}

/// Each store turns its own pages: the keys of some are times of its own clock.
async fn machine_pages<S: Store>(
    named: &Named<S>,
    limit: u32,
) -> Result<Vec<Vec<MachineRow>>, Error> {
    let (mut pages, mut after) = (Vec::new(), None);
    loop {
        let rows = named.store.machines(after.as_ref(), limit).await?;
        let Some(last) = rows.last() else {
            return Ok(pages);
        };
        after = Some(PageKey {
            at: last.created_at,
            name: last.name.clone(),
        });
        pages.push(rows.into_iter().map(|row| named.machine(row)).collect());
    }
}

async fn execution_pages<S: Store>(
    named: &Named<S>,
    mut filter: ExecutionFilter,
) -> Result<Vec<Vec<ExecutionRow>>, Error> {
    let mut pages = Vec::new();
    loop {
        let rows = named.store.executions(&filter).await?;
        let Some(last) = rows.last() else {
            return Ok(pages);
        };
        filter.after = Some(PageKey {
            at: last.head.started_at,
            name: last.head.id.to_string(),
        });
        pages.push(rows.into_iter().map(|row| named.execution(row)).collect());
    }
}

async fn event_pages<S: Store>(
    store: &S,
    execution: ExecutionId,
    mut after: Option<u64>,
    (reverse, limit): (bool, u32),
) -> Result<Vec<Vec<HistoryRecord>>, Error> {
    let mut pages = Vec::new();
    loop {
        let records = store.events(execution, after, reverse, limit).await?;
        let Some(last) = records.last() else {
            return Ok(pages);
        };
        after = last.event_id;
        pages.push(records);
    }
}

/// How many incidents a store counts, once that is held to those it lists.
async fn counted<S: Store>(store: &S) -> Result<u64, Error> {
    let (open, oldest) = store.open_incidents().await?;
    let listed = store.incidents(ALL).await?;
    let first = listed.first().map(|row| row.opened_at);
    assert_eq!((open, oldest), (listed.len() as u64, first));
    Ok(open)
}

/// Incidents without the moment at which an execution was set aside: each store has its own clock for that.
async fn untimed<S: Store>(store: &S, limit: u32) -> Result<Vec<IncidentRow>, Error> {
    let mut rows = store.incidents(limit).await?;
    for row in rows.iter_mut().filter(|row| row.incident == Sequence(0)) {
        row.opened_at = Timestamp::UNIX_EPOCH;
    }
    Ok(rows)
}
