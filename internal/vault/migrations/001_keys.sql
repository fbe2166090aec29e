-- +goose Up

-- Proves that a root key belongs to this vault. One row.
CREATE TABLE vault_root (
	id BIGINT NOT NULL PRIMARY KEY,
	probe BYTEA NOT NULL,
	created BIGINT NOT NULL
);

-- Key-encryption keys, one an epoch, wrapped by the root key. More than one row of a tenant means
-- that a rotation is under way; the highest epoch is the one to wrap with.
CREATE TABLE tenant_key (
	tenant_id BYTEA NOT NULL,
	epoch BIGINT NOT NULL,
	wrapped BYTEA NOT NULL,
	created BIGINT NOT NULL,
	PRIMARY KEY (tenant_id, epoch)
) /* WITHOUT ROWID */;

-- What a tenant keeps secret for itself: its data key, its index key, its signing keys.
CREATE TABLE tenant_secret (
	tenant_id BYTEA NOT NULL,
	name TEXT NOT NULL,
	version BIGINT NOT NULL,
	epoch BIGINT NOT NULL,
	wrapped BYTEA NOT NULL,
	created BIGINT NOT NULL,
	PRIMARY KEY (tenant_id, name)
) /* WITHOUT ROWID */;

-- Data-encryption keys of data subjects.
CREATE TABLE subject_key (
	tenant_id BYTEA NOT NULL,
	subject BYTEA NOT NULL,
	version BIGINT NOT NULL,
	epoch BIGINT NOT NULL,
	wrapped BYTEA NOT NULL,
	created BIGINT NOT NULL,
	PRIMARY KEY (tenant_id, subject)
) /* WITHOUT ROWID */;

-- Subjects whose key was destroyed: they never get another one.
CREATE TABLE subject_shredded (
	tenant_id BYTEA NOT NULL,
	subject BYTEA NOT NULL,
	at BIGINT NOT NULL,
	PRIMARY KEY (tenant_id, subject)
) /* WITHOUT ROWID */;

-- +goose Down
DROP TABLE subject_shredded;
DROP TABLE subject_key;
DROP TABLE tenant_secret;
DROP TABLE tenant_key;
DROP TABLE vault_root;
