-- A policy database for MTLSPolicyDatabase sqlite3 FILE, for one machine:
--   sqlite3 /etc/mtls/policy.db < sqlite.sql && chown root:www-data /etc/mtls/policy.db && chmod 640 /etc/mtls/policy.db
-- The web server reads it and never writes it, so mtls_node stays empty, and a write-ahead log (journal_mode=WAL) is
-- refused. See postgresql.sql for what the columns hold.

CREATE TABLE mtls_policy (
    name TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('policy', 'revocation', 'certificate', 'crl')),
    body TEXT NOT NULL
);

CREATE TABLE mtls_policy_revision (
    only_one INTEGER PRIMARY KEY CHECK (only_one = 1),
    revision INTEGER NOT NULL
);
INSERT INTO mtls_policy_revision VALUES (1, 1);

CREATE TRIGGER mtls_policy_inserted AFTER INSERT ON mtls_policy BEGIN
    SELECT RAISE(ABORT, 'mtls_policy_revision has no row: no web server would see this change')
        WHERE NOT EXISTS (SELECT 1 FROM mtls_policy_revision);
    UPDATE mtls_policy_revision SET revision = revision + 1;
END;
CREATE TRIGGER mtls_policy_updated AFTER UPDATE ON mtls_policy BEGIN
    SELECT RAISE(ABORT, 'mtls_policy_revision has no row: no web server would see this change')
        WHERE NOT EXISTS (SELECT 1 FROM mtls_policy_revision);
    UPDATE mtls_policy_revision SET revision = revision + 1;
END;
CREATE TRIGGER mtls_policy_deleted AFTER DELETE ON mtls_policy BEGIN
    SELECT RAISE(ABORT, 'mtls_policy_revision has no row: no web server would see this change')
        WHERE NOT EXISTS (SELECT 1 FROM mtls_policy_revision);
    UPDATE mtls_policy_revision SET revision = revision + 1;
END;

CREATE TABLE mtls_node (
    node TEXT PRIMARY KEY,
    generation TEXT,
    revision INTEGER,
    since TEXT,
    error TEXT,
    seen TEXT DEFAULT CURRENT_TIMESTAMP
);
CREATE TRIGGER mtls_node_told AFTER UPDATE OF generation, revision, since, error ON mtls_node BEGIN
    UPDATE mtls_node SET seen = CURRENT_TIMESTAMP WHERE node = NEW.node;
END;

CREATE TABLE mtls_policy_push (
    revision INTEGER NOT NULL,
    who TEXT NOT NULL DEFAULT '-',
    at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    what TEXT NOT NULL
);
