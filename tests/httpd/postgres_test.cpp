// MTLSPolicyDatabase with PostgreSQL and its faults: the last good policy stays, the log gives the reason, and only the
// thread that polls the database waits.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>

#include "claims.hpp"
#include "database_site.hpp"
#include "program.hpp"
#include "workers.hpp"

using namespace test;

namespace {

using Clock = std::chrono::steady_clock;

struct PostgresSite : RelayedSite<Postgres> {
    PostgresSite() : RelayedSite("pgsql") { server->sql(first_rows()); }
    void end_connections() const {
        server->sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'node'");
    }
    // Moves the rows to mtls_rows. Nodes read those of them for which `condition` holds.
    void show_rows_where(const std::string& condition, const std::string& more = "") const {
        server->sql(
            "BEGIN; ALTER TABLE mtls_policy RENAME TO mtls_rows; CREATE VIEW mtls_policy AS SELECT name, kind, body "
            "FROM mtls_rows WHERE " +
            condition + "; GRANT SELECT ON mtls_policy TO mtls_node; " + more + "COMMIT");
    }
};

bool is_left_out() { return test::is_left_out<Postgres>("PostgreSQL"); }

// Statements that run in parallel with the test.
struct Beside : Program {
    Beside(const Postgres& at, const std::string& statements)
        : Program({"psql", "-q", "-h", "127.0.0.1", "-p", std::to_string(at.port()), "-U", "owner", "-d", "mtls", "-c",
                   statements}) {}
};

}  // namespace

CLAIM(rows_of_postgresql_count_and_the_node_tells_what_it_has) {
    if (is_left_out()) return;
    PostgresSite site;
    site.server->sql("DELETE FROM mtls_policy WHERE name = 'globex.conf'");
    site.web->run();
    CHECK_EQUAL(site.acme(), 200);
    CHECK_EQUAL(site.globex(), 403);
    site.server->sql(row("globex.conf", "policy", kGlobexRow));
    becomes([&] { return site.globex(); }, 200, "a row that was added");
    const auto node = [&](const std::string& column) {
        return site.server->sql("SELECT " + column + " FROM mtls_node");
    };
    const std::string revision = site.server->sql("SELECT revision FROM mtls_policy_revision");
    becomes([&] { return node("revision") == revision ? 1 : 0; }, 1, "the node says so");
    CHECK_CONTAINS(node("node"), ":" + std::to_string(site.web->httpd.plain_port()));
    CHECK_CONTAINS(site.web->httpd.error_log(), node("generation"));
    CHECK_EQUAL(node("error"), "");
    site.server->sql(row("broken.conf", "policy", "MTLSNonsense\n"));
    becomes([&] { return node("error").find("db:broken.conf:1") != std::string::npos ? 1 : 0; }, 1, "and its error");
    // Statements that the login of a node must not run.
    const std::string as_node = "SET ROLE mtls_node; ";
    for (const char* statement :
         {"DELETE FROM mtls_policy", "UPDATE mtls_policy_revision SET revision = 1",
          "INSERT INTO mtls_policy VALUES ('x', 'policy', '#')", "SELECT * FROM mtls_policy_push"}) {
        bool is_refused = false;
        try {
            site.server->sql(as_node + statement);
        } catch (const std::exception& e) {
            is_refused = std::string(e.what()).find("permission denied") != std::string::npos;
        }
        CHECK(is_refused);
    }
    // A transaction raises the revision once, however many rows it changes.
    const std::string before = site.server->sql("SELECT revision FROM mtls_policy_revision");
    site.server->sql("SET ROLE mtls_writer; DELETE FROM mtls_policy WHERE name = 'broken.conf'");
    CHECK_EQUAL(std::stol(site.server->sql("SELECT revision FROM mtls_policy_revision")), std::stol(before) + 1);
}

