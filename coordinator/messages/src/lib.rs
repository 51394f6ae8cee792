//! What travels between Sagamore, its services and its clients, as plain data.
//!
//! A **command** comes in from a client, a **task message** goes out to a service, a **reply** comes back. This crate turns each
//! into neutral AMQP properties and a body, and back. It never opens a connection, reads a clock or draws a random number, so the
//! coordinator, the worker library and the tests can all depend on it. What it has once written must parse for ever: the files in
//! `golden/` hold it to that.

mod command;
pub mod names;
mod properties;
mod reply;
mod task;
mod token;

pub use command::{Command, CommandFault};
pub use names::Names;
pub use properties::{Header, Properties};
pub use reply::{Effect, Reply, ReplyFault, UNNAMED_FAILURE};
pub use task::{Kind, TaskMessage, TaskMessageFault};
pub use token::{Token, TokenKey};
