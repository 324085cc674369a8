-- What the deployment knows of its own running. Histograms count by the buckets of utils/histogram.py.

-- What one process added up, every 15 seconds.
CREATE TABLE web_samples (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),  -- the end of `seconds`
    kind text NOT NULL CHECK (kind IN ('web', 'worker')),
    instance text NOT NULL,
    process int NOT NULL,
    seconds float8 NOT NULL,
    requests int NOT NULL,              -- of people: neither health checks nor static files
    refused int NOT NULL,               -- 4xx, not part of requests
    errors_5xx int NOT NULL,
    shed_503 int NOT NULL,              -- part of errors_5xx
    slow int NOT NULL,                  -- more than 10 s
    static_requests int NOT NULL,
    health_requests int NOT NULL,
    callbacks int NOT NULL,
    callback_errors int NOT NULL,       -- answered with 2xx and a message
    latency int[] NOT NULL,
    latency_seconds float8 NOT NULL,
    database_failures int NOT NULL,
    pool_in_use int NOT NULL,           -- at most at once
    pool_waits int NOT NULL,
    pool_wait_seconds float8 NOT NULL,
    login_failures int NOT NULL,
    rate_limited int NOT NULL,
    rss_bytes bigint,
    memory_share float8,                -- of what the process may use
    cpu_share float8,
    disk_free_share float8
);
CREATE INDEX web_samples_at ON web_samples (at);

-- Their sums by the hour; shares are the worst of the hour.
CREATE TABLE web_hours (
    hour timestamptz PRIMARY KEY,
    samples int NOT NULL,
    requests bigint NOT NULL,
    refused bigint NOT NULL,
    errors bigint NOT NULL,             -- errors_5xx and callback_errors
    shed_503 bigint NOT NULL,           -- part of errors
    slow bigint NOT NULL,
    callbacks bigint NOT NULL,
    latency bigint[] NOT NULL,
    latency_seconds float8 NOT NULL,
    database_failures bigint NOT NULL,
    pool_in_use int NOT NULL,           -- at most at once, by one process
    pool_waits bigint NOT NULL,
    pool_wait_seconds float8 NOT NULL,
    login_failures bigint NOT NULL,
    rate_limited bigint NOT NULL,
    memory_share float8,
    cpu_share float8,
    disk_free_share float8,
    newest timestamptz NOT NULL
);

CREATE TABLE usage_hours (
    hour timestamptz NOT NULL,
    kind text NOT NULL CHECK (kind IN ('page', 'callback', 'service', 'route')),
    name text NOT NULL,
    calls bigint NOT NULL,
    errors bigint NOT NULL,
    seconds float8 NOT NULL,
    latency bigint[] NOT NULL,
    PRIMARY KEY (hour, kind, name)
);

-- Who was there on a day, under a name that is of this day alone and leads to nobody.
CREATE TABLE active_users (
    day date NOT NULL,
    name text NOT NULL,
    PRIMARY KEY (day, name)
);

-- What browsers measured.
CREATE TABLE timing_hours (
    hour timestamptz NOT NULL,
    page text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('load', 'callback', 'paint', 'long_task')),
    name text NOT NULL,
    seconds float8 NOT NULL,
    counts bigint[] NOT NULL,
    PRIMARY KEY (hour, page, kind, name)
);

-- Recent lines of the log from warning on, of all processes.
CREATE TABLE log_records (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    level text NOT NULL,
    logger text NOT NULL,
    message text NOT NULL,
    request_id text NOT NULL,
    subject text NOT NULL,              -- users.subject, or what acted
    route text NOT NULL,
    callback text NOT NULL,
    status int,
    duration_ms float8,
    error_id text NOT NULL,
    exception text NOT NULL
);
CREATE INDEX log_records_at ON log_records (at);

-- What the delivery jobs measured, the newest of each.
CREATE TABLE pipeline_metrics (
    name text PRIMARY KEY,
    value float8 NOT NULL,
    unit text NOT NULL,
    target text NOT NULL,
    met boolean,
    measured_at timestamptz NOT NULL DEFAULT now()
);

-- When each job of the workers is due next, as the newest worker that looked knows it.
CREATE TABLE job_plans (
    job text PRIMARY KEY,
    next_at timestamptz NOT NULL,
    told_at timestamptz NOT NULL DEFAULT now()
);
