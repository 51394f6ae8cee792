//! The files that distributed Maps read their items from, and write their results to.
//!
//! They stand in one directory: a bucket is a directory in it, a key a path in that. All coordinators on a database are to
//! have the same one, for any of them may be asked.

mod csv;
mod list;
mod place;
mod read;
mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sagamore_interpreter::{ClaimedEffect, FileCall, ItemsCall, Payload, Reply, ResultsCall};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::post::pauses;
use crate::store::{Error, ExecutionFilter, ExecutionRow, ExecutionsOf, PageKey, Store};
use write::Results;

/// The directory of files, if there is one.
#[derive(Debug, Clone)]
pub struct Files {
    root: Option<Arc<Path>>,
    places: Arc<Semaphore>,
}

impl Files {
    /// The files in a directory.
    pub fn new(root: Option<PathBuf>) -> Files {
        Files {
            root: root.map(Arc::from),
            places: Arc::new(Semaphore::new(AT_ONCE_MAX)),
        }
    }

    /// Does what a Map asks for; what went wrong is its answer, too.
    pub async fn answer<S: Store>(&self, store: &S, call: FileCall) -> Reply {
        let _place = self.places.acquire().await;
        let (error, answered) = match call {
            FileCall::Read(call) => ("States.ItemReaderFailed", self.read(call).await),
            FileCall::Write(call) => ("States.ResultWriterFailed", self.write(store, call).await),
        };
        match answered {
            Ok(answer) => Reply::Success(Payload::new(answer)),
            Err(cause) => Reply::Failure {
                error: error.to_owned(),
                cause: Some(cause),
                effect: ClaimedEffect::None,
            },
        }
    }

    async fn read(&self, call: ItemsCall) -> Result<Value, String> {
        let read = move |root: &Path| read::items(root, &call).map(Value::Array);
        self.with_root(read).await
    }

    async fn write<S: Store>(&self, store: &S, call: ResultsCall) -> Result<Value, String> {
        let executions = executions(store, &call.map_run).await?;
        let results = Results::of(&executions, call.format.transformation);
        if call.bucket.is_none() {
            return Ok(results.into_array());
        }
        self.with_root(move |root| results.export(root, &call))
            .await
    }

    /// Does something in the directory, on a thread that may wait for the disk.
    async fn with_root(
        &self,
        work: impl FnOnce(&Path) -> Result<Value, String> + Send + 'static,
    ) -> Result<Value, String> {
        let root = self.root.clone().ok_or(NO_FILES)?;
        let done = tokio::task::spawn_blocking(move || work(&root)).await;
        done.unwrap_or_else(|error| Err(error.to_string()))
    }
}

/// The executions of a Map Run that are over, in the order in which they were started.
async fn executions<S: Store>(store: &S, map_run: &str) -> Result<Vec<ExecutionRow>, String> {
    let mut filter = ExecutionFilter {
        of: ExecutionsOf::MapRun(map_run.to_owned()),
        status: None,
        after: None,
        limit: PAGE,
    };
    let mut executions = Vec::new();
    loop {
        let page = backoff::future::retry(pauses(), || async {
            store
                .executions(&filter)
                .await
                .map_err(|error| match error {
                    Error::Unavailable(_) => backoff::Error::transient(error),
                    Error::Refused(_) | Error::Corrupt { .. } => backoff::Error::permanent(error),
                })
        });
        let page = page.await.map_err(|error| error.to_string())?;
        let last = page.last().map(|row| PageKey {
            at: row.head.started_at,
            name: row.head.id.to_string(),
        });
        let is_last = page.len() < PAGE as usize;
        executions.extend(page.into_iter().filter(write::is_over));
        if is_last || last.is_none() {
            executions.reverse();
            return Ok(executions);
        }
        filter.after = last;
    }
}

/// Files that are read or written at a time: each may be as large as its limit.
const AT_ONCE_MAX: usize = 4;

/// Executions that are read at a time.
const PAGE: u32 = 1_000;

const NO_FILES: &str =
    "This coordinator has no files. Start it with --files DIR, or set SAGAMORE_FILES.";

#[cfg(test)]
mod tests;
