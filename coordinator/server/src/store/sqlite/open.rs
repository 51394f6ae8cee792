//! Opening the file: by one process at a time, its tables brought up to date.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, SqliteConnection, SqlitePool};

use super::fault::is_passing_at_open;
use crate::store::Error;

/// How long a transaction queues for the one writer before the store counts as not available.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long to wait for a lock of somebody else, who copies the file or looks into it.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections that only read; a reader waits for no writer.
const READERS: u32 = 4;

/// Why a file can't be a store.
#[derive(Debug, thiserror::Error)]
enum OpenError {
    #[error("{} can't be found or made", path.display())]
    Path { path: PathBuf, source: io::Error },
    #[error("the path {} is not valid UTF-8", path.display())]
    Text { path: PathBuf },
    #[error("another process has {} open: a file belongs to one coordinator", path.display())]
    Taken { path: PathBuf },
    #[error("{} can't be locked", path.display())]
    Lock { path: PathBuf, source: io::Error },
    #[error("{} can't be opened as a SQLite database", path.display())]
    Open { path: PathBuf, source: sqlx::Error },
    #[error("{} is the database of something else", path.display())]
    Foreign { path: PathBuf },
    #[error("{} was written by a newer release", path.display())]
    Newer { path: PathBuf, source: MigrateError },
    #[error("the tables of {} can't be brought up to date", path.display())]
    Migrate { path: PathBuf, source: MigrateError },
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Error {
        let is_passing = match &error {
            OpenError::Open { source, .. }
            | OpenError::Migrate {
                source: MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _),
                ..
            } => is_passing_at_open(source),
            OpenError::Path { .. }
            | OpenError::Text { .. }
            | OpenError::Taken { .. }
            | OpenError::Lock { .. }
            | OpenError::Foreign { .. }
            | OpenError::Newer { .. }
            | OpenError::Migrate { .. } => false,
        };
        if is_passing {
            Error::Unavailable(error.into())
        } else {
            Error::Refused(error.into())
        }
    }
}

/// A file that is open, and nobody else's.
pub(super) struct Opened {
    /// One connection: SQLite has one writer, and waiting in the pool is fair where waiting for its lock is not.
    pub(super) writer: SqlitePool,
    pub(super) readers: SqlitePool,
    /// Kept for as long as the file is open.
    pub(super) lock: File,
}

/// See [`SqliteStore::open`](super::SqliteStore::open).
pub(super) async fn open(path: &Path) -> Result<Opened, Error> {
    let path = real(path)?;
    let lock = lock(&path)?;
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .busy_timeout(BUSY_TIMEOUT);
    if path.exists() && is_foreign(&path, &options).await? {
        return Err(OpenError::Foreign { path }.into());
    }
    let write = options
        .clone()
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let writer = pool(1).connect_with(write).await;
    let writer = writer.map_err(|source| OpenError::Open {
        path: path.clone(),
        source,
    })?;
    migrate(&path, &writer).await?;
    // Not opened as read-only: such a connection can't read a log that nobody has opened yet.
    let readers = pool(READERS).connect_lazy_with(options.pragma("query_only", "ON"));
    Ok(Opened {
        writer,
        readers,
        lock,
    })
}

/// Whether the file holds tables, and none that a store makes. Looked at before anything in it is changed.
async fn is_foreign(path: &Path, options: &SqliteConnectOptions) -> Result<bool, OpenError> {
    const SQL: &str = "SELECT count(*) > 0 AND sum(name IN ('_sqlx_migrations', 'executions')) < 2
        FROM sqlite_master WHERE type = 'table'";
    let look = async {
        let mut connection = SqliteConnection::connect_with(options).await?;
        let is_foreign = sqlx::query_scalar(SQL).fetch_one(&mut connection).await?;
        connection.close().await?;
        Ok(is_foreign)
    };
    look.await.map_err(|source| OpenError::Open {
        path: path.to_owned(),
        source,
    })
}

/// One name for one file, however it is given, so that its lock is one as well.
fn real(path: &Path) -> Result<PathBuf, OpenError> {
    let fault = |source| OpenError::Path {
        path: path.to_owned(),
        source,
    };
    let real = match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let name = path
                .file_name()
                .ok_or_else(|| fault(io::ErrorKind::InvalidInput.into()))?;
            let directory = path.parent().filter(|parent| *parent != Path::new(""));
            let directory = fs::canonicalize(directory.unwrap_or(Path::new("."))).map_err(fault)?;
            directory.join(name)
        }
        found => found.map_err(fault)?,
    };
    // Before anything is made beside it.
    if real.is_dir() {
        return Err(fault(io::ErrorKind::IsADirectory.into()));
    }
    match real.to_str() {
        Some(_) => Ok(real),
        None => Err(OpenError::Text { path: real }),
    }
}

/// Locks a file beside the database, which the system unlocks however the process ends.
///
/// Not the database itself: SQLite's own locks on it are lost when the process closes any other handle of it.
fn lock(path: &Path) -> Result<File, OpenError> {
    let mut name = path.as_os_str().to_owned();
    name.push("-lock");
    let name = PathBuf::from(name);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&name);
    let file = file.map_err(|source| OpenError::Path {
        path: name.clone(),
        source,
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Taken {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(OpenError::Lock { path: name, source }),
    }
}

/// Connections stay open: when the last one closes, SQLite puts the log away.
fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_release(|connection, _| Box::pin(is_free(connection)))
}

/// Whether the transaction of the one who had the connection is over.
///
/// SQLite rolls back by itself when a disk is full or fails. The rollback that follows then fails, and the connection
/// would be taken to be in a transaction for ever: it is closed instead.
async fn is_free(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    // An answer to this comes after the rollback of one who went away.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

async fn migrate(path: &Path, writer: &SqlitePool) -> Result<(), OpenError> {
    let path = path.to_owned();
    match sqlx::migrate!("./migrations/sqlite").run(writer).await {
        Ok(()) => Ok(()),
        Err(source @ MigrateError::VersionMissing(_)) => Err(OpenError::Newer { path, source }),
        // The file is read for the first time here when it has no log of its own yet.
        Err(MigrateError::Execute(source)) => Err(OpenError::Open { path, source }),
        Err(source) => Err(OpenError::Migrate { path, source }),
    }
}
