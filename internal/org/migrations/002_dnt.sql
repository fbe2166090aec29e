-- +goose Up
-- A deployment may treat Do Not Track like Global Privacy Control.
ALTER TABLE deployment ADD COLUMN honour_dnt BOOLEAN NOT NULL DEFAULT FALSE;

-- +goose Down
ALTER TABLE deployment DROP COLUMN honour_dnt;
