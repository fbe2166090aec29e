-- +goose Up
-- Packages that are to be sent to an address. The address stands in the request, sealed.
CREATE TABLE rights_delivery (
    tenant_id BYTEA NOT NULL,
    request_id BYTEA NOT NULL,
    package_id BYTEA NOT NULL,
    due BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    done_at BIGINT,
    PRIMARY KEY (tenant_id, request_id)
);
CREATE INDEX rights_delivery_due ON rights_delivery (due) WHERE due > 0;

-- +goose Down
DROP TABLE rights_delivery;
