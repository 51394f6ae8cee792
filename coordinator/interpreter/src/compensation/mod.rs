//! Compensation: what a saga did, whether it had its effect, and what to undo next.
//!
//! Source: the saga extension of the States Language. The ledger is changed only by `Execution::apply`, like all
//! else; here are the rules it follows.

mod input;
mod ledger;
mod outcome;
mod plan;

pub(crate) use input::entry_input;
pub use ledger::{CompensationStatus, Disposition, Tally};
pub(crate) use outcome::{of_failure, of_visit};
pub(crate) use plan::{frontier, is_busy};
