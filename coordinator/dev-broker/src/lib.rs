//! An AMQP 0-9-1 broker in memory, for one machine: development, demos, fault tests on loopback.
//!
//! It speaks like RabbitMQ, with RabbitMQ's codes and texts, as far as it goes; what it does not have it refuses. It
//! forgets everything when it stops, and it is never a broker for production.
//!
//! `frames` turns bytes into frames, `content` frames into requests. `core` is the broker, without any I/O. `broker`,
//! `actor` and `connection` are the shell around it: one task for the core, one for each connection.
//!
//! Bodies and correlation ids are secrets of whoever sends them: nothing here logs them.

mod actor;
mod broker;
mod connection;
mod content;
mod core;
mod frames;
mod limits;
mod memory;
mod refusal;

pub use broker::{Broker, Settings};
