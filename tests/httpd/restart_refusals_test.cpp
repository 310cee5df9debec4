// A graceful restart, as log rotation does each night, ends no refusal of a file that is gone or broken. These end it:
// an edit of the file, the removal of its directive, a stop and a start.
#include <sys/stat.h>

#include "claims.hpp"
#include "kept_site.hpp"

using namespace test;

namespace {

struct Restarted : Kept {
    void run(const std::string& lines = "") { Kept::run("event", "MTLSErrorDetail On\n" + lines); }
    // Waits for the next keeper: the children from before the restart take no more connections by then.
    void restart(int signal = SIGUSR1) {
        const pid_t before = keeper();
        httpd.restart(signal);
        becomes(
            [&] {
                const auto now = keepers();
                return now.size() == 1 && now.front() != before;
            },
            true, "another keeper");
    }
    void stop_and_start() {
        CHECK(httpd.stop());
        httpd.start();
    }
    void refuses_globex(const std::string& reason, const char* when) const {
        const auto ask = [&] {
            const auto answer = TlsClient(httpd.port(), as(world().globex)).get("/gate/x");
            return answer.body.find("\"reason\": \"" + reason + "\"") != std::string::npos ? answer.status : 0;
        };
        stays(ask, 403, when);
        CHECK_EQUAL(acme(), 200);
    }
};

std::string list_of_globex() {
    CrlSpec spec;
    spec.revoked = {{&world().globex, 1}};
    return make_crl(world().globex_ca, spec);
}

std::string newer_list_of_globex() {
    CrlSpec spec;
    spec.number = 2;
    return make_crl(world().globex_ca, spec);
}

}  // namespace

CLAIM(a_revocation_file_that_is_gone_or_broken_at_a_restart_ends_no_refusal) {
    Restarted site;
    site.refuse("MTLSSuspend globex\n");
    site.run();
    const std::string list = site.httpd.path("revoked/list.conf");
    const auto said = [&] { return static_cast<int>(site.errors("list.conf: error: cannot be read (No such file")); };
    int seen = 0;
    for (const int signal : {SIGUSR1, SIGHUP}) {
        fs::remove(list);
        becomes(said, ++seen, "it is gone");
        site.restart(signal);
        site.refuses_globex("suspended", "a file that is gone");
        // Once by each generation of the server.
        CHECK_EQUAL(said(), ++seen);
        CHECK_EQUAL(site.times("list.conf: warning: cannot be read"), 0U);
        becomes([&] { return site.metrics().find("{trouble=\"refusal-source-gone\"} 1\n") != std::string::npos; }, true,
                "it needs somebody");
        for (const char* const content : {"", "nonsense\n", "MTLSSusp"}) {
            site.refuse(content);
            site.restart(signal);
            site.refuses_globex("suspended", content);
        }
        site.refuse("MTLSSuspend globex\n");
    }
    CHECK(site.errors("list.conf:1: error: 'nonsense'") > 0);
    // An edit during the restart counts.
    site.refuse("# nobody\n");
    site.restart();
    becomes([&] { return site.globex(); }, 200, "an edit");
}

CLAIM(a_refusal_of_a_file_that_is_gone_ends_with_a_stop_and_a_start_or_with_its_directive) {
    Restarted site;
    site.refuse("MTLSSuspend globex\n");
    site.run();
    fs::remove(site.httpd.path("revoked/list.conf"));
    site.restart();
    site.refuses_globex("suspended", "a restart");
    site.stop_and_start();
    CHECK_EQUAL(site.globex(), 200);
    site.refuse("MTLSSuspend globex\n");
    becomes([&] { return site.globex(); }, 403, "it is back");
    site.configure("");
    site.restart();
    becomes([&] { return site.globex(); }, 200, "nothing names the file");
}

CLAIM(a_revocation_file_of_a_pattern_that_is_gone_at_a_restart_ends_no_refusal) {
    Restarted site;
    site.httpd.write("more/globex.conf", "MTLSSuspend globex\n");
    site.httpd.write("more/other.conf", "# nobody\n");
    site.run("MTLSRevocationFile more/*.conf\n");
    fs::remove(site.httpd.path("more/globex.conf"));
    site.restart();
    site.refuses_globex("suspended", "one of a pattern");
    CHECK(site.errors("more/globex.conf: error: is gone: the line from there stays in force until it is back") > 0);
    fs::remove_all(site.httpd.path("more"));
    site.restart();
    site.refuses_globex("suspended", "its folder");
    // Lines of files that httpd.conf no longer names end, whether the files exist or not.
    site.configure("MTLSRevocationFile revoked/list.conf other/*.conf\n");
    fs::create_directories(site.httpd.path("other"));
    site.restart();
    becomes([&] { return site.globex(); }, 200, "another pattern");
}

