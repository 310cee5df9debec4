// MTLSPolicyDatabase with the driver mysql and MariaDB: what differs from PostgreSQL in statements, rights and faults.
#include <chrono>
#include <cstdio>
#include <future>
#include <memory>

#include "claims.hpp"
#include "database_site.hpp"

using namespace test;

namespace {

struct MysqlSite : RelayedSite<MariaDb> {
    MysqlSite() : RelayedSite("mysql") {
        put("acme.conf", "policy", kAcmeRow);
        put("globex.conf", "policy", kGlobexRow);
        put("acme-ca.pem", "certificate", world().acme_ca.cert_pem());
        put("globex-ca.pem", "certificate", world().globex_ca.cert_pem());
        put("refused.conf", "revocation", "# nobody\n");
    }
    void put(const std::string& name, const std::string& kind, const std::string& body) const {
        server->sql(mysql_row(name, kind, body));
    }
    void end_connections() const {
        const std::string ids = server->sql(
            "SELECT GROUP_CONCAT(CONCAT('KILL ', id) SEPARATOR '; ') FROM information_schema.processlist WHERE user = "
            "'node'");
        if (ids != "NULL") server->sql(ids);
    }
};

bool is_left_out() { return test::is_left_out<MariaDb>("MariaDB"); }

}  // namespace

CLAIM(rows_of_mysql_count_and_its_faults_leave_the_last_good) {
    if (is_left_out()) return;
    MysqlSite site;
    site.server->sql("DELETE FROM mtls_policy WHERE name = 'globex.conf'");
    site.web->run();
    CHECK_EQUAL(site.acme(), 200);
    CHECK_EQUAL(site.globex(), 403);
    site.put("globex.conf", "policy", kGlobexRow);
    becomes([&] { return site.globex(); }, 200, "a row that was added");
    site.put("refused.conf", "revocation", "MTLSSuspend globex\n");
    becomes([&] { return site.globex(); }, 403, "a row refuses");
    site.put("refused.conf", "revocation", "# nobody\n");
    becomes([&] { return site.globex(); }, 200, "and no longer");
    // The node reports its state, repeatedly.
    const std::string revision = site.server->sql("SELECT revision FROM mtls_policy_revision");
    const auto told = [&] { return site.server->sql("SELECT revision, error FROM mtls_node"); };
    becomes([&] { return told() == revision + "\tNULL" ? 1 : 0; }, 1, "the node says so");
    // Row names are case-sensitive. A NUL byte is reported with its row.
    site.put("ACME.conf", "policy", "# upper case\nMTLSNonsense\n");
    becomes([&] { return told().find("db:ACME.conf:2") != std::string::npos ? 1 : 0; }, 1, "a row that does not parse");
    site.server->sql("UPDATE mtls_policy SET body = CONCAT('# none', CHAR(0), '\n') WHERE name = 'ACME.conf'");
    CHECK(site.says("row 'ACME.conf': a NUL byte in its body"));
    CHECK_EQUAL(site.acme() + site.globex(), 400);
    site.server->sql("DELETE FROM mtls_policy WHERE name = 'ACME.conf'");
    CHECK(site.says("the policy files are no longer refused"));
    // The server is killed and started again; then the password changes.
    site.server->kill();
    CHECK(site.says("MTLSPolicyDatabase mysql database.conf: the database cannot be read: "));
    stays([&] { return site.globex(); }, 200, "the server is gone");
    site.server->start();
    site.server->sql("DELETE FROM mtls_policy WHERE name = 'globex.conf'");
    becomes([&] { return site.globex(); }, 403, "a change after it came back");
    site.server->sql("SET PASSWORD FOR node = PASSWORD('another')");
    site.end_connections();
    CHECK(site.says("Access denied for user 'node'"));
    stays([&] { return site.acme(); }, 200, "a wrong password");
    CHECK_EQUAL(site.web->times("secret-of-node"), 0U);
    CHECK(site.web->json().find("secret-of-node") == std::string::npos);
}