// A .pgpass in the home of root: the keeper, which is not root, could not read it.
CLAIM(the_home_of_whom_starts_the_server_counts_for_no_connection) {
    if (is_left_out() || geteuid() != 0) return;
    PostgresSite site;
    const std::string home = site.folder + "/home", port = std::to_string(site.relay->port());
    fs::create_directories(home);
    std::ofstream(home + "/.pgpass") << "127.0.0.1:" << port << ":mtls:node:secret-of-node\n";
    chmod((home + "/.pgpass").c_str(), 0600);
    chmod(home.c_str(), 0700);
    site.web->connect("host=127.0.0.1 port=" + port + " dbname=mtls user=node\n");
    CHECK_EQUAL(setenv("HOME", home.c_str(), 1), 0);  // each test has a process of its own
    site.web->run("MTLSPolicyStart last-good\n");
    CHECK_EQUAL(site.acme(), 403);
    CHECK(site.says("the database cannot be read: no connection"));
    site.web->connect(site.server->parameters("node", site.relay->port()));
    site.web->restart();
    becomes([&] { return site.acme(); }, 200, "parameters with the password");
    site.server->sql(row("refused.conf", "revocation", "MTLSSuspend globex\n"));
    becomes([&] { return site.globex(); }, 403, "a row that refuses");
}

CLAIM(a_login_can_do_what_its_role_is_for_and_nothing_else) {
    if (is_left_out()) return;
    PostgresSite site;
    const auto as_node = [&](const std::string& statements) { return site.server->sql_as("node", statements); };
    const auto as_writer = [&](const std::string& statements) { return site.server->sql_as("writer", statements); };
    const std::string denied = "permission denied";
    CHECK_CONTAINS(as_node("SELECT name FROM mtls_policy"), "acme.conf");
    CHECK_CONTAINS(as_node(row("more.conf", "policy", "# more\n")), denied);
    CHECK_CONTAINS(as_node("UPDATE mtls_policy_revision SET revision = 0"), denied);
    CHECK_CONTAINS(as_node("SELECT * FROM mtls_policy_push"), denied);
    // A trigger of its own, over a table of its own, by the function that raises the revision: that runs by the rights
    // of who made it fire.
    const std::string taken = as_node(
        "CREATE TEMP TABLE mtls_policy_revision (revision bigint); INSERT INTO pg_temp.mtls_policy_revision VALUES (1);"
        "GRANT ALL ON pg_temp.mtls_policy_revision TO PUBLIC;"
        "CREATE FUNCTION pg_temp.f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO public.mtls_policy VALUES "
        "('node.conf', 'policy', '#'); RETURN NULL; END$$;"
        "CREATE TRIGGER t AFTER UPDATE ON pg_temp.mtls_policy_revision FOR EACH ROW EXECUTE FUNCTION pg_temp.f();"
        "CREATE TEMP TABLE own (i int);"
        "CREATE TRIGGER t AFTER INSERT ON own FOR EACH STATEMENT EXECUTE FUNCTION public.mtls_raise_revision();"
        "INSERT INTO own VALUES (1);");
    CHECK_CONTAINS(taken, denied);
    CHECK_EQUAL(site.server->sql("SELECT count(*) FROM mtls_policy WHERE name = 'node.conf'"), "0");
    // A writer writes rows, which raises the revision, and cannot say that somebody else did.
    const std::string before = site.server->sql("SELECT revision FROM mtls_policy_revision");
    CHECK_EQUAL(as_writer("UPDATE mtls_policy SET body = body || '# w' WHERE name = 'acme.conf'"), "");
    CHECK(site.server->sql("SELECT revision FROM mtls_policy_revision") != before);
    CHECK_EQUAL(as_writer("INSERT INTO mtls_policy_push (revision, what) VALUES (7, 'x')"), "");
    CHECK_EQUAL(site.server->sql("SELECT who FROM mtls_policy_push"), "writer");
    CHECK_CONTAINS(as_writer("INSERT INTO mtls_policy_push (revision, who, what) VALUES (7, 'node', 'x')"), denied);
    CHECK_CONTAINS(as_writer("TRUNCATE mtls_policy"), denied);
    // While mtls_policy_revision has no row, a change of mtls_policy fails.
    site.server->sql("DELETE FROM mtls_policy_revision");
    CHECK_CONTAINS(as_writer("DELETE FROM mtls_policy"), "no web server would see this change");
    CHECK_EQUAL(site.server->sql("SELECT count(*) > 0 FROM mtls_policy"), "t");
}

