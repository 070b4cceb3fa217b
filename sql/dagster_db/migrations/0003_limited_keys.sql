-- Replays for keys that are limited to regions run in the role `shifts_api_limited`, with the names of the regions in the setting
-- `shifts.region_names`. They see events that name these regions and no other. The condition names the role as text: a dump
-- must not need it.

ALTER TABLE shifts_feed.events ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_regions ON shifts_feed.events USING (
    current_user <> 'shifts_api_limited'
    OR CASE WHEN jsonb_typeof(details -> 'regions') = 'array' AND details -> 'regions' <> '[]'
            THEN details -> 'regions' <@ to_jsonb(nullif(current_setting('shifts.region_names', true), '')::text[])
            ELSE false END);
