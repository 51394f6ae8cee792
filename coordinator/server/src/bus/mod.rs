//! The bus: the only place for AMQP.
//!
//! Deliveries in, inputs out; publications in, confirms out. It decides nothing about an execution, and it never acks
//! a delivery before what it brought is committed, nor forgets a publication before the broker has confirmed it.
//!
//! Two connections, each kept by a loop of its own. One consumes: replies, commands, dead-lettered task messages. The
//! other publishes: task messages, events, answers to commands, parked messages. So a broker that blocks publishers
//! because it is short of memory or disk still delivers replies and takes their acks. Whatever breaks on a connection
//! ends its session: everything of it is dropped, the broker redelivers what was not acked, the publisher publishes
//! again what was not confirmed.
//!
//! Contract: what is called from here is in [`Calls`]; what is published comes from the outbox. Messages of one
//! publisher may overtake each other; replies to one execution are submitted in the order of their delivery.

mod commands;
mod convert;
mod counts;
mod dead;
mod drain;
mod grace;
mod intake;
mod lines;
mod park;
mod publisher;
mod replies;
mod run;
mod session;
mod topology;

pub use counts::{Count, Counts};
pub use run::{
    Bus, Calls, CommandError, Handle, LOG_DIRECTIVE, RunCommand, Settings, SettingsError,
    StillOpen, Submit,
};
