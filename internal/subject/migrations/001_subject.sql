-- +goose Up
CREATE TABLE subject (
    tenant_id BYTEA  NOT NULL,
    subject   BYTEA  NOT NULL,
    person    BYTEA  NOT NULL, -- shared by all subjects of one person; at first the subject itself
    created   BIGINT NOT NULL, -- microseconds since 1970 UTC
    PRIMARY KEY (tenant_id, subject)
);
CREATE INDEX subject_person ON subject (tenant_id, person, subject);

CREATE TABLE subject_identity (
    tenant_id BYTEA   NOT NULL,
    subject   BYTEA   NOT NULL,
    kind      TEXT    NOT NULL,
    digest    BYTEA   NOT NULL, -- blind index of the normalised value
    value     BYTEA   NOT NULL, -- the value, sealed under the subject's key
    leads     BOOLEAN NOT NULL, -- looking the identity up gives this subject
    since     BIGINT  NOT NULL, -- microseconds since 1970 UTC
    PRIMARY KEY (tenant_id, subject, kind, digest)
);
CREATE UNIQUE INDEX subject_identity_lead ON subject_identity (tenant_id, kind, digest) WHERE leads;
CREATE INDEX subject_identity_digest ON subject_identity (tenant_id, kind, digest);

CREATE TABLE subject_suppression (
    tenant_id BYTEA  NOT NULL,
    kind      TEXT   NOT NULL,
    digest    BYTEA  NOT NULL,
    erased    BIGINT NOT NULL, -- microseconds since 1970 UTC
    PRIMARY KEY (tenant_id, kind, digest)
);

-- +goose Down
DROP TABLE subject_suppression;
DROP TABLE subject_identity;
DROP TABLE subject;
