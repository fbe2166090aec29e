-- +goose Up
-- How the banner looks on a deployment; the zero id stands for all that have no theme of their own.
CREATE TABLE consent_theme (
    tenant_id  BYTEA NOT NULL,
    deployment BYTEA NOT NULL,
    body       TEXT  NOT NULL, -- JSON
    PRIMARY KEY (tenant_id, deployment)
);

-- +goose Down
DROP TABLE consent_theme;
