-- +goose Up
CREATE TABLE ledger_head (
    tenant_id BYTEA  NOT NULL PRIMARY KEY,
    size      BIGINT NOT NULL, -- number of entries
    stamped   BIGINT NOT NULL, -- microseconds since 1970 UTC of the newest entry; never goes backwards
    seen      BIGINT NOT NULL, -- what the machine's clock said at the newest entry
    step      BIGINT NOT NULL  -- by how much that was later than at the entry before, in microseconds
);

-- One row per entry: the leaf's line and the tree hashes that it completed, level 0 first.
CREATE TABLE ledger_entry (
    tenant_id BYTEA  NOT NULL,
    n         BIGINT NOT NULL,
    leaf      TEXT   NOT NULL,
    hashes    BYTEA  NOT NULL,
    PRIMARY KEY (tenant_id, n)
);

-- Salt and payload stand apart, so that they can be forgotten without touching the tree.
CREATE TABLE ledger_payload (
    tenant_id BYTEA   NOT NULL,
    n         BIGINT  NOT NULL,
    subject   BYTEA,            -- whose key seals the body; NULL: nobody's
    sealed    BOOLEAN NOT NULL,
    body      BYTEA   NOT NULL, -- salt, then canonical JSON
    PRIMARY KEY (tenant_id, n)
);
CREATE INDEX ledger_payload_subject ON ledger_payload (tenant_id, subject) WHERE subject IS NOT NULL;

CREATE TABLE ledger_checkpoint (
    tenant_id    BYTEA  NOT NULL,
    size         BIGINT NOT NULL,
    signed_at    BIGINT NOT NULL, -- seconds since 1970 UTC, as in the note
    note         TEXT   NOT NULL,
    verifier_key TEXT   NOT NULL,
    PRIMARY KEY (tenant_id, size)
);

-- +goose Down
DROP TABLE ledger_checkpoint;
DROP TABLE ledger_payload;
DROP TABLE ledger_entry;
DROP TABLE ledger_head;
