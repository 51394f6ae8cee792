//! The pure core of Sagamore: the States Language and its saga extension.
//!
//! One function decides: an execution, an input and a time in; history and effects out. No I/O, no clock, no
//! entropy. What is random in the language derives from the execution's id and the record in hand.

mod catch;
pub mod compensation;
mod decide;
pub mod definition;
mod delivery;
mod effect;
pub mod execution;
mod history;
mod ids;
mod input;
pub mod limits;
pub mod mutation;
pub mod query;
mod retry;
mod states;

pub use compensation::{CompensationStatus, Tally};
pub use decide::{Sealer, begin, decide};
pub use effect::{
    About, Announcement, Body, Child, CustomEvent, Decision, Dispatch, Effect, FileCall, Incident,
    ItemsCall, Letter, ResultsCall, Route, Wait, WaitKind,
};
pub use execution::{Broken, Entry, Execution, Head, Scope};
pub use history::{
    Ending, Event, HistoryRecord, Outcome, Payload, Settlement, StateType, Status, Target,
    TaskScheduled, Then, Trigger, TriggerKind,
};
pub use ids::{EntryId, ExecutionId, MapRunId, Runner, ScopeId, Sequence};
pub use input::{
    Attempted, ChildEnd, ClaimedEffect, CompensationEnd, Ignored, Input, Parent, Reply, Start,
};
