//! The saga extension a second time, "written from the page": slow and plain, to hold the real engine equal to.
//!
//! It shares no code with the engine, knows no clock, no history and no messages, and looks everything up by walking
//! over all there is. What it takes is an [`Input`]; what can be told from outside afterwards is its [`Snapshot`].
//! Source: the saga extension; where it leaves something open, the function that decides says so.

mod adopt;
mod boundary;
mod errors;
mod ledger;
mod model;
mod operator;
mod run;
mod snapshot;
mod standing;
mod steps;
#[cfg(test)]
mod tests;
mod undoing;

pub use boundary::{Act, Effect, Input, Label, Reply, Task};
pub use ledger::Disposition;
pub use run::Reference;
pub use snapshot::Snapshot;
