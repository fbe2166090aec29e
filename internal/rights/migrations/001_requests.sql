-- +goose Up
-- sealed holds who the request is about, work what was located: both under a key of the request's
-- own (data_key), which is destroyed when an erasure is complete or a package expires.
CREATE TABLE rights_request (
    tenant_id BYTEA NOT NULL,
    id BYTEA NOT NULL,
    data_key BYTEA NOT NULL,
    type TEXT NOT NULL,
    state TEXT NOT NULL,
    step TEXT NOT NULL,
    channel TEXT NOT NULL,
    created_by BYTEA NOT NULL,
    created_by_kind TEXT NOT NULL,
    identifiers TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    finished_at BIGINT,
    sealed BYTEA,
    work BYTEA,
    report TEXT NOT NULL,
    problem TEXT NOT NULL,
    article TEXT NOT NULL,
    ledger_index BIGINT,
    certificate BYTEA,
    key_destroyed BOOLEAN NOT NULL DEFAULT FALSE,
    attempts INTEGER NOT NULL,
    next_at BIGINT NOT NULL,
    lease BYTEA,
    leased_until BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX rights_request_open ON rights_request (next_at) WHERE finished_at IS NULL;

CREATE INDEX rights_request_forget ON rights_request (finished_at) WHERE finished_at IS NOT NULL AND NOT key_destroyed;

CREATE TABLE rights_package (
    tenant_id BYTEA NOT NULL,
    id BYTEA NOT NULL,
    request_id BYTEA NOT NULL,
    data_key BYTEA NOT NULL,
    name TEXT NOT NULL,
    size BIGINT NOT NULL,
    sha256 BYTEA NOT NULL,
    made_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    downloads INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX rights_package_request ON rights_package (tenant_id, request_id);
CREATE UNIQUE INDEX rights_package_id ON rights_package (id);

CREATE TABLE rights_package_part (
    tenant_id BYTEA NOT NULL,
    package_id BYTEA NOT NULL,
    part INTEGER NOT NULL,
    sealed BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, package_id, part)
);

-- Whom a request is about, except an erasure: erasing a person finds what their other requests hold.
CREATE TABLE rights_request_subject (
    tenant_id BYTEA NOT NULL,
    request_id BYTEA NOT NULL,
    subject BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, request_id, subject)
);
CREATE INDEX rights_request_subject_subject ON rights_request_subject (tenant_id, subject);

CREATE TABLE rights_download (
    tenant_id BYTEA NOT NULL,
    id BYTEA NOT NULL,
    package_id BYTEA NOT NULL,
    request_id BYTEA NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id BYTEA NOT NULL,
    downloaded_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

-- +goose Down
DROP TABLE rights_download;
DROP TABLE rights_request_subject;
DROP TABLE rights_package_part;
DROP TABLE rights_package;
DROP TABLE rights_request;
