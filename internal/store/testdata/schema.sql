-- +goose Up
-- A BYTEA in a comment stays.
CREATE TABLE one (
	tenant_id BYTEA NOT NULL,
	id bigint NOT NULL,
	small SMALLINT,
	flag BOOLEAN NOT NULL DEFAULT FALSE,
	weight DOUBLE PRECISION CHECK (weight >= (0)),
	doc JSONB /* a JSONB of sorts */,
	text TEXT NOT NULL DEFAULT 'BIGINT; (it''s',
	"BOOLEAN" INTEGER,
	PRIMARY KEY (tenant_id, id)
);
CREATE INDEX one_flag ON one (tenant_id, flag) WHERE flag;
CREATE TABLE IF NOT EXISTS two (
	tenant_id BYTEA NOT NULL,
	name TEXT NOT NULL,
	PRIMARY KEY (tenant_id, name)
) /* WITHOUT ROWID */;
ALTER TABLE one ADD COLUMN more BYTEA;
UPDATE one SET flag = (small > (1));
-- +goose Down
DROP TABLE two;
DROP TABLE one;
