//! The small process that ends what this one started, however this one ends.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::account::Account;
use crate::directory::{Directory, quoted, write_script};
use crate::failure::Failure;

/// A handle of the supervisor; dropping it ends the servers and waits until they are gone.
#[derive(Debug)]
pub struct Supervisor {
    directory: Directory,
    process: Child,
    /// Its input, which closes when this process ends: see `scripts/supervisor.sh`.
    input: Option<ChildStdin>,
}

impl Supervisor {
    /// Makes the directory of this run and starts its supervisor.
    ///
    /// # Errors
    /// The file system refused, or no process could be started.
    pub fn start(account: &Account) -> Result<Self, Failure> {
        let directory = Directory::create(account)?;
        let script = directory.path.join("supervise");
        write_script(&script, &supervise(&directory.path, &directory.parent))?;
        let start = || {
            // A group of its own, which a Ctrl-C at the terminal does not reach.
            let mut command = Command::new(&script);
            command
                .stdout(directory.lock.try_clone()?)
                .stderr(directory.lock.try_clone()?);
            command.stdin(Stdio::piped()).process_group(0).spawn()
        };
        let mut process = start().map_err(|source| Failure::io("start a shell", source))?;
        let input = process.stdin.take();
        Ok(Self {
            directory,
            process,
            input,
        })
    }

    /// The directory of this run.
    pub fn directory(&self) -> &Path {
        &self.directory.path
    }

    /// Where the servers' last logs lie once they have ended.
    pub fn logs(&self) -> PathBuf {
        self.directory.parent.clone()
    }

    /// Runs a command to its end. If this process ends first, the supervisor ends the command: with
    /// `own_group` everything it has started too, else only itself.
    ///
    /// # Errors
    /// The command could not be started.
    pub fn run(&mut self, command: &mut Command, own_group: bool) -> io::Result<ExitStatus> {
        let mut child = self.start_command(command, own_group)?;
        let status = child.wait()?;
        self.watch("")?;
        Ok(status)
    }

    /// The same, in a group of its own, which is killed once the time is up: then it is `None`.
    ///
    /// # Errors
    /// The command could not be started.
    pub fn run_within(
        &mut self,
        command: &mut Command,
        time_max: Duration,
    ) -> io::Result<Option<ExitStatus>> {
        let mut child = self.start_command(command, true)?;
        let status = wait_within(&mut child, time_max)?;
        self.watch("")?;
        Ok(status)
    }

    fn start_command(&mut self, command: &mut Command, own_group: bool) -> io::Result<Child> {
        if own_group {
            command.process_group(0);
        }
        let child = command.spawn()?;
        let sign = if own_group { "-" } else { "" };
        self.watch(&format!("{sign}{}", child.id()))?;
        Ok(child)
    }

    fn watch(&mut self, process: &str) -> io::Result<()> {
        let input = self
            .input
            .as_mut()
            .expect("the input is open until the drop");
        writeln!(input, "{process}")
    }
}

/// Waits for the leader of a process group; past the time the group is killed, and it is `None`.
fn wait_within(child: &mut Child, time_max: Duration) -> io::Result<Option<ExitStatus>> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if start.elapsed() >= time_max {
            let group = format!("-{}", child.id());
            Command::new("kill")
                .args(["-s", "KILL", "--", &group])
                .status()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// How often it is looked whether a command has ended that has a limit.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The supervisor's script for a run's directory; the last logs are copied to `keep`.
fn supervise(directory: &Path, keep: &Path) -> String {
    format!(
        "#!/bin/sh\ndirectory={}\nkeep={}\n{}",
        quoted(directory.display()),
        quoted(keep.display()),
        include_str!("scripts/supervisor.sh")
    )
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        drop(self.input.take());
        if let Err(error) = self.process.wait() {
            eprintln!("failed to wait for the servers' end: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::{env, fs};

    #[test]
    fn what_does_not_end_is_killed_with_all_it_started() {
        let group = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]).process_group(0);
            command.stdout(Stdio::piped()).spawn().unwrap()
        };
        let mut endless = group("sleep 1000 & wait");
        let ended = wait_within(&mut endless, Duration::from_millis(200)).unwrap();
        assert_eq!(ended, None);
        // The pipe ends once nobody holds its other end.
        assert_eq!(
            io::read_to_string(endless.stdout.take().unwrap()).unwrap(),
            ""
        );

        let mut short = group("exit 3");
        let ended = wait_within(&mut short, Duration::from_secs(60)).unwrap();
        assert_eq!(ended.and_then(|status| status.code()), Some(3));
    }

    #[test]
    fn the_end_of_the_pipe_ends_what_runs_and_clears_its_directory() {
        const SIGTERM: i32 = 15;
        let directory = env::temp_dir().join(format!("sagamore-supervise-{}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        let mut supervisor = Command::new("sh")
            .args(["-c", &supervise(&directory, &env::temp_dir())])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        // Runs until its own input ends, which it does not.
        let mut command = Command::new("cat");
        let mut running = command
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let _open = running.stdin.take();

        let mut input = supervisor.stdin.take().unwrap();
        writeln!(input, "-{}", running.id()).unwrap();
        drop(input);

        assert_eq!(running.wait().unwrap().signal(), Some(SIGTERM));
        assert!(supervisor.wait().unwrap().success());
        assert!(!directory.exists());
    }
}
