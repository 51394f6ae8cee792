//! Machines and their revisions.

use jiff::Timestamp;
use uuid::Uuid;

use crate::store::convert::moment;
use crate::store::{Error, MachineRow, NewMachine, RevisionId};

/// The columns of a revision, by their names.
#[derive(Debug, sqlx::FromRow)]
pub struct Revision {
    id: Uuid,
    machine_name: String,
    machine_arn: String,
    kind: String,
    role_arn: String,
    definition: String,
    machine_created_at: i64,
    created_at: i64,
}

impl Revision {
    /// The machine in this revision.
    ///
    /// # Errors
    /// `Corrupt`, when one of its times is none.
    pub fn into_row(self) -> Result<MachineRow, Error> {
        Ok(MachineRow {
            name: self.machine_name,
            arn: self.machine_arn,
            kind: self.kind,
            revision: RevisionId(self.id),
            definition: self.definition.into(),
            role_arn: self.role_arn,
            created_at: moment(self.machine_created_at)?,
            updated_at: moment(self.created_at)?,
        })
    }
}

/// A new machine in its first revision.
pub fn first_revision(machine: NewMachine, now: Timestamp) -> MachineRow {
    MachineRow {
        name: machine.name,
        arn: machine.arn,
        kind: machine.kind,
        revision: RevisionId(Uuid::now_v7()),
        definition: machine.definition.into(),
        role_arn: machine.role_arn,
        created_at: now,
        updated_at: now,
    }
}

/// A machine in its next revision; what is not given stays.
pub fn next_revision(
    before: MachineRow,
    definition: Option<&str>,
    role_arn: Option<&str>,
    now: Timestamp,
) -> MachineRow {
    MachineRow {
        revision: RevisionId(Uuid::now_v7()),
        definition: definition.map_or(before.definition, Into::into),
        role_arn: role_arn.map_or(before.role_arn, str::to_owned),
        updated_at: now,
        ..before
    }
}
