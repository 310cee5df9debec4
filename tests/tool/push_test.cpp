// The command push: what it writes, what it refuses, and two of them at the same time.
#include <sys/stat.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "claims.hpp"
#include "pki.hpp"
#include "stored_policy.hpp"
#include "tool.hpp"

using namespace test;
using Json = nlohmann::json;
namespace fs = std::filesystem;

namespace {

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

CLAIM(a_list_that_the_policy_names_does_not_just_go) {
    Stored s;
    const std::string acme = Stored::partner("acme", "acme-ca.pem");
    s.file("policy/policy/acme.conf", acme + "MTLSCRLFile db:*.crl\n");
    s.file("policy/crl/acme.crl", make_crl(s.ca, {})).file("policy/crl/other.crl", make_crl(s.other, {}));
    s.file("policy/crl/unnamed.pem", make_crl(s.other, {}));
    s.push(0);
    fs::remove(s.folder() + "/policy/crl/unnamed.pem");
    CHECK_CONTAINS(s.push(0), "gone unnamed.pem");
    fs::remove(s.folder() + "/policy/crl/acme.crl");
    CHECK_CONTAINS(s.push(1), "row 'acme.crl' is named by MTLSCRLFile");
    s.file("policy/policy/acme.conf", acme + "MTLSCRLFile db:other.crl\n");
    CHECK_CONTAINS(s.push(0), "gone acme.crl");
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
    // Not together with the partner either: the partner may come back.
    s.file("policy/policy/globex.conf", Stored::partner("globex", "acme-ca.pem"))
        .file("policy/policy/susp.conf", "MTLSSuspend globex\n");
    s.push(0);
    fs::remove(s.folder() + "/policy/policy/globex.conf");
    CHECK_CONTAINS(goes(1), "row 'susp.conf' refuses");
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

CLAIM(push_puts_no_private_key_into_a_database) {
    Stored s;
    for (const std::string& content : {s.ca.key_pem() + s.ca.cert_pem(), s.ca.cert_pem() + s.ca.key_pem()}) {
        s.file("policy/certificate/acme-ca.pem", content);
        CHECK_CONTAINS(s.push(2), "policy/certificate/acme-ca.pem: holds a private key, which everybody would have");
        CHECK_EQUAL(s.sql("SELECT count(*) FROM mtls_policy"), "0");
    }
    // In other encodings than PEM, under any kind and name.
    s.file("policy/certificate/acme-ca.pem", s.ca.cert_pem()).file("ca-key.pem", s.ca.pem());
    for (const std::string& command :
         {"pkcs8 -topk8 -nocrypt -outform DER", "pkcs8 -topk8 -passout pass:x -outform DER",
          "pkey -traditional -outform DER", "pkcs12 -export -passout pass:x"}) {
        const std::string file = "policy/certificate/acme.key";
        const auto made = s.shell(std::string("openssl ") + command + " -in ca-key.pem -out " + file);
        check_equal(made.status, 0, made.text, __FILE__, __LINE__);
        CHECK_CONTAINS(s.push(2), file + ": holds a private key, which everybody would have");
        CHECK_EQUAL(s.sql("SELECT count(*) FROM mtls_policy"), "0");
        fs::remove(s.folder() + "/" + file);
    }
    s.file("policy/certificate/acme-ca.der", der_of(s.ca));
    s.file("policy/certificate/acme-ca.pem", s.ca.cert_pem());
    s.push(0);
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
