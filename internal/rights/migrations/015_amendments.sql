-- +goose Up
-- A certificate that is amended after what processors said: 1 when it is due, 2 when the ledger has the entry
-- and the signature is missing, 0 otherwise.
ALTER TABLE rights_request ADD COLUMN amend_step INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rights_request ADD COLUMN amend_body BYTEA;
ALTER TABLE rights_request ADD COLUMN amend_ledger BIGINT;
CREATE INDEX rights_request_amend ON rights_request (amend_step) WHERE amend_step > 0;

-- +goose Down
DROP INDEX rights_request_amend;
ALTER TABLE rights_request DROP COLUMN amend_ledger;
ALTER TABLE rights_request DROP COLUMN amend_body;
ALTER TABLE rights_request DROP COLUMN amend_step;
