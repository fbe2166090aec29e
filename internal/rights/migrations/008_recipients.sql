-- +goose Up
-- Who receives data of an organisation's people (Art. 19).
CREATE TABLE rights_recipient (
    tenant_id BYTEA NOT NULL,
    id BYTEA NOT NULL,
    body TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

-- What a recipient is to be told of a request, and how that went. message is sealed, and goes when it was
-- told or is too old. due_at is 0 when nothing more is tried.
CREATE TABLE rights_told (
    tenant_id BYTEA NOT NULL,
    request_id BYTEA NOT NULL,
    recipient_id BYTEA NOT NULL,
    name TEXT NOT NULL,
    way TEXT NOT NULL,
    message BYTEA,
    data_key BYTEA,
    made_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    tries INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    state TEXT NOT NULL,
    done_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, request_id, recipient_id)
);
CREATE INDEX rights_told_due ON rights_told (due_at) WHERE due_at > 0;

-- +goose Down
DROP TABLE rights_told;
DROP TABLE rights_recipient;
