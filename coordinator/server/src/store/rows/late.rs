//! Replies that changed nothing.

use std::collections::BTreeMap;

use sagamore_interpreter::{ExecutionId, Sequence};
use uuid::Uuid;

use crate::store::convert::{micros, moment, number, sequence};
use crate::store::{Error, LateReply, LateReplyRow, ReplyKind};

/// What is written of them: execution, task, kind, times, when, error.
pub type LateColumns = (Uuid, i64, &'static str, i64, i64, Option<String>);

/// Those of a batch, each kind of reply to a task once.
pub fn late_columns(late: &[LateReply]) -> Vec<LateColumns> {
    let mut rows: BTreeMap<(ExecutionId, Sequence, ReplyKind), LateColumns> = BTreeMap::new();
    for reply in late {
        let key = (reply.execution, reply.task, reply.kind);
        let row = rows.entry(key).or_insert_with(|| {
            let (task, at) = (number(reply.task.0), micros(reply.at));
            (reply.execution.0, task, reply.kind.as_str(), 0, at, None)
        });
        row.3 += 1;
        row.5.clone_from(&reply.error);
    }
    rows.into_values().collect()
}

/// Task, kind, times, first, last, error.
pub type LateRow = (i64, String, i64, i64, i64, Option<String>);

/// One row of the log.
pub fn late_reply(
    (task, kind, times, first_at, last_at, error): LateRow,
) -> Result<LateReplyRow, Error> {
    Ok(LateReplyRow {
        task: sequence(task),
        kind: ReplyKind::parse(&kind)?,
        times: times.cast_unsigned(),
        first_at: moment(first_at)?,
        last_at: moment(last_at)?,
        error,
    })
}
