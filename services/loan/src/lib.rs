//! The loan approval: five small services, their saga, and the eight applicants that show what it does.
//!
//! Each service is a module with its handlers and a `run`, which one binary calls. They know nothing of each other or of the
//! coordinator: they consume queues and answer. `loan.asl.json` makes a saga of them, `submit` runs the applicants through it, and
//! `applicants` says how each of them must end.

pub mod applicants;
pub mod applications;
mod books;
mod coordinator;
pub mod credit;
pub mod funds;
pub mod notifications;
mod progress;
mod report;
mod request;
pub mod risk;
mod service;
mod submission;

pub use books::{Books, BooksError};
pub use coordinator::{Coordinator, CoordinatorError};
pub use progress::{Progress, Step, StepState};
pub use report::{Actual, differences, table};
pub use request::{Faults, Request};
pub use service::{Error, in_one_process};
pub use submission::{
    Begun, DEFINITION, DISBURSEMENT, DISBURSEMENT_DEFINITION, MACHINE, Submission, SubmissionError,
};
