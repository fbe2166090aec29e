-- +goose Up

-- Which entries of the register of erasures were applied to these keys. A vault that was restored from
-- a backup lacks the later ones.
CREATE TABLE erasure_applied (
	tenant_id BYTEA NOT NULL,
	entry BYTEA NOT NULL,
	body BYTEA NOT NULL, -- the entry itself, so that a register that was lost can be made again
	at BIGINT NOT NULL, -- microseconds since 1970 UTC
	PRIMARY KEY (tenant_id, entry)
) /* WITHOUT ROWID */;

-- +goose Down
DROP TABLE erasure_applied;