CLAIM(when_the_primary_is_killed_the_last_good_stays_and_counts_again_when_it_is_back) {
    if (is_left_out()) return;
    PostgresSite site;
    site.web->run();
    CHECK_EQUAL(site.acme() + site.globex(), 400);
    site.server->kill();
    CHECK(site.says("MTLSPolicyDatabase pgsql database.conf: the database cannot be read: "));
    stays([&] { return site.globex(); }, 200, "the primary is gone");
    CHECK_CONTAINS(site.web->json(), "cannot be read");
    CHECK(site.web->errors("MTLSPolicyDatabase pgsql database.conf: the database cannot be read") <= 3U);
    site.server->start();
    CHECK(site.says("the policy files are no longer refused"));
    site.server->sql("DELETE FROM mtls_policy WHERE name = 'globex.conf'");
    becomes([&] { return site.globex(); }, 403, "a change after it came back");
    CHECK_EQUAL(site.acme(), 200);
}

CLAIM(a_connection_that_hangs_holds_up_nothing_but_itself, Turn::kFirst) {
    if (is_left_out()) return;
    PostgresSite site;
    site.web->httpd.write("revoked/list.conf", "# nobody\n");
    site.run_until_connected("MTLSRevocationFile revoked/list.conf\n");
    CHECK_EQUAL(site.acme() + site.globex(), 400);
    site.relay->freeze();
    site.server->sql(row("refused.conf", "revocation", "MTLSSuspend acme\n"));
    // Files are still polled, and the keeper still runs.
    site.web->httpd.write("revoked/list.conf", "MTLSSuspend globex\n");
    const auto began = Clock::now();
    becomes([&] { return site.globex(); }, 403, "a file refuses");
    CHECK(Clock::now() - began < std::chrono::seconds(8));
    CHECK(site.says("no answer within 10 seconds"));
    CHECK_EQUAL(site.acme(), 200);
    CHECK_CONTAINS(site.web->metrics(), "mtls_authz_keeper_up 1");
    // The time limit also applies to a connect, and a restart does not wait long.
    const auto restarted = Clock::now();
    site.web->restart();
    becomes([&] { return site.acme(); }, 200, "after a restart");
    CHECK_EQUAL(site.globex(), 403);
    CHECK(Clock::now() - restarted < std::chrono::seconds(30));
    site.relay->freeze(false);
    becomes([&] { return site.acme(); }, 403, "it comes through again");
    CHECK_EQUAL(site.web->times("the keeper sent no heartbeat"), 0U);
}

CLAIM(a_hanging_question_about_the_policy_delays_no_refusal) {
    if (is_left_out()) return;
    PostgresSite site;
    site.web->run();
    CHECK_EQUAL(site.acme() + site.globex(), 400);
    site.show_rows_where("kind = 'revocation' OR pg_sleep(20) IS NOT NULL",
                         "INSERT INTO mtls_rows VALUES ('more.conf', 'revocation', E'MTLSSuspend globex\\n'); UPDATE "
                         "mtls_policy_revision SET revision = revision + 1; ");
    const auto began = Clock::now();
    becomes([&] { return site.globex(); }, 403, "a row refuses");
    CHECK(Clock::now() - began < std::chrono::seconds(8));
    CHECK_EQUAL(site.acme(), 200);
}

