-- +goose Up

-- Who owns which partition of the log, and how far it is processed. The row is lease, offset and
-- fence in one: it moves in the same transaction as what was processed.
CREATE TABLE worker_partition (
    number      BIGINT NOT NULL PRIMARY KEY,
    owner       TEXT NOT NULL,
    epoch       BIGINT NOT NULL,
    seq         BIGINT NOT NULL,
    lease_until BIGINT NOT NULL,
    generation  TEXT NOT NULL
);

-- What went wrong with the log.
CREATE TABLE worker_incident (
    id         BYTEA NOT NULL PRIMARY KEY,
    at         BIGINT NOT NULL,
    kind       TEXT NOT NULL,
    detail     TEXT NOT NULL
);

-- +goose Down
DROP TABLE worker_incident;
DROP TABLE worker_partition;