CLAIM(a_question_to_mysql_that_hangs_is_broken_off) {
    if (is_left_out()) return;
    MysqlSite site;
    site.run_until_connected();
    CHECK_EQUAL(site.acme() + site.globex(), 400);
    site.relay->freeze();
    site.put("refused.conf", "revocation", "MTLSSuspend acme\n");
    CHECK(site.says("no answer within 10 seconds"));
    CHECK_EQUAL(site.acme(), 200);
    CHECK_CONTAINS(site.web->metrics(), "mtls_authz_keeper_up 1");
    site.relay->freeze(false);
    becomes([&] { return site.acme(); }, 403, "it comes through again");
}

CLAIM(a_locked_table_of_mysql_holds_up_no_restart_for_long) {
    if (is_left_out()) return;
    MysqlSite site;
    site.web->run();
    CHECK_EQUAL(site.acme() + site.globex(), 400);
    const auto locks = std::async(std::launch::async, [&] {
        try {
            site.server->sql("LOCK TABLES mtls_policy WRITE; SELECT SLEEP(60)");
        } catch (const std::exception&) {
            // It was ended.
        }
    });
    const auto lockers = [&] {
        return site.server->sql(
            "SELECT GROUP_CONCAT(CONCAT('KILL ', id)) FROM information_schema.processlist WHERE info LIKE 'SELECT "
            "SLEEP(%'");  // not this question itself, which an earlier connection may still have
    };
    becomes([&] { return lockers() != "NULL" ? 1 : 0; }, 1, "the table is locked");
    const auto began = std::chrono::steady_clock::now();
    site.web->restart();
    becomes([&] { return site.acme() + site.globex(); }, 400, "the last good");
    CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(15));
    site.server->sql(lockers());
    locks.wait();
    site.put("refused.conf", "revocation", "MTLSSuspend globex\n");
    becomes([&] { return site.globex(); }, 403, "the lock is gone");
}

CLAIM(a_login_of_mysql_can_do_what_its_role_is_for_and_nothing_else) {
    if (is_left_out()) return;
    MysqlSite site;
    const auto as_node = [&](const std::string& statements) { return site.server->sql_as("node", statements); };
    const auto as_writer = [&](const std::string& statements) { return site.server->sql_as("writer", statements); };
    const std::string denied = "command denied";
    CHECK_CONTAINS(as_node("SELECT name FROM mtls_policy"), "acme.conf");
    CHECK_CONTAINS(as_node(mysql_row("more.conf", "policy", "# more\n")), denied);
    CHECK_CONTAINS(as_node("UPDATE mtls_policy_revision SET revision = 0"), denied);
    CHECK_CONTAINS(as_node("SELECT * FROM mtls_policy_push"), denied);
    CHECK_CONTAINS(as_node("CREATE TRIGGER t AFTER UPDATE ON mtls_node FOR EACH ROW SET @a = 1"), denied);
    CHECK_CONTAINS(as_node("CALL mtls_raise_revision()"), "denied");
    const std::string before = site.server->sql("SELECT revision FROM mtls_policy_revision");
    CHECK_EQUAL(as_writer("UPDATE mtls_policy SET body = CONCAT(body, '# w') WHERE name = 'acme.conf'"), "");
    CHECK(site.server->sql("SELECT revision FROM mtls_policy_revision") != before);
    CHECK_EQUAL(as_writer("INSERT INTO mtls_policy_push (revision, what) VALUES (7, 'x')"), "");
    CHECK_CONTAINS(site.server->sql("SELECT who FROM mtls_policy_push"), "writer@");
    CHECK_CONTAINS(as_writer("INSERT INTO mtls_policy_push (revision, who, what) VALUES (7, 'node', 'x')"), "denied");
    CHECK_CONTAINS(as_writer("TRUNCATE mtls_policy"), denied);
    site.server->sql("DELETE FROM mtls_policy_revision");
    CHECK_CONTAINS(as_writer("DELETE FROM mtls_policy"), "no web server would see this change");
    CHECK(site.server->sql("SELECT COUNT(*) FROM mtls_policy") != "0");
}
