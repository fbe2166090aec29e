-- +goose Up
-- Which request of ours stands for a request of a controller, and what their systems were told of it.
CREATE TABLE opendsr_request (
    tenant_id BYTEA NOT NULL,
    subject_request_id BYTEA NOT NULL,
    request_id BYTEA NOT NULL,
    controller TEXT NOT NULL,
    callbacks TEXT NOT NULL,
    told TEXT NOT NULL,
    due_at BIGINT NOT NULL,
    tries INTEGER NOT NULL,
    made_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, subject_request_id)
);
CREATE INDEX opendsr_request_due ON opendsr_request (due_at) WHERE due_at > 0;

-- +goose Down
DROP TABLE opendsr_request;