CLAIM(a_crl_file_that_is_gone_or_broken_at_a_restart_ends_no_revocation) {
    Restarted site;
    site.httpd.write("globex.crl", list_of_globex());
    site.httpd.write("crls/sub.crl", make_crl(world().acme_sub, {}));
    site.run("MTLSCRLFile globex.crl crls/*.crl\n");
    const std::string list = site.httpd.path("globex.crl");
    fs::remove(list);
    CHECK(site.httpd.wait_for_log("globex.crl: error: cannot be read"));
    const std::size_t said = site.errors("globex.crl: error: cannot be read");
    site.restart();
    site.refuses_globex("revoked", "a list that is gone");
    CHECK_EQUAL(site.errors("globex.crl: error: cannot be read"), said + 1);
    for (const char* const content : {"", "<html>502</html>\n"}) {
        site.httpd.write("globex.crl", content);
        site.restart(SIGHUP);
        site.refuses_globex("revoked", content);
    }
    // A newer list replaces the one in force, an older one does not.
    site.httpd.write("globex.crl", newer_list_of_globex());
    site.restart();
    becomes([&] { return site.globex(); }, 200, "a newer list");
    site.httpd.write("globex.crl", list_of_globex());
    site.restart();
    stays([&] { return site.globex(); }, 200, "an older list");
    site.stop_and_start();
    CHECK_EQUAL(site.globex(), 403);
}

CLAIM(a_crl_file_of_a_pattern_that_is_gone_at_a_restart_ends_no_revocation_until_its_directive_goes) {
    Restarted site;
    site.httpd.write("crls/globex.crl", list_of_globex());
    site.httpd.write("crls/acme.crl", make_crl(world().acme_ca, {}));
    site.run("MTLSCRLFile crls/*.crl\n");
    fs::remove(site.httpd.path("crls/globex.crl"));
    site.restart();
    site.refuses_globex("revoked", "one of a pattern");
    CHECK(site.errors("crls/globex.crl: error: the CRL file is gone") > 0);
    fs::remove_all(site.httpd.path("crls"));
    site.restart();
    site.refuses_globex("revoked", "its folder");
    site.configure("MTLSRevocationFile revoked/list.conf\n");
    site.restart();
    becomes([&] { return site.globex(); }, 200, "no CRL is configured");
}

CLAIM(a_policy_file_that_held_refusals_and_is_gone_at_a_restart_ends_none_of_them) {
    for (const char* const refusal : {"MTLSSuspend globex\n", "MTLSRevoke DNS:api.globex.example\n"}) {
        Restarted site;
        site.put("stop.conf", refusal);
        site.run();
        site.drop("stop.conf");
        for (const int signal : {SIGUSR1, SIGHUP}) {
            site.restart(signal);
            site.refuses_globex(refusal[4] == 'S' ? "suspended" : "revoked", refusal);
        }
        CHECK(site.errors("stop.conf: error: is gone, and with it lines that refuse") > 0);
        // An edit of one that is there ends it, as does a stop and a start.
        site.put("stop.conf", "# nobody\n");
        site.restart();
        becomes([&] { return site.globex(); }, 200, "an edit");
        site.put("stop.conf", refusal);
        becomes([&] { return site.globex(); }, 403, "it is back");
        site.drop("stop.conf");
        site.stop_and_start();
        CHECK_EQUAL(site.globex(), 200);
    }
}

CLAIM(a_policy_file_that_named_the_crls_or_required_them_and_is_gone_lets_in_nobody) {
    for (const std::string line : {"MTLSCRLFile crls/*.crl\n", "MTLSCRL required\n"}) {
        Restarted site;
        const bool is_list = line.starts_with("MTLSCRLFile");
        const std::string reason = is_list ? "revoked" : "revocation-unknown";
        site.httpd.write("crls/acme.crl", make_crl(world().acme_ca, {}));
        site.httpd.write("crls/sub.crl", make_crl(world().acme_sub, {}));
        if (is_list) site.httpd.write("crls/globex.crl", list_of_globex());
        site.put("crl.conf", line);
        site.run(is_list ? "" : "MTLSCRLFile crls/*.crl\n");
        site.refuses_globex(reason, "at the start");
        site.drop("crl.conf");
        CHECK(site.httpd.wait_for_log("crl.conf: error: is gone, and with it lines that refuse"));
        site.refuses_globex(reason, "the file is gone");
        site.restart();
        site.refuses_globex(reason, "a restart");
        // An edit of one that is there ends it.
        site.put("crl.conf", "# nobody\n");
        becomes([&] { return site.globex(); }, 200, "an edit");
        CHECK_EQUAL(site.acme(), 200);
    }
}

