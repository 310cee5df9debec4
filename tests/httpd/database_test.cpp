// MTLSPolicyDatabase with SQLite.
#include <fstream>

#include "claims.hpp"
#include "database_site.hpp"

using namespace test;

CLAIM(rows_of_a_database_let_in_whom_they_name_and_nobody_else) {
    SqliteSite site;
    site.sql("DELETE FROM mtls_policy WHERE name = 'globex.conf';");
    site.run();
    CHECK_EQUAL(site.acme(), 200);
    CHECK_EQUAL(site.globex(), 403);
    CHECK(site.httpd.wait_for_log("gate="));
    // A denial names the row and the line of a rule.
    site.sql(row("globex.conf", "policy", kGlobexRow));
    becomes([&] { return site.globex(); }, 200, "a row that was added");
    CHECK(site.httpd.wait_for_log(": added globex"));
    site.sql("DELETE FROM mtls_policy WHERE name = 'globex.conf';");
    becomes([&] { return site.globex(); }, 403, "a row that was deleted");
    CHECK_EQUAL(site.acme(), 200);
    // Another CA in the row of the same name.
    site.sql(row("acme-ca.pem", "certificate", world().globex_ca.cert_pem()));
    becomes([&] { return site.acme(); }, 403, "another anchor");
    site.sql(row("acme-ca.pem", "certificate", world().acme_ca.cert_pem()));
    becomes([&] { return site.acme(); }, 200, "and back");
}

CLAIM(a_row_that_does_not_parse_is_named_by_table_row_and_line_and_the_last_good_stays) {
    SqliteSite site;
    site.run();
    CHECK_EQUAL(site.acme() + site.globex(), 400);
    site.sql(row("globex.conf", "policy", "# gone\n") +
             row("broken.conf", "policy", "\n<MTLSPartner q>\nMTLSNonsense x\n</MTLSPartner>\n"));
    CHECK(site.httpd.wait_for_log("db:broken.conf:3: error: unknown directive"));
    CHECK(site.httpd.wait_for_log("(table mtls_policy, row broken.conf, line 3)"));
    CHECK(site.httpd.wait_for_log("the policy files are refused: generation"));
    stays([&] { return site.globex(); }, 200, "what is in force");
    CHECK_CONTAINS(site.metrics(), "mtls_authz_policy_reloads_total{result=\"failed\"} 1");
    CHECK_CONTAINS(site.json(), "db:broken.conf:3");
    // A missing row, and a row with an invalid kind.
    site.sql(row("broken.conf", "policy", partner("q", "MTLSIdentity DNS:q.example\nMTLSTrustAnchor db:nowhere.pem")));
    CHECK(site.httpd.wait_for_log("'db:nowhere.pem': table mtls_policy has no such row"));
    sqlite(site.file(),
           "PRAGMA ignore_check_constraints=1; UPDATE mtls_policy SET kind = 'police' WHERE name = 'broken.conf';");
    CHECK(site.httpd.wait_for_log("table mtls_policy, row 'broken.conf': kind 'police' (did you mean 'policy'?)"));
    CHECK_EQUAL(site.globex(), 200);
    site.sql("DELETE FROM mtls_policy WHERE name = 'broken.conf';");
    becomes([&] { return site.globex(); }, 403, "mended");
    CHECK(site.httpd.wait_for_log("the policy files are no longer refused"));
}

CLAIM(a_row_that_refuses_counts_while_the_policy_is_broken_and_ends_by_an_edit_alone) {
    SqliteSite site;
    site.run();
    CHECK_EQUAL(site.acme() + site.globex(), 400);
    site.sql(row("broken.conf", "policy", "MTLSNonsense\n"));
    CHECK(site.httpd.wait_for_log("the policy files are refused"));
    site.sql(row("refused.conf", "revocation", "MTLSSuspend globex\nMTLSNonsense\n"));
    becomes([&] { return site.globex(); }, 403, "refused by a row");
    CHECK(site.httpd.wait_for_log("db:refused.conf:2: error"));
    CHECK_EQUAL(site.acme(), 200);
    // A deleted row removes no refusal.
    site.sql("DELETE FROM mtls_policy WHERE name = 'refused.conf';");
    CHECK(site.httpd.wait_for_log("is gone"));
    stays([&] { return site.globex(); }, 403, "a row that is gone");
    site.restart();
    stays([&] { return site.globex(); }, 403, "a row that is gone, after a restart");
    site.sql(row("refused.conf", "revocation", "# nobody\n"));
    becomes([&] { return site.globex(); }, 200, "an edit");
}

