-- Times are microseconds since 1970. What is JSON is kept as text, since jsonb refuses the escape \u0000.
-- Every table of a turn is keyed by the execution first: it is what a distributed Postgres would shard by.

-- A revision tells all there is to know of its machine, so that it outlives it.
CREATE TABLE revisions (
    id uuid PRIMARY KEY,
    machine_name text COLLATE "C" NOT NULL,
    machine_arn text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    role_arn text COLLATE "C" NOT NULL,
    definition text COLLATE "C" NOT NULL,
    machine_created_at bigint NOT NULL,
    created_at bigint NOT NULL
);

CREATE TABLE machines (
    name text COLLATE "C" PRIMARY KEY,
    revision uuid NOT NULL REFERENCES revisions,
    created_at bigint NOT NULL
);
CREATE INDEX machines_page ON machines (created_at, name);

-- `start` is what the execution was started with: written once, while `head` is written every turn without it.
-- Room in the pages keeps the updates of a turn off the indexes.
CREATE TABLE executions (
    id uuid PRIMARY KEY,
    version bigint NOT NULL,
    revision uuid NOT NULL,
    arn text COLLATE "C" NOT NULL,
    machine_arn text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    started_at bigint NOT NULL,
    stopped_at bigint,
    start text COLLATE "C" NOT NULL,
    head text COLLATE "C" NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX executions_page ON executions (machine_arn, started_at, id);
CREATE INDEX executions_status_page ON executions (machine_arn, status, started_at, id);

CREATE TABLE scopes (
    execution_id uuid NOT NULL,
    scope bigint NOT NULL,
    body text COLLATE "C" NOT NULL,
    PRIMARY KEY (execution_id, scope)
) WITH (fillfactor = 70);

CREATE TABLE entries (
    execution_id uuid NOT NULL,
    entry bigint NOT NULL,
    body text COLLATE "C" NOT NULL,
    PRIMARY KEY (execution_id, entry)
) WITH (fillfactor = 80);

-- One row per turn. `first_event` is the id of its first event, or of the next one to come when it has none: so rows
-- that are ordered by it are ordered by sequence too, and one index serves both.
CREATE TABLE history (
    execution_id uuid NOT NULL,
    first_event bigint NOT NULL,
    last_event bigint NOT NULL,
    first_sequence bigint NOT NULL,
    last_sequence bigint NOT NULL,
    records text COLLATE "C" NOT NULL,
    PRIMARY KEY (execution_id, first_event, first_sequence)
);

-- Token, timer and outgoing message in one. Kinds: 0 timer, 1 message, 2 review, 3 incident.
-- `held` keeps the time of one that was taken out of the timers; `handed_on` tells that another coordinator may have sent it, too.
CREATE TABLE waits (
    execution_id uuid NOT NULL,
    wait bigint NOT NULL,
    kind smallint NOT NULL,
    owner uuid NOT NULL,
    due bigint,
    held bigint,
    opened_at bigint NOT NULL,
    number bigint,
    republish boolean NOT NULL,
    handed_on boolean NOT NULL DEFAULT false,
    body text COLLATE "C",
    PRIMARY KEY (execution_id, wait)
);
CREATE INDEX waits_due ON waits (owner, due);
CREATE INDEX waits_reviews ON waits (opened_at, execution_id, wait) WHERE kind = 2;
CREATE INDEX waits_incidents ON waits (opened_at, execution_id, wait) WHERE kind = 3;

-- Events that the broker has not confirmed yet.
CREATE TABLE events (
    owner uuid NOT NULL,
    number bigint NOT NULL,
    execution_id uuid NOT NULL,
    routing_key text COLLATE "C" NOT NULL,
    body text COLLATE "C" NOT NULL,
    PRIMARY KEY (owner, number, execution_id)
);

CREATE TABLE coordinators (
    id uuid PRIMARY KEY,
    lease_until bigint NOT NULL,
    sent_through bigint NOT NULL
);

-- A message id is any short string of AMQP, so it may hold what text may not.
CREATE TABLE commands (
    message_id bytea PRIMARY KEY,
    answer text COLLATE "C" NOT NULL,
    answered_at bigint NOT NULL
);
CREATE INDEX commands_age ON commands (answered_at);

CREATE TABLE set_asides (
    execution_id uuid PRIMARY KEY,
    execution_arn text COLLATE "C" NOT NULL,
    opened_at bigint NOT NULL,
    body text COLLATE "C" NOT NULL
);

CREATE TABLE settings (
    name text COLLATE "C" PRIMARY KEY,
    value bytea NOT NULL
);