CLAIM(rows_that_do_not_come_hold_up_no_restart_for_long) {
    if (is_left_out()) return;
    PostgresSite site;
    site.web->run();
    CHECK_EQUAL(site.acme() + site.globex(), 400);
    site.show_rows_where("pg_sleep(20) IS NOT NULL");
    const auto began = Clock::now();
    site.web->restart();
    becomes([&] { return site.acme() + site.globex(); }, 400, "the last good");
    CHECK(Clock::now() - began < std::chrono::seconds(20));
    site.end_connections();
    site.server->sql("DROP VIEW mtls_policy; ALTER TABLE mtls_rows RENAME TO mtls_policy; " +
                     row("refused.conf", "revocation", "MTLSSuspend globex\n"));
    becomes([&] { return site.globex(); }, 403, "the rows come again");
}

CLAIM(a_wrong_password_and_a_locked_table_leave_the_last_good_and_the_password_is_nowhere) {
    if (is_left_out()) return;
    PostgresSite site;
    site.web->run();
    CHECK_EQUAL(site.acme() + site.globex(), 400);
    site.server->sql("ALTER ROLE node PASSWORD 'another'");
    site.end_connections();
    CHECK(site.says("password authentication failed"));
    stays([&] { return site.globex(); }, 200, "a wrong password");
    site.server->sql("ALTER ROLE node PASSWORD 'secret-of-node'");
    CHECK(site.says("the policy files are no longer refused"));
    {
        const Beside lock(*site.server,
                          "BEGIN; DELETE FROM mtls_policy WHERE name = 'globex.conf'; COMMIT; BEGIN; LOCK TABLE "
                          "mtls_policy IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(600)");
        CHECK(site.says("table mtls_policy: "));
        CHECK(site.says("lock timeout"));
        CHECK_EQUAL(site.globex(), 200);
    }
    site.server->sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND "
        "pid <> pg_backend_pid()");
    becomes([&] { return site.globex(); }, 403, "the lock is gone");
    CHECK_EQUAL(site.web->times("secret-of-node"), 0U);
    CHECK(site.web->json().find("secret-of-node") == std::string::npos);
}

CLAIM(a_replica_that_is_behind_is_refused_until_it_has_caught_up) {
    if (is_left_out()) return;
    PostgresSite site;
    Postgres replica(site.folder + "/replica", *site.server);
    site.web->run();
    CHECK_EQUAL(site.acme() + site.globex(), 400);
    replica.sql("SELECT pg_wal_replay_pause()");
    site.server->sql("DELETE FROM mtls_policy WHERE name = 'globex.conf'");
    becomes([&] { return site.globex(); }, 403, "by the primary");
    site.relay->lead_to(replica.port());
    site.end_connections();
    CHECK(site.says("is lower than"));
    stays([&] { return site.globex(); }, 403, "what a replica has from before");
    CHECK_EQUAL(site.acme(), 200);
    replica.sql("SELECT pg_wal_replay_resume()");
    CHECK(site.says("the policy files are no longer refused"));
    // A standby is read only: the node cannot write its state, and goes on.
    CHECK(site.says("this server cannot tell the database what it has"));
    site.server->sql(row("globex.conf", "policy", kGlobexRow));
    becomes([&] { return site.globex(); }, 200, "by way of the replica");
}

CLAIM(another_server_behind_a_pooler_is_read_though_its_revision_is_the_same) {
    if (is_left_out() || test::is_left_out<PgBouncer>("PgBouncer")) return;
    PostgresSite site;
    Postgres other(site.folder + "/other");
    other.sql(first_rows());
    const auto revision_of = [](const Postgres& at) { return at.sql("SELECT revision FROM mtls_policy_revision"); };
    site.server->sql(row("refused.conf", "revocation", "# nobody yet\n"));
    other.sql(row("refused.conf", "revocation", "MTLSSuspend globex\n"));
    CHECK_EQUAL(revision_of(*site.server), revision_of(other));
    const PgBouncer pooler(site.folder + "/pooler", site.relay->port());
    site.web->connect(site.server->parameters("node", pooler.port()));
    site.run_until_connected();
    CHECK_EQUAL(site.acme() + site.globex(), 400);
    site.relay->lead_to(other.port());
    site.end_connections();
    becomes([&] { return site.globex(); }, 403, "what the other server has");
    CHECK_EQUAL(site.acme(), 200);
}

