//! `cargo demo`: the loan approval in one process, with nothing installed.
//!
//! The coordinator, its broker and the five services speak AMQP over loopback, as they would on machines of their own. Eight applicants go
//! through, each with another fate; a table shows how far each is. Two of them wait for a person and one for an operator: whoever watches is both,
//! or `--exit` is.

#![expect(
    clippy::print_stdout,
    reason = "this is a command, and the table is its output"
)]

mod board;
mod stage;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Parser;
use sagamore_loan::applicants::Applicant;
use sagamore_loan::{Begun, Coordinator, Progress, Submission, differences, table};

use crate::board::Board;
use crate::stage::Stage;

/// The loan approval in one process, with nothing installed
#[derive(Debug, Parser)]
#[command(name = "cargo demo", version)]
struct Arguments {
    /// Decide and retry by itself, and end once all have ended: 0 if each ended as it must
    #[arg(long)]
    exit: bool,
    /// Where the API and the pages listen
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8083")]
    http: SocketAddr,
    /// Where the broker listens; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    amqp: SocketAddr,
    /// The directory that keeps what runs: a demo that was killed goes on with it
    #[arg(long, value_name = "DIR", default_value = "target/demo")]
    data: PathBuf,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Runtime::new().context("failed to start the runtime")?;
    let stage = runtime.block_on(Stage::start(&arguments))?;
    let shown = show(&arguments, &stage);
    if matches!(shown, Ok(Shown { stays: true, .. })) {
        runtime.block_on(tokio::signal::ctrl_c())?;
    }
    runtime.block_on(stage.stop())?;
    Ok(shown?.code)
}

/// What came of the show.
struct Shown {
    code: ExitCode,
    /// Whether there is something left to look at.
    stays: bool,
}

fn show(arguments: &Arguments, stage: &Stage) -> anyhow::Result<Shown> {
    println!("Sagamore runs in this process: a coordinator, a broker and five services.\n");
    println!("  reviews   {}/reviews", stage.url);
    println!("  API       {}   that of Step Functions", stage.url);
    println!("  broker    {}\n", stage.amqp_url);
    let coordinator = Coordinator::new(&stage.url);
    let (mut submission, begun) = Submission::resume_or_start(coordinator)?;
    if begun == Begun::Resumed {
        println!("A run before was ended in the middle: its applicants go on.\n");
    }
    let mut board = Board::new(stage.url.clone(), arguments.exit);
    let since = Instant::now();
    loop {
        if arguments.exit {
            submission.act()?;
        }
        let progress = submission.progress()?;
        board.show(&progress)?;
        if progress.iter().all(|(_, progress)| progress.is_over()) {
            break;
        }
        anyhow::ensure!(
            !arguments.exit || since.elapsed() < EXIT_MAX,
            "not all have ended after {} seconds: {}",
            EXIT_MAX.as_secs(),
            left(&progress)
        );
        if stage.is_told_to_end() {
            println!("\nWhat has not ended goes on at the next `cargo demo`.");
            return Ok(Shown {
                code: ExitCode::SUCCESS,
                stays: false,
            });
        }
        thread::sleep(LOOK_EVERY);
    }
    let outcomes = submission.outcomes()?;
    println!("\n{}", table(&outcomes));
    let mut all = outcomes.iter();
    let is_well =
        all.all(|(applicant, actual)| differences(&applicant.expected, actual).is_empty());
    if !arguments.exit {
        println!("All have ended. The API goes on; Ctrl-C ends it.");
    }
    Ok(Shown {
        code: if is_well {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        },
        stays: !arguments.exit,
    })
}

fn left(progress: &[(Applicant, Progress)]) -> String {
    let left = progress.iter().filter(|(_, progress)| !progress.is_over());
    let names: Vec<&str> = left
        .map(|(applicant, _)| applicant.request.applicant.as_str())
        .collect();
    names.join(", ")
}

/// How often the table is drawn.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long the applicants may take by themselves.
const EXIT_MAX: Duration = Duration::from_secs(120);