CLAIM(a_revision_that_is_lower_than_the_one_in_force_is_refused_and_what_it_refuses_counts) {
    SqliteSite site;
    site.sql("UPDATE mtls_policy_revision SET revision = 50;");
    site.run();
    CHECK_EQUAL(site.acme() + site.globex(), 400);
    site.sql("DELETE FROM mtls_policy WHERE name = 'globex.conf';" +
             row("refused.conf", "revocation", "MTLSSuspend acme\n") + "UPDATE mtls_policy_revision SET revision = 7;");
    CHECK(site.httpd.wait_for_log("revision 7 of the database is lower than 50, which is in force"));
    becomes([&] { return site.acme(); }, 403, "what takes away is not held up");
    stays([&] { return site.globex(); }, 200, "what is in force");
    site.sql(row("refused.conf", "revocation", "# nobody\n"));
    stays([&] { return site.acme(); }, 403, "and a lower revision gives nothing back");
    // The same after a restart.
    site.restart();
    stays([&] { return site.globex(); }, 200, "after a restart");
    CHECK_EQUAL(site.acme(), 403);
    site.sql("UPDATE mtls_policy_revision SET revision = 51;");
    becomes([&] { return site.globex(); }, 403, "a higher one");
    becomes([&] { return site.acme(); }, 200, "a higher one gives back");
}

CLAIM(another_database_at_the_same_revision_is_read) {
    SqliteSite site;
    site.run();
    CHECK_EQUAL(site.acme() + site.globex(), 400);
    // As a standby that lost the last change, and had another one since.
    const std::string other = site.httpd.path("other.db");
    fs::copy_file(site.file(), other);
    site.sql(row("acme.conf", "policy", "# gone\n"));
    becomes([&] { return site.acme(); }, 403, "by the one");
    sqlite(other, "BEGIN;" + row("refused.conf", "revocation", "MTLSSuspend globex\n") + "COMMIT;");
    const std::string revision = "SELECT revision FROM mtls_policy_revision;";
    CHECK_EQUAL(sqlite(other, revision), sqlite(site.file(), revision));
    fs::rename(other, site.file());
    becomes([&] { return site.globex(); }, 403, "a refusal of the other");
    becomes([&] { return site.acme(); }, 200, "and its policy");
}

CLAIM(a_row_with_a_nul_byte_is_refused_as_such_a_file_is) {
    SqliteSite site;
    site.run();
    CHECK_EQUAL(site.acme() + site.globex(), 400);
    const auto with_nul = [](const std::string& name, const std::string& kind, const std::string& rest) {
        return "INSERT OR REPLACE INTO mtls_policy VALUES ('" + name + "', '" + kind +
               "', '# x' || char(10) || char(0) || '" + rest + "');";
    };
    site.sql(with_nul("refused.conf", "revocation", "MTLSSuspend globex"));
    CHECK(site.httpd.wait_for_log("table mtls_policy, row 'refused.conf': a NUL byte in its body"));
    site.sql(row("refused.conf", "revocation", "MTLSSuspend acme\n"));
    becomes([&] { return site.acme(); }, 403, "a refusal");
    // The suspension stays in force, although the row seems empty up to the NUL byte.
    site.sql(with_nul("refused.conf", "revocation", "MTLSSuspend acme"));
    stays([&] { return site.acme(); }, 403, "a refusal that was cut off");
    site.sql(row("refused.conf", "revocation", "# nobody\n"));
    becomes([&] { return site.acme(); }, 200, "an edit");
    site.sql(with_nul("globex.conf", "policy", "# y"));
    CHECK(site.httpd.wait_for_log("table mtls_policy, row 'globex.conf': a NUL byte in its body"));
    stays([&] { return site.globex(); }, 200, "what is in force");
}

