//! The coordinator.

pub mod advance;
pub mod bus;
pub mod gate;
pub mod store;
