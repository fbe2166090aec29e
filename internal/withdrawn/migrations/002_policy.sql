-- +goose Up

-- What an organisation wants to become of data whose consent was taken back. One without a row goes by
-- what the installation was started with.
CREATE TABLE withdrawn_policy (
    tenant_id BYTEA NOT NULL,
    policy    TEXT  NOT NULL, -- keep or erase
    PRIMARY KEY (tenant_id)
);

-- +goose Down
DROP TABLE withdrawn_policy;
