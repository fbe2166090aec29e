-- +goose Up
-- Who was asked, by a random reference of the question's own, so that an erasure finds an address that
-- belongs to nobody who is known; NULL once the question is over and the address is deleted.
ALTER TABLE consent_ask ADD COLUMN asked_subject BYTEA;
CREATE INDEX consent_ask_asked ON consent_ask (tenant_id, asked_subject);

-- +goose Down
DROP INDEX consent_ask_asked;
ALTER TABLE consent_ask DROP COLUMN asked_subject;
