-- +goose Up
-- What the counters of days that are over add up to, by purpose: consent_tally holds the last two days,
-- this all days before. Which answers were given together is not kept.
CREATE TABLE consent_rate (
    tenant_id  BYTEA   NOT NULL,
    day        TEXT    NOT NULL, -- UTC, as 2026-11-22
    version    INTEGER NOT NULL,
    language   TEXT    NOT NULL,
    deployment BYTEA   NOT NULL,
    component  TEXT    NOT NULL,
    viewport   TEXT    NOT NULL,
    purpose    TEXT    NOT NULL,
    status     TEXT    NOT NULL,
    answered   BOOLEAN NOT NULL, -- to a notice that was visible
    times      BIGINT  NOT NULL,
    PRIMARY KEY (tenant_id, day, version, language, deployment, component, viewport, purpose, status, answered)
) /* WITHOUT ROWID */;

-- The same of the time that the notice was visible before the choice.
CREATE TABLE consent_wait (
    tenant_id  BYTEA   NOT NULL,
    day        TEXT    NOT NULL, -- UTC, as 2026-11-22
    version    INTEGER NOT NULL,
    language   TEXT    NOT NULL,
    deployment BYTEA   NOT NULL,
    component  TEXT    NOT NULL,
    viewport   TEXT    NOT NULL,
    dwell      TEXT    NOT NULL, -- bucket, as in consent_tally
    times      BIGINT  NOT NULL,
    PRIMARY KEY (tenant_id, day, version, language, deployment, component, viewport, dwell)
) /* WITHOUT ROWID */;

-- +goose Down
DROP TABLE consent_wait;
DROP TABLE consent_rate;