CLAIM(a_kind_that_only_reads_as_one_is_a_fault) {
    for (const char* kind : {"CAST('revocation' AS BLOB)", "'revocation' || char(0) || 'x'", "'policy' || char(0)"}) {
        SqliteSite site;
        site.run();
        CHECK_EQUAL(site.acme() + site.globex(), 400);
        sqlite(site.file(), "PRAGMA ignore_check_constraints=1; INSERT INTO mtls_policy VALUES ('odd.conf', " +
                                std::string(kind) + ", 'MTLSSuspend globex' || char(10));");
        CHECK(site.httpd.wait_for_log("row 'odd.conf': kind '"));
        CHECK(site.httpd.wait_for_log("is not this text (a BLOB, or a NUL byte behind it)"));
        CHECK_EQUAL(site.acme(), 200);
        sqlite(site.file(), "UPDATE mtls_policy SET kind = 'revocation' WHERE name = 'odd.conf';");
        becomes([&] { return site.globex(); }, 403, "mended");
    }
}

CLAIM(with_the_database_away_the_last_good_stays_over_restarts_and_new_keepers) {
    const World& w = world();
    const Identity other = make_client("api9", "api.acme.example", w.acme_ca);
    SqliteSite site;
    CrlSpec spec;
    spec.revoked = {{&w.acme, 1}};
    site.sql(row("refused.conf", "revocation", "MTLSSuspend globex\n") +
             row("crls.conf", "policy", "MTLSCRLFile db:acme.crl\n") + row("acme.crl", "crl", make_crl(w.acme_ca, {})));
    site.run();
    CHECK_EQUAL(site.acme(), 200);
    CHECK_EQUAL(site.globex(), 403);
    site.sql(row("acme.crl", "crl", make_crl(w.acme_ca, spec)));
    becomes([&] { return site.acme(); }, 403, "a list in a row");
    fs::rename(site.file(), site.file() + ".away");
    CHECK(site.httpd.wait_for_log("MTLSPolicyDatabase sqlite3 database.conf: the database cannot be read"));
    CHECK(site.httpd.wait_for_log("rows that refuse: the database cannot be read"));
    CHECK_CONTAINS(site.json(), "cannot be read");
    CHECK_EQUAL(site.errors("MTLSPolicyDatabase sqlite3 database.conf: the database cannot be read"), 1U);
    site.restart();
    pause_for(kTakesHold);
    CHECK_EQUAL(site.get(other), 200);
    CHECK_EQUAL(site.acme(), 403);
    CHECK_EQUAL(site.globex(), 403);
    for (const pid_t keeper : site.httpd.keepers()) kill(keeper, SIGKILL);
    pause_for(kTakesHold);
    CHECK_EQUAL(site.get(other), 200);
    CHECK_EQUAL(site.acme(), 403);
    CHECK_EQUAL(site.globex(), 403);
    fs::rename(site.file() + ".away", site.file());
    CHECK(site.httpd.wait_for_log("the policy files are no longer refused"));
    site.sql(row("refused.conf", "revocation", "# nobody\n"));
    becomes([&] { return site.globex(); }, 200, "back, and edited");
    CHECK_EQUAL(site.acme(), 403);
}

CLAIM(a_restart_while_the_database_is_away_closes_no_gate_though_nothing_was_refused) {
    SqliteSite site;
    site.run();
    fs::rename(site.file(), site.file() + ".away");
    site.restart();
    stays([&] { return site.acme() + site.globex(); }, 400, "the last good");
    CHECK_EQUAL(site.times("every gate is closed"), 0U);
    CHECK(site.httpd.wait_for_log("rows that refuse: the database cannot be read"));
    fs::rename(site.file() + ".away", site.file());
    CHECK(site.httpd.wait_for_log("the policy files are no longer refused"));
    site.sql(row("refused.conf", "revocation", "MTLSSuspend globex\n"));
    becomes([&] { return site.globex(); }, 403, "back, and edited");
}

