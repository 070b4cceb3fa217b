-- Keys by which clients repeat a request without doing it twice.
CREATE TABLE IF NOT EXISTS shifts_store.idempotency_keys (
    key         text PRIMARY KEY,
    fingerprint text NOT NULL,              -- of the request the key was first used for
    file_id     bigint REFERENCES shifts_store.trip_files,
    created_at  timestamptz NOT NULL DEFAULT now()
);
