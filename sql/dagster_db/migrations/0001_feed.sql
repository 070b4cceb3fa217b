-- The feed's outbox, in Dagster's database: what listeners are told, in the order in which it was committed.

CREATE SCHEMA IF NOT EXISTS shifts_feed;

CREATE TABLE IF NOT EXISTS shifts_feed.events (
    event_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    type        text NOT NULL,
    occurred_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    run_id      text,
    task_ids    text[] NOT NULL DEFAULT '{}',
    asset       text,
    partition   text,
    message     text,
    details     jsonb NOT NULL DEFAULT '{}',
    dedupe_key  text UNIQUE
);
CREATE INDEX IF NOT EXISTS events_by_time ON shifts_feed.events USING brin (occurred_at);
