//! What clients, timers and audits read.

use super::*;
use sagamore::store::{ExecutionsOf, IncidentKind};
use sagamore_interpreter::Status;
use uuid::Uuid;

impl ExecutionTable {
    pub(super) fn row(&self) -> ExecutionRow {
        ExecutionRow {
            head: self.head.clone(),
            revision: self.revision,
        }
    }
}

impl Tables {
    pub(super) fn due(
        &self,
        coordinator: CoordinatorId,
        horizon: Duration,
        limit: u32,
    ) -> Vec<DueWait> {
        let horizon = SignedDuration::try_from(horizon).unwrap_or(SignedDuration::MAX);
        let end = self.now.saturating_add(horizon).unwrap_or(Timestamp::MAX);
        let mine = self
            .waits
            .iter()
            .filter(|(_, row)| row.owner == coordinator);
        let due = mine.filter_map(|((execution, wait), row)| {
            let due = row.due.filter(|due| *due < end)?;
            Some(DueWait {
                execution: *execution,
                wait: *wait,
                due,
            })
        });
        let mut due: Vec<DueWait> = due.collect();
        due.sort_by_key(|wait| (wait.due, wait.execution, wait.wait));
        due.truncate(limit as usize);
        due
    }

    pub(super) fn page(&self, filter: &ExecutionFilter) -> Vec<ExecutionRow> {
        let before = filter.after.as_ref().map(|key| {
            let id = Uuid::parse_str(&key.name).unwrap_or(Uuid::nil());
            (floor(key.at), ExecutionId(id))
        });
        let place = |row: &ExecutionTable| (floor(row.head.started_at), row.head.id);
        let is_shown = |row: &&ExecutionTable| {
            let start = &row.head.start;
            let is_of = match &filter.of {
                ExecutionsOf::Machine(arn) => start.machine_arn == *arn,
                ExecutionsOf::MapRun(arn) => start.map_run.as_ref() == Some(arn),
            };
            is_of
                && filter.status.is_none_or(|status| row.head.status == status)
                && before.is_none_or(|before| place(row) < before)
        };
        let mut rows: Vec<&ExecutionTable> = self.executions.values().filter(is_shown).collect();
        rows.sort_by_key(|row| std::cmp::Reverse(place(row)));
        rows.into_iter()
            .take(filter.limit as usize)
            .map(ExecutionTable::row)
            .collect()
    }

    pub(super) fn shown(
        &self,
        execution: ExecutionId,
        after: Option<u64>,
        reverse: bool,
        limit: u32,
    ) -> Vec<HistoryRecord> {
        let Some(row) = self.executions.get(&execution) else {
            return Vec::new();
        };
        let records = row.history.iter();
        let is_shown = |record: &&HistoryRecord| {
            record.event_id.is_some_and(|id| match after {
                Some(after) if reverse => id < after,
                Some(after) => id > after,
                None => true,
            })
        };
        let limit = limit as usize;
        if reverse {
            records
                .rev()
                .filter(is_shown)
                .take(limit)
                .cloned()
                .collect()
        } else {
            records.filter(is_shown).take(limit).cloned().collect()
        }
    }

    fn task_row(&self, key: (ExecutionId, Sequence)) -> Option<TaskRow> {
        let row = self.waits.get(&key)?;
        let outgoing = row.outgoing()?.clone();
        let due = row.due.or(row.held);
        Some(TaskRow {
            execution: key.0,
            wait: key.1,
            due,
            opened_at: row.opened_at,
            outgoing,
        })
    }

    pub(super) fn task(&self, execution: ExecutionId, wait: Sequence) -> Option<TaskRow> {
        self.task_row((execution, wait))
    }

    pub(super) fn reviews(&self, limit: u32) -> Vec<TaskRow> {
        let reviews = self
            .waits
            .iter()
            .filter(|(_, row)| matches!(row.kind, WaitWriteKind::Review(_)));
        let mut rows: Vec<TaskRow> = reviews.filter_map(|(key, _)| self.task_row(*key)).collect();
        rows.sort_by_key(|row| (row.opened_at, row.execution, row.wait));
        rows.truncate(limit as usize);
        rows
    }

    pub(super) fn late_replies(&self, execution: ExecutionId, limit: u32) -> Vec<LateReplyRow> {
        let rows = self.late.iter().filter(|((of, ..), _)| *of == execution);
        rows.map(|(_, row)| row.clone())
            .take(limit as usize)
            .collect()
    }

    pub(super) fn incidents(&self, limit: u32) -> Vec<IncidentRow> {
        let suspended = self.waits.iter().filter_map(|((execution, wait), row)| {
            let WaitWriteKind::Incident(incident) = &row.kind else {
                return None;
            };
            let arn = self
                .executions
                .get(execution)
                .map(|row| row.head.start.arn.clone());
            Some(IncidentRow {
                execution: *execution,
                execution_arn: arn.unwrap_or_default(),
                incident: *wait,
                opened_at: row.opened_at,
                kind: IncidentKind::Suspended(incident.clone()),
            })
        });
        let asides = self.asides.iter().map(|(execution, row)| IncidentRow {
            execution: *execution,
            execution_arn: row.execution_arn.clone(),
            incident: Sequence(0),
            opened_at: row.opened_at,
            kind: IncidentKind::SetAside(Box::new(row.aside.clone())),
        });
        let mut rows: Vec<IncidentRow> = suspended.chain(asides).collect();
        rows.sort_by_key(|row| (row.opened_at, row.execution, row.incident));
        rows.truncate(limit as usize);
        rows
    }

    pub(super) fn open_incidents(&self) -> (u64, Option<Timestamp>) {
        let incidents = self.incidents(u32::MAX);
        let oldest = incidents.first().map(|row| row.opened_at);
        (incidents.len() as u64, oldest)
    }

    pub(super) fn without_cause(&self, limit: u32) -> Vec<ExecutionId> {
        let is_idle = |row: &&ExecutionTable| {
            let id = row.head.id;
            let mut waits = self
                .waits
                .range((id, Sequence(0))..=(id, Sequence(u64::MAX)));
            let is_own_timeout = |wait: Sequence, kind: &WaitWriteKind| {
                wait == Sequence(1) && *kind == WaitWriteKind::Timer
            };
            row.head.status == Status::Running
                && waits.all(|((_, wait), row)| is_own_timeout(*wait, &row.kind))
        };
        self.executions
            .values()
            .filter(is_idle)
            .map(|row| row.head.id)
            .take(limit as usize)
            .collect()
    }
}
