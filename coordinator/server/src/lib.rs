//! The coordinator: what `sagamore serve` runs, as a library for its tests.

pub mod advance;
pub mod alarm;
pub mod bus;
pub mod gate;
pub mod lease;
pub mod store;
pub mod timers;
