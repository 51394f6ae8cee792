//! A state machine's definition: text in, types that can't be wrong out.
//!
//! [`Machine::parse`] checks everything that can be known before a saga runs and reports all faults at once,
//! so the interpreter never meets a missing `Next`, a path that does not parse or an undo without a resource.

mod compensation;
mod condition;
mod dataset;
mod distributed;
mod document;
mod duplicates;
mod express;
mod fault;
mod fields;
mod flow;
mod graph;
mod handover;
#[cfg(test)]
mod hostile;
mod machine;
mod map;
mod parse;
mod reader;
mod recovery;
mod references;
mod resource;
mod spelling;
mod states;
mod task;
mod timestamp;
mod token;
mod vocabulary;
mod waiting;

pub use compensation::{
    Compensation, CompensationPolicy, PHASE_TIMEOUT_SECONDS, UNDO_TIMEOUT_SECONDS,
};
pub use condition::{Comparison, Condition, Operand, Operator, Test, TypeTest};
pub use dataset::{Dataset, ItemBatcher, ItemReader, ResultFormat, ResultWriter, Transformation};
pub use fault::{Fault, FaultCode, Severity};
pub use machine::{
    Block, BlockId, Choice, Compensate, Count, Fail, Handover, Machine, MachineKind, Map, Parallel,
    Pass, Percentage, QueryLanguage, Rule, State, StateKind, StateName, Text, Transition, Wait,
    WaitFor,
};
pub use references::variable_references;
pub(crate) use resource::function_name;
pub use resource::{Action, Integration, Pattern, Resource};
pub use task::{Catcher, ErrorName, Jitter, Retrier, Seconds, Task};
