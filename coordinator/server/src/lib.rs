//! The coordinator: what `sagamore serve` runs, as a library for its tests.

pub mod advance;
pub mod alarm;
pub mod api;
pub mod bus;
pub mod cli;
pub mod commands;
pub mod files;
pub mod gate;
pub mod graph;
pub mod lease;
mod markup;
pub mod post;
mod serve;
pub mod settings;
pub mod store;
pub mod timers;

pub use serve::{Embedded, serve, serve_embedded};
