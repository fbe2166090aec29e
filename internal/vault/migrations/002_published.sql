-- +goose Up

-- The keys that ever signed an organisation's log, beyond the reach of whoever restores or edits the
-- main database. Public parts only; the private ones are in tenant_secret.
CREATE TABLE log_key (
	tenant_id BYTEA NOT NULL,
	generation BIGINT NOT NULL, -- of the log's name; 1 unless the log was bridged
	serial BIGINT NOT NULL, -- of the key within the generation, from 1
	verifier TEXT NOT NULL,
	first_size BIGINT NOT NULL, -- the smallest tree that it signs
	before_size BIGINT NOT NULL, -- the largest tree that the key before it signed
	at BIGINT NOT NULL, -- microseconds since 1970 UTC
	handover TEXT NOT NULL, -- signed by the key before it and by this one; empty for the first
	PRIMARY KEY (tenant_id, generation, serial)
) /* WITHOUT ROWID */;

-- The newest checkpoint that was signed for a log, written before anybody gets to see it.
CREATE TABLE log_published (
	tenant_id BYTEA NOT NULL,
	generation BIGINT NOT NULL,
	size BIGINT NOT NULL,
	note TEXT NOT NULL,
	verifier TEXT NOT NULL,
	at BIGINT NOT NULL, -- microseconds since 1970 UTC
	PRIMARY KEY (tenant_id, generation)
) /* WITHOUT ROWID */;

-- The newest checkpoint of each foreign log that this installation cosigned as a witness.
CREATE TABLE log_witnessed (
	tenant_id BYTEA NOT NULL, -- whose witness key it is
	origin TEXT NOT NULL,
	size BIGINT NOT NULL,
	note TEXT NOT NULL, -- the log's own text and signatures
	at BIGINT NOT NULL, -- microseconds since 1970 UTC
	PRIMARY KEY (tenant_id, origin)
) /* WITHOUT ROWID */;

-- +goose Down
DROP TABLE log_witnessed;
DROP TABLE log_published;
DROP TABLE log_key;
