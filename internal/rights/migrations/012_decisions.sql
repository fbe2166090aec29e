-- +goose Up
-- Up to which entry of an organisation's log what people closed stands in the register too.
CREATE TABLE rights_kept (
    tenant_id BYTEA NOT NULL PRIMARY KEY,
    ledger BIGINT NOT NULL
);

-- +goose Down
DROP TABLE rights_kept;
