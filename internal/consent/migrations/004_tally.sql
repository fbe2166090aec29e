-- +goose Up
-- How many entries of a day say the same. Nothing in it leads to anybody.
CREATE TABLE consent_tally (
    tenant_id  BYTEA   NOT NULL,
    day        TEXT    NOT NULL, -- UTC, as 2026-11-22
    kind       TEXT    NOT NULL, -- as in the ledger
    notice     TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    language   TEXT    NOT NULL,
    deployment BYTEA   NOT NULL,
    component  TEXT    NOT NULL,
    viewport   TEXT    NOT NULL,
    dwell      TEXT    NOT NULL, -- bucket of the time that the notice was visible
    effects    TEXT    NOT NULL, -- "purpose=status" joined by commas
    times      BIGINT  NOT NULL,
    PRIMARY KEY (tenant_id, day, kind, notice, version, language, deployment, component, viewport, dwell, effects)
);

-- +goose Down
DROP TABLE consent_tally;
