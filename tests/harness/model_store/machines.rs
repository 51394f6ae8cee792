//! Machines and their revisions.

use super::*;
use uuid::Uuid;

impl Tables {
    pub(super) fn create_machine(&mut self, machine: NewMachine) -> (MachineRow, Created) {
        if let Some(existing) = self.machine(&machine.name) {
            return (existing, Created::Existed);
        }
        let row = MachineRow {
            name: machine.name,
            arn: machine.arn,
            kind: machine.kind,
            revision: self.next_revision(),
            definition: machine.definition.into(),
            role_arn: machine.role_arn,
            created_at: self.now,
            updated_at: self.now,
        };
        self.insert_revision(row.clone());
        (row, Created::New)
    }

    pub(super) fn update_machine(
        &mut self,
        name: &str,
        definition: Option<&str>,
        role_arn: Option<&str>,
    ) -> Option<MachineRow> {
        let before = self.machine(name)?;
        let row = MachineRow {
            revision: self.next_revision(),
            definition: definition.map_or(before.definition, Into::into),
            role_arn: role_arn.map_or(before.role_arn, str::to_owned),
            updated_at: self.now,
            ..before
        };
        self.insert_revision(row.clone());
        Some(row)
    }

    /// Counted, so that a simulation runs the same again.
    fn next_revision(&self) -> RevisionId {
        RevisionId(Uuid::from_u128(self.revisions.len() as u128 + 1))
    }

    fn insert_revision(&mut self, row: MachineRow) {
        self.machines.insert(row.name.clone(), row.revision);
        self.revisions.insert(row.revision, row);
    }

    pub(super) fn machine(&self, name: &str) -> Option<MachineRow> {
        self.revisions.get(self.machines.get(name)?).cloned()
    }

    pub(super) fn machine_of(&self, execution: ExecutionId) -> Option<MachineRow> {
        self.revisions
            .get(&self.executions.get(&execution)?.revision)
            .cloned()
    }

    pub(super) fn machines(&self, after: Option<&PageKey>, limit: u32) -> Vec<MachineRow> {
        let rows = self
            .machines
            .values()
            .filter_map(|revision| self.revisions.get(revision));
        let is_after = |row: &&MachineRow| {
            after.is_none_or(|key| {
                (row.created_at, row.name.as_str()) > (floor(key.at), key.name.as_str())
            })
        };
        let mut rows: Vec<MachineRow> = rows.filter(is_after).cloned().collect();
        rows.sort_by(|a, b| (a.created_at, &a.name).cmp(&(b.created_at, &b.name)));
        rows.truncate(limit as usize);
        rows
    }
}
