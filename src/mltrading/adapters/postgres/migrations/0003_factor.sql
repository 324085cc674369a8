-- Adjusted close over close of the newest session. Readers divide every adjusted price by it, so
-- that the newest bar shows what was traded and a split years ago does not scale today's price.
-- A release that does not know it leaves it as it is: off by its own sessions' dividends, until the
-- next import.
ALTER TABLE latest ADD COLUMN factor float8 NOT NULL DEFAULT 1
    CHECK (factor > 0 AND factor < 'Infinity');

UPDATE latest SET factor = bars_1d.adj_close / bars_1d.close FROM bars_1d
    WHERE bars_1d.symbol_id = latest.symbol_id
    AND bars_1d.ts = latest.session::timestamp AT TIME ZONE 'UTC';
