-- Settings of the sessions of this database, which are not part of a dump. A server that notices within half a minute
-- that a client's machine is gone releases its locks. Dagster's own connections set nothing themselves.

DO $$
DECLARE
    setting text;
BEGIN
    FOREACH setting IN ARRAY ARRAY[
        'tcp_keepalives_idle = 10',
        'tcp_keepalives_interval = 5',
        'tcp_keepalives_count = 3',
        'tcp_user_timeout = 20000',
        'client_connection_check_interval = 10000'
    ] LOOP
        EXECUTE format('ALTER DATABASE %I SET %s', current_database(), setting);
    END LOOP;
EXCEPTION WHEN insufficient_privilege OR invalid_parameter_value THEN
    -- Only the owner of the database may, and some systems lack some of them. The pipeline's connections set their own.
    RAISE WARNING 'the sessions of database % get no keepalives: %', current_database(), SQLERRM;
END
$$;
