-- Schemas and the small dimensions. `shifts_store` holds tables and functions, `shifts` the stable views on them.

CREATE EXTENSION IF NOT EXISTS postgis SCHEMA public;

CREATE SCHEMA IF NOT EXISTS shifts_store;
CREATE SCHEMA IF NOT EXISTS shifts;

CREATE TABLE IF NOT EXISTS shifts_store.regions (
    region_id  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL UNIQUE CHECK (name <> ''),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS shifts_store.sources (
    source_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name      text NOT NULL UNIQUE
);
