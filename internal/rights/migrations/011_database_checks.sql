-- +goose Up
-- How an organisation's other databases stood when staff looked last. Names of tables and columns, no rows.
CREATE TABLE rights_database_check (
    tenant_id BYTEA NOT NULL,
    dataset TEXT NOT NULL,
    body TEXT NOT NULL,
    checked_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, dataset)
);

-- +goose Down
DROP TABLE rights_database_check;
