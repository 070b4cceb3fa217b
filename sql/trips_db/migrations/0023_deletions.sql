-- Withdrawn files: their records stay in the ledger, with who withdrew them and when, and their bytes are refused.

ALTER TABLE shifts_store.trip_files
    DROP CONSTRAINT trip_files_status_check,
    ADD CONSTRAINT trip_files_status_check CHECK (status IN (
        'queued', 'loading', 'loaded', 'failed', 'duplicate', 'superseded', 'deleting', 'deleted')),
    ADD COLUMN deletion_requested_at timestamptz,
    ADD COLUMN deleted_by text,              -- who asked for the deletion
    ADD COLUMN readmitted_at timestamptz;    -- since when the deleted bytes may be loaded again; null: they are refused

CREATE INDEX trip_files_deleting ON shifts_store.trip_files (file_id) WHERE status = 'deleting';
CREATE INDEX trip_files_deleted_size ON shifts_store.trip_files (size_bytes) WHERE status IN ('deleting', 'deleted');
CREATE INDEX trip_files_deleted_hash ON shifts_store.trip_files (content_hash) WHERE status IN ('deleting', 'deleted');
