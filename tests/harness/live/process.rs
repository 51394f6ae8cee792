//! Processes: started, told to end, killed, and what they said.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::process::{Child, Command};

use super::{tell, within};

/// A process of ours. It is killed when this is dropped.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program with this environment and none of ours; what it says is added to `<directory>/<name>.log`.
    ///
    /// # Errors
    /// It can't be started.
    pub fn start(
        name: &str,
        mut command: Command,
        environment: &[(&str, String)],
        directory: &Path,
    ) -> Result<Self> {
        let log = directory.join(format!("{name}.log"));
        let file = OpenOptions::new().create(true).append(true).open(&log)?;
        let of_ours = |name: &str| env::var_os(name).map(|value| (name.to_owned(), value));
        let child = command
            .env_clear()
            .envs(
                ["PATH", "HOME", "RUST_BACKTRACE", "RUST_LOG"]
                    .iter()
                    .filter_map(|name| of_ours(name)),
            )
            .env("NO_COLOR", "1")
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .kill_on_drop(true)
            .spawn();
        let child = child.with_context(|| format!("failed to start {name}"))?;
        let name = name.to_owned();
        Ok(Self { name, child, log })
    }

    /// Kills it with SIGKILL, and returns once it is gone.
    ///
    /// # Errors
    /// It does not go.
    pub async fn kill(mut self) -> Result<()> {
        let what = format!("{} to be gone", self.name);
        Ok(within(&what, KILL_MAX, self.child.kill()).await??)
    }

    /// Tells it to end with SIGTERM.
    ///
    /// # Errors
    /// It has ended before.
    pub async fn terminate(&self) -> Result<()> {
        let id = self.child.id();
        let id = id.with_context(|| format!("{} has ended before", self.name))?;
        let told = Command::new("kill")
            .args(["-s", "TERM", &id.to_string()])
            .status();
        ensure!(told.await?.success(), "kill could not reach {}", self.name);
        Ok(())
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// It goes on for longer than `wait_max`.
    pub async fn ended(&mut self, wait_max: Duration) -> Result<ExitStatus> {
        let what = format!("{} to end", self.name);
        Ok(within(&what, wait_max, self.child.wait()).await??)
    }

    /// Complains when it has ended.
    ///
    /// # Errors
    /// It has.
    pub fn is_alive(&mut self) -> Result<()> {
        let ended = self.child.try_wait()?;
        ensure!(
            ended.is_none(),
            "{} has ended: {ended:?}\n{}",
            self.name,
            self.said()?
        );
        Ok(())
    }

    /// What it said until now.
    ///
    /// # Errors
    /// The log can't be read.
    pub fn said(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(&self.log)?).into_owned())
    }
}

/// A binary of the workspace, which lies beside the test that runs.
///
/// # Errors
/// It was not built.
pub fn binary(name: &str) -> Result<Command> {
    let test = env::current_exe()?;
    let profile = test.parent().and_then(Path::parent);
    let path = profile.context("a test lies in a directory")?.join(name);
    ensure!(
        path.is_file(),
        "{} is missing: run `cargo build --workspace --bins`, as `cargo verify` does",
        path.display()
    );
    Ok(Command::new(path))
}

/// Prints the ends of all logs in a directory.
pub(crate) fn print_logs(directory: &Path) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut logs: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    logs.retain(|path| path.extension() == Some(OsStr::new("log")));
    logs.sort();
    for path in logs {
        let text = fs::read(&path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let end = &lines[lines.len().saturating_sub(LINES_MAX)..];
        tell(format!(
            "--- the end of {}\n{}",
            path.display(),
            end.join("\n")
        ));
    }
}

/// How long a killed process may take to be gone.
const KILL_MAX: Duration = Duration::from_secs(10);
/// Lines of each log that are printed when a test fails.
const LINES_MAX: usize = 60;
