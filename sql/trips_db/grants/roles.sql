-- Roles of the trips database and their rights:
--   shifts_reader          reads the views of schema shifts (QGIS, Metabase, a SQL prompt)
--   shifts_api             the web service: reads everything, changes data through functions only
--   shifts_api_limited     the web service for a request whose key is limited to regions: reads rows of these regions
--   shifts_api_aggregates  the same for a key that may see aggregates only: neither trips nor which trips are in a group
-- None can log in: login users are granted one of the first two. The pipeline runs as the owner of the schema.

SELECT pg_temp.ensure_role('shifts_reader'), pg_temp.ensure_role('shifts_api');
-- The web service switches to these within a transaction.
SELECT pg_temp.ensure_role(role, 'shifts_api') FROM unnest('{shifts_api_limited,shifts_api_aggregates}'::text[]) AS role;

GRANT USAGE ON SCHEMA shifts TO shifts_reader, shifts_api;
GRANT SELECT ON ALL TABLES IN SCHEMA shifts TO shifts_reader, shifts_api;
GRANT USAGE ON SCHEMA shifts_store TO shifts_api;
GRANT SELECT ON ALL TABLES IN SCHEMA shifts_store TO shifts_api;
ALTER DEFAULT PRIVILEGES IN SCHEMA shifts_store GRANT SELECT ON TABLES TO shifts_api;

REVOKE ALL ON FUNCTION shifts_store.claim_key, shifts_store.prepare_weeks, shifts_store.prepare_trips,
    shifts_store.post_trips, shifts_store.request_file, shifts_store.ledger_totals, shifts_store.put_zones,
    shifts_store.delete_zone, shifts_store.touch_api_keys, shifts_store.end_session, shifts_store.record_access,
    shifts_store.visible_files, shifts_store.request_deletion, shifts_store.readmit FROM PUBLIC;
GRANT EXECUTE ON FUNCTION shifts_store.prepare_weeks, shifts_store.prepare_trips, shifts_store.post_trips,
    shifts_store.request_file, shifts_store.ledger_totals, shifts_store.put_zones, shifts_store.delete_zone,
    shifts_store.touch_api_keys, shifts_store.end_session, shifts_store.record_access, shifts_store.request_deletion TO shifts_api;

GRANT USAGE ON SCHEMA shifts_store TO shifts_api_limited, shifts_api_aggregates;
GRANT SELECT ON shifts_store.regions, shifts_store.region_weeks, shifts_store.file_week_counts, shifts_store.zones
    TO shifts_api_limited, shifts_api_aggregates;
GRANT SELECT (region_id, week, history_weeks) ON shifts_store.shift_makings TO shifts_api_limited, shifts_api_aggregates;
GRANT SELECT ON shifts_store.sources, shifts_store.trips, shifts_store.trip_clusters, shifts_store.shifts
    TO shifts_api_limited;
GRANT EXECUTE ON FUNCTION shifts_store.visible_files TO shifts_api_limited, shifts_api_aggregates;
-- All columns except the lists of trips.
DO $$
DECLARE
    name    text;
    columns text;
BEGIN
    FOREACH name IN ARRAY ARRAY['trip_clusters', 'shifts'] LOOP
        SELECT string_agg(quote_ident(a.attname), ', ') INTO columns FROM pg_attribute a
        WHERE a.attrelid = ('shifts_store.' || name)::regclass AND a.attnum > 0 AND NOT a.attisdropped
          AND a.attname <> 'trip_ids';
        EXECUTE format('GRANT SELECT (%s) ON shifts_store.%I TO shifts_api_aggregates', columns, name);
    END LOOP;
END
$$;
