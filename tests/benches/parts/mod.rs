//! What the benchmarks share: a plain worker, the ends of executions, times, and a saga of some steps.

pub mod echo;
pub mod ends;
pub mod figures;
pub mod sagas;
