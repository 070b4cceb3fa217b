-- The histories that the outbox had: it gets another one by a restore.

CREATE TABLE shifts_feed.incarnations (
    incarnation text PRIMARY KEY,
    since       timestamptz NOT NULL DEFAULT now()
);
