-- A region's first and last trip are found by one look into an index, however many files and posted lists it has.

CREATE INDEX week_files_first ON shifts_store.week_files (region_id, first_at);
CREATE INDEX week_files_last ON shifts_store.week_files (region_id, last_at);
