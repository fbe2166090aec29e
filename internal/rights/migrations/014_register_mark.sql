-- +goose Up
-- Up to where registers of erasures are known to be applied to this database, by the code of the line
-- that ends there, and since when.
CREATE TABLE rights_register_mark (
    code TEXT NOT NULL PRIMARY KEY,
    place BIGINT NOT NULL,
    noted_at BIGINT NOT NULL -- microseconds since 1970 UTC
);
CREATE INDEX rights_erasure_applied ON rights_erasure (applied_at);

-- +goose Down
DROP INDEX rights_erasure_applied;
DROP TABLE rights_register_mark;