namespace {

// Processor time of the keepers of all servers.
double keeper_seconds(const std::vector<std::unique_ptr<StoredSite>>& servers) {
    double out = 0;
    for (const auto& server : servers) {
        for (const pid_t keeper : server->httpd.keepers()) out += processor_seconds(keeper);
    }
    return out;
}

// Number of partners besides those of first_rows(); set PARTNERS=100000 in the environment to measure.
int more_partners() {
    constexpr int kFew = 1000;
    const char* const said = std::getenv("PARTNERS");
    return said != nullptr ? std::atoi(said) : kFew;
}

}  // namespace

CLAIM(eight_servers_follow_one_database_and_serve_while_it_is_away, Turn::kFirst) {
    if (is_left_out()) return;
    constexpr std::size_t kServers = 8;
    PostgresSite site;
    site.server->sql(
        "DELETE FROM mtls_policy WHERE name = 'globex.conf'; INSERT INTO mtls_policy SELECT 'p' || i || '.conf', "
        "'policy', format(E'<MTLSPartner p%s>\\nMTLSIdentity DNS:p%s.example\\nMTLSTrustAnchor db:acme-ca.pem\\n"
        "</MTLSPartner>\\n', i, i) FROM generate_series(1, " +
        std::to_string(more_partners()) + ") AS i");
    std::vector<std::unique_ptr<StoredSite>> servers;
    for (std::size_t i = 0; i < kServers; ++i) {
        servers.push_back(std::make_unique<StoredSite>("pgsql", site.server->parameters("node")));
        servers.back()->run();
    }
    const auto all = [&](const Identity& who) {
        int sum = 0;
        for (const auto& server : servers) sum += server->get(who);
        return sum;
    };
    constexpr int kAllowed = 200 * static_cast<int>(kServers), kRefused = 403 * static_cast<int>(kServers);
    CHECK_EQUAL(all(world().acme), kAllowed);
    std::atomic<int> failed{0}, asked{0};
    Workers load;
    load.add([&] {
        for (std::size_t i = 0; !load.are_over(); ++i) {
            failed += servers[i % kServers]->get(world().acme) != 200 ? 1 : 0;
            ++asked;
            pause_for(std::chrono::milliseconds(10));
        }
    });
    const auto until = [&](const Identity& who, int expected, const char* what) {
        const auto began = Clock::now();
        const double busy = keeper_seconds(servers);
        becomes([&] { return all(who); }, expected, what);
        const double took = std::chrono::duration<double>(Clock::now() - began).count();
        std::printf(
            "%d partners, %s: in force on %zu servers after %.2f s; their keepers worked for %.2f s, one holds %ld "
            "KiB\n",
            more_partners(), what, kServers, took, keeper_seconds(servers) - busy,
            resident_kib(servers.front()->httpd.keepers().front()));
        check(took < 10 || more_partners() > 1000 || httpd_paths().is_sanitized(), what, __FILE__, __LINE__);
    };
    site.server->sql(row("globex.conf", "policy", kGlobexRow));
    until(world().globex, kAllowed, "a partner more");
    site.server->kill();
    pause_for(kTakesHold);
    CHECK_EQUAL(all(world().globex), kAllowed);
    site.server->start();
    site.server->sql(row("broken.conf", "policy", "MTLSNonsense\n") +
                     row("refused.conf", "revocation", "MTLSSuspend globex\n"));
    until(world().globex, kRefused, "a refusal beside a broken policy");
    load.stop();
    CHECK(asked > 20);
    CHECK_EQUAL(failed.load(), 0);
    site.server->sql("DELETE FROM mtls_policy WHERE name = 'broken.conf'");
    const std::string revision = site.server->sql("SELECT revision FROM mtls_policy_revision");
    becomes(
        [&] {
            return std::stoi(
                site.server->sql("SELECT count(*) FROM mtls_node WHERE error IS NULL AND revision = " + revision));
        },
        static_cast<int>(kServers), "each of them says so");
}
