-- Market data. Portable over PostgreSQL 12 to 18; no foreign key from bars (a row trigger for each
-- bar would halve the import, and partitioning engines refuse it): the writer holds the symbol's
-- row lock instead.

CREATE TABLE symbols (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code text NOT NULL UNIQUE CHECK (length(code) BETWEEN 1 AND 32),
    name text NOT NULL,
    exchange text NOT NULL,
    calendar text NOT NULL,
    timezone text NOT NULL,
    sector text NOT NULL,
    industry text NOT NULL,
    currency text NOT NULL,
    simulated boolean NOT NULL DEFAULT false,
    added_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE sources (
    id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    feed text NOT NULL,
    notice text NOT NULL DEFAULT '',
    UNIQUE (name, feed)
);

-- One table an interval. `rolled` rows were computed from the next finer table; an imported row
-- (rolled = false) is never replaced by a rolled one.
CREATE TABLE bars_1m (
    symbol_id int4 NOT NULL,
    ts timestamptz NOT NULL,
    open float8 NOT NULL CHECK (open > 0 AND open < 'Infinity'),
    high float8 NOT NULL CHECK (high > 0 AND high < 'Infinity'),
    low float8 NOT NULL CHECK (low > 0 AND low < 'Infinity'),
    close float8 NOT NULL CHECK (close > 0 AND close < 'Infinity'),
    adj_close float8 NOT NULL CHECK (adj_close > 0 AND adj_close < 'Infinity'),
    volume float8 NOT NULL CHECK (volume >= 0 AND volume < 'Infinity'),
    source_id smallint NOT NULL,
    is_final boolean NOT NULL,
    rolled boolean NOT NULL,
    CHECK (high >= low),
    PRIMARY KEY (symbol_id, ts)
);
CREATE TABLE bars_5m (LIKE bars_1m INCLUDING ALL);
CREATE TABLE bars_15m (LIKE bars_1m INCLUDING ALL);
CREATE TABLE bars_1h (LIKE bars_1m INCLUDING ALL);
CREATE TABLE bars_4h (LIKE bars_1m INCLUDING ALL);
CREATE TABLE bars_1d (LIKE bars_1m INCLUDING ALL);

-- What is stored of a symbol at an interval, kept in the transaction that writes the bars.
CREATE TABLE series (
    symbol_id int4 NOT NULL REFERENCES symbols (id),
    interval text NOT NULL,
    first_ts timestamptz NOT NULL,
    last_ts timestamptz NOT NULL,
    bars bigint NOT NULL CHECK (bars > 0),
    adjusted boolean NOT NULL,
    has_volume boolean NOT NULL,
    source_id smallint NOT NULL REFERENCES sources (id),
    PRIMARY KEY (symbol_id, interval)
);

-- One row a symbol: all that the Overview shows, so that its cost does not grow with history.
-- Prices are adjusted closes of daily sessions; a past close is NULL where history is too short.
CREATE TABLE latest (
    symbol_id int4 PRIMARY KEY REFERENCES symbols (id),
    ts timestamptz NOT NULL,            -- newest bar of the newest session
    interval text NOT NULL,             -- at the finest interval that reaches this session
    session date NOT NULL,              -- newest daily session
    close float8 NOT NULL CHECK (close > 0 AND close < 'Infinity'),
    volume float8 NOT NULL,             -- of that session
    close_1d float8,
    close_1w float8,
    close_1mo float8,
    close_1y float8,
    high_52w float8 NOT NULL,
    low_52w float8 NOT NULL,
    spark float8[] NOT NULL,            -- up to 60 newest daily adjusted closes, oldest first
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- Rows an import refused, kept as they came so that somebody can look and mend.
CREATE TABLE quarantine (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    file text NOT NULL,
    line bigint NOT NULL,
    reason text NOT NULL,
    row_text text NOT NULL CHECK (length(row_text) <= 1000),
    symbol text NOT NULL,
    interval text NOT NULL,
    imported_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (file, line, symbol, interval, reason)
);
