-- What traders want to be told of, and what they were told. Times of bars are their stamps and ends;
-- all others are the database's.

CREATE TABLE price_alerts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner text NOT NULL,                -- users.subject; 'developer' where nobody signs in
    user_id bigint REFERENCES users (id) ON DELETE CASCADE,
    symbol_id int NOT NULL REFERENCES symbols (id) ON DELETE CASCADE,
    interval text NOT NULL,
    condition text NOT NULL CHECK (length(condition) BETWEEN 1 AND 100),
    cooldown_seconds int NOT NULL CHECK (cooldown_seconds >= 0),
    daily_cap int NOT NULL CHECK (daily_cap > 0),
    by_email boolean NOT NULL,
    switched_on boolean NOT NULL DEFAULT true,
    seen_ts timestamptz,                -- the newest bar that was judged; NULL: begin with the newest there is
    told_at timestamptz,                -- the end of the newest bar that was told
    told_day int NOT NULL DEFAULT 0,    -- its date on the exchange, in days since 1970
    told_count int NOT NULL DEFAULT 0,  -- how many were told on that date
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((user_id IS NULL) = (owner = 'developer'))
);
CREATE INDEX price_alerts_owner ON price_alerts (owner);
CREATE INDEX price_alerts_user_id ON price_alerts (user_id);
CREATE INDEX price_alerts_symbol_id ON price_alerts (symbol_id);

-- Each bar with which an alert came true and was told: once, whatever happens.
CREATE TABLE price_alert_firings (
    alert_id bigint NOT NULL REFERENCES price_alerts (id) ON DELETE CASCADE,
    bar_ts timestamptz NOT NULL,
    close float8 NOT NULL,
    fired_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (alert_id, bar_ts)
);
CREATE INDEX price_alert_firings_fired_at ON price_alert_firings (fired_at);

-- What a trader reads in the dashboard; it stays when the alert is deleted.
CREATE TABLE price_alert_notices (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner text NOT NULL,
    user_id bigint REFERENCES users (id) ON DELETE CASCADE,
    alert_id bigint REFERENCES price_alerts (id) ON DELETE SET NULL,
    symbol text NOT NULL,
    interval text NOT NULL,
    title text NOT NULL,
    text text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    read_at timestamptz,
    CHECK ((user_id IS NULL) = (owner = 'developer'))
);
CREATE INDEX price_alert_notices_owner ON price_alert_notices (owner, id);
CREATE INDEX price_alert_notices_user_id ON price_alert_notices (user_id);
CREATE INDEX price_alert_notices_alert_id ON price_alert_notices (alert_id);
CREATE INDEX price_alert_notices_at ON price_alert_notices (at);

-- One row: when a worker looked last, so that a page can say that none does.
CREATE TABLE price_alert_looks (
    id int PRIMARY KEY CHECK (id = 1),
    looked_at timestamptz NOT NULL
);
INSERT INTO price_alert_looks VALUES (1, '-infinity');

-- Of a message to a trader: it goes with the account, and is no trouble of the operators.
ALTER TABLE alert_outbox ADD COLUMN user_id bigint REFERENCES users (id) ON DELETE CASCADE;
CREATE INDEX alert_outbox_user_id ON alert_outbox (user_id);
