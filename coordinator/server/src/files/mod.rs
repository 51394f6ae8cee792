//! The files that distributed Maps read their items from.
//!
//! They stand in one directory: a bucket is a directory in it, a key a path in that. All coordinators on a database are to
//! have the same one, for any of them may be asked.

mod csv;
mod list;
mod place;
mod read;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sagamore_interpreter::{ClaimedEffect, FileCall, Payload, Reply};
use serde_json::Value;

/// The directory of files, if there is one.
#[derive(Debug, Clone)]
pub struct Files {
    root: Option<Arc<Path>>,
}

impl Files {
    /// The files in a directory.
    pub fn new(root: Option<PathBuf>) -> Files {
        Files {
            root: root.map(Arc::from),
        }
    }

    /// Does what a Map asks for; what went wrong is its answer, too.
    pub async fn answer(&self, call: FileCall) -> Reply {
        let root = self.root.clone();
        let answered = tokio::task::spawn_blocking(move || answer(root.as_deref(), call)).await;
        let failed = match answered {
            Ok(Ok(items)) => return Reply::Success(Payload::new(Value::Array(items))),
            Ok(Err(cause)) => cause,
            Err(error) => error.to_string(),
        };
        Reply::Failure {
            error: "States.ItemReaderFailed".to_owned(),
            cause: Some(failed),
            effect: ClaimedEffect::None,
        }
    }
}

/// The items, or why there are none.
fn answer(root: Option<&Path>, call: FileCall) -> Result<Vec<Value>, String> {
    let root = root.ok_or(NO_FILES)?;
    let FileCall::Read {
        dataset,
        bucket,
        key,
        items_max,
    } = call;
    let items_max = match items_max {
        0 => usize::MAX,
        most => usize::try_from(most).unwrap_or(usize::MAX),
    };
    read::items(root, (&bucket, &key), &dataset, items_max)
}

/// The most that the items of one Map take, in bytes of JSON: they are kept with the execution.
const ITEMS_BYTES_MAX: usize = 32 * 1024 * 1024;

const NO_FILES: &str =
    "This coordinator has no files. Start it with --files DIR, or set SAGAMORE_FILES.";

#[cfg(test)]
mod tests;
