//! What clients ask for, whether over HTTP or AMQP: JSON in, JSON out, with the names, texts and checks of Step
//! Functions' own API.
//!
//! A command is checked here, turned into an `Input` and handed to `advance`; nothing here writes to the store. The
//! operations that only read, and those on machines, have one door and stand in `api`.

mod answer;
pub(crate) mod arn;
mod error;
mod express;
mod members;
mod name;
mod payload;
mod start;
pub(crate) mod stop;

pub use answer::epoch_seconds;
pub use arn::{MachineArn, execution_id, machine_arn, map_run_arn};
pub use error::ApiError;
pub use members::Members;
pub use name::check_name;
pub use payload::{Unreadable, payload_of, read_payload};
pub use start::{Commands, start_request};
