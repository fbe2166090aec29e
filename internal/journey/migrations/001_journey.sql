-- +goose Up

-- What an organisation has configured: outcomes, segments, action maps, action templates.
CREATE TABLE journey_config (
    tenant_id BYTEA NOT NULL,
    kind      TEXT NOT NULL,
    id        BYTEA NOT NULL,
    version   BIGINT NOT NULL,
    body      TEXT NOT NULL,
    created   BIGINT NOT NULL,
    modified  BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, kind, id)
);

-- One row per device of a data subject. state is sealed under the subject's key and holds the open
-- session and the events that do not yet fill a chunk. session is the latest session; opened is its
-- start while it is open, else 0; wake is when the clock has something to do, 0 if never, and may be
-- too early, never too late. revision goes up when the row is rewritten behind the worker's back, as
-- a rectification does: what the worker held of the visitor is then no longer written.
CREATE TABLE journey_visitor (
    tenant_id BYTEA NOT NULL,
    subject   BYTEA NOT NULL,
    session   BYTEA NOT NULL,
    opened    BIGINT NOT NULL,
    wake      BIGINT NOT NULL,
    revision  BIGINT NOT NULL,
    state     BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, subject)
);
CREATE INDEX journey_visitor_session ON journey_visitor (tenant_id, session) WHERE opened > 0;
CREATE INDEX journey_visitor_opened ON journey_visitor (tenant_id, opened) WHERE opened > 0;
CREATE INDEX journey_visitor_wake ON journey_visitor (tenant_id, wake) WHERE wake > 0;

-- Sessions that have ended. What they were about is in body, sealed. first_chunk and last_chunk say
-- where their events are.
CREATE TABLE journey_session (
    tenant_id   BYTEA NOT NULL,
    id          BYTEA NOT NULL,
    subject     BYTEA NOT NULL,
    number      BIGINT NOT NULL,
    started     BIGINT NOT NULL,
    ended       BIGINT NOT NULL,
    events      BIGINT NOT NULL,
    page_views  BIGINT NOT NULL,
    first_chunk BIGINT NOT NULL,
    last_chunk  BIGINT NOT NULL,
    body        BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, id)
) /* WITHOUT ROWID */;
CREATE INDEX journey_session_subject ON journey_session (tenant_id, subject);

-- Full chunks of events, sealed; they never change.
CREATE TABLE journey_chunk (
    tenant_id BYTEA NOT NULL,
    subject   BYTEA NOT NULL,
    number    BIGINT NOT NULL,
    events    BIGINT NOT NULL,
    body      BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, subject, number)
);

-- Offers, and qualifications that did not become one. The ids sort by time.
CREATE TABLE journey_action (
    tenant_id   BYTEA NOT NULL,
    id          BYTEA NOT NULL,
    subject     BYTEA NOT NULL,
    session     BYTEA NOT NULL,
    map         BYTEA NOT NULL,
    map_version BIGINT NOT NULL,
    media       TEXT NOT NULL,
    purpose     TEXT NOT NULL,
    template    BYTEA NOT NULL,
    state       TEXT NOT NULL,
    block       TEXT NOT NULL,
    qualified   BIGINT NOT NULL,
    made        BIGINT NOT NULL,
    shown       BIGINT NOT NULL,
    closed      BIGINT NOT NULL,
    error_code  TEXT NOT NULL,
    outcome     BYTEA NOT NULL,
    reached     DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (tenant_id, id)
) /* WITHOUT ROWID */;
CREATE INDEX journey_action_subject ON journey_action (tenant_id, subject);

-- How often something happened on a day (days since 1970, UTC). Sums over everybody: nothing here
-- is about a person. Those who write at the same time use different shards, so that they don't wait
-- for each other.
CREATE TABLE journey_count (
    tenant_id BYTEA NOT NULL,
    day       BIGINT NOT NULL,
    what      TEXT NOT NULL,
    id        BYTEA NOT NULL,
    shard     BIGINT NOT NULL,
    n         BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, day, what, id, shard)
) /* WITHOUT ROWID */;

-- Digests of the references of data subjects that were erased. A batch that was under way must not
-- bring their rows back.
CREATE TABLE journey_erased (
    tenant_id BYTEA NOT NULL,
    digest    BYTEA NOT NULL,
    at        BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, digest)
) /* WITHOUT ROWID */;

-- +goose Down
DROP TABLE journey_erased;
DROP TABLE journey_count;
DROP TABLE journey_action;
DROP TABLE journey_chunk;
DROP TABLE journey_session;
DROP TABLE journey_visitor;
DROP TABLE journey_config;
