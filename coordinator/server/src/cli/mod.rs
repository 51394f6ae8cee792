//! The command line: what it takes, and what needs no coordinator to be done.

mod canvas;
mod client;
mod dev;
mod graph;
mod health;
mod incidents;
mod ledger;
mod underline;
mod validate;
mod watch;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::settings::CONFIG_VARIABLE;

pub use canvas::Canvas;
pub use dev::{Dev, with_files};
pub use graph::Graph;
pub use health::{Error as HealthError, health};
pub use incidents::{Incidents, Rollback};
pub use ledger::Ledger;
pub use validate::validate;
pub use watch::Watch;

/// A message-driven saga coordinator on RabbitMQ and Postgres.
#[derive(Debug, Parser)]
#[command(name = "sagamore", version, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a coordinator
    ///
    /// Settings come from a TOML file and from the environment, which wins: DATABASE_URL, AMQP_URL, SAGAMORE_HTTP,
    /// SAGAMORE_PUBLIC_URL, SAGAMORE_PREFIX, SAGAMORE_REGION, SAGAMORE_ACCOUNT, SAGAMORE_UNROUTABLE_GRACE, SAGAMORE_PREFETCH,
    /// SAGAMORE_FILES, SAGAMORE_LOG, SAGAMORE_LOG_FORMAT, and the limits SAGAMORE_PAYLOAD_BYTES_MAX,
    /// SAGAMORE_DEFINITION_BYTES_MAX, SAGAMORE_VARIABLES_BYTES_MAX, SAGAMORE_ITEMS_BYTES_MAX. In the file they are
    /// database_url, amqp_url, http, and so on.
    Serve {
        /// The settings file
        #[arg(long, value_name = "FILE", env = CONFIG_VARIABLE)]
        config: Option<PathBuf>,
        /// The directory that distributed Maps read items from, with a directory for each bucket
        #[arg(long, value_name = "DIR")]
        files: Option<PathBuf>,
    },
    /// Run a coordinator with nothing installed, for development: on a SQLite file, with a broker of its own
    Dev(Dev),
    /// Check definitions of state machines, and tell every fault with its place and its remedy
    Validate {
        /// The definitions; - is the standard input
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Draw a state machine with what undoes each step
    Graph(Graph),
    /// Follow an execution until it ends; exit with 0 if it succeeded
    Watch(Watch),
    /// Show what an execution did that can be undone, and how each of it stands
    Ledger(Ledger),
    /// List what waits for an operator, and decide on it
    Incidents(Incidents),
    /// Stop an execution and undo what it did, whatever its machine says of a stop
    Rollback(Rollback),
    /// Ask a coordinator whether its database answers and its broker is connected; exit with 1 if not
    Health {
        /// Where it is
        #[arg(
            value_name = "URL",
            env = "SAGAMORE_URL",
            default_value = "http://127.0.0.1:8083"
        )]
        url: String,
    },
    /// Tell the version
    Version,
}
