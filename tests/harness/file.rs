//! A place for files of its own for each test.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::PathBuf;

use anyhow::Result;
use futures_util::FutureExt;
use uuid::Uuid;

/// Makes a directory, runs the test with the path of a file in it that is not there yet, and removes it however the
/// test ends.
///
/// # Errors
/// When the directory can't be made or removed, or the test fails.
pub async fn with_file<T, F>(test: impl FnOnce(PathBuf) -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let directory = std::env::temp_dir().join(format!("sagamore-{}", Uuid::new_v4().simple()));
    std::fs::create_dir(&directory)?;
    let ended = AssertUnwindSafe(test(directory.join("sagamore.db"))).catch_unwind();
    let ended = ended.await;
    // A test that failed may leave the file open; what it found counts more than what is in the way of removal.
    let removed = std::fs::remove_dir_all(&directory);
    match ended {
        Ok(Ok(value)) => removed.map(|()| value).map_err(Into::into),
        Ok(failed) => failed,
        Err(panic) => resume_unwind(panic),
    }
}
