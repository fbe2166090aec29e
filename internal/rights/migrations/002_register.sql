-- +goose Up
-- Which entries of the register of erasures were applied to this database. One that was restored from
-- a backup lacks the later ones.
CREATE TABLE rights_erasure (
    tenant_id BYTEA NOT NULL,
    entry BYTEA NOT NULL,
    body BYTEA NOT NULL, -- the entry itself, so that a register that was lost can be made again
    applied_at BIGINT NOT NULL, -- microseconds since 1970 UTC
    PRIMARY KEY (tenant_id, entry)
);

-- +goose Down
DROP TABLE rights_erasure;
