-- +goose Up
CREATE TABLE organisation (
    tenant_id BYTEA NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    default_language TEXT NOT NULL,
    default_country TEXT NOT NULL,
    is_default BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX organisation_default ON organisation (is_default) WHERE is_default;

CREATE TABLE deployment (
    tenant_id BYTEA NOT NULL,
    id BYTEA NOT NULL,
    name TEXT NOT NULL,
    allowed_origins TEXT NOT NULL,
    allow_loopback BOOLEAN NOT NULL,
    basis TEXT NOT NULL,
    basis_record TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX deployment_id ON deployment (id);

CREATE TABLE oauth_client (
    tenant_id BYTEA NOT NULL,
    id TEXT NOT NULL,
    uid BYTEA NOT NULL,
    name TEXT NOT NULL,
    salt BYTEA NOT NULL,
    rounds INTEGER NOT NULL,
    secret_hash BYTEA NOT NULL,
    permissions TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    disabled_at BIGINT,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX oauth_client_id ON oauth_client (id);

CREATE TABLE oauth_token (
    tenant_id BYTEA NOT NULL,
    hash BYTEA NOT NULL,
    client_id TEXT NOT NULL,
    issued_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, hash)
);
CREATE UNIQUE INDEX oauth_token_hash ON oauth_token (hash);
CREATE INDEX oauth_token_expiry ON oauth_token (tenant_id, expires_at);

CREATE TABLE staff (
    tenant_id BYTEA NOT NULL,
    id BYTEA NOT NULL,
    name BYTEA NOT NULL,
    permissions TEXT NOT NULL,
    is_owner BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    last_sign_in_at BIGINT,
    disabled_at BIGINT,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX staff_owner ON staff (tenant_id) WHERE is_owner;

CREATE TABLE staff_link (
    tenant_id BYTEA NOT NULL,
    hash BYTEA NOT NULL,
    staff_id BYTEA NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, hash)
);
CREATE UNIQUE INDEX staff_link_hash ON staff_link (hash);

-- A sign-in session exists before anybody has signed in, so it belongs to no organisation. It is
-- found by the hash of its cookie only, and holds the ids of organisation and staff member.
CREATE TABLE staff_session (
    hash BYTEA NOT NULL PRIMARY KEY,
    data BYTEA NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX staff_session_expiry ON staff_session (expires_at);

-- +goose Down
DROP TABLE staff_session;
DROP TABLE staff_link;
DROP TABLE staff;
DROP TABLE oauth_token;
DROP TABLE oauth_client;
DROP TABLE deployment;
DROP TABLE organisation;
