-- +goose Up

-- The keys that sign the log, from which size on. What outlives a restored copy of this database
-- stands in the vault.
CREATE TABLE ledger_key (
    tenant_id   BYTEA  NOT NULL,
    generation  BIGINT NOT NULL, -- of the log's name; 1 unless the log was bridged
    serial      BIGINT NOT NULL, -- of the key within the generation, from 1
    verifier    TEXT   NOT NULL,
    first_size  BIGINT NOT NULL, -- the smallest tree that it signs
    before_size BIGINT NOT NULL, -- the largest tree that the key before it signed
    at          BIGINT NOT NULL, -- microseconds since 1970 UTC
    handover    TEXT   NOT NULL, -- signed by the key before it and by this one; empty for the first
    PRIMARY KEY (tenant_id, generation, serial)
);

-- A checkpoint belongs to a generation: a bridged log signs sizes that the log before it had signed.
CREATE TABLE ledger_signed (
    tenant_id    BYTEA  NOT NULL,
    generation   BIGINT NOT NULL,
    size         BIGINT NOT NULL,
    signed_at    BIGINT NOT NULL, -- seconds since 1970 UTC, as in the note
    note         TEXT   NOT NULL,
    verifier_key TEXT   NOT NULL,
    PRIMARY KEY (tenant_id, generation, size)
);
INSERT INTO ledger_signed (tenant_id, generation, size, signed_at, note, verifier_key)
    SELECT tenant_id, 1, size, signed_at, note, verifier_key FROM ledger_checkpoint;
DROP TABLE ledger_checkpoint;
ALTER TABLE ledger_signed RENAME TO ledger_checkpoint;

-- What witnesses signed below a checkpoint.
CREATE TABLE ledger_cosignature (
    tenant_id  BYTEA  NOT NULL,
    generation BIGINT NOT NULL,
    size       BIGINT NOT NULL,
    witness    TEXT   NOT NULL, -- verifier key
    line       TEXT   NOT NULL,
    PRIMARY KEY (tenant_id, generation, size, witness)
);

-- Finds an entry by its leaf hash. Eight bytes tell apart all entries that a log will ever have.
CREATE INDEX ledger_entry_hash ON ledger_entry (tenant_id, substr(hashes, 1, 8));

-- +goose Down
DROP INDEX ledger_entry_hash;
DROP TABLE ledger_cosignature;
DROP TABLE ledger_key;
CREATE TABLE ledger_signed (
    tenant_id    BYTEA  NOT NULL,
    size         BIGINT NOT NULL,
    signed_at    BIGINT NOT NULL,
    note         TEXT   NOT NULL,
    verifier_key TEXT   NOT NULL,
    PRIMARY KEY (tenant_id, size)
);
INSERT INTO ledger_signed (tenant_id, size, signed_at, note, verifier_key)
    SELECT tenant_id, size, signed_at, note, verifier_key FROM ledger_checkpoint WHERE generation = 1;
DROP TABLE ledger_checkpoint;
ALTER TABLE ledger_signed RENAME TO ledger_checkpoint;
