-- A policy database for MTLSPolicyDatabase pgsql FILE. As the owner of the database:
--   createdb mtls && psql -v ON_ERROR_STOP=1 -d mtls -f postgresql.sql
-- then give two logins one role each:
--   CREATE ROLE web3 LOGIN PASSWORD '...' IN ROLE mtls_node;      -- of a web server
--   CREATE ROLE alice LOGIN PASSWORD '...' IN ROLE mtls_writer;   -- of a person who may push
-- Write access to this schema is enough to let in any client: docs/database.md.

BEGIN;

-- A folder by other means. kind: policy (a policy file), revocation (MTLSRevoke and MTLSSuspend lines), certificate (a
-- file that db:NAME names), crl. Content that is not UTF-8 text stands as base64 behind the word 'base64:'.
CREATE TABLE mtls_policy (
    name text PRIMARY KEY CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9._@+-]{0,199}$'),
    kind text NOT NULL CHECK (kind IN ('policy', 'revocation', 'certificate', 'crl')),
    body text NOT NULL
);

-- One row: the number that every change raises. Web servers ask for it, and refuse one that is lower than theirs.
CREATE TABLE mtls_policy_revision (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    revision bigint NOT NULL
);
INSERT INTO mtls_policy_revision (revision) VALUES (1);

-- With the rights of who writes: a function with its owner's would lend them to whoever makes a trigger of it.
CREATE FUNCTION mtls_raise_revision() RETURNS trigger LANGUAGE plpgsql
    SECURITY INVOKER SET search_path = pg_catalog AS $$
DECLARE
    raised bigint;
BEGIN
    EXECUTE format('UPDATE %I.mtls_policy_revision SET revision = revision + 1', TG_TABLE_SCHEMA);
    GET DIAGNOSTICS raised = ROW_COUNT;
    IF raised <> 1 THEN
        RAISE EXCEPTION 'mtls_policy_revision has no row: no web server would see this change';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER mtls_policy_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON mtls_policy
    FOR EACH STATEMENT EXECUTE FUNCTION mtls_raise_revision();

-- What each web server has. `seen`: when it said so; each one does twice a minute.
CREATE TABLE mtls_node (
    node text PRIMARY KEY,
    generation text,
    revision bigint,
    since timestamptz,
    error text,
    seen timestamptz NOT NULL DEFAULT now()
);
CREATE FUNCTION mtls_node_seen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.seen := now();
    RETURN NEW;
END $$;
CREATE TRIGGER mtls_node_told BEFORE INSERT OR UPDATE ON mtls_node
    FOR EACH ROW EXECUTE FUNCTION mtls_node_seen();

-- Who pushed what, when. The login and the time are the database's own word; `what` is the pusher's.
CREATE TABLE mtls_policy_push (
    revision bigint NOT NULL,
    who text NOT NULL DEFAULT session_user,
    at timestamptz NOT NULL DEFAULT now(),
    what text NOT NULL
);

CREATE ROLE mtls_node NOLOGIN;
CREATE ROLE mtls_writer NOLOGIN;
GRANT SELECT ON mtls_policy, mtls_policy_revision TO mtls_node, mtls_writer;
GRANT SELECT, INSERT, UPDATE ON mtls_node TO mtls_node;
GRANT SELECT, DELETE ON mtls_node TO mtls_writer;
GRANT INSERT, UPDATE, DELETE ON mtls_policy TO mtls_writer;
-- For the trigger, and for the lock of the row: two who push at once come one after the other.
GRANT UPDATE ON mtls_policy_revision TO mtls_writer;
GRANT SELECT, INSERT (revision, what) ON mtls_policy_push TO mtls_writer;

COMMIT;
