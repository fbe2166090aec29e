-- +goose Up
-- Why people objected, in their own words, sealed under their own keys. A reason is given freely and
-- stands nowhere else: not in the ledger either.
CREATE TABLE consent_objection (
    tenant_id BYTEA NOT NULL,
    record    BYTEA NOT NULL, -- of the objection
    subject   BYTEA NOT NULL,
    sealed    BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, record)
);
CREATE INDEX consent_objection_whose ON consent_objection (tenant_id, subject);

-- +goose Down
DROP TABLE consent_objection;
