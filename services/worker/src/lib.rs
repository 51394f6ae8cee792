//! Write a Sagamore service in ten lines.
//!
//! ```no_run
//! use sagamore_worker::{Context, Failure, Worker};
//! use serde_json::{Value, json};
//!
//! async fn reserve(input: Value, _: Context) -> Result<Value, Failure> {
//!     Ok(json!({ "reserved": input["amount"] }))
//! }
//!
//! async fn release(_: Value, _: Context) -> Result<(), Failure> {
//!     Ok(())
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), sagamore_worker::Error> {
//!     Worker::from_environment("funds").await?
//!         .on("funds.reserve", reserve)
//!         .undo("funds.release", release)
//!         .run().await
//! }
//! ```
//!
//! No service needs this library: whatever consumes a queue and answers to `reply_to` takes part in a saga. What the library adds
//! is what makes a step safe to repeat and exact to undo: a memory of answers per idempotency key, written in one transaction with
//! the handler's own work. See [`Memory`] for its rules, [`Effects`] for what a handler must tell about itself.
//!
//! # What happens to a task message
//! - Its deadline has passed: it is acknowledged and dropped, since the coordinator has already timed it out. Nothing began, so its
//!   undo will find nothing to undo.
//! - Its key was answered before: it gets the same answer, and no handler runs.
//! - Otherwise its handler runs. A body that does not fit the handler's type is the failure `Worker.InvalidInput`, without effect; a
//!   panic is the failure `Worker.Panicked`, its effect unknown.
//! - The reply is published and confirmed by the broker, and only then is the task message acknowledged. Whatever crashes in
//!   between, the message is delivered again and finds the answer in the memory.
//! - It is no task message at all: it is rejected, and the queue's dead-letter exchange takes it to the coordinator.
//!
//! A queue that is not there is made, durable and with the coordinator's dead-letter exchange; one that is there is used as it is, be it a
//! quorum queue of an operator's.
//!
//! A lost connection is opened anew, with backoff, for as long as it takes; handlers that run meanwhile go on. So a handler may run
//! for longer than the broker waits for an acknowledgement (30 minutes): its message comes again, waits, and gets the answer.

mod context;
mod delivery;
mod error;
mod failure;
mod handler;
mod memory;
mod properties;
mod service;
mod session;
mod worker;

pub use context::Context;
pub use error::Error;
pub use failure::Failure;
pub use handler::{IntoOutcome, Outcome};
#[cfg(feature = "postgres")]
pub use memory::PostgresWork;
#[cfg(feature = "sqlite")]
pub use memory::SqliteWork;
pub use memory::{Effects, Error as MemoryError, Memory};
pub use properties::{from_amqp, to_amqp};
pub use sagamore_messages::Effect;
pub use worker::{Running, Worker};
