-- The web service's own login, for psql, on the trips database: what role shifts_api may do and nothing else. Run it
-- after each migration; a changed API_DATABASE_PASSWORD takes effect with it.
\set ON_ERROR_STOP on
\getenv password API_DATABASE_PASSWORD
SELECT 'CREATE ROLE shifts_web' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'shifts_web') \gexec
ALTER ROLE shifts_web LOGIN PASSWORD :'password' CONNECTION LIMIT 200;
GRANT shifts_api TO shifts_web;
