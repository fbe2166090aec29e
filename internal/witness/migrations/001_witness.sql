-- +goose Up

-- How each place that checkpoints are sent to has answered.
CREATE TABLE witness_outcome (
    tenant_id   BYTEA   NOT NULL,
    kind        TEXT    NOT NULL, -- witness, post or mail
    destination TEXT    NOT NULL, -- verifier key, URL or address
    generation  BIGINT  NOT NULL, -- of the newest checkpoint that arrived
    size        BIGINT  NOT NULL, -- of the newest checkpoint that arrived
    succeeded   BIGINT  NOT NULL, -- microseconds since 1970 UTC; 0: never
    tried       BIGINT  NOT NULL, -- microseconds since 1970 UTC
    since       BIGINT  NOT NULL, -- when it was first tried
    failures    INTEGER NOT NULL, -- since it last succeeded
    error       TEXT    NOT NULL,
    PRIMARY KEY (tenant_id, kind, destination)
);

-- The newest self-audit.
CREATE TABLE witness_audit (
    tenant_id BYTEA   NOT NULL PRIMARY KEY,
    at        BIGINT  NOT NULL, -- microseconds since 1970 UTC
    size      BIGINT  NOT NULL,
    took_ms   BIGINT  NOT NULL,
    sound     BOOLEAN NOT NULL,
    entry     BIGINT  NOT NULL, -- the first bad one; -1: none, or it is not about one
    detail    TEXT    NOT NULL
);

-- +goose Down
DROP TABLE witness_audit;
DROP TABLE witness_outcome;
