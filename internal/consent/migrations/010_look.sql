-- +goose Up
-- Every theme that a deployment ever had, by the name it has in the style sheet: a dialog may be answered
-- after its theme was replaced. Rows are never changed.
CREATE TABLE consent_look (
    tenant_id  BYTEA  NOT NULL,
    deployment BYTEA  NOT NULL, -- the zero id: the organisation
    look       TEXT   NOT NULL,
    body       TEXT   NOT NULL, -- JSON
    since      BIGINT NOT NULL, -- microseconds since 1970 UTC, when it was set first
    PRIMARY KEY (tenant_id, deployment, look)
);

-- +goose Down
DROP TABLE consent_look;
