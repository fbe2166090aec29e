-- +goose Up
-- Who of the staff has taken the request on; empty: nobody.
ALTER TABLE rights_request ADD COLUMN assignee BYTEA;

-- +goose Down
ALTER TABLE rights_request DROP COLUMN assignee;
