-- Replies that changed nothing, since their task was over: one row for each kind of reply to a task.
CREATE TABLE late_replies (
    execution_id uuid NOT NULL,
    task bigint NOT NULL,
    kind text COLLATE "C" NOT NULL,
    times bigint NOT NULL,
    first_at bigint NOT NULL,
    last_at bigint NOT NULL,
    error text COLLATE "C",
    PRIMARY KEY (execution_id, task, kind)
);
