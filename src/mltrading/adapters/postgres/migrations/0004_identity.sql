-- Who may use this deployment, what each saw and did, and how often one may ask.

-- `subject` is a random name that the audit trail uses: with the row gone, nothing in the trail leads
-- to the person. `email` is kept in lower case.
CREATE TABLE users (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject text NOT NULL UNIQUE,
    email text NOT NULL UNIQUE CHECK (length(email) BETWEEN 3 AND 254 AND email = lower(email)),
    role text NOT NULL CHECK (role IN ('admin', 'analyst', 'viewer')),
    password_hash text,                 -- argon2id; NULL: none yet, or signs in elsewhere
    totp_secret text,                   -- sealed with SECRET_KEY; NULL: no second factor
    totp_step bigint NOT NULL DEFAULT 0,  -- the newest step that was used: no code counts twice
    issuer text,                        -- of the OpenID provider who vouches for the person,
    issuer_subject text,                -- and the provider's name for it
    disabled_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (issuer, issuer_subject)
);

-- The browser holds a random token, this table only its hash.
CREATE TABLE sessions (
    token_hash bytea PRIMARY KEY,
    id text NOT NULL UNIQUE,            -- what lists show, and what ends a session by name
    road text NOT NULL CHECK (road IN ('password', 'openid')),  -- how it began
    user_id bigint NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,    -- whatever happens
    address text NOT NULL,
    browser text NOT NULL
);
CREATE INDEX sessions_user_id ON sessions (user_id);

-- A link that sets a password, once.
CREATE TABLE password_links (
    token_hash bytea PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);

-- The symbols that those without can_view_all_data see.
CREATE TABLE shared_symbols (
    symbol_id int PRIMARY KEY REFERENCES symbols (id) ON DELETE CASCADE,
    shared_at timestamptz NOT NULL DEFAULT now()
);

-- How often something was done since `began_at`. Lost with the server's crash, which is fine.
CREATE UNLOGGED TABLE rate_limits (
    key text PRIMARY KEY,
    began_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    taken int NOT NULL
);
CREATE INDEX rate_limits_ends_at ON rate_limits (ends_at);

-- What was done, in the transaction that did it. Each row's hash covers the row and the hash before
-- it (audit_append says how). Rows are never changed; what may name a person is in audit_origins,
-- which is kept for less long.
CREATE TABLE audit (
    seq bigint PRIMARY KEY,
    at timestamptz NOT NULL,
    actor text NOT NULL,                -- users.subject, or what acted: worker, cli, anonymous
    action text NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('done', 'refused', 'failed')),
    target text NOT NULL,
    details text NOT NULL,              -- JSON
    hash bytea NOT NULL
);
CREATE INDEX audit_at ON audit (at);
CREATE TABLE audit_origins (
    seq bigint PRIMARY KEY REFERENCES audit (seq) ON DELETE CASCADE,
    address text NOT NULL,
    browser text NOT NULL
);
-- One row: the newest of the trail. Whoever writes holds it, so that rows follow one another.
CREATE TABLE audit_head (
    id int PRIMARY KEY CHECK (id = 1),
    seq bigint NOT NULL,
    hash bytea NOT NULL
);
INSERT INTO audit_head VALUES (1, 0, '\x');
-- One row: where the trail begins after its oldest part was given up.
CREATE TABLE audit_start (
    id int PRIMARY KEY CHECK (id = 1),
    seq bigint NOT NULL,
    hash bytea NOT NULL
);
INSERT INTO audit_start VALUES (1, 0, '\x');

CREATE FUNCTION audit_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('mltrading.audit_prune', true) = 'on' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the audit trail is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION audit_stays();
CREATE TRIGGER audit_is_kept BEFORE TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_stays();

-- The search path of the functions below is fixed, so that a temporary table of the caller can not
-- stand in for one of these.
SELECT set_config('mltrading.search_path', current_setting('search_path'), true);
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- The one way a row comes in. It acts with the rights of who migrates, so that the application's
-- role needs none to write the tables.
CREATE FUNCTION audit_append(
    new_actor text, new_action text, new_outcome text, new_target text, new_details text,
    new_address text, new_browser text
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    new_seq bigint;
    new_at timestamptz;
    new_hash bytea;
    field text;
    fields text := '';
BEGIN
    SELECT seq + 1, hash INTO STRICT new_seq, new_hash FROM audit_head WHERE id = 1 FOR UPDATE;
    new_at := clock_timestamp();        -- with the head in hand: times follow one another too
    -- The bytes of a row are its fields, each as <length in bytes>:<UTF-8>, and so no two rows have
    -- the same. Its hash is the SHA-256 of <length>:<hash before>, and these bytes.
    FOREACH field IN ARRAY ARRAY[
        new_seq::text, to_char(new_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        new_actor, new_action, new_outcome, new_target, new_details
    ] LOOP
        fields := fields || octet_length(convert_to(field, 'UTF8')) || ':' || field || ',';
    END LOOP;
    new_hash := sha256(
        convert_to(octet_length(new_hash) || ':', 'UTF8') || new_hash || convert_to(',' || fields, 'UTF8')
    );
    INSERT INTO audit (seq, at, actor, action, outcome, target, details, hash) VALUES
        (new_seq, new_at, new_actor, new_action, new_outcome, new_target, new_details, new_hash);
    IF new_address <> '' OR new_browser <> '' THEN
        INSERT INTO audit_origins (seq, address, browser)
            VALUES (new_seq, new_address, new_browser);
    END IF;
    UPDATE audit_head SET seq = new_seq, hash = new_hash WHERE id = 1;
    RETURN new_seq;
END $$;

-- Somebody must be able to let others in: the last active administrator neither goes nor changes.
CREATE FUNCTION an_administrator_stays() RETURNS trigger LANGUAGE plpgsql
    SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.role = 'admin' AND NEW.disabled_at IS NULL THEN
        RETURN NEW;
    END IF;
    -- One after the other: two that go at once would each count on the one who stays.
    PERFORM pg_advisory_xact_lock(hashtext('mltrading an_administrator_stays'));
    IF NOT EXISTS (SELECT 1 FROM users
        WHERE role = 'admin' AND disabled_at IS NULL AND id <> OLD.id) THEN
        RAISE EXCEPTION 'nobody could administrate the deployment afterwards'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'an_administrator_stays';
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER an_administrator_stays BEFORE DELETE OR UPDATE OF role, disabled_at ON users
    FOR EACH ROW WHEN (OLD.role = 'admin' AND OLD.disabled_at IS NULL)
    EXECUTE FUNCTION an_administrator_stays();
SELECT set_config('search_path', current_setting('mltrading.search_path'), true);

-- Whose account was erased. A backup from before still holds it: after a restore these names say
-- what has to go again (they lead to nobody).
CREATE TABLE erased_subjects (
    subject text PRIMARY KEY,
    erased_at timestamptz NOT NULL DEFAULT now()
);
