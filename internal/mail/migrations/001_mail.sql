-- +goose Up
-- Letters that wait to be sent, and those that could not be. What was sent is deleted.
CREATE TABLE mail_letter (
    tenant_id BYTEA   NOT NULL,
    id        BYTEA   NOT NULL,
    subject   BYTEA,            -- whom it is about, so that an erasure takes it along; NULL: nobody who is known
    topic     TEXT    NOT NULL, -- what kind of letter, such as "optin"
    sealed    BYTEA   NOT NULL, -- address, headers and text; empty once it is given up
    made      BIGINT  NOT NULL, -- microseconds since 1970 UTC
    due       BIGINT  NOT NULL, -- when it is tried next, microseconds since 1970 UTC
    attempts  INTEGER NOT NULL,
    state     TEXT    NOT NULL, -- "waiting" or "dead"
    problem   TEXT    NOT NULL, -- why it was not taken, without address
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX mail_letter_due ON mail_letter (tenant_id, state, due);
CREATE INDEX mail_letter_whose ON mail_letter (tenant_id, subject);

-- +goose Down
DROP TABLE mail_letter;
