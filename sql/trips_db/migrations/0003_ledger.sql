-- The ledger: one row a file version (or a posted list of trips), the truth about what was taken in.

CREATE TABLE IF NOT EXISTS shifts_store.trip_files (
    file_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind          text NOT NULL DEFAULT 'file' CHECK (kind IN ('file', 'json')),
    uri           text NOT NULL,
    name          text NOT NULL,             -- path below the landing zone; the partition key of raw_trips
    version       text NOT NULL,             -- the landing zone's word for "these bytes": mtime and size, or generation
    size_bytes    bigint,
    content_hash  text,                      -- sha256 of the file's bytes, hexadecimal
    status        text NOT NULL DEFAULT 'queued'
                  CHECK (status IN ('queued', 'loading', 'loaded', 'failed', 'duplicate', 'superseded')),
    duplicate_of  bigint REFERENCES shifts_store.trip_files,
    rows_loaded   bigint NOT NULL DEFAULT 0,
    rows_rejected bigint NOT NULL DEFAULT 0,
    task_id       text NOT NULL UNIQUE DEFAULT replace(gen_random_uuid()::text, '-', ''),
    batch         text,                      -- the run request this row was last given to
    requested_at  timestamptz,
    attempts      integer NOT NULL DEFAULT 0,
    run_id        text,
    queued_at     timestamptz NOT NULL DEFAULT now(),
    started_at    timestamptz,
    finished_at   timestamptz,
    announced_at  timestamptz,               -- when its file.loaded or file.failed went to the feed
    error         text,
    UNIQUE (uri, version)
);

-- One set of bytes is loaded once, whatever its names and however many runs try at the same time.
CREATE UNIQUE INDEX IF NOT EXISTS trip_files_loaded_once
    ON shifts_store.trip_files (content_hash) WHERE status = 'loaded' AND kind = 'file';
CREATE UNIQUE INDEX IF NOT EXISTS trip_files_one_loaded_version
    ON shifts_store.trip_files (uri) WHERE status = 'loaded' AND kind = 'file';
CREATE INDEX IF NOT EXISTS trip_files_unfinished
    ON shifts_store.trip_files (file_id) WHERE status IN ('queued', 'loading') OR announced_at IS NULL;
CREATE INDEX IF NOT EXISTS trip_files_by_name ON shifts_store.trip_files (name, file_id);

CREATE TABLE IF NOT EXISTS shifts_store.rejected_rows (
    file_id bigint NOT NULL REFERENCES shifts_store.trip_files,
    line    bigint NOT NULL,                 -- line of the file on which the row begins, the header is 1
    reason  text NOT NULL,
    raw     text NOT NULL,
    PRIMARY KEY (file_id, line)
);
