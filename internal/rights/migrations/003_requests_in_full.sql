-- +goose Up
-- facts is JSON without personal data: how identity was checked, when the clock stood, what was decided.
ALTER TABLE rights_request ADD COLUMN facts TEXT NOT NULL DEFAULT '{}';
CREATE INDEX rights_request_due ON rights_request (tenant_id, due_at) WHERE finished_at IS NULL;

-- What happened to a request, when and by whom. Rows are added and never changed. words is what
-- somebody wrote, such as reasons: sealed under the organisation's key, with what names a person masked.
CREATE TABLE rights_trail (
    tenant_id BYTEA NOT NULL,
    request_id BYTEA NOT NULL,
    id BYTEA NOT NULL,
    happened_at BIGINT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id BYTEA NOT NULL,
    what TEXT NOT NULL,
    state TEXT NOT NULL,
    words BYTEA,
    PRIMARY KEY (tenant_id, request_id, id)
);

-- The rules of the day on which a request was received, by their SHA-256.
CREATE TABLE rights_policy (
    tenant_id BYTEA NOT NULL,
    sha256 TEXT NOT NULL,
    body TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, sha256)
);

CREATE TABLE rights_setting (
    tenant_id BYTEA NOT NULL PRIMARY KEY,
    body TEXT NOT NULL
);

-- Keyed digests of the identifiers in a request, to find others of the same person. They go with what
-- the request holds about the person.
CREATE TABLE rights_request_digest (
    tenant_id BYTEA NOT NULL,
    request_id BYTEA NOT NULL,
    digest BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, request_id, digest)
);
CREATE INDEX rights_request_digest_digest ON rights_request_digest (tenant_id, digest);

-- One-time codes, as keyed digests.
CREATE TABLE rights_code (
    tenant_id BYTEA NOT NULL,
    request_id BYTEA NOT NULL,
    id BYTEA NOT NULL,
    digest BYTEA NOT NULL,
    made_at BIGINT NOT NULL,
    tries INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, request_id, id)
);

-- Whose data may only be stored (Art. 18), and since which request.
CREATE TABLE rights_restriction (
    tenant_id BYTEA NOT NULL,
    subject BYTEA NOT NULL,
    request_id BYTEA NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, subject, request_id)
);
CREATE INDEX rights_restriction_request ON rights_restriction (tenant_id, request_id);

-- People whose data must be kept for legal claims (Art. 17(3)(e)).
CREATE TABLE rights_hold (
    tenant_id BYTEA NOT NULL,
    subject BYTEA NOT NULL,
    hold_id BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, subject, hold_id)
);
CREATE TABLE rights_hold_record (
    tenant_id BYTEA NOT NULL,
    id BYTEA NOT NULL,
    article TEXT NOT NULL,
    words BYTEA NOT NULL,
    made_at BIGINT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id BYTEA NOT NULL,
    released_at BIGINT,
    PRIMARY KEY (tenant_id, id)
);

-- What a call with an idempotency key has made, item by item.
CREATE TABLE rights_once (
    tenant_id BYTEA NOT NULL,
    key_digest BYTEA NOT NULL,
    item INTEGER NOT NULL,
    body_digest BYTEA NOT NULL,
    request_id BYTEA NOT NULL,
    made_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, key_digest, item)
);

-- +goose Down
DROP TABLE rights_once;
DROP TABLE rights_hold_record;
DROP TABLE rights_hold;
DROP TABLE rights_restriction;
DROP TABLE rights_code;
DROP TABLE rights_request_digest;
DROP TABLE rights_setting;
DROP TABLE rights_policy;
DROP TABLE rights_trail;
DROP INDEX rights_request_due;
ALTER TABLE rights_request DROP COLUMN facts;
