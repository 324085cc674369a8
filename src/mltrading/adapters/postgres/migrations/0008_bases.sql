-- From which sessions on adjusted closes are on another base than before (a file of another day, or
-- one without them), and the ratio that brings those before to it; NULL: unknown, and nothing is
-- compared over it. The writer keeps both in the transaction that writes the days. A release that does
-- not know them leaves them as they are.
ALTER TABLE latest ADD COLUMN base_sessions date[] NOT NULL DEFAULT '{}',
    ADD COLUMN base_ratios float8[] NOT NULL DEFAULT '{}'
        CHECK (cardinality(base_sessions) = cardinality(base_ratios));

-- What is stored already is looked at once, by the rule of domain/bases.py.
WITH found AS (
    SELECT symbol_id, array_agg(session ORDER BY session) AS sessions, max(session) AS newest
    FROM (
        SELECT symbol_id, session,
            traded + sign(step) * greatest(abs(step) - slack, 0) AS adjusted, traded,
            2 * 7.0 * 0.025 ^ 2 * days AS needed
        FROM (
            SELECT symbol_id, (ts AT TIME ZONE 'UTC')::date AS session,
                ln(close / lag(close) OVER days) AS traded,
                ln(adj_close / close / (lag(adj_close) OVER days / lag(close) OVER days)) AS step,
                0.005 / adj_close + 0.005 / lag(adj_close) OVER days AS slack,
                extract(epoch FROM ts - lag(ts) OVER days)::float8 / 86400 AS days
            FROM bars_1d JOIN series USING (symbol_id)
            WHERE series.interval = '1d' AND series.adjusted
            WINDOW days AS (PARTITION BY symbol_id ORDER BY ts)
        ) AS pairs
    ) AS looks
    WHERE adjusted ^ 2 - traded ^ 2 > needed
    GROUP BY symbol_id
)
UPDATE latest SET
    base_sessions = sessions,
    base_ratios = array_fill(NULL::float8, ARRAY[cardinality(sessions)]),
    close_1d = CASE WHEN newest < session THEN close_1d END,
    close_1w = CASE WHEN newest <= session - 7 THEN close_1w END,
    close_1mo = CASE WHEN newest <= session - interval '1 month' THEN close_1mo END,
    close_1y = CASE WHEN newest <= session - interval '1 year' THEN close_1y END,
    high_52w = (SELECT max(high * (adj_close / bars_1d.close)) FROM bars_1d
        WHERE bars_1d.symbol_id = latest.symbol_id AND (ts AT TIME ZONE 'UTC')::date
            BETWEEN greatest(newest, (session - interval '1 year')::date + 1) AND session),
    low_52w = (SELECT min(low * (adj_close / bars_1d.close)) FROM bars_1d
        WHERE bars_1d.symbol_id = latest.symbol_id AND (ts AT TIME ZONE 'UTC')::date
            BETWEEN greatest(newest, (session - interval '1 year')::date + 1) AND session),
    spark = spark[greatest(1, cardinality(spark) + 1 - (SELECT count(*)::int FROM bars_1d
        WHERE bars_1d.symbol_id = latest.symbol_id AND (ts AT TIME ZONE 'UTC')::date
            BETWEEN newest AND session)) :]
FROM found WHERE found.symbol_id = latest.symbol_id;
