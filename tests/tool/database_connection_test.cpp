// How push, pull and fleet reach a database, and what fleet finds there.
#include <sys/stat.h>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "claims.hpp"
#include "databases.hpp"
#include "stored_policy.hpp"
#include "tool.hpp"

using namespace test;
using Json = nlohmann::json;
namespace fs = std::filesystem;

CLAIM(a_sqlite_database_that_is_locked_for_a_moment_is_waited_for) {
    Stored s;
    s.push(0);
    s.sql("INSERT INTO mtls_node VALUES ('web', '0123456789abcdef', " + s.revision() + ", '', NULL, datetime('now'))");
    s.pull(0, "copy");
    s.file("copy/policy/acme.conf", Stored::partner("acme", "acme-ca.pem", "MTLSGroup a\n"));
    for (const std::string command :
         {"pull --database sqlite3 writer.conf other", "fleet --database sqlite3 writer.conf",
          "push --database sqlite3 writer.conf copy"}) {
        const auto out = s.shell(
            "rm -f held; sqlite3 policy.db 'BEGIN EXCLUSIVE' '.shell touch held; sleep 1' 'COMMIT' & "
            "until [ -e held ]; do sleep 0.02; done; \"$0\" " +
            command + "; status=$?; wait; exit $status");
        check_equal(out.status, 0, command + ": " + out.text, __FILE__, __LINE__);
    }
}

CLAIM(fleet_finds_servers_that_are_behind_silent_or_in_trouble) {
    Stored s;
    s.push(0);
    const std::string revision = s.revision();
    CHECK_CONTAINS(s.expect(1, s.command("fleet", {})), "; with sqlite3 none does: ask one with mtls-authz matrix");
    CHECK_EQUAL(Json::parse(s.shell("\"$0\" fleet --database sqlite3 writer.conf --json").text)["ok"], false);
    const auto node = [&](const std::string& name, const std::string& has, const std::string& error,
                          const std::string& seen) {
        s.sql("INSERT INTO mtls_node VALUES ('" + name + "', '0123456789abcdef', " + has +
              ", '2026-11-27T10:00:00Z', " + error + ", datetime('now', '" + seen + "'))");
    };
    node("web1:443", revision, "NULL", "-10 seconds");
    CHECK_CONTAINS(s.expect(0, s.command("fleet", {})), "web1:443  0123456789abcdef  revision " + revision);
    node("web2:443", "0", "NULL", "-10 seconds");
    CHECK_CONTAINS(s.expect(1, s.command("fleet", {})), "is behind revision " + revision);
    s.sql("DELETE FROM mtls_node WHERE node = 'web2:443'");
    node("web3:443", revision, "'db:acme.conf:1: error: x'", "-10 seconds");
    CHECK_CONTAINS(s.expect(1, s.command("fleet", {})), "db:acme.conf:1: error: x");
    s.sql("DELETE FROM mtls_node WHERE node = 'web3:443'");
    node("web4:443", revision, "NULL", "-500 seconds");
    const Json json = Json::parse(s.expect(1, s.command("fleet", {"--json"})));
    CHECK(json["ok"] == false && json["nodes"].size() == 2 && json["nodes"][1]["age"].get<int>() >= 500);
    s.expect(0, s.command("fleet", {"--max-age", "1000"}));
    s.sql(
        "UPDATE mtls_node SET seen = datetime('now'); UPDATE mtls_node SET generation = 'fedcba9876543210' WHERE node "
        "= "
        "'web4:443'");
    node("web5:443", revision, "NULL", "-10 seconds");
    const std::string differs = s.expect(1, s.command("fleet", {}));
    CHECK_CONTAINS(differs, "has another generation at this revision than 2 server(s) with 0123456789abcdef");
    CHECK_EQUAL(differs.find("has another generation"), differs.rfind("has another generation"));
    s.sql("DELETE FROM mtls_node WHERE node = 'web4:443'");
    s.expect(0, s.command("fleet", {}));
    for (const auto& [has, seen, finding] :
         {std::tuple(std::to_string(std::stol(revision) + 2), "-10 seconds",
                     "is ahead of revision " + revision + ": the database is older"),
          std::tuple(revision, "+10 days", std::string(" s ahead: the clock of")),
          std::tuple(revision, "no time", std::string("no time of its last word"))}) {
        node("web6:443", has, "NULL", seen);
        CHECK_CONTAINS(s.expect(1, s.command("fleet", {})), finding);
        s.sql("DELETE FROM mtls_node WHERE node = 'web6:443'");
    }
    node("web6:443", revision, "NULL", "+10 seconds");
    s.expect(0, s.command("fleet", {}));
    // A table without that column has no such finding.
    s.sql("ALTER TABLE mtls_node DROP COLUMN seen");
    s.expect(0, s.command("fleet", {}));
    s.sql("ALTER TABLE mtls_node RENAME TO other");
    CHECK_CONTAINS(s.expect(2, s.command("fleet", {})), "table mtls_node");
}

