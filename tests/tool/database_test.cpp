// The commands push, pull and fleet.
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "databases.hpp"
#include "tool.hpp"

using namespace test;
using Json = nlohmann::json;
namespace fs = std::filesystem;

namespace {

struct Stored : Bench {
    Identity ca = make_ca("Acme CA"), other = make_ca("Other CA");
    Identity leaf = make_client("api", "api.acme.example", ca);

    Stored() {
        sqlite(database(), file_text("conf/examples/sqlite.sql"));
        connect("writer.conf");
        file("policy/policy/acme.conf", partner("acme", "acme-ca.pem"));
        file("policy/certificate/acme-ca.pem", ca.cert_pem());
        file("policy/revocation/refused.conf", "# nobody\n");
    }
    void connect(const std::string& name) { connect_by(name, "# SQLite's file\n" + database()); }
    void connect_by(const std::string& name, const std::string& parameters) {
        file(name, parameters + "\n");
        chmod((folder() + "/" + name).c_str(), 0600);
    }
    std::string database() const { return folder() + "/policy.db"; }
    static std::string partner(const std::string& name, const std::string& anchor, const std::string& more = "") {
        return "<MTLSPartner " + name + ">\nMTLSIdentity DNS:api." + name + ".example\nMTLSTrustAnchor db:" + anchor +
               "\n" + more + "</MTLSPartner>\n";
    }
    std::vector<std::string> command(const std::string& name, const std::vector<std::string>& more) const {
        std::vector<std::string> out = {name, "--database", "sqlite3", "writer.conf"};
        out.insert(out.end(), more.begin(), more.end());
        return out;
    }
    std::string push(int status, const std::vector<std::string>& more = {"policy"}) const {
        return expect(status, command("push", more));
    }
    std::string pull(int status, const std::string& into) const { return expect(status, command("pull", {into})); }
    std::string sql(const std::string& statements) const { return sqlite(database(), statements); }
    std::string revision() const { return sql("SELECT revision FROM mtls_policy_revision"); }
};

bool has_no_postgres() {
    if (Postgres::is_installed()) return false;
    std::puts("PostgreSQL is not installed: left out");
    return true;
}

// PostgreSQL with what the folder `policy` holds, and the pulled folders alice and bob with a change each.
struct Served : Stored {
    std::unique_ptr<Postgres> server;

