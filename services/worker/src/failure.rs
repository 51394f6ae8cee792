//! How a handler says no.

use std::any::Any;

use sagamore_messages::{Effect, Reply};

/// A failure by name, which the Task's Retry and Catch match on.
///
/// Unless it says otherwise, it tells that the step had no effect: what the handler did in its transaction is rolled back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    error: String,
    cause: String,
    effect: Option<Effect>,
}

impl Failure {
    /// The failure `error`, a name such as `Application.Invalid`, because of `cause`, a text for people.
    pub fn new(error: impl Into<String>, cause: impl Into<String>) -> Self {
        Self {
            error: error.into(),
            cause: cause.into(),
            effect: None,
        }
    }

    /// Tells what became of the effect.
    ///
    /// [`Effect::Committed`] keeps what the handler did in its transaction; [`Effect::Unknown`] rolls it back, as what is unknown
    /// lies elsewhere. Both make the step one that will be undone.
    #[must_use]
    pub fn effect(mut self, effect: Effect) -> Self {
        self.effect = Some(effect);
        self
    }

    /// The error's name.
    pub fn error(&self) -> &str {
        &self.error
    }

    /// The cause, for people.
    pub fn cause(&self) -> &str {
        &self.cause
    }

    /// What became of the effect; a failure that does not say had none.
    pub(crate) fn effect_or_none(&self) -> Effect {
        self.effect.unwrap_or(Effect::None)
    }

    pub(crate) fn into_reply(self) -> Reply {
        let Self {
            error,
            cause,
            effect,
        } = self;
        Reply::Failure {
            error,
            cause,
            effect,
        }
    }

    pub(crate) fn invalid_input(fault: &serde_json::Error) -> Self {
        let cause = format!("the input does not fit the handler's type: {fault}");
        Self::new("Worker.InvalidInput", cause).effect(Effect::None)
    }

    pub(crate) fn unwritable_answer(fault: &serde_json::Error) -> Self {
        let cause = format!("the handler's answer can't be written as JSON: {fault}");
        Self::new("Worker.InvalidAnswer", cause).effect(Effect::Unknown)
    }

    pub(crate) fn panicked(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let cause = format!("the handler panicked: {}", text.unwrap_or("without a text"));
        Self::new("Worker.Panicked", cause).effect(Effect::Unknown)
    }

    pub(crate) fn compensated() -> Self {
        let cause = "the step was undone before this message arrived";
        Self::new("Worker.Compensated", cause).effect(Effect::None)
    }

    pub(crate) fn no_handler(queue: &str, kind: &str) -> Self {
        let cause = format!("queue {queue} has no handler for messages of type {kind}");
        Self::new("Worker.NoHandler", cause).effect(Effect::None)
    }

    pub(crate) fn forgotten() -> Self {
        let cause = "the handler ran, but its work could not be committed";
        Self::new("Worker.MemoryFailed", cause).effect(Effect::Unknown)
    }
}

/// A handler's own statement failed: `Worker.Database`, its effect unknown, since it may have worked elsewhere before.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::new("Worker.Database", error.to_string()).effect(Effect::Unknown)
    }
}
