-- Releases overlap: the one before runs while this file is applied, and again after a rollback. So a
-- file expands (new tables, new columns that may be left out); what a release still uses goes only
-- in a file that says from which version on it is unused: "-- contract: 2" (tests/expand_contract.py).

-- The oldest schema version a program may know to work on this database; a contract raises it.
ALTER TABLE schema_version ADD COLUMN IF NOT EXISTS oldest int NOT NULL DEFAULT 1;

-- One row a release that became current; a platform that releases the same again changes nothing.
CREATE TABLE deployments (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    environment text NOT NULL,
    version text NOT NULL,
    commit text NOT NULL,               -- empty where nobody told
    release text NOT NULL,              -- the platform's name of it; empty where nobody told
    schema_version int NOT NULL,
    finished_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (environment, release, commit)
);
CREATE INDEX deployments_finished_at ON deployments (finished_at);

-- What workers do at a time, once each however many there are. Whoever holds the lease does it.
CREATE TABLE job_runs (
    job text NOT NULL,
    target text NOT NULL,               -- what part of the job: a channel, say
    due_at timestamptz NOT NULL,
    attempts int NOT NULL DEFAULT 1,
    leased_until timestamptz NOT NULL,
    finished_at timestamptz,
    outcome text NOT NULL DEFAULT '',
    PRIMARY KEY (job, target, due_at)
);

-- What was stored at a moment of each day, so that the next day knows what came since.
CREATE TABLE daily_totals (
    day date PRIMARY KEY,
    symbols bigint NOT NULL,
    bars bigint NOT NULL
);
