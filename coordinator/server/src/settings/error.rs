//! What is wrong with settings, told in one line.

use std::fmt;

/// Why the settings can't be used. Whoever starts the coordinator acts on it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be read.
    #[error("failed to read the settings file {path}")]
    File {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("the settings file {path} is not TOML: {problem}")]
    Toml {
        /// The file.
        path: String,
        /// What is wrong, and where.
        problem: String,
    },
    /// Nobody knows such a setting.
    #[error("{name} from {origin} is no setting; {remedy}")]
    Unknown {
        /// Its name.
        name: String,
        /// Where it came from.
        origin: Origin,
        /// What may have been meant.
        remedy: String,
    },
    /// It has to be set.
    #[error(
        "{name} is not set; give {variable} in the environment or {name} in the settings file: {right}"
    )]
    Missing {
        /// Its name in the file.
        name: &'static str,
        /// Its name in the environment.
        variable: &'static str,
        /// What would be right.
        right: &'static str,
    },
    /// Its value is unusable.
    #[error("{name} from {origin} {problem}; {right}")]
    Bad {
        /// Its name.
        name: String,
        /// Where it came from.
        origin: Origin,
        /// What is wrong with it; without the value where that may hold a password.
        problem: String,
        /// What would be right.
        right: &'static str,
    },
}

/// Where a setting came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The environment.
    Environment,
    /// A file.
    File(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Environment => formatter.write_str("the environment"),
            Origin::File(path) => write!(formatter, "the file {path}"),
        }
    }
}
