-- +goose Up
-- A deployment may tell Google what was chosen: a JSON object from its kinds of consent to our purposes.
ALTER TABLE deployment ADD COLUMN consent_mode TEXT NOT NULL DEFAULT '{}';

-- +goose Down
ALTER TABLE deployment DROP COLUMN consent_mode;
