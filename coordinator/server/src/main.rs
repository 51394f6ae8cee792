//! The `sagamore` binary.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use sagamore::bus::LOG_DIRECTIVE;
use sagamore::cli::{Cli, Command, validate};
use sagamore::settings::{LogFormat, Settings};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Serve { config } => serve(config.as_deref()),
        Command::Validate { files } => {
            let accepted = validate(&files, &mut io::stdout().lock())?;
            Ok(if accepted { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Version => {
            writeln!(io::stdout(), "sagamore {}", env!("CARGO_PKG_VERSION"))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn serve(config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let settings = Settings::load(config)?;
    start_log(&settings)?;
    let runtime = tokio::runtime::Runtime::new().context("failed to start the runtime")?;
    runtime.block_on(async {
        let stop = CancellationToken::new();
        tokio::spawn(cancel_when_told(stop.clone()));
        sagamore::serve(settings, stop).await
    })?;
    Ok(ExitCode::SUCCESS)
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

fn start_log(settings: &Settings) -> anyhow::Result<()> {
    // First, so that whoever asks for more about them gets it.
    let filters = format!("{LOG_DIRECTIVE},{}", settings.log);
    let filter = EnvFilter::try_new(filters).context("the log filter is unusable")?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match settings.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}