CLAIM(a_connection_that_cannot_be_made_is_said_in_one_line) {
    Stored s;
    CHECK_CONTAINS(s.expect(2, {"fleet", "--database", "sqlite", "writer.conf"}), "(did you mean 'sqlite3'?)");
    CHECK_CONTAINS(s.expect(2, {"fleet", "--database", "sqlite3", "none.conf"}), "cannot read 'none.conf'");
    chmod((s.folder() + "/writer.conf").c_str(), 0644);
    CHECK_CONTAINS(s.expect(2, s.command("fleet", {})), "chmod 600 'writer.conf'");
    chmod((s.folder() + "/writer.conf").c_str(), 0600);
    // The parameters of another driver have a password.
    s.connect_by("alice.conf", "host=db.example dbname=mtls user=alice password=alicepw");
    const std::string said = s.expect(2, {"push", "--database", "sqlite3", "alice.conf", "policy"});
    CHECK_CONTAINS(said, "'alice.conf' does not name a file that exists: expected the path of a SQLite database");
    CHECK(said.find("alicepw") == std::string::npos && said.find("db.example") == std::string::npos);
    s.connect_by("lost.conf", s.folder() + "/lost.db");
    CHECK_CONTAINS(s.expect(2, {"fleet", "--database", "sqlite3", "lost.conf"}), "'lost.conf' does not name a file");
    CHECK(!fs::exists(s.folder() + "/lost.db"));
    s.sql("DROP TABLE mtls_policy_revision");
    CHECK_CONTAINS(s.expect(2, s.command("fleet", {})), "table mtls_policy_revision");
    CHECK_CONTAINS(s.expect(2, s.command("push", {"policy"})), "table mtls_policy_revision");
}

CLAIM(no_message_holds_a_password_however_the_parameters_are_written) {
    if (has_no_postgres()) return;
    Served s;
    for (const char* wrong : {"host=127.0.0.1,user=alice,pass=alicepw", "host=127.0.0.1 password=x alicepw",
                              "postgresql://alice:al/alicepw@127.0.0.1/mtls", "host=127.0.0.1 alicepw",
                              "host=127.0.0.1 pass=alicepw", "alicepw", "postgresql://alice:alicepw@[::1/mtls",
                              "postgresql://alice:alicepw@[::1]5432/mtls", "host=alice:alicepw@127.0.0.1"}) {
        s.connect_by("wrong.conf", wrong);
        for (const char* driver : {"pgsql", "sqlite3"}) {
            const std::string said = s.expect(2, {"fleet", "--database", driver, "wrong.conf"});
            check(said.find("alicepw") == std::string::npos, said, __FILE__, __LINE__);
            CHECK(!said.empty());
        }
    }
    // The host is not a secret: the message names it.
    s.connect_by("wrong.conf", "host=127.0.0.1 port=1 dbname=mtls user=alice password=alicepw");
    CHECK_CONTAINS(s.expect(2, {"fleet", "--database", "pgsql", "wrong.conf"}), "127.0.0.1");
}

