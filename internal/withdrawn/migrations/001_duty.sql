-- +goose Up

-- Records of consent whose data is to be deleted, because nothing else allowed it. due is when it is
-- looked at next, 0 if it was seen that nothing is left.
CREATE TABLE withdrawn_duty (
    tenant_id BYTEA  NOT NULL,
    record    BYTEA  NOT NULL,
    subject   BYTEA  NOT NULL,
    purposes  TEXT   NOT NULL, -- joined by commas
    at        BIGINT NOT NULL, -- of the record, microseconds since 1970 UTC, as the two below
    due       BIGINT NOT NULL,
    done      BIGINT NOT NULL, -- 0: not yet
    events    BIGINT NOT NULL, -- deleted so far
    lessons   BIGINT NOT NULL, -- training rows deleted so far
    PRIMARY KEY (tenant_id, record)
);
CREATE INDEX withdrawn_duty_due ON withdrawn_duty (tenant_id, due) WHERE due > 0;
CREATE INDEX withdrawn_duty_subject ON withdrawn_duty (tenant_id, subject);

-- +goose Down
DROP TABLE withdrawn_duty;
