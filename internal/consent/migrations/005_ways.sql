-- +goose Up
-- When the person said it, by the word of whoever recorded it; 0: the record is first-hand.
ALTER TABLE consent_record ADD COLUMN said BIGINT NOT NULL DEFAULT 0;

-- What was read to people or printed for them, when it is no published notice. Never changed.
CREATE TABLE consent_script (
    tenant_id BYTEA  NOT NULL,
    sha256    BYTEA  NOT NULL,
    language  TEXT   NOT NULL,
    body      BYTEA  NOT NULL,
    kept      BIGINT NOT NULL, -- microseconds since 1970 UTC
    ledger    BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, sha256, language)
);

-- Keys under which assertions came in, so that a repeated import records nothing twice.
CREATE TABLE consent_once (
    tenant_id BYTEA NOT NULL,
    digest    BYTEA NOT NULL, -- keyed, of the caller's key
    content   BYTEA NOT NULL, -- keyed, of what was said under it
    record    BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, digest)
);
CREATE INDEX consent_once_record ON consent_once (tenant_id, record);

-- Links that take consent back without signing in. A link's address holds its id and nothing else.
CREATE TABLE consent_link (
    tenant_id  BYTEA  NOT NULL,
    id         BYTEA  NOT NULL,
    subject    BYTEA  NOT NULL,
    deployment BYTEA  NOT NULL,
    purposes   TEXT   NOT NULL, -- joined by commas
    made       BIGINT NOT NULL, -- microseconds since 1970 UTC
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX consent_link_what ON consent_link (tenant_id, subject, deployment, purposes);

-- Letters that ask somebody to confirm a choice. The address is kept until then and no longer.
CREATE TABLE consent_ask (
    tenant_id  BYTEA   NOT NULL,
    id         BYTEA   NOT NULL,
    kind       TEXT    NOT NULL, -- "optin" or "parent"
    subject    BYTEA,            -- a child's device, or whom a confirmation was recorded for; NULL: nobody yet
    digest     BYTEA   NOT NULL, -- blind index of the address, to bound letters; empty once it is over
    sealed     BYTEA   NOT NULL, -- the address; empty once it is over
    deployment BYTEA   NOT NULL,
    notice     TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    language   TEXT    NOT NULL,
    purposes   TEXT    NOT NULL, -- joined by commas
    age        TEXT    NOT NULL, -- JSON of a child's age as declared; empty: an adult
    asked      BIGINT  NOT NULL, -- microseconds since 1970 UTC
    ended      BIGINT  NOT NULL, -- confirmed or expired; 0: open
    state      TEXT    NOT NULL, -- "open", "confirmed" or "expired"
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX consent_ask_open ON consent_ask (tenant_id, state, asked);
CREATE INDEX consent_ask_digest ON consent_ask (tenant_id, digest, asked);
CREATE INDEX consent_ask_whose ON consent_ask (tenant_id, subject);

-- Deployments that ask for an age.
CREATE TABLE consent_age_gate (
    tenant_id  BYTEA NOT NULL,
    deployment BYTEA NOT NULL,
    country    TEXT  NOT NULL, -- assumed when a choice names none; empty: must be named
    PRIMARY KEY (tenant_id, deployment)
);

-- The assessment behind a declared basis, as it was filled in, and when it is to be looked at again.
ALTER TABLE consent_basis ADD COLUMN detail TEXT NOT NULL DEFAULT '';
ALTER TABLE consent_basis ADD COLUMN review BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE consent_basis DROP COLUMN review;
ALTER TABLE consent_basis DROP COLUMN detail;
DROP TABLE consent_age_gate;
DROP TABLE consent_ask;
DROP TABLE consent_link;
DROP TABLE consent_once;
DROP TABLE consent_script;
ALTER TABLE consent_record DROP COLUMN said;