    Served() {
        chmod(folder().c_str(), 0755);
        server = std::make_unique<Postgres>(folder() + "/postgres");
        connect_by("pg.conf", server->parameters("writer"));
        expect(0, on_pg("push", {"policy"}));
        for (const std::string name : {"alice", "bob"}) {
            expect(0, on_pg("pull", {name}));
            file(name + "/policy/acme.conf", partner("acme", "acme-ca.pem", "MTLSGroup " + name + "\n"));
        }
    }
    static std::vector<std::string> on_pg(const std::string& name, const std::vector<std::string>& more,
                                          const std::string& file = "pg.conf") {
        std::vector<std::string> out = {name, "--database", "pgsql", file};
        out.insert(out.end(), more.begin(), more.end());
        return out;
    }
    // Waits until a query returns rows.
    bool comes(const std::string& query) const {
        for (int i = 0; i < 200; ++i) {
            if (!server->sql(query).empty()) return true;
            std::this_thread::sleep_for(std::chrono::milliseconds(25));
        }
        return false;
    }
};

// A session of the superuser that holds a lock until it is ended.
class Locker {
public:
    Locker(const Served& served, const std::string& query) : served_(served) {
        session_ = std::thread([&served, query] {
            try {
                served.server->sql("BEGIN; " + query + " FOR UPDATE; SELECT pg_sleep(600)");
            } catch (const std::runtime_error&) {
                // It was ended.
            }
        });
        is_there_ = served.comes("SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
    }
    ~Locker() { end(); }
    Locker(const Locker&) = delete;
    Locker& operator=(const Locker&) = delete;

    bool is_there() const { return is_there_; }
    void end() {
        if (!session_.joinable()) return;
        served_.server->sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
        session_.join();
    }

private:
    const Served& served_;
    std::thread session_;
    bool is_there_ = false;
};

}  // namespace

CLAIM(pull_gives_back_the_very_bytes_that_push_took) {
    Stored s;
    const std::string der = der_of(s.other);
    s.file("policy/certificate/other.der", der);
    s.file("policy/policy/latin.conf", "# caf\xe9\r\n" + Stored::partner("globex", "other.der"));
    s.file("policy/policy/utf8.conf", "# caf\xc3\xa9 'quoted' \\ \t%s $1\r\n\n");
    s.file("policy/policy/spelled.conf", "#\n# base64: is a word\n");
    CHECK_CONTAINS(s.push(0), "pushed: revision ");
    CHECK(s.sql("SELECT body FROM mtls_policy WHERE name = 'other.der'").starts_with("base64:"));
    s.pull(0, "copy");
    for (const auto& entry : fs::recursive_directory_iterator(s.folder() + "/policy")) {
        if (!entry.is_regular_file() || entry.path().filename().string().starts_with('.')) continue;
        const std::string name = fs::relative(entry.path(), s.folder() + "/policy");
        check(file_text(s.folder() + "/copy/" + name) == file_text(entry.path()), name, __FILE__, __LINE__);
    }
    CHECK_CONTAINS(s.push(0, {"copy"}), "the same: revision " + s.revision());
    CHECK_CONTAINS(s.sql("SELECT what FROM mtls_policy_push"), "new policy/acme.conf");
}

CLAIM(two_who_push_come_one_after_the_other_and_the_second_is_told) {
    Stored s;
    s.push(0);
    s.pull(0, "alice");
    s.pull(0, "bob");
    const std::string before = s.revision();
    s.file("alice/policy/acme.conf", Stored::partner("acme", "acme-ca.pem", "MTLSGroup a\n"));
    s.file("bob/policy/acme.conf", Stored::partner("acme", "acme-ca.pem", "MTLSGroup b\n"));
    s.push(0, {"alice"});
    CHECK_CONTAINS(s.push(1, {"bob"}), "these files come from " + before + ": somebody pushed meanwhile");
    CHECK_CONTAINS(s.push(1, {"bob", "--dry-run"}), "somebody pushed meanwhile");
    CHECK_CONTAINS(s.sql("SELECT body FROM mtls_policy WHERE name = 'acme.conf'"), "MTLSGroup a");
    CHECK_CONTAINS(s.pull(1, "bob"), "policy/acme.conf was changed here");
    fs::remove(s.folder() + "/bob/policy/acme.conf");
    s.pull(1, "bob");
    fs::rename(s.folder() + "/alice/policy/acme.conf", s.folder() + "/bob/policy/acme.conf");
    s.pull(0, "bob");
    // A second push by the same user needs no pull.
    s.file("alice/policy/acme.conf", Stored::partner("acme", "acme-ca.pem", "MTLSGroup c\n"));
    s.push(0, {"alice"});
    // Of two pushes at the same moment one succeeds.
    s.pull(0, "carol");
    s.pull(0, "dave");
    s.file("carol/policy/acme.conf", Stored::partner("acme", "acme-ca.pem", "MTLSGroup carol\n"));
    s.file("dave/policy/acme.conf", Stored::partner("acme", "acme-ca.pem", "MTLSGroup dave\n"));
    const auto both = s.shell(
        "\"$0\" push --database sqlite3 writer.conf carol >carol.txt 2>&1 & one=$!\n"
        "\"$0\" push --database sqlite3 writer.conf dave >dave.txt 2>&1; two=$?; wait $one; echo $? $two");
    CHECK(both.text == "0 1\n" || both.text == "1 0\n");
    const std::string loser = both.text == "0 1\n" ? "dave.txt" : "carol.txt";
    CHECK_CONTAINS(file_text(s.folder() + "/" + loser), "somebody pushed meanwhile");
}

CLAIM(push_writes_nothing_where_the_policy_as_a_whole_does_not_hold) {
    Stored s;
    s.push(0);
    const std::string before = s.revision();
    const auto is_refused = [&](const std::string& why) {
        const std::string said = s.push(1);
        CHECK_CONTAINS(said, why);
        CHECK_CONTAINS(said, "nothing was pushed");
        CHECK_EQUAL(s.revision(), before);
    };
    s.file("policy/policy/bad.conf", "MTLSNonsense\n");
    is_refused("db:bad.conf:1: error: unknown directive");
    s.file("policy/policy/bad.conf", "# nothing\n").file("policy/revocation/refused.conf", "MTLSRevok CN:x\n");
    is_refused("db:refused.conf:1");
    s.file("policy/revocation/refused.conf", "# nobody\n").file("policy/crl/acme.crl", "nonsense");
    is_refused("db:acme.crl");
    fs::remove(s.folder() + "/policy/crl/acme.crl");
    fs::remove(s.folder() + "/policy/certificate/acme-ca.pem");
    is_refused("table mtls_policy has no such row");
    s.file("policy/certificate/acme-ca.pem", s.other.cert_pem())
        .file("policy/certificate/acme.pem", s.leaf.cert_pem())
        .file("policy/policy/bad.conf", "MTLSExpect db:acme.pem is acme\n");
    is_refused("db:bad.conf:1: error");
    s.file("policy/certificate/acme-ca.pem", s.ca.cert_pem());
    s.push(0);
    // A policy file that the servers read besides the database.
    s.file("beside.conf", "MTLSExpect " + s.folder() + "/leaf.pem is-refused\n").file("leaf.pem", s.leaf.cert_pem());
    s.file("policy/policy/bad.conf", "# nothing\n");
    CHECK_CONTAINS(s.push(1, {"policy", "--beside", "beside.conf"}), "beside.conf:1: error");
    s.push(0);
}

CLAIM(a_row_that_refuses_does_not_just_go) {
    Stored s;
    s.file("policy/revocation/refused.conf", "MTLSSuspend acme\n");
    s.push(0);
    fs::remove(s.folder() + "/policy/revocation/refused.conf");
    CHECK_CONTAINS(s.push(1), "row 'refused.conf' refuses");
    s.file("policy/revocation/refused.conf", "# nobody\n");
    s.push(0);
    fs::remove(s.folder() + "/policy/revocation/refused.conf");
    CHECK_CONTAINS(s.push(0), "gone refused.conf");
}

CLAIM(a_policy_row_that_refuses_does_not_just_go) {
    Stored s;
    const auto goes = [&](int status) {
        fs::remove(s.folder() + "/policy/policy/susp.conf");
        return s.push(status);
    };
    for (const std::string line : {"MTLSSuspend acme\n", "MTLSRevoke CN:x\n"}) {
        s.file("policy/policy/susp.conf", line);
        s.push(0);
        const std::string before = s.revision(), said = goes(1);
        CHECK_CONTAINS(said, "row 'susp.conf' refuses, and every web server would refuse a policy without it");
        CHECK_CONTAINS(said, "nothing was pushed");
        CHECK_EQUAL(s.revision(), before);
        // A row of another kind is no policy file.
        s.file("policy/revocation/susp.conf", line);
        CHECK_CONTAINS(goes(1), "row 'susp.conf' refuses");
        fs::remove(s.folder() + "/policy/revocation/susp.conf");
        // The lines may go, and the row after them.
        s.file("policy/policy/susp.conf", "# nobody\n");
        s.push(0);
        CHECK_CONTAINS(goes(0), "gone susp.conf");
    }
    // A suspended partner and its suspension may go at once.
    s.file("policy/policy/globex.conf", Stored::partner("globex", "acme-ca.pem"))
        .file("policy/policy/susp.conf", "MTLSSuspend globex\n");
    s.push(0);
    fs::remove(s.folder() + "/policy/policy/globex.conf");
    CHECK_CONTAINS(goes(0), "gone susp.conf");
}

CLAIM(the_last_policy_row_does_not_just_go) {
    Stored s;
    s.push(0);
    s.file("policy/policy/other.conf", "# nothing\n");
    s.push(0);
    fs::remove(s.folder() + "/policy/policy/acme.conf");
    s.push(0);
    fs::remove(s.folder() + "/policy/policy/other.conf");
    CHECK_CONTAINS(s.push(1), "no row of the kind policy would be left");
    CHECK_CONTAINS(s.sql("SELECT name FROM mtls_policy"), "other.conf");
    // A database that had none may stay without.
    Stored fresh;
    fs::remove(fresh.folder() + "/policy/policy/acme.conf");
    CHECK_CONTAINS(fresh.push(0), "pushed: revision ");
}

CLAIM(a_dry_run_says_who_gains_and_loses_and_writes_nothing) {
    Stored s;
    s.push(0);
    const std::string before = s.revision();
    s.file("policy/policy/acme.conf", Stored::partner("acme", "acme-ca.pem", "MTLSGrant GET /orders/**\n"));
    const std::string said = s.push(1, {"policy", "--dry-run"});
    CHECK_CONTAINS(said, "changed policy/acme.conf");
    CHECK_CONTAINS(said, "acme gains: MTLSGrant GET /orders/**");
    CHECK_CONTAINS(said, "not pushed (--dry-run): revision " + before);
    CHECK_EQUAL(s.revision(), before);
    const Json json = Json::parse(s.push(1, {"policy", "--dry-run", "--json"}));
    CHECK(json["pushed"] == false && json["changes"].size() == 1);
    s.push(0);
    CHECK_CONTAINS(s.push(0, {"policy", "--dry-run"}), "the same: revision ");
}

CLAIM(files_push_their_own_rows_and_a_folder_all_of_them) {
    Stored s;
    s.push(0);
    s.pull(0, "copy");
    s.file("copy/policy/globex.conf", Stored::partner("globex", "globex-ca.pem"))
        .file("copy/certificate/globex-ca.pem", s.other.cert_pem());
    s.push(0, {"copy/policy/globex.conf", "copy/certificate/globex-ca.pem"});
    CHECK_EQUAL(s.sql("SELECT count(*) FROM mtls_policy"), "5");
    fs::remove(s.folder() + "/copy/policy/globex.conf");
    CHECK_CONTAINS(s.push(0, {"copy"}), "globex is gone");
    // A folder that was never pulled has no revision.
    s.file("flat/acme.conf", Stored::partner("acme", "acme-ca.pem"));
    CHECK_CONTAINS(s.push(1, {"flat/acme.conf"}), "mtls-authz pull first, or say --base");
    s.push(0, {"flat/acme.conf", "--base", s.revision()});
    // Kinds are found by content if nothing else tells them.
    Stored fresh;
    fresh.file("flat/acme.conf", Stored::partner("acme", "acme-ca.pem"))
        .file("flat/acme-ca.pem", fresh.ca.cert_pem())
        .file("flat/refused.conf", "MTLSSuspend acme\n")
        .file("flat/acme.crl", make_crl(fresh.ca, {}));
    fresh.push(0, {"flat"});
    CHECK_EQUAL(fresh.sql("SELECT group_concat(kind) FROM (SELECT kind FROM mtls_policy ORDER BY name)"),
                "certificate,policy,crl,revocation");
}

CLAIM(push_takes_no_file_that_it_cannot_read_for_a_row_that_is_gone) {
    Stored s;
    s.file("policy/policy/globex.conf", Stored::partner("globex", "acme-ca.pem"));
    s.push(0);
    const std::string before = s.revision(), folder = s.folder() + "/policy/", place = folder + "policy/globex.conf";
    const auto is_refused = [&](const std::string& file, const std::string& why) {
        CHECK_CONTAINS(s.push(2), "'policy/" + file + "' is " + why);
        CHECK_EQUAL(s.revision(), before);
        fs::remove_all(folder + file);
    };
    fs::remove(place);
    fs::create_symlink("../../nowhere.conf", place);
    is_refused("policy/globex.conf", "a link to a file that does not exist");
    CHECK(mkfifo(place.c_str(), 0600) == 0);
    is_refused("policy/globex.conf", "not a regular file");
    CHECK(mknod(place.c_str(), S_IFSOCK | 0600, 0) == 0);
    is_refused("policy/globex.conf", "not a regular file");
    s.file("policy/policy/globex.conf/x.conf", "# x\n");
    is_refused("policy/globex.conf", "a folder: expected a file");
    fs::create_directory_symlink("../certificate", place);
    is_refused("policy/globex.conf", "a folder: expected a file");
    fs::create_directory_symlink("certificate", folder + "more");
    is_refused("more", "a folder: expected a file");
    // A link to a file is the file.
    s.file("globex.conf", Stored::partner("globex", "acme-ca.pem"));
    fs::create_symlink("../../globex.conf", place);
    CHECK_CONTAINS(s.push(0), "the same: ");
    // Hidden names are no rows: git's folder, an editor's lock.
    s.file("policy/.git/config", "[core]\n");
    fs::create_symlink("nobody@host.1", folder + "policy/.#acme.conf");
    CHECK_CONTAINS(s.push(0), "the same: ");
    // Files by name.
    CHECK(mkfifo((s.folder() + "/pipe.conf").c_str(), 0600) == 0);
    CHECK_CONTAINS(s.push(2, {"pipe.conf", "--base", before}), "pipe.conf: is not a regular file");
}

CLAIM(push_says_where_there_is_nothing_to_push) {
    Stored s;
    fs::create_directories(s.folder() + "/empty/policy");
    CHECK_CONTAINS(s.push(2, {"empty"}), "'empty' holds no file of a policy");
    s.push(0);
    CHECK_CONTAINS(s.push(2, {"/nowhere"}), "'/nowhere': no such file or folder");
    CHECK_CONTAINS(s.push(2, {"policy/policy/acme.conf", "policy/none.conf"}), "'policy/none.conf': no such file");
    CHECK_CONTAINS(s.push(2, {"empty"}), "'empty' holds no file of a policy");
    // Emptied on purpose, it is the same: no server would follow.
    fs::remove_all(s.folder() + "/policy/policy");
    fs::remove_all(s.folder() + "/policy/certificate");
    fs::remove_all(s.folder() + "/policy/revocation");
    CHECK_CONTAINS(s.push(2), "'policy' holds no file of a policy: a database without rows admits no partner");
    CHECK_EQUAL(s.sql("SELECT count(*) FROM mtls_policy"), "3");
    // A folder with files that was never pulled.
    s.file("flat/acme.conf", Stored::partner("acme", "acme-ca.pem"));
    CHECK_CONTAINS(s.push(1, {"flat"}), "no file .mtls-authz-revision says which one these files come from");
}

CLAIM(pull_deletes_no_file_that_cannot_be_a_row_in_its_folder) {
    Stored s;
    s.push(0);
    s.pull(0, "copy");
    const std::string base = s.folder() + "/copy/.mtls-authz-revision", lines = file_text(base);
    const std::string empty_sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    for (const std::string place : {"../victim", "policy/../../victim", "/victim", "victim", "other/victim",
                                    "policy/.victim", "policy/sub/victim"}) {
        s.file("copy/" + place, "").file("copy/.mtls-authz-revision", lines + place + " " + empty_sha256 + "\n");
        const std::string said = s.pull(2, "copy");
        CHECK_CONTAINS(said, ".mtls-authz-revision:6: '" + place);
        check(fs::exists(s.folder() + "/copy/" + place), place, __FILE__, __LINE__);
        CHECK_CONTAINS(s.push(1, {"copy/policy/acme.conf"}), ".mtls-authz-revision:6: ");
        fs::remove(s.folder() + "/copy/" + place);
    }
    s.file("copy/.mtls-authz-revision", lines + "nonsense\n");
    CHECK_CONTAINS(s.pull(2, "copy"), ".mtls-authz-revision:6: 'nonsense'");
    // A link to another folder in place of a folder of pull.
    s.file("copy/.mtls-authz-revision", lines + "crl/victim " + empty_sha256 + "\n").file("elsewhere/victim", "");
    fs::remove_all(s.folder() + "/copy/crl");
    fs::create_symlink("../elsewhere", s.folder() + "/copy/crl");
    CHECK_CONTAINS(s.pull(2, "copy"), "copy/crl: expected a folder");
    CHECK(fs::exists(s.folder() + "/elsewhere/victim"));
    // The same line, with a folder: a file whose row is gone.
    fs::remove(s.folder() + "/copy/crl");
    s.file("copy/crl/victim", "");
    s.pull(0, "copy");
    CHECK(!fs::exists(s.folder() + "/copy/crl/victim"));
}

CLAIM(pull_keeps_files_whose_names_are_near_those_of_rows) {
    Stored s;
    s.push(0);
    const std::string mine[] = {"acme.conf.new", "acme.conf~", ".acme.conf.new", ".acme.conf.swp"};
    for (const std::string& name : mine) s.file("copy/policy/" + name, "mine");
    s.file("copy/.mtls-authz-revision.new", "mine");
    s.pull(0, "copy");
    CHECK_CONTAINS(file_text(s.folder() + "/copy/policy/acme.conf"), "<MTLSPartner acme>");
    for (const std::string& name : mine) CHECK_EQUAL(file_text(s.folder() + "/copy/policy/" + name), "mine");
    CHECK_EQUAL(file_text(s.folder() + "/copy/.mtls-authz-revision.new"), "mine");
    const auto files = fs::directory_iterator(s.folder() + "/copy/policy");
    CHECK_EQUAL(std::distance(begin(files), end(files)), 5);
    struct stat info {};
    CHECK(stat((s.folder() + "/copy/policy/acme.conf").c_str(), &info) == 0);
    const mode_t mask = umask(0);
    umask(mask);
    CHECK_EQUAL(info.st_mode & 0777U, 0666U & ~mask);
    // A file that cannot take its place leaves nothing behind.
    fs::remove(s.folder() + "/copy/policy/acme.conf");
    fs::remove(s.folder() + "/copy/.mtls-authz-revision");
    s.file("copy/policy/acme.conf/in-the-way", "");
    CHECK_CONTAINS(s.pull(2, "copy"), "policy/acme.conf: cannot be written: ");
    CHECK_EQUAL(std::distance(fs::directory_iterator(s.folder() + "/copy/policy"), fs::directory_iterator()), 5);
}

CLAIM(push_says_who_holds_the_lock_that_it_does_not_get) {
    if (has_no_postgres()) return;
    Served s;
    Locker locker(s, "SELECT revision FROM mtls_policy_revision");
    CHECK(locker.is_there());
    // What does not write needs no lock.
    CHECK_CONTAINS(s.expect(1, Served::on_pg("push", {"alice", "--dry-run"})), "not pushed (--dry-run)");
    CHECK_CONTAINS(s.expect(0, Served::on_pg("push", {"policy"})), "the same: ");
    const std::string said = s.expect(2, Served::on_pg("push", {"alice"}));
    CHECK_CONTAINS(said, "session has held the table for more than 20 seconds: login 'owner', process ");
    CHECK_CONTAINS(said, "nothing was pushed");
    locker.end();
    CHECK_CONTAINS(s.expect(0, Served::on_pg("push", {"alice"})), "pushed: ");
}

CLAIM(a_push_that_stands_still_does_not_stop_the_next_one) {
    if (has_no_postgres()) return;
    Served s;
    // Alice's push is stopped after it locked the revision, while it waits for a row.
    Locker locker(s, "SELECT name FROM mtls_policy WHERE name = 'acme.conf'");
    CHECK(locker.is_there());
    const std::string pid = s.shell("\"$0\" push --database pgsql pg.conf alice >alice.txt 2>&1 & printf %s $!").text;
    CHECK(s.comes("SELECT pid FROM pg_stat_activity WHERE usename = 'writer' AND wait_event_type = 'Lock'"));
    CHECK_EQUAL(kill(std::stoi(pid), SIGSTOP), 0);
    locker.end();
    CHECK(s.comes("SELECT pid FROM pg_stat_activity WHERE usename = 'writer' AND state = 'idle in transaction'"));
    const std::string said = s.expect(0, Served::on_pg("push", {"bob"}));
    CHECK_EQUAL(kill(std::stoi(pid), SIGCONT), 0);
    CHECK_CONTAINS(said, "pushed: ");
    for (int i = 0; i < 200 && kill(std::stoi(pid), 0) == 0; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(25));
    }
    CHECK_CONTAINS(file_text(s.folder() + "/alice.txt"), "nothing was pushed");
    CHECK_CONTAINS(s.server->sql("SELECT body FROM mtls_policy WHERE name = 'acme.conf'"), "MTLSGroup bob");
}

CLAIM(a_sqlite_database_that_is_locked_for_a_moment_is_waited_for) {
    Stored s;
    s.push(0);
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
                              "host=127.0.0.1 pass=alicepw", "alicepw"}) {
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
        CHECK_CONTAINS(s.expect(0, Served::on_pg("fleet", {}, "uri.conf")), "0 node(s)");
    }
    // Words in place of a URI, with the text of one in a value.
    s.connect_by("uri.conf", s.server->parameters("writer") + "application_name=postgresql://x");
    s.expect(0, Served::on_pg("fleet", {}, "uri.conf"));
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
