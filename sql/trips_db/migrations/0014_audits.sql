-- What checks over more than one (region, week) pair found.

-- Pairs with trips of a loaded file whose rows differ from the ledger. They are not refreshed until the file is loaded
-- again, replaced, or found right.
CREATE TABLE shifts_store.blocked_pairs (
    region_id  integer NOT NULL,
    week       date NOT NULL,
    file_id    bigint NOT NULL,
    blocked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (region_id, week, file_id)
);
CREATE INDEX blocked_pairs_by_file ON shifts_store.blocked_pairs (file_id);

-- The last audit of each week, and of each block of file ids. An audit that runs out of time continues with those that
-- were audited least recently.
CREATE TABLE shifts_store.week_audits (
    week        date PRIMARY KEY,
    audited_at  timestamptz NOT NULL,
    trips       bigint NOT NULL,              -- that were read
    differences jsonb NOT NULL                -- a list, see the function `audit_week`
);
CREATE TABLE shifts_store.file_audits (
    first_file_id bigint PRIMARY KEY,         -- of the block
    audited_at    timestamptz NOT NULL,
    files         bigint NOT NULL,            -- that were audited
    differences   jsonb NOT NULL              -- a list, see the function `audit_files`
);
