-- +goose Up

-- What the system behind the webhook is told of each record that closed purposes. due is when the next
-- try is made, 0 if none will be; outcome says how the last one went.
CREATE TABLE downstream_told (
    tenant_id BYTEA  NOT NULL,
    record    BYTEA  NOT NULL,
    subject   BYTEA  NOT NULL,
    kind      TEXT   NOT NULL,
    purposes  TEXT   NOT NULL, -- joined by commas
    at        BIGINT NOT NULL, -- microseconds since 1970 UTC, as the two below
    due       BIGINT NOT NULL,
    done      BIGINT NOT NULL, -- when it was taken; 0: it was not
    tries     BIGINT NOT NULL,
    outcome   TEXT   NOT NULL,
    PRIMARY KEY (tenant_id, record)
);
CREATE INDEX downstream_told_due ON downstream_told (tenant_id, due) WHERE due > 0;
CREATE INDEX downstream_told_subject ON downstream_told (tenant_id, subject);

-- +goose Down
DROP TABLE downstream_told;
