-- Copies failed ticks of sensors and schedules to the outbox: while the sensor of a landing zone fails, nothing is loaded and
-- no run fails. A sensor ticks every few seconds: the first failure of each hour is published.

CREATE OR REPLACE FUNCTION shifts_feed.publish_tick_failure() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, shifts_feed, pg_temp AS $$
DECLARE
    tick jsonb := shifts_feed.try_parse_json(NEW.tick_body);
    kind text := lower(NEW.type);
    name text := tick ->> 'job_name';
BEGIN
    PERFORM shifts_feed.publish(
        kind || '.failed', NULL, NULL, NULL, NULL,
        concat_ws(' ', kind, name, 'failed') || coalesce(': ' || shifts_feed.root_cause(tick -> 'error'), ''),
        jsonb_strip_nulls(jsonb_build_object(kind, name)),
        format('tick:%s:%s', coalesce(NEW.selector_id, NEW.job_origin_id), to_char(NEW.timestamp, 'YYYY-MM-DD HH24')));
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'shifts_feed: the failed tick % is not published: %', NEW.id, SQLERRM;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER shifts_feed AFTER INSERT OR UPDATE OF status ON public.job_ticks
    FOR EACH ROW WHEN (NEW.status = 'FAILURE' AND NEW.type IN ('SENSOR', 'SCHEDULE'))
    EXECUTE FUNCTION shifts_feed.publish_tick_failure();
