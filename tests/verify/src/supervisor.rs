//! The small process that ends what this one started, however this one ends.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus};

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
        let settings = format!(
            "#!/bin/sh\ndirectory={}\nkeep={}\n",
            quoted(directory.path.display()),
            quoted(directory.parent.display()),
        );
        write_script(&script, &(settings + include_str!("scripts/supervisor.sh")))?;
        let start = || {
            // A group of its own, which a Ctrl-C at the terminal does not reach.
            let mut command = Command::new(&script);
            command
                .stdout(directory.lock.try_clone()?)
                .stderr(directory.lock.try_clone()?);
            command
                .stdin(std::process::Stdio::piped())
                .process_group(0)
                .spawn()
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

    /// Runs a command to its end. If this process ends first, the supervisor ends the command: with
    /// `own_group` everything it has started too, else only itself.
    ///
    /// # Errors
    /// The command could not be started.
    pub fn run(&mut self, command: &mut Command, own_group: bool) -> io::Result<ExitStatus> {
        if own_group {
            command.process_group(0);
        }
        let mut child = command.spawn()?;
        let sign = if own_group { "-" } else { "" };
        self.watch(&format!("{sign}{}", child.id()))?;
        let status = child.wait()?;
        self.watch("")?;
        Ok(status)
    }

    fn watch(&mut self, process: &str) -> io::Result<()> {
        let input = self
            .input
            .as_mut()
            .expect("the input is open until the drop");
        writeln!(input, "{process}")
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        drop(self.input.take());
        if let Err(error) = self.process.wait() {
            eprintln!("failed to wait for the servers' end: {error}");
        }
    }
}
