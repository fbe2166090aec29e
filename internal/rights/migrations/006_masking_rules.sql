-- +goose Up
-- What an organisation wants masked beside what is found anyway. Expressions, no personal data.
CREATE TABLE rights_masking_rule (
    tenant_id BYTEA NOT NULL,
    id BYTEA NOT NULL,
    body TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

-- +goose Down
DROP TABLE rights_masking_rule;
