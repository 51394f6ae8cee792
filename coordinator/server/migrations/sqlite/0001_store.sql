-- The tables of migrations/postgres/0001_store.sql, with SQLite's types: ids are blobs of 16 bytes, JSON and names are text that is
-- compared by its bytes, times are microseconds since 1970.
-- Rows that hold JSON are too long for tables without a rowid; the others are kept in the order of their key.

-- A revision tells all there is to know of its machine, so that it outlives it.
CREATE TABLE revisions (
    id BLOB NOT NULL PRIMARY KEY,
    machine_name TEXT NOT NULL,
    machine_arn TEXT NOT NULL,
    kind TEXT NOT NULL,
    role_arn TEXT NOT NULL,
    definition TEXT NOT NULL,
    machine_created_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE machines (
    name TEXT NOT NULL PRIMARY KEY,
    revision BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX machines_page ON machines (created_at, name);

CREATE TABLE executions (
    id BLOB NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    revision BLOB NOT NULL,
    arn TEXT NOT NULL,
    machine_arn TEXT NOT NULL,
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    stopped_at INTEGER,
    head TEXT NOT NULL
) STRICT;
CREATE INDEX executions_page ON executions (machine_arn, started_at, id);
CREATE INDEX executions_status_page ON executions (machine_arn, status, started_at, id);

-- What each execution was started with: written once. Apart from the row of the execution, which SQLite writes whole every turn.
CREATE TABLE starts (
    execution_id BLOB NOT NULL PRIMARY KEY,
    body TEXT NOT NULL
) STRICT;

CREATE TABLE scopes (
    execution_id BLOB NOT NULL,
    scope INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (execution_id, scope)
) STRICT;

CREATE TABLE entries (
    execution_id BLOB NOT NULL,
    entry INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (execution_id, entry)
) STRICT;

-- One row per turn. `first_event` is the id of its first event, or of the next one to come when it has none: so rows
-- that are ordered by it are ordered by sequence too, and one index serves both.
CREATE TABLE history (
    execution_id BLOB NOT NULL,
    first_event INTEGER NOT NULL,
    last_event INTEGER NOT NULL,
    first_sequence INTEGER NOT NULL,
    last_sequence INTEGER NOT NULL,
    records TEXT NOT NULL,
    PRIMARY KEY (execution_id, first_event, first_sequence)
) STRICT;

-- Token, timer and outgoing message in one. Kinds: 0 timer, 1 message, 2 review, 3 incident.
-- `held` keeps the time of one that was taken out of the timers; `handed_on` tells that another coordinator may have sent it, too.
CREATE TABLE waits (
    execution_id BLOB NOT NULL,
    wait INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    owner BLOB NOT NULL,
    due INTEGER,
    held INTEGER,
    opened_at INTEGER NOT NULL,
    number INTEGER,
    republish INTEGER NOT NULL,
    handed_on INTEGER NOT NULL DEFAULT 0,
    body TEXT,
    PRIMARY KEY (execution_id, wait)
) STRICT;
CREATE INDEX waits_due ON waits (owner, due);
CREATE INDEX waits_reviews ON waits (opened_at, execution_id, wait) WHERE kind = 2;
CREATE INDEX waits_incidents ON waits (opened_at, execution_id, wait) WHERE kind = 3;

-- Events that the broker has not confirmed yet.
CREATE TABLE events (
    owner BLOB NOT NULL,
    number INTEGER NOT NULL,
    execution_id BLOB NOT NULL,
    routing_key TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (owner, number, execution_id)
) STRICT;

CREATE TABLE coordinators (
    id BLOB NOT NULL PRIMARY KEY,
    lease_until INTEGER NOT NULL,
    sent_through INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE commands (
    message_id BLOB NOT NULL PRIMARY KEY,
    answer TEXT NOT NULL,
    answered_at INTEGER NOT NULL
) STRICT;
CREATE INDEX commands_age ON commands (answered_at);

CREATE TABLE set_asides (
    execution_id BLOB NOT NULL PRIMARY KEY,
    execution_arn TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;

CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;
