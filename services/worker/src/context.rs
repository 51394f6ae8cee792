//! What a handler may know and use beside its input.

use std::sync::Arc;

use sagamore_messages::{TaskMessage, Token};
use serde_json::Value;

#[cfg(feature = "postgres")]
use crate::memory::PostgresWork;
#[cfg(feature = "sqlite")]
use crate::memory::SqliteWork;
use crate::memory::Work;

/// What a handler may know and use beside its input: the message that asks, and the transaction its work belongs in.
#[derive(Clone)]
pub struct Context {
    message: Arc<TaskMessage>,
    #[cfg_attr(
        not(any(feature = "postgres", feature = "sqlite")),
        expect(
            dead_code,
            reason = "the memory in the process has no connection to give"
        )
    )]
    work: Work,
    step_answer: Option<Arc<Value>>,
}

impl Context {
    pub(crate) fn new(message: Arc<TaskMessage>, work: Work, step_answer: Option<Value>) -> Self {
        Self {
            message,
            work,
            step_answer: step_answer.map(Arc::new),
        }
    }

    /// The id of this attempt: the same whenever it is delivered again.
    pub fn message_id(&self) -> &str {
        &self.message.message_id
    }

    /// The key of this step or undo: the same for all its attempts. What this handler asks of others, it should ask under this key.
    pub fn idempotency_key(&self) -> &str {
        &self.message.idempotency_key
    }

    /// The key of the step that this undoes; `None` in a step.
    pub fn compensates(&self) -> Option<&str> {
        self.message.compensates.as_deref()
    }

    /// In an undo, what this worker once answered to the step; `None` when the step never got to answer.
    pub fn step_answer(&self) -> Option<&Value> {
        self.step_answer.as_deref()
    }

    /// Which attempt this is, counting from 1.
    pub fn attempt(&self) -> u32 {
        self.message.attempt
    }

    /// The execution's id.
    pub fn execution(&self) -> &str {
        &self.message.execution
    }

    /// The state machine's name.
    pub fn machine(&self) -> &str {
        &self.message.machine
    }

    /// The state's name.
    pub fn state(&self) -> &str {
        &self.message.state
    }

    /// When the coordinator gives up on this attempt, RFC 3339; `None` without a timeout.
    pub fn deadline(&self) -> Option<&str> {
        self.message.deadline.as_deref()
    }

    /// W3C trace context, to hand on.
    pub fn traceparent(&self) -> Option<&str> {
        self.message.traceparent.as_deref()
    }

    /// W3C trace context, vendor part, to hand on.
    pub fn tracestate(&self) -> Option<&str> {
        self.message.tracestate.as_deref()
    }

    /// Who holds this may answer the task: over AMQP with a reply to [`Context::reply_to`] whose `correlation_id` it is, or over HTTP
    /// with SendTaskSuccess. It is a secret, and belongs to this attempt.
    pub fn token(&self) -> &Token {
        &self.message.token
    }

    /// The queue that a late answer goes to.
    pub fn reply_to(&self) -> &str {
        &self.message.reply_to
    }

    /// The Postgres connection inside the transaction that also remembers the answer, or `None` when the memory is not in Postgres.
    ///
    /// What is written here is committed with the answer or not at all. Hold it as briefly as you like, but do not keep it: the
    /// answer waits for it. Never commit or roll back yourself.
    #[cfg(feature = "postgres")]
    pub async fn postgres(&self) -> Option<PostgresWork> {
        self.work.postgres().await
    }

    /// The SQLite connection inside the transaction that also remembers the answer, or `None` when the memory is not in SQLite.
    ///
    /// SQLite has one writer, so while one handler runs all others of the same file wait.
    #[cfg(feature = "sqlite")]
    pub async fn sqlite(&self) -> Option<SqliteWork> {
        self.work.sqlite().await
    }
}
