-- +goose Up
-- Whom it goes to, if that is not whom it is about.
ALTER TABLE mail_letter ADD COLUMN receiver_subject BYTEA;
CREATE INDEX mail_letter_receiver ON mail_letter (tenant_id, receiver_subject);

-- +goose Down
DROP INDEX mail_letter_receiver;
ALTER TABLE mail_letter DROP COLUMN receiver_subject;
