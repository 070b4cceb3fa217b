-- The workers of Citus, on which the shards of a database on several servers are.

-- Returns the addresses of workers that do not answer; null for a database on one server.
CREATE OR REPLACE FUNCTION shifts_store.workers_away() RETURNS text[]
LANGUAGE plpgsql SET search_path = pg_catalog, shifts_store, pg_temp AS $$
DECLARE
    away text[];
BEGIN
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') THEN
        RETURN NULL;
    END IF;
    -- A machine that is gone does not refuse the connection.
    PERFORM set_config('citus.node_connection_timeout', '3000', true);
    -- Not planned on a server without the extension.
    EXECUTE $run$
        SELECT coalesce(array_agg(format('%s:%s', nodename, nodeport) ORDER BY 1), '{}')
        FROM run_command_on_workers('SELECT 1') WHERE NOT success
    $run$ INTO away;
    RETURN away;
END
$$;
