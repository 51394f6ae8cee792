//! The directory of a run, and what earlier runs have left in theirs.
//!
//! Each run has a directory of its own, named by its process, so that several can stand beside each
//! other. Its supervisor holds a lock on the file `supervisor` in it. A directory whose lock is free
//! is what a killed supervisor has left: its own script is run once more and ends its servers.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio, id};
use std::{env, io};

use crate::account::Account;
use crate::failure::Failure;

/// Everyone may enter, only the owner may write: the servers may belong to another user, and what
/// root executes must not be theirs to change.
const OPEN_TO_ENTER: u32 = 0o755;

/// The directory of this run, locked.
#[derive(Debug)]
pub struct Directory {
    pub path: PathBuf,
    /// Where the last logs stay.
    pub parent: PathBuf,
    /// The open file that bears the lock, for the supervisor to inherit.
    pub lock: File,
}

impl Directory {
    /// Clears away what killed runs have left and makes a directory for this one.
    ///
    /// # Errors
    /// The file system refused.
    pub fn create(account: &Account) -> Result<Self, Failure> {
        let parent = parent(account)?;
        Self::create_in(&parent)
            .map_err(|source| Failure::io(format!("prepare {}", parent.display()), source))
    }

    fn create_in(parent: &Path) -> io::Result<Self> {
        // Held to the end of this function: nobody may take a directory for a leftover between its
        // creation and its lock.
        let gate = File::create(parent.join("lock"))?;
        gate.lock()?;
        for entry in fs::read_dir(parent)? {
            let path = entry?.path();
            if path.is_dir() {
                clear_if_left_over(&path)?;
            }
        }
        let path = parent.join(id().to_string());
        create_open_to_enter(&path)?;
        let lock = File::create(path.join("supervisor"))?;
        lock.lock()?;
        Ok(Self {
            path,
            parent: parent.to_path_buf(),
            lock,
        })
    }
}

/// `verify` in the target directory or, where that is another user's or the servers' user cannot get
/// there (root's home is closed), one in the system's directory for temporary files.
fn parent(account: &Account) -> Result<PathBuf, Failure> {
    let program = env::current_exe().map_err(|source| Failure::io("find itself", source))?;
    let target = program.ancestors().nth(2).unwrap_or(Path::new("target"));
    let preferred = target.join("verify");
    let elsewhere = env::temp_dir().join(format!("sagamore-verify-{}", account.uid));
    let usable = |path: &Path| {
        own(path, account.uid)?;
        let entered = account.can_enter(path);
        entered
            .then_some(())
            .ok_or(io::ErrorKind::PermissionDenied.into())
    };
    if usable(&preferred).is_ok() {
        return Ok(preferred);
    }
    usable(&elsewhere)
        .map_err(|source| Failure::io(format!("use {}", elsewhere.display()), source))?;
    Ok(elsewhere)
}

/// Makes sure that a directory exists and is ours: in a place where everyone may write, another
/// user could have put scripts there for us to run.
fn own(path: &Path, uid: u32) -> io::Result<()> {
    if !path.exists() {
        create_open_to_enter(path)?;
    }
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_dir() && metadata.uid() == uid {
        Ok(())
    } else {
        Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "it belongs to another user",
        ))
    }
}

fn create_open_to_enter(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(OPEN_TO_ENTER)
        .create(path)?;
    // Whatever the umask took away.
    fs::set_permissions(path, Permissions::from_mode(OPEN_TO_ENTER))
}

fn clear_if_left_over(path: &Path) -> io::Result<()> {
    let Ok(lock) = OpenOptions::new()
        .append(true)
        .open(path.join("supervisor"))
    else {
        // Killed before it had a lock, hence before it had a server.
        return fs::remove_dir_all(path);
    };
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(()),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let script = path.join("supervise");
    if script.is_file() {
        Command::new(script)
            .stdin(Stdio::null())
            .stdout(lock)
            .status()?;
    }
    if path.exists() {
        fs::remove_dir_all(path)
    } else {
        Ok(())
    }
}

/// Writes a script that anyone may run.
pub fn write_script(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text)
        .and_then(|()| fs::set_permissions(path, Permissions::from_mode(OPEN_TO_ENTER)))
        .map_err(|source| Failure::io(format!("write {}", path.display()), source))
}

/// A text as one word of the shell's language.
pub fn quoted(text: impl std::fmt::Display) -> String {
    format!("'{}'", text.to_string().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_the_shell_survives_its_quotes() {
        assert_eq!(quoted("/a b/it's"), r"'/a b/it'\''s'");
    }
}
