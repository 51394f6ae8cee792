//! Runs the eight applicants through a coordinator and tells whether each ended as it must.
//!
//! `SAGAMORE_URL` is the coordinator's address, <http://127.0.0.1:8083> if it is not set.
#![expect(
    clippy::print_stdout,
    reason = "this is a command, and the table is its output"
)]

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use sagamore_loan::{Coordinator, Submission, differences, table};

fn main() -> anyhow::Result<ExitCode> {
    let url = env::var("SAGAMORE_URL").unwrap_or_else(|_| "http://127.0.0.1:8083".to_owned());
    let submission = Submission::start(Coordinator::new(&url))?;
    let outcomes = submission.finish(WAIT_MAX)?;
    print!("{}", table(&outcomes));
    let mut all = outcomes.iter();
    let well = all.all(|(applicant, actual)| differences(&applicant.expected, actual).is_empty());
    Ok(if well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

const WAIT_MAX: Duration = Duration::from_secs(120);