CLAIM(a_policy_file_that_no_directive_names_any_more_refuses_nothing_after_a_restart) {
    Restarted site;
    site.httpd.write("more/stop.conf", "MTLSSuspend globex\n");
    site.run("MTLSPolicyFile more/*.conf\n");
    CHECK_EQUAL(site.globex(), 403);
    fs::remove_all(site.httpd.path("more"));
    site.configure("MTLSRevocationFile revoked/list.conf\n");
    site.restart();
    becomes([&] { return site.globex(); }, 200, "its directive is gone");
}

CLAIM(policy_files_of_a_pattern_that_are_all_gone_at_a_restart_leave_the_last_good_policy) {
    Restarted site;
    site.run();
    site.drop("acme.conf");
    site.drop("globex.conf");
    site.restart();
    stays([&] { return site.acme(); }, 200, "no file is there");
    CHECK(site.errors("MTLSPolicyFile partners/*.conf: had 2 file(s) and now has none") > 0);
    CHECK_EQUAL(site.times("will not reload"), 0U);
    fs::rename(site.httpd.path("partners"), site.httpd.path("away"));
    site.restart();
    stays([&] { return site.acme(); }, 200, "nor their folder");
    CHECK_EQUAL(site.times("will not reload"), 0U);
    fs::rename(site.httpd.path("away"), site.httpd.path("partners"));
    site.put("globex.conf", kGlobex);
    becomes([&] { return site.acme(); }, 403, "one of two is there");
    CHECK_EQUAL(site.globex(), 200);
    site.drop("globex.conf");
    site.stop_and_start();
    CHECK_EQUAL(site.globex(), 403);
}

CLAIM(an_unmounted_volume_at_a_restart_changes_nothing) {
    Restarted site;
    site.put("acme.conf", partner("acme", "MTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor volume/cas/acme.pem"));
    site.put("globex.conf",
             partner("globex", "MTLSIdentity DNS:api.globex.example\nMTLSTrustAnchor volume/cas/globex.pem"));
    site.httpd.write("volume/cas/acme.pem", world().acme_ca.cert_pem());
    site.httpd.write("volume/cas/globex.pem", world().globex_ca.cert_pem());
    site.httpd.write("volume/crls/globex.crl", list_of_globex());
    site.httpd.write("volume/revoked/stop.conf", "MTLSRevoke CN:twin\n");
    site.put("twin.conf", partner("twin", "MTLSIdentity CN:twin\nMTLSTrustAnchor volume/cas/acme.pem"));
    site.run("MTLSCRLFile volume/crls/*.crl\nMTLSRevocationFile volume/revoked/*.conf\n");
    const auto twin = [&] { return site.get(world().ambiguous); };
    CHECK_EQUAL(twin(), 403);
    CHECK_EQUAL(site.globex(), 403);
    fs::rename(site.httpd.path("volume"), site.httpd.path("away"));
    site.restart();
    site.refuses_globex("revoked", "by a CRL");
    CHECK_EQUAL(twin(), 403);
    // The warning about files that only root can read is not for missing files.
    CHECK_EQUAL(site.times("will not reload"), 0U);
    fs::rename(site.httpd.path("away"), site.httpd.path("volume"));
    site.httpd.write("volume/revoked/stop.conf", "# nobody\n");
    becomes([&] { return twin(); }, 200, "back, and edited");
    CHECK_EQUAL(site.globex(), 403);
}

CLAIM(without_refresh_an_edit_takes_refusals_away_at_a_restart_and_a_file_that_is_gone_does_not) {
    Restarted site;
    site.refuse("MTLSSuspend globex\n");
    site.run("MTLSPolicyRefresh 0\n");
    fs::remove(site.httpd.path("revoked/list.conf"));
    site.restart();
    site.refuses_globex("suspended", "a file that is gone");
    CHECK(site.httpd.wait_for_log("list.conf: warning: cannot be read (No such file or directory)"));
    site.refuse("# nobody\n");
    stays([&] { return site.globex(); }, 403, "no look");
    site.restart();
    becomes([&] { return site.globex(); }, 200, "an edit");
}

CLAIM(an_edit_of_a_revocation_file_that_only_root_can_read_counts_at_a_restart) {
    if (geteuid() != 0) return;
    Restarted site;
    const auto refuse = [&](const std::string& lines) {
        site.refuse(lines);
        chmod(site.httpd.path("revoked/list.conf").c_str(), 0600);
    };
    refuse("MTLSSuspend globex\n");
    site.run();
    site.refuses_globex("suspended", "at the start");
    refuse("# nobody\n");
    stays([&] { return site.globex(); }, 403, "the keeper cannot read it");
    site.restart();
    becomes([&] { return site.globex(); }, 200, "root reads it");
}
