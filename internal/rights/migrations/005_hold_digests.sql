-- +goose Up
-- Keyed digests of what a hold names a person by: somebody may stand in the organisation's other
-- databases only. They go when the hold is released.
CREATE TABLE rights_hold_digest (
    tenant_id BYTEA NOT NULL,
    digest BYTEA NOT NULL,
    hold_id BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, digest, hold_id)
);
CREATE INDEX rights_hold_digest_hold ON rights_hold_digest (tenant_id, hold_id);

-- +goose Down
DROP TABLE rights_hold_digest;
