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
-- it. Rows are never changed; what may name a person is in audit_origins, which is kept for less long.
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
