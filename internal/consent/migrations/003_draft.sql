-- +goose Up
-- What each version of a notice was made of. Rows are never changed.
CREATE TABLE consent_version (
    tenant_id BYTEA   NOT NULL,
    id        TEXT    NOT NULL,
    version   INTEGER NOT NULL,
    body      TEXT    NOT NULL, -- JSON: facts, purposes, texts, site
    material  BOOLEAN NOT NULL, -- grants under earlier versions no longer count
    reason    TEXT    NOT NULL, -- why it was published in spite of the linter; empty: it found nothing
    faults    TEXT    NOT NULL, -- JSON: what the linter had found then
    author    TEXT    NOT NULL, -- id of the staff member or client; empty: the system
    published BIGINT  NOT NULL, -- microseconds since 1970 UTC
    PRIMARY KEY (tenant_id, id, version)
);

-- The one draft that an organisation has of its next version.
CREATE TABLE consent_draft (
    tenant_id BYTEA   NOT NULL,
    id        TEXT    NOT NULL,
    revision  BIGINT  NOT NULL, -- grows with each change
    base      INTEGER NOT NULL, -- the version it was begun from; 0: the built-in words
    body      TEXT    NOT NULL, -- JSON: facts, purposes, texts, site; empty: there is none now
    author    TEXT    NOT NULL, -- who changed it last
    changed   BIGINT  NOT NULL, -- microseconds since 1970 UTC
    PRIMARY KEY (tenant_id, id)
);

-- How a version looked. Rows are never changed.
CREATE TABLE consent_screenshot (
    tenant_id BYTEA   NOT NULL,
    id        TEXT    NOT NULL,
    version   INTEGER NOT NULL,
    language  TEXT    NOT NULL,
    viewport  TEXT    NOT NULL, -- m or d
    sha256    BYTEA   NOT NULL,
    png       BYTEA   NOT NULL,
    taken     BIGINT  NOT NULL, -- microseconds since 1970 UTC
    ledger    BIGINT  NOT NULL,
    PRIMARY KEY (tenant_id, id, version, language, viewport)
);

-- +goose Down
DROP TABLE consent_screenshot;
DROP TABLE consent_draft;
DROP TABLE consent_version;
