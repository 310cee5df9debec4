-- A policy database for MTLSPolicyDatabase mysql FILE, in MariaDB 10.3 or MySQL 8. As an administrator of the server:
--   mysql -e 'CREATE DATABASE mtls CHARACTER SET utf8mb4 COLLATE utf8mb4_bin' && mysql mtls < mysql.sql
-- then give two logins one role each (MySQL: SET DEFAULT ROLE mtls_node TO web3):
--   CREATE USER web3 IDENTIFIED BY '...'; GRANT mtls_node TO web3; SET DEFAULT ROLE mtls_node FOR web3;        -- a web server
--   CREATE USER alice IDENTIFIED BY '...'; GRANT mtls_writer TO alice; SET DEFAULT ROLE mtls_writer FOR alice; -- who pushes
-- Triggers run with the rights of the login that runs this file: do not drop it. See postgresql.sql for what the
-- columns hold, and docs/database.md for who may do what.

CREATE TABLE mtls_policy (
    name VARCHAR(200) PRIMARY KEY,
    kind ENUM('policy', 'revocation', 'certificate', 'crl') NOT NULL,
    body LONGTEXT NOT NULL
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE mtls_policy_revision (
    only_one INTEGER PRIMARY KEY CHECK (only_one = 1),
    revision BIGINT NOT NULL
) ENGINE = InnoDB;
INSERT INTO mtls_policy_revision VALUES (1, 1);

-- TRUNCATE fires no triggers in MariaDB and MySQL: use DELETE.
DELIMITER //
CREATE PROCEDURE mtls_raise_revision() MODIFIES SQL DATA SQL SECURITY INVOKER
BEGIN
    UPDATE mtls_policy_revision SET revision = revision + 1;
    IF ROW_COUNT() <> 1 THEN
        SIGNAL SQLSTATE '45000'
            SET MESSAGE_TEXT = 'mtls_policy_revision has no row: no web server would see this change';
    END IF;
END//
CREATE TRIGGER mtls_policy_inserted AFTER INSERT ON mtls_policy FOR EACH ROW CALL mtls_raise_revision()//
CREATE TRIGGER mtls_policy_updated AFTER UPDATE ON mtls_policy FOR EACH ROW CALL mtls_raise_revision()//
CREATE TRIGGER mtls_policy_deleted AFTER DELETE ON mtls_policy FOR EACH ROW CALL mtls_raise_revision()//
DELIMITER ;

CREATE TABLE mtls_node (
    node VARCHAR(255) PRIMARY KEY,
    generation VARCHAR(64),
    revision BIGINT,
    since VARCHAR(40),
    error TEXT,
    seen TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE TRIGGER mtls_node_made BEFORE INSERT ON mtls_node FOR EACH ROW SET NEW.seen = CURRENT_TIMESTAMP;
CREATE TRIGGER mtls_node_told BEFORE UPDATE ON mtls_node FOR EACH ROW SET NEW.seen = CURRENT_TIMESTAMP;

CREATE TABLE mtls_policy_push (
    revision BIGINT NOT NULL,
    who VARCHAR(255) NOT NULL DEFAULT '-',
    at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    what LONGTEXT NOT NULL
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
-- USER() is who is connected; CURRENT_USER() would be the owner of the trigger.
CREATE TRIGGER mtls_push_signed BEFORE INSERT ON mtls_policy_push FOR EACH ROW SET NEW.who = USER();

CREATE ROLE mtls_node;
CREATE ROLE mtls_writer;
GRANT SELECT ON mtls_policy TO mtls_node;
GRANT SELECT ON mtls_policy_revision TO mtls_node;
GRANT SELECT, INSERT, UPDATE ON mtls_node TO mtls_node;
GRANT SELECT, INSERT, UPDATE, DELETE ON mtls_policy TO mtls_writer;
-- SELECT ... FOR UPDATE needs UPDATE: a push locks the row, so that pushes happen one after another.
GRANT SELECT, UPDATE ON mtls_policy_revision TO mtls_writer;
GRANT SELECT, DELETE ON mtls_node TO mtls_writer;
GRANT SELECT, INSERT (revision, what) ON mtls_policy_push TO mtls_writer;
