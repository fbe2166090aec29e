-- +goose Up

-- One closed visit, to learn from. body holds its features and what it achieved, sealed under the
-- subject's key. place is where the row stands when only a part of them can be learnt from: a hash of
-- session. run is the training that first saw the row; 0: none yet. held: the subject does not allow
-- training now, so the row waits and counts for nothing.
CREATE TABLE predict_visit (
    tenant_id BYTEA NOT NULL,
    session   BYTEA NOT NULL,
    subject   BYTEA NOT NULL,
    place     BIGINT NOT NULL,
    recorded  BIGINT NOT NULL,
    closed    BIGINT NOT NULL,
    ground    BIGINT NOT NULL,
    run       BIGINT NOT NULL,
    held      BOOLEAN NOT NULL,
    body      BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, place, session)
);
CREATE INDEX predict_visit_subject ON predict_visit (tenant_id, subject);
CREATE INDEX predict_visit_new ON predict_visit (tenant_id) WHERE run = 0;
CREATE INDEX predict_visit_held ON predict_visit (tenant_id, subject) WHERE held;

-- The outcomes that are predicted, and since when visits have been watched for them.
CREATE TABLE predict_outcome (
    tenant_id BYTEA NOT NULL,
    outcome   BYTEA NOT NULL,
    enabled   BOOLEAN NOT NULL,
    since     BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, outcome)
);

-- The model of each outcome. There is one: older ones are gone, as what they had learnt must be.
CREATE TABLE predict_model (
    tenant_id BYTEA NOT NULL,
    outcome   BYTEA NOT NULL,
    body      BYTEA NOT NULL,
    hash      BYTEA NOT NULL,
    rows_used BIGINT NOT NULL,
    root      BYTEA NOT NULL,
    run       BIGINT NOT NULL,
    trained   BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, outcome)
);

-- How far training has come. forgotten counts the times that rows were removed, and learnt how many
-- of those the models know of.
CREATE TABLE predict_state (
    tenant_id BYTEA NOT NULL PRIMARY KEY,
    run       BIGINT NOT NULL,
    trained   BIGINT NOT NULL,
    visits    BIGINT NOT NULL,
    forgotten BIGINT NOT NULL,
    learnt    BIGINT NOT NULL
);
