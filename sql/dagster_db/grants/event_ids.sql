-- Continues a restored outbox with ids that its former history cannot have reached. Otherwise a client that resumes after
-- an event that was published after the backup would miss new events with smaller ids.

DO $$
BEGIN
    IF EXISTS (SELECT FROM shifts_feed.incarnations i WHERE i.incarnation = shifts_feed.incarnation()) THEN
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM shifts_feed.incarnations) THEN
        PERFORM setval('shifts_feed.events_event_id_seq', s.last_value + 1000000000)
        FROM shifts_feed.events_event_id_seq s;
    END IF;
    INSERT INTO shifts_feed.incarnations (incarnation) VALUES (shifts_feed.incarnation());
END
$$;
