//! Checks everything there is to check: what `cargo verify` runs.
//!
//! On a machine that has Rust it finds (or, as root on Debian, installs) what the tests need, starts
//! a private Postgres and a private RabbitMQ, runs every check of the workspace and stops again what
//! it started, however it ends. It depends on nothing but the standard library, so that it answers
//! before anything else is compiled, and never on the workspace it checks.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "its progress and its report are what the person at the terminal asked for"
)]

mod account;
mod arguments;
mod directory;
mod failure;
mod install;
mod needs;
mod servers;
mod space;
mod steps;
mod supervisor;

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus};

use account::Account;
use arguments::{Action, USAGE};
use failure::Failure;
use servers::Servers;
use steps::Report;
use supervisor::Supervisor;

fn main() -> ExitCode {
    let action = match arguments::parse(env::args_os().skip(1)) {
        Ok(action) => action,
        Err(refusal) => {
            eprintln!("error: {refusal}; cargo verify --help lists what it takes");
            return ExitCode::from(2);
        }
    };
    let outcome = match action {
        Action::Help => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Action::Check { full } => check(full),
        Action::Run(command) => run(&command),
    };
    outcome.unwrap_or_else(|failure| {
        eprintln!("error: {failure}");
        ExitCode::FAILURE
    })
}

/// Runs every check, in the order in which a person wants to hear of a fault.
fn check(full: bool) -> Result<ExitCode, Failure> {
    let account = Account::current()?;
    let tools = install::ensure(&needs::of_check(&account), &account)?;
    let mut supervisor = Supervisor::start(&account)?;
    // The servers come up while cargo compiles.
    let servers = Servers::start(&tools, &account, supervisor.directory())?;
    let mut report = Report::default();
    for step in steps::before_tests() {
        report.take(&step, &mut supervisor);
    }
    space::ensure(supervisor.directory())?;
    if let Some(environment) = report.await_servers(servers) {
        for step in steps::tests(full, &environment, &tools) {
            report.take(&step, &mut supervisor);
        }
    }
    let logs = supervisor.logs();
    drop(supervisor);
    println!("\n{report}");
    if !report.passed() {
        println!("the servers' last logs lie in {}", logs.display());
    }
    Ok(if report.passed() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs one command beside the servers and ends as it ends.
fn run(command: &[OsString]) -> Result<ExitCode, Failure> {
    let account = Account::current()?;
    let tools = install::ensure(&needs::of_run(&account), &account)?;
    let mut supervisor = Supervisor::start(&account)?;
    let environment = Servers::start(&tools, &account, supervisor.directory())?.ready()?;
    let (program, arguments) = command
        .split_first()
        .expect("a parsed command has a program");
    let mut child = Command::new(program);
    child
        .args(arguments)
        .envs(environment)
        .envs(tools.environment());
    // What runs at a terminal may read from it, which only the terminal's own group may.
    let own_group = !io::stdin().is_terminal();
    let status = supervisor
        .run(&mut child, own_group)
        .map_err(|source| Failure::io(format!("run {}", Path::new(program).display()), source))?;
    Ok(exit_code(status))
}

/// The exit code a shell would give: 128 and the signal for a process that was killed.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
