-- Who may see what: API keys, sessions of pages, the audit trail, and row-level security for requests with limited keys.

CREATE TABLE shifts_store.api_keys (
    key_id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name            text NOT NULL CHECK (name <> ''),
    prefix          text NOT NULL UNIQUE,    -- the part of the key that finds this row; it is not secret
    -- SHA-256 of the whole key. A key has 256 random bits, so there is nothing to guess that salt or a slow hash would protect.
    digest          bytea NOT NULL CHECK (octet_length(digest) = 32),
    session_secret  bytea NOT NULL CHECK (octet_length(session_secret) = 32),  -- signs the sessions that are opened with it
    role            text NOT NULL CHECK (role IN ('reader', 'writer', 'admin')),
    regions         text[] CHECK (cardinality(regions) > 0),  -- by name; null: all, new ones included
    aggregates_only boolean NOT NULL DEFAULT false,
    created_at      timestamptz NOT NULL DEFAULT now(),
    last_used_at    timestamptz,
    revoked_at      timestamptz
);
CREATE UNIQUE INDEX api_keys_by_name ON shifts_store.api_keys (name) WHERE revoked_at IS NULL;

-- Sessions that a page ended before they expired.
CREATE TABLE shifts_store.ended_sessions (
    session    text PRIMARY KEY,
    expires_at timestamptz NOT NULL
);

-- Who read single trips, exported, deleted or changed keys.
CREATE TABLE shifts_store.audit_trail (
    entry_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    action      text NOT NULL,
    actor       text NOT NULL,               -- name of the key, or who worked on the machine
    key_id      bigint,                      -- null: no key was used, or that of the setting
    client      text,                        -- address
    target      text NOT NULL,               -- path of the request, or what was changed
    region      text,                        -- that the request named
    request_id  text
);
CREATE INDEX audit_trail_by_time ON shifts_store.audit_trail USING brin (recorded_at);

-- A request with a limited key runs in one of these two roles, with the ids of its regions in the setting `shifts.regions`,
-- or `*`. Without the setting it sees nothing. The condition names the roles as text: a dump must not need them.
DO $$
DECLARE
    limited   text[] := ARRAY['regions', 'region_weeks', 'file_week_counts', 'trips', 'trip_clusters', 'shift_makings', 'shifts'];
    condition text :=
        'current_user <> ALL (''{shifts_api_limited,shifts_api_aggregates}''::name[])'
        ' OR CASE current_setting(''shifts.regions'', true)'
        ' WHEN ''*'' THEN true WHEN '''' THEN false'
        ' ELSE region_id = ANY (current_setting(''shifts.regions'', true)::integer[]) END';
    name      text;
BEGIN
    FOREACH name IN ARRAY limited LOOP
        EXECUTE format('ALTER TABLE shifts_store.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY of_regions ON shifts_store.%I USING (%s)', name, condition);
    END LOOP;
    -- Requests for any region may name a zone without a region.
    ALTER TABLE shifts_store.zones ENABLE ROW LEVEL SECURITY;
    EXECUTE format('CREATE POLICY of_regions ON shifts_store.zones USING (region_id IS NULL OR %s)', condition);
END
$$;