CLAIM(a_database_that_is_new_at_a_restart_and_away_changes_nothing) {
    SqliteSite site;
    site.httpd.write("partners/acme.conf", kAcme);
    site.start();
    CHECK_EQUAL(site.acme(), 200);
    fs::rename(site.file(), site.file() + ".away");
    site.httpd.write("partners/globex.conf", kGlobex);
    site.prepare();
    site.restart();
    stays([&] { return site.acme(); }, 200, "the last good");
    CHECK_EQUAL(site.globex(), 403);
    CHECK_EQUAL(site.times("every gate is closed"), 0U);
    sqlite(site.file() + ".away",
           "DELETE FROM mtls_policy WHERE kind = 'policy';" + row("refused.conf", "revocation", "MTLSSuspend acme\n"));
    fs::rename(site.file() + ".away", site.file());
    becomes([&] { return site.acme() * 1000 + site.globex(); }, 403200, "both count");
}

CLAIM(a_database_that_cannot_be_read_stops_a_cold_start_or_closes_the_gates) {
    SqliteSite site;
    fs::rename(site.file(), site.file() + ".away");
    site.prepare();
    const auto tested = site.httpd.run({"-t"});
    CHECK(tested.status != 0);
    CHECK_CONTAINS(tested.text, "there is no database");
    bool has_started = true;
    try {
        site.httpd.start();
    } catch (const std::exception&) {
        has_started = false;
    }
    CHECK(!has_started);
    site.run("MTLSPolicyStart last-good\n");
    CHECK_EQUAL(site.acme(), 403);
    CHECK_EQUAL(site.get(world().acme, "/free/x"), 200);
    // The keeper's own line tells the reason: what the start said is on its standard error, which is often lost.
    const std::string why = "MTLSPolicyDatabase sqlite3 database.conf: the database cannot be read: there is no";
    const auto is_told = [&] {
        const std::string log = site.httpd.error_log();
        const std::size_t closed = log.find("no policy is in force");
        return closed != std::string::npos && log.find(why, closed) != std::string::npos ? 1 : 0;
    };
    becomes(is_told, 1, "why every gate is closed");
    CHECK_EQUAL(site.httpd.run({"-t"}).status, 0);
    fs::rename(site.file() + ".away", site.file());
    becomes([&] { return site.acme(); }, 200, "the database is there");
    // Without known revocations the gates stay closed.
    SqliteSite other;
    other.sql(
        "ALTER TABLE mtls_policy RENAME TO all_rows; CREATE VIEW mtls_policy AS SELECT name, kind, body FROM all_rows "
        "WHERE kind <> 'revocation' UNION ALL SELECT name, 'revocation', abs(-9223372036854775807 - 1) FROM all_rows "
        "WHERE kind = 'revocation';");
    other.prepare();
    CHECK_EQUAL(other.httpd.run({"-t"}).status, 1);
    CHECK_CONTAINS(other.httpd.run({"-t"}).text,
                   "its revocation rows cannot be read: the database cannot be read: table "
                   "mtls_policy: integer overflow");
    other.run("MTLSPolicyStart last-good\n");
    stays([&] { return other.acme(); }, 403, "nobody knows whether it is refused");
    other.sql("DROP VIEW mtls_policy; ALTER TABLE all_rows RENAME TO mtls_policy;" +
              row("refused.conf", "revocation", "MTLSSuspend globex\n"));
    becomes([&] { return other.acme(); }, 200, "it is known");
    CHECK_EQUAL(other.globex(), 403);
}

CLAIM(a_database_that_its_readers_would_have_to_write_is_refused_with_the_command_that_mends_it) {
    SqliteSite site;
    sqlite(site.file(), "PRAGMA journal_mode=WAL;");
    site.prepare();
    CHECK_CONTAINS(site.httpd.run({"-t"}).text, "'PRAGMA journal_mode=DELETE'");
    sqlite(site.file(), "PRAGMA journal_mode=DELETE;");
    site.run();
    CHECK_EQUAL(site.acme(), 200);
}

