//! Why `cargo verify` could not even begin its checks.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::needs::Missing;
use crate::space::SPACE_MIB_MIN;

/// Why `cargo verify` could not go on. Each is for the person who ran it; none is retried.
#[derive(Debug)]
pub enum Failure {
    /// Something is not installed; the text says how to install it.
    Missing(Missing),
    /// The package manager failed; its output follows.
    Install { packages: String, output: String },
    /// A server did not start; what it wrote follows.
    Server { name: &'static str, output: String },
    /// The disk is too full: servers and tests would fail in ways that hide why.
    Full { directory: PathBuf, free_mib: u64 },
    /// The operating system refused something.
    Io { doing: String, source: io::Error },
}

impl Failure {
    /// Says what was being done when the operating system refused.
    pub fn io(doing: impl Into<String>, source: io::Error) -> Self {
        Self::Io {
            doing: doing.into(),
            source,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(missing) => missing.fmt(f),
            Self::Install { packages, output } => {
                write!(f, "failed to install {packages}\n{output}")
            }
            Self::Server { name, output } => write!(f, "failed to start {name}\n{output}"),
            Self::Full {
                directory,
                free_mib,
            } => write!(
                f,
                "only {free_mib} MiB are free where {} lies, and the tests need {SPACE_MIB_MIN}; `cargo clean` frees what earlier builds have left",
                directory.display()
            ),
            Self::Io { doing, source } => write!(f, "failed to {doing}: {source}"),
        }
    }
}
