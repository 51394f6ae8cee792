-- Replies that changed nothing, since their task was over: one row for each kind of reply to a task.
CREATE TABLE late_replies (
    execution_id BLOB NOT NULL,
    task INTEGER NOT NULL,
    kind TEXT NOT NULL,
    times INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    error TEXT,
    PRIMARY KEY (execution_id, task, kind)
) STRICT, WITHOUT ROWID;
