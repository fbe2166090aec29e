-- +goose Up

-- Up to where registers of erasures are known to be applied to these keys, by the code of the line that
-- ends there.
CREATE TABLE register_mark (
	code TEXT NOT NULL PRIMARY KEY,
	place BIGINT NOT NULL
);

-- +goose Down
DROP TABLE register_mark;
