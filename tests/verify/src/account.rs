//! Who runs this, and as whom the servers run.

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::failure::Failure;

/// The user who runs this, and the one who owns the servers.
#[derive(Debug)]
pub struct Account {
    /// The effective user id.
    pub uid: u32,
    server: Option<Ids>,
}

#[derive(Debug, Clone, Copy)]
struct Ids {
    uid: u32,
    gid: u32,
}

impl Account {
    /// Finds out who runs this. Postgres refuses to run as root, so root's servers belong to
    /// `postgres`, or to `nobody` where no such user exists (yet).
    ///
    /// # Errors
    /// `id` could not be run, or root has neither of the two users.
    pub fn current() -> Result<Self, Failure> {
        let uid = id(&["-u"]).ok_or_else(|| unknown("your own user"))?;
        let server = match uid {
            0 => Some(
                Ids::of("postgres")
                    .or_else(|| Ids::of("nobody"))
                    .ok_or_else(|| unknown("the user postgres or nobody"))?,
            ),
            _ => None,
        };
        Ok(Self { uid, server })
    }

    /// Whether this runs as root.
    pub fn is_root(&self) -> bool {
        self.uid == 0
    }

    /// The words before a command that make it run as the servers' user; none for an ordinary user.
    ///
    /// `setpriv` becomes the command, where `su` and `runuser` would stay between as its parent,
    /// and the pid that is noted would not be the server's.
    pub fn prefix(&self) -> String {
        self.server.map_or_else(String::new, |Ids { uid, gid }| {
            format!("setpriv --reuid={uid} --regid={gid} --clear-groups --")
        })
    }

    /// Whether the servers' user can get into a directory: root's home is closed to others.
    pub fn can_enter(&self, directory: &Path) -> bool {
        let prefix = self.prefix();
        let mut words = prefix.split_whitespace();
        let Some(program) = words.next() else {
            return true;
        };
        let probe = Command::new(program)
            .args(words)
            .arg("test")
            .arg("-x")
            .arg(directory)
            .status();
        probe.is_ok_and(|status| status.success())
    }

    /// Makes a directory for the servers' user.
    pub fn create_home(&self, directory: &Path) -> Result<(), Failure> {
        fs::create_dir(directory)
            .and_then(|()| match self.server {
                Some(Ids { uid, gid }) => chown(directory, Some(uid), Some(gid)),
                None => Ok(()),
            })
            .map_err(|source| Failure::io(format!("create {}", directory.display()), source))
    }
}

impl Ids {
    fn of(user: &str) -> Option<Self> {
        Some(Self {
            uid: id(&["-u", user])?,
            gid: id(&["-g", user])?,
        })
    }
}

/// Asks `id`: the standard library has no such question.
fn id(arguments: &[&str]) -> Option<u32> {
    let output = Command::new("id")
        .args(arguments)
        .stderr(Stdio::null())
        .output()
        .ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

fn unknown(who: &str) -> Failure {
    Failure::io(format!("find {who}"), std::io::ErrorKind::NotFound.into())
}
