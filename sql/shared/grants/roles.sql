-- What both databases need of roles. Roles belong to the server and are not part of a dump, so grants are applied at
-- every upgrade.

-- Up to PostgreSQL 14 every user may create objects there, which statements without a schema would then find.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;

-- Creates a role if it is missing and grants it to a member. The function exists in this session only.
CREATE OR REPLACE FUNCTION pg_temp.ensure_role(role text, member text DEFAULT current_user) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    -- From 16 on a membership may allow neither SET ROLE nor inheriting, for example that of the role's creator.
    membership text := CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            -- Another upgrade on the same server created it at this moment.
            NULL;
        END;
    END IF;
    IF NOT pg_has_role(member, role, membership) THEN
        EXECUTE format('GRANT %I TO %I', role, member);
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE EXCEPTION '% may not create or grant role %: let a superuser run CREATE ROLE % NOLOGIN (unless it exists)'
        ' and GRANT % TO %', current_user, role, role, role, quote_ident(member)
        USING ERRCODE = 'insufficient_privilege';
END
$$;
