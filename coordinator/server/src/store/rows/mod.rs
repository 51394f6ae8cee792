//! What the tables hold, whichever the database: how what is written becomes rows, and what rows tell when they are read.

mod execution;
mod late;
mod machine;
mod wait;
mod write;

pub use execution::{
    Definitions, Row as ExecutionColumns, Stored, event_page, execution_row, found, page_start,
    parts, records, shown, status_counts,
};
pub use late::{LateColumns, LateRow, late_columns, late_reply};
pub use machine::{Revision, first_revision, next_revision};
pub use wait::{
    DueColumns, EventColumns, IncidentColumns, OwnEvent, OwnMessage, TaskColumns, due_wait,
    incident, name, own_unsent, set_aside_arn, task_row, unsent_event, unsent_message,
};
pub use write::{EventRow, OpenRow, Rows, StartRow, TurnRow};
