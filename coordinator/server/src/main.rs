//! The `sagamore` binary.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use sagamore::bus::LOG_DIRECTIVE;
use sagamore::cli::{Cli, Command, Dev, health, validate, with_files};
use sagamore::settings::{LogFormat, Settings, environment};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        // One line for whoever started it. A backtrace would bury it, and tells nothing that the causes don't.
        let _ = writeln!(io::stderr(), "sagamore: {error:#}");
        ExitCode::FAILURE
    })
}

fn run() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Serve { config, files } => serve(config.as_deref(), files.as_deref()),
        Command::Dev(dev) => {
            run_dev(dev)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Validate { files } => {
            let accepted = validate(&files, &mut io::stdout().lock())?;
            Ok(if accepted {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
        Command::Graph(graph) => {
            graph.draw(&mut io::stdout().lock(), &mut io::stderr().lock())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Watch(watch) => watch.run(&mut io::stdout().lock()),
        Command::Ledger(ledger) => {
            ledger.run(&mut io::stdout().lock())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Incidents(incidents) => {
            incidents.run(&mut io::stdout().lock())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Rollback(rollback) => {
            rollback.run(&mut io::stdout().lock())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Health { url } => {
            health(&url)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Version => {
            writeln!(io::stdout(), "sagamore {}", env!("CARGO_PKG_VERSION"))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn serve(config: Option<&Path>, files: Option<&Path>) -> anyhow::Result<ExitCode> {
    let settings = Settings::load(config, with_files(environment(), files))?;
    start_log(&settings.log, settings.log_format)?;
    until_told(|stop| sagamore::serve(settings, stop))?;
    Ok(ExitCode::SUCCESS)
}

fn run_dev(dev: Dev) -> anyhow::Result<()> {
    // What it prints is for a person, who wants to hear of trouble only.
    let log = std::env::var("SAGAMORE_LOG").or_else(|_| std::env::var("RUST_LOG"));
    start_log(log.as_deref().unwrap_or("warn"), LogFormat::Text)?;
    until_told(async |stop| dev.run(environment(), &mut io::stdout(), stop).await)
}

/// Runs until the process is told to end.
fn until_told<F: Future<Output = anyhow::Result<()>>>(
    run: impl FnOnce(CancellationToken) -> F,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("failed to start the runtime")?;
    runtime.block_on(async {
        let stop = CancellationToken::new();
        tokio::spawn(cancel_when_told(stop.clone()));
        run(stop).await
    })
}

/// Cancels at the first SIGINT or SIGTERM; whoever presses Ctrl-C a second time does not want to wait.
async fn cancel_when_told(stop: CancellationToken) {
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => terminate.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate => {}
    }
    stop.cancel();
    let _ = tokio::signal::ctrl_c().await;
    std::process::exit(130);
}

fn start_log(filter: &str, format: LogFormat) -> anyhow::Result<()> {
    // First, so that whoever asks for more about them gets it.
    let filters = format!("{LOG_DIRECTIVE},{filter}");
    let filter = EnvFilter::try_new(filters).context("the log filter is unusable")?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}
