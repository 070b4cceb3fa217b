-- Roles of the trips database and their rights:
--   shifts_reader  reads the views of schema shifts (QGIS, Metabase, a SQL prompt)
--   shifts_api     the web service: reads everything, changes data through functions only
-- Neither can log in: login users are granted one of them. The pipeline runs as the owner of the schema.

SELECT pg_temp.ensure_role('shifts_reader'), pg_temp.ensure_role('shifts_api');

GRANT USAGE ON SCHEMA shifts TO shifts_reader, shifts_api;
GRANT SELECT ON ALL TABLES IN SCHEMA shifts TO shifts_reader, shifts_api;
GRANT USAGE ON SCHEMA shifts_store TO shifts_api;
GRANT SELECT ON ALL TABLES IN SCHEMA shifts_store TO shifts_api;
ALTER DEFAULT PRIVILEGES IN SCHEMA shifts_store GRANT SELECT ON TABLES TO shifts_api;

REVOKE ALL ON FUNCTION shifts_store.claim_key, shifts_store.prepare_weeks, shifts_store.prepare_trips,
    shifts_store.post_trips, shifts_store.request_file, shifts_store.ledger_totals, shifts_store.put_zones,
    shifts_store.delete_zone, shifts_store.request_deletion, shifts_store.readmit FROM PUBLIC;
GRANT EXECUTE ON FUNCTION shifts_store.prepare_weeks, shifts_store.prepare_trips, shifts_store.post_trips,
    shifts_store.request_file, shifts_store.ledger_totals, shifts_store.put_zones, shifts_store.delete_zone,
    shifts_store.request_deletion TO shifts_api;
