//! `Compensate` on a Task: the Task that undoes it. Source: the saga extension, "Fields".

use super::{Resource, Retrier, Seconds};
use crate::query::Template;

/// How long an undo may take that does not say.
pub const UNDO_TIMEOUT_SECONDS: u32 = 60;

/// The compensating Task of a step; its state input is its ledger entry.
#[derive(Debug)]
pub struct Compensation {
    /// `Resource`: where the undo's task message goes.
    pub resource: Resource,
    /// `Parameters`; without it the whole entry is sent.
    pub parameters: Option<Template>,
    /// `TimeoutSeconds`; default [`UNDO_TIMEOUT_SECONDS`].
    pub timeout: Seconds,
    /// `HeartbeatSeconds`.
    pub heartbeat: Option<Seconds>,
    /// `Retry`; without it 8 retries of any error, 1 s doubling to 60 s.
    pub retry: Vec<Retrier>,
}
