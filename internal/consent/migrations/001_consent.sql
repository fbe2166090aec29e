-- +goose Up
CREATE TABLE consent_purpose (
    tenant_id BYTEA   NOT NULL,
    id        TEXT    NOT NULL,
    place     INTEGER NOT NULL, -- order in which purposes are shown
    body      TEXT    NOT NULL, -- JSON: basis, flags, titles and descriptions by language
    PRIMARY KEY (tenant_id, id)
);

-- What was published, byte for byte. Rows are never changed.
CREATE TABLE consent_notice (
    tenant_id BYTEA   NOT NULL,
    id        TEXT    NOT NULL,
    version   INTEGER NOT NULL,
    language  TEXT    NOT NULL,
    body      TEXT    NOT NULL, -- JSON of what the banner shows
    artefact  BYTEA   NOT NULL, -- the rendered page
    sha256    BYTEA   NOT NULL,
    material  BOOLEAN NOT NULL, -- grants under earlier versions no longer count
    published BIGINT  NOT NULL, -- microseconds since 1970 UTC
    ledger    BIGINT  NOT NULL,
    PRIMARY KEY (tenant_id, id, version, language)
);

-- Nonces that were used, until they would have gone stale anyway.
CREATE TABLE consent_nonce (
    tenant_id BYTEA  NOT NULL,
    digest    BYTEA  NOT NULL,
    expires   BIGINT NOT NULL, -- microseconds since 1970 UTC
    PRIMARY KEY (tenant_id, digest)
);
CREATE INDEX consent_nonce_expires ON consent_nonce (tenant_id, expires);

-- Every choice, withdrawal, objection and expiry of a subject, in the order of the ledger. The
-- effective state is a fold over these rows; nothing else holds it.
CREATE TABLE consent_record (
    tenant_id  BYTEA   NOT NULL,
    subject    BYTEA   NOT NULL,
    ledger     BIGINT  NOT NULL,
    record     BYTEA   NOT NULL,
    kind       TEXT    NOT NULL, -- as in the ledger
    source     TEXT    NOT NULL,
    deployment BYTEA   NOT NULL,
    at         BIGINT  NOT NULL, -- microseconds since 1970 UTC
    until      BIGINT  NOT NULL, -- end of validity, microseconds since 1970 UTC; 0: none
    notice     TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    language   TEXT    NOT NULL,
    effects    TEXT    NOT NULL, -- "purpose=status" joined by commas
    gpc        BOOLEAN NOT NULL, -- granted against a Global Privacy Control signal
    PRIMARY KEY (tenant_id, subject, ledger)
);
CREATE INDEX consent_record_newest ON consent_record (tenant_id, ledger);
CREATE INDEX consent_record_until ON consent_record (tenant_id, kind, until);
CREATE UNIQUE INDEX consent_record_id ON consent_record (tenant_id, record);

CREATE TABLE consent_basis (
    tenant_id  BYTEA  NOT NULL,
    record     BYTEA  NOT NULL,
    deployment BYTEA  NOT NULL, -- all zero: every deployment
    basis      TEXT   NOT NULL,
    purposes   TEXT   NOT NULL, -- joined by commas
    assessment TEXT   NOT NULL,
    declared   BIGINT NOT NULL, -- microseconds since 1970 UTC
    ended      BIGINT NOT NULL, -- microseconds since 1970 UTC; 0: in force
    ledger     BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, record)
);

-- +goose Down
DROP TABLE consent_basis;
DROP TABLE consent_record;
DROP TABLE consent_nonce;
DROP TABLE consent_notice;
DROP TABLE consent_purpose;
