-- What monitoring and the cleanup read must not grow with the history.

-- Totals of the ledger by status as a sum of changes, so that writers add rows and never wait for each other.
CREATE TABLE shifts_store.ledger_changes (
    status        text NOT NULL,
    files         bigint NOT NULL,
    rows_loaded   bigint NOT NULL,
    rows_rejected bigint NOT NULL
);
-- From here to the triggers of this migration nobody else changes the ledger.
LOCK TABLE shifts_store.trip_files IN SHARE ROW EXCLUSIVE MODE;
INSERT INTO shifts_store.ledger_changes (status, files, rows_loaded, rows_rejected)
SELECT f.status, count(*), sum(f.rows_loaded), sum(f.rows_rejected)
FROM shifts_store.trip_files f GROUP BY f.status;

CREATE INDEX idempotency_keys_by_time ON shifts_store.idempotency_keys (created_at);