CLAIM(parameters_of_postgresql_may_be_a_uri) {
    if (has_no_postgres()) return;
    Served s;
    s.server->sql("CREATE ROLE odd LOGIN PASSWORD 'a?b' IN ROLE mtls_writer");
    const std::string at = "@127.0.0.1:" + std::to_string(s.server->port()) + "/mtls";
    const std::string uris[] = {
        "postgresql://writer:secret-of-writer" + at,
        "postgres://writer:secret-of-writer" + at + "?application_name=x",
        "postgresql://writer:secret-of-writer" + at + "?connect_timeout=3",
        "postgresql://odd:a?b" + at,
        "postgresql://odd:a?b" + at + "?sslmode=prefer",
        "postgresql:///mtls?host=127.0.0.1&port=" + std::to_string(s.server->port()) + "&user=odd&password=a?b",
    };
    for (const std::string& uri : uris) {
        s.connect_by("uri.conf", uri);
        CHECK_CONTAINS(s.expect(1, Served::on_pg("fleet", {}, "uri.conf")), "0 node(s)");
    }
    // Words in place of a URI, with the text of one in a value.
    s.connect_by("uri.conf", s.server->parameters("writer") + "application_name=postgresql://x");
    s.expect(1, Served::on_pg("fleet", {}, "uri.conf"));
    s.connect_by("uri.conf", "postgresql://writer:wrong" + at);
    const std::string said = s.expect(2, Served::on_pg("fleet", {}, "uri.conf"));
    CHECK_CONTAINS(said, "password authentication failed for user");
}

CLAIM(push_pull_and_fleet_work_with_mysql) {
    if (!MariaDb::is_installed()) {
        std::puts("MariaDB is not installed: left out");
        return;
    }
    Stored s;
    chmod(s.folder().c_str(), 0755);
    const MariaDb server(s.folder() + "/mariadb");
    s.connect_by("my.conf", server.parameters("writer"));
    const auto on_mysql = [&](int status, const std::string& name, const std::vector<std::string>& more) {
        std::vector<std::string> words = {name, "--database", "mysql", "my.conf"};
        words.insert(words.end(), more.begin(), more.end());
        return s.expect(status, words);
    };
    s.file("policy/certificate/other.der", der_of(s.other));
    s.file("policy/policy/text.conf", "# caf\xc3\xa9 \xf0\x9f\x94\x91 'quoted' \\ \t%s \"$1\"\r\n\n");
    on_mysql(0, "push", {"policy"});
    on_mysql(0, "pull", {"alice"});
    on_mysql(0, "pull", {"bob"});
    for (const std::string file : {"policy/acme.conf", "policy/text.conf", "certificate/other.der"}) {
        check(file_text(s.folder() + "/bob/" + file) == file_text(s.folder() + "/policy/" + file), file, __FILE__,
              __LINE__);
    }
    const std::string before = server.sql("SELECT revision FROM mtls_policy_revision");
    s.file("alice/policy/acme.conf", Stored::partner("acme", "acme-ca.pem", "MTLSGroup a\n"));
    s.file("bob/policy/acme.conf", Stored::partner("acme", "acme-ca.pem", "MTLSGroup b\n"));
    on_mysql(0, "push", {"alice"});
    CHECK_CONTAINS(on_mysql(1, "push", {"bob"}), "these files come from " + before + ": somebody pushed meanwhile");
    CHECK_CONTAINS(server.sql("SELECT body FROM mtls_policy WHERE name = 'acme.conf'"), "MTLSGroup a");
    CHECK_CONTAINS(server.sql("SELECT who, what FROM mtls_policy_push"), "writer@");
    const std::string revision = server.sql("SELECT revision FROM mtls_policy_revision");
    server.sql("INSERT INTO mtls_node (node, generation, revision) VALUES ('web1:80', 'aaaa', " + revision + ")");
    CHECK_CONTAINS(on_mysql(0, "fleet", {}), "web1:80");
    server.sql("UPDATE mtls_node SET revision = 1");
    CHECK_CONTAINS(on_mysql(1, "fleet", {}), "web1:80");
}
