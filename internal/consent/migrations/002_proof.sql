-- +goose Up
-- The entry notice.served that precedes the choice in the ledger; -1: none.
ALTER TABLE consent_record ADD COLUMN served BIGINT NOT NULL DEFAULT -1;

-- How often a notice was handed to a browser, by day. Nothing in it leads to anybody.
CREATE TABLE consent_shown (
    tenant_id BYTEA   NOT NULL,
    notice    TEXT    NOT NULL,
    version   INTEGER NOT NULL,
    language  TEXT    NOT NULL,
    day       TEXT    NOT NULL, -- UTC, as 2026-11-22
    times     BIGINT  NOT NULL,
    PRIMARY KEY (tenant_id, notice, version, language, day)
);

-- The files that drew a banner, byte for byte, for as long as an entry may cite them.
CREATE TABLE consent_build (
    tenant_id BYTEA NOT NULL,
    sha256    BYTEA NOT NULL,
    name      TEXT  NOT NULL,
    body      BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, sha256)
);

-- +goose Down
DROP TABLE consent_build;
DROP TABLE consent_shown;
ALTER TABLE consent_record DROP COLUMN served;
