-- Operators' alerts: the state of each, who was told of what, what is still to be sent, and what was.

-- One row: the worker that evaluates, until when the others leave it to it.
CREATE TABLE alert_leader (
    id int PRIMARY KEY CHECK (id = 1),
    holder text NOT NULL,
    until timestamptz NOT NULL
);
INSERT INTO alert_leader VALUES (1, '', '-infinity');

-- What each alert is after its newest evaluation. Moments are the database's.
CREATE TABLE alerts (
    key text PRIMARY KEY,               -- sha256 of environment, rule and labels; PagerDuty's dedup_key
    rule text NOT NULL,
    labels text NOT NULL,               -- JSON
    severity text NOT NULL CHECK (severity IN ('critical', 'warning')),
    state text NOT NULL
        CHECK (state IN ('inactive', 'pending', 'firing', 'resolved', 'nodata', 'error')),
    said text NOT NULL,
    pending_since timestamptz,
    evaluated_at timestamptz,
    true_at timestamptz,
    false_since timestamptz,
    fired_at timestamptz,
    resolved_at timestamptz,
    errors int NOT NULL,
    muted_by text NOT NULL
);

-- Who knows of which open alert.
CREATE TABLE alert_told (
    key text NOT NULL,
    kind text NOT NULL,                 -- of channel, with whom it reaches, as alerting.yml names them
    target text NOT NULL,
    at timestamptz NOT NULL,            -- of the newest message
    opened_id text NOT NULL,            -- of the first message of the incident
    PRIMARY KEY (key, kind, target)
);

-- Messages, written in the transaction of the state that they tell of. Whoever holds the lease sends.
CREATE TABLE alert_outbox (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    kind text NOT NULL,
    target text NOT NULL,
    key text NOT NULL,                  -- what it is about: for one receiver these go out in order
    opened_id text NOT NULL,
    severity text NOT NULL CHECK (severity IN ('critical', 'warning', 'info')),
    title text NOT NULL,
    text text NOT NULL,
    link text,
    resolved boolean NOT NULL,
    state text NOT NULL DEFAULT 'waiting'
        CHECK (state IN ('waiting', 'delivered', 'dead', 'dropped')),
    attempts int NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    leased_until timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    reason text NOT NULL DEFAULT ''
);
CREATE INDEX alert_outbox_waiting ON alert_outbox (kind, target, seq) WHERE state = 'waiting';
CREATE INDEX alert_outbox_opened_id ON alert_outbox (opened_id);
CREATE INDEX alert_outbox_finished ON alert_outbox (finished_at);

CREATE TABLE alert_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    key text NOT NULL,
    rule text NOT NULL,
    labels text NOT NULL,
    severity text NOT NULL,
    what text NOT NULL CHECK (what IN ('fired', 'resolved', 'muted', 'unmuted')),
    said text NOT NULL
);
CREATE INDEX alert_events_at ON alert_events (at);

CREATE TABLE alert_silences (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    matchers text NOT NULL,
    author text NOT NULL,               -- users.subject, or what acted
    reason text NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL
);

-- What workers sent by themselves while the database was away, and handed in since: once each.
CREATE TABLE alert_spools (
    session text PRIMARY KEY,
    adopted_at timestamptz NOT NULL DEFAULT now()
);
