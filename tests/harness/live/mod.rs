//! A private world for each test, and the processes in it.
//!
//! A world has a database of its own and a prefix of its own on the broker; in it run `sagamore serve` and the services as
//! processes, as a user runs them. Every wait is bounded and says what it waited for. When a test fails, the ends of its
//! processes' logs are printed.

mod audit;
mod broker;
mod client;
mod coordinator;
mod database;
mod loan;
mod process;
mod servers;
mod wait;
mod world;

pub use audit::{Audit, audit};
pub use broker::{Broker, properties};
pub use client::{Answer, Client};
pub use coordinator::{Coordinator, free_port};
pub use database::Database;
pub use loan::Services;
pub use process::{Process, binary};
pub use servers::Server;
pub use wait::{until, within};
pub use world::{World, in_world, tell};