CLAIM(the_parameters_of_a_connection_are_read_where_only_their_owner_can_and_no_child_keeps_them) {
    SqliteSite site;
    const std::string file = site.httpd.path("database.conf");
    site.prepare();
    for (const unsigned mode : {0640U, 0604U, 0620U}) {
        chmod(file.c_str(), static_cast<mode_t>(mode));
        const auto tested = site.httpd.run({"-t"});
        CHECK_EQUAL(tested.status, 1);
        CHECK_CONTAINS(tested.text, "chmod 600");
    }
    chmod(file.c_str(), 0600);
    CHECK_EQUAL(site.httpd.run({"-t"}).status, 0);
    if (geteuid() == 0) {
        chmod(site.file().c_str(), 0666);
        CHECK_CONTAINS(site.httpd.run({"-t"}).text, "the database is not safe");
        chmod(site.file().c_str(), 0644);
    }
    // Searches the memory of all processes for the password.
    const std::string secret = "a-name-that-nothing-else-has";
    fs::rename(site.file(), site.httpd.path(secret + ".db"));
    site.connect(site.httpd.path(secret + ".db"));
    site.httpd.start();
    CHECK_EQUAL(site.acme(), 200);
    for (const pid_t child : site.children()) {
        for (const auto& open : fs::directory_iterator("/proc/" + std::to_string(child) + "/fd")) {
            std::error_code gone;
            CHECK(fs::read_symlink(open, gone).string().find(secret) == std::string::npos);
        }
    }
}

CLAIM(a_name_in_files_and_in_the_database_is_an_error_and_otherwise_they_add_up) {
    SqliteSite site;
    site.sql("DELETE FROM mtls_policy WHERE name = 'globex.conf';");
    site.put("globex.conf", kGlobex);
    site.run();
    CHECK_EQUAL(site.acme() + site.globex(), 400);
    site.put("acme.conf", "# nothing\n");
    CHECK(site.httpd.wait_for_log("db:acme.conf: error: has the name of"));
    site.drop("acme.conf");
    CHECK(site.httpd.wait_for_log("the policy files are no longer refused"));
    // The same for a partner.
    site.put("other.conf", partner("Acme", "MTLSIdentity DNS:x.example\nMTLSTrustAnchor acme.pem"));
    CHECK(site.httpd.wait_for_log("already defined at"));
    CHECK_EQUAL(site.acme() + site.globex(), 400);
}

CLAIM(expectations_about_rows_keep_a_policy_from_counting) {
    SqliteSite site;
    site.run();
    CHECK_EQUAL(site.globex(), 200);
    site.sql(row("cert.pem", "certificate", world().globex.cert_pem()) +
             row("expect.conf", "policy", "MTLSExpect db:cert.pem is globex\n"));
    CHECK(site.httpd.wait_for_log("no partner changed, other lines did"));
    site.sql("DELETE FROM mtls_policy WHERE name = 'globex.conf';");
    CHECK(site.httpd.wait_for_log("db:expect.conf:1: error"));
    stays([&] { return site.globex(); }, 200, "what is in force");
}

CLAIM(der_in_rows_counts_as_it_does_in_files) {
    const World& w = world();
    SqliteSite site;
    site.run();
    CHECK_EQUAL(site.globex(), 200);
    std::string pem = w.globex_ca.cert_pem();
    pem.erase(0, pem.find('\n') + 1);
    pem.erase(pem.find("-----END"));
    std::erase(pem, '\n');
    site.sql(row("globex.conf", "policy",
                 partner("globex",
                         "MTLSIdentity DNS:api.globex.example\nMTLSGroup der\n"
                         "MTLSTrustAnchor db:globex.der")) +
             row("globex.der", "certificate", "base64:" + pem));
    CHECK(site.httpd.wait_for_log("changed globex"));
    CHECK_EQUAL(site.globex(), 200);
    site.sql(row("globex.der", "certificate", "base64:" + pem.substr(1)));
    CHECK(site.httpd.wait_for_log("row 'globex.der': begins with base64: and is not base64"));
    CHECK_EQUAL(site.globex(), 200);
}

CLAIM(mtls_policy_database_takes_known_drivers_once) {
    SqliteSite site;
    const auto test_of = [&](const std::string& lines) {
        site.configure(lines);
        return site.httpd.run({"-t"}).text;
    };
    CHECK_CONTAINS(test_of("MTLSPolicyDatabase pgsq database.conf\n"), "(did you mean 'pgsql'?)");
    CHECK_CONTAINS(test_of("MTLSPolicyDatabase sqlite3 database.conf\nMTLSPolicyDatabase sqlite3 database.conf\n"),
                   "already given at");
    CHECK_CONTAINS(test_of(location("/x", "MTLSPolicyDatabase sqlite3 database.conf")), "not allowed");
}
