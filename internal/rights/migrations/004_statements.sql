-- +goose Up
-- What a person had added to their data (Art. 16, second sentence), sealed under the subject's own key.
CREATE TABLE rights_statement (
    tenant_id BYTEA NOT NULL,
    subject BYTEA NOT NULL,
    request_id BYTEA NOT NULL,
    made_at BIGINT NOT NULL,
    sealed BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, subject, request_id)
);

-- +goose Down
DROP TABLE rights_statement;
