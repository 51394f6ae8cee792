//! What a user writes, made one type.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Context, Failure};

/// What a handler that did not fail says.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome<T> {
    /// The task is done, with this result.
    Done(T),
    /// The task will be answered later by whoever holds its token: see [`Context::token`]. The message is acknowledged and nothing
    /// is replied. The handler's work is kept and will be undone; a repeated message runs the handler again, as there is no answer.
    Later,
}

/// What a handler may return: anything that serde can write, which is done, or an [`Outcome`].
pub trait IntoOutcome {
    /// The outcome, its result as JSON.
    ///
    /// # Errors
    /// The result can't be written as JSON.
    fn into_outcome(self) -> Result<Outcome<Value>, serde_json::Error>;
}

impl<T: Serialize> IntoOutcome for T {
    fn into_outcome(self) -> Result<Outcome<Value>, serde_json::Error> {
        serde_json::to_value(self).map(Outcome::Done)
    }
}

impl<T: Serialize> IntoOutcome for Outcome<T> {
    fn into_outcome(self) -> Result<Outcome<Value>, serde_json::Error> {
        match self {
            Self::Done(result) => result.into_outcome(),
            Self::Later => Ok(Outcome::Later),
        }
    }
}

/// A handler of any input and output.
#[derive(Clone)]
pub(crate) struct Handler(Arc<Erased>);

type Erased =
    dyn Fn(&str, Context) -> BoxFuture<'static, Result<Outcome<Value>, Failure>> + Send + Sync;

impl Handler {
    pub(crate) fn new<F, I, R, O>(handler: F) -> Self
    where
        F: Fn(I, Context) -> R + Send + Sync + 'static,
        I: DeserializeOwned + Send + 'static,
        R: Future<Output = Result<O, Failure>> + Send + 'static,
        O: IntoOutcome + Send + 'static,
    {
        let handler = Arc::new(handler);
        Self(Arc::new(move |body, context| {
            let handler = handler.clone();
            let input = serde_json::from_str::<I>(body);
            async move {
                let input = input.map_err(|fault| Failure::invalid_input(&fault))?;
                let outcome = handler(input, context).await?;
                let outcome = outcome.into_outcome();
                outcome.map_err(|fault| Failure::unwritable_answer(&fault))
            }
            .boxed()
        }))
    }

    /// Runs it on a task's body. A panic is a failure like any other.
    pub(crate) async fn run(
        &self,
        body: &str,
        context: Context,
    ) -> Result<Outcome<Value>, Failure> {
        let running = AssertUnwindSafe(async { (self.0)(body, context).await }).catch_unwind();
        match running.await {
            Ok(outcome) => outcome,
            Err(payload) => Err(Failure::panicked(payload.as_ref())),
        }
    }
}
