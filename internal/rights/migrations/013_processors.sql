-- +goose Up
-- token is sealed: what opens a processor's service. sent_at is when a processor took the request over, 0 before.
ALTER TABLE rights_recipient ADD COLUMN token BYTEA;
ALTER TABLE rights_told ADD COLUMN sent_at BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE rights_told DROP COLUMN sent_at;
ALTER TABLE rights_recipient DROP COLUMN token;
