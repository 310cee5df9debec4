// Missing or broken files, folders and users that httpd.conf itself names: at a restart, with `-k`, and at a cold
// start.
#include <functional>

#include "bundles.hpp"
#include "claims.hpp"
#include "kept_site.hpp"

using namespace test;

namespace {

// httpd.conf's lines that name named.pem, the directive that does, and a content of the file that is right.
struct Row {
    std::string directive;
    std::string lines;
    std::string content;
};

std::vector<Row> rows() {
    const World& w = world();
    const std::string anchor = w.stranger_ca.cert_pem();
    return {
        {"MTLSExpect", "MTLSExpect named.pem is acme\n", w.acme.cert_pem()},
        {"MTLSTrustAnchor", partner("own", "MTLSIdentity CN:own\nMTLSTrustAnchor named.pem"), anchor},
        {"MTLSTrustAnchor", "MTLSTrustAnchor named.pem\n" + partner("own", "MTLSIdentity CN:own"), anchor},
        {"MTLSIntermediate",
         partner("own", "MTLSIdentity CN:own\nMTLSTrustAnchor acme.pem\nMTLSIntermediate named.pem"),
         w.acme_sub.cert_pem()},
        {"MTLSTrustAnchor",
         partner("own", "MTLSIdentity any\nMTLSTrustAnchor bundle:named.pem trust-domain=own.example"),
         bundle_of(w.stranger_ca)},
    };
}

struct NamedSite : Kept {
    void name(const std::string& content) const {
        httpd.write(".new", content);
        fs::rename(httpd.path(".new"), httpd.path("named.pem"));
    }
    void spoil(bool is_gone) const {
        if (is_gone) {
            fs::remove(httpd.path("named.pem"));
        } else {
            name("garbage\n");
        }
    }
    void add(const std::string& lines) const { std::ofstream(httpd.path("httpd.conf"), std::ios::app) << lines; }
    // "FILE:LINE" of httpd.conf's first line that holds `text`.
    std::string place_of(const std::string& text) const {
        const std::string conf = file_text(httpd.path("httpd.conf"));
        const std::size_t at = conf.find(text);
        CHECK(at != std::string::npos);
        return httpd.path("httpd.conf") + ":" + std::to_string(1 + times_in(conf.substr(0, at), "\n"));
    }
    void restart(const std::function<void()>& by) {
        CHECK(httpd.wait_for_log("resuming normal operations"));
        log_before_ = httpd.error_log().size();
        by();
        logs("resuming normal operations");
    }
    void restart(int signal) {
        restart([&] { httpd.restart(signal); });
    }
    // Since the last restart began.
    void logs(const std::string& text) const {
        becomes([&] { return httpd.error_log().find(text, log_before_) != std::string::npos; }, true, text.c_str());
    }
    // The keeper writes the log first.
    bool is_refused() const { return metrics().find("policy_refused_timestamp_seconds 0\n") == std::string::npos; }
    void obeys(const char* word, const std::string& message) const {
        const auto out = httpd.run({"-k", word});
        test::check(out.status == 0, out.text, __FILE__, __LINE__);
        CHECK_CONTAINS(out.text, message);
    }
    // An error stops a cold start, and fails `-t`.
    void does_not_start(const std::string& message) const {
        for (const char* words : {"-t", "-kstart"}) {
            const auto out = httpd.run({words});
            test::check(out.status != 0, words, __FILE__, __LINE__);
            CHECK_CONTAINS(out.text, message);
            CHECK(!fs::exists(httpd.path("run/httpd.pid")));
        }
    }

private:
    std::size_t log_before_ = 0;
};

const std::string kLastGood = "MTLSPolicyStart last-good\n";

}  // namespace

CLAIM(a_broken_file_that_httpd_conf_names_leaves_the_last_good_policy_in_force_and_obeys_every_command) {
    const World& w = world();
    for (const Row& row : rows()) {
        for (const bool is_gone : {true, false}) {
            NamedSite site;
            site.name(row.content);
            site.run("event", row.lines);
            const pid_t server = site.httpd.pid();
            const std::string message = site.place_of("named.pem") + ": error: " + row.directive + ": ";
            site.spoil(is_gone);
            site.restart(is_gone ? SIGUSR1 : SIGHUP);
            site.logs("the policy files are refused");
            site.logs(message);
            CHECK(is_there(server));
            becomes([&] { return site.acme(); }, 200, "the last good policy");
            CHECK_EQUAL(site.get(w.acme_from_globex), 403);
            becomes([&] { return site.is_refused(); }, true, "the metric");
            site.restart([&] { site.obeys("graceful", message); });
            site.logs("the policy files are refused");
            site.name(row.content);
            site.logs("the policy files are no longer refused");
            site.spoil(is_gone);
            site.obeys("stop", message);
            CHECK(site.httpd.has_ended());
        }
    }
}

CLAIM(a_broken_file_that_httpd_conf_names_stops_a_cold_start_and_closes_the_gates_with_last_good) {
    for (const Row& row : rows()) {
        for (const bool is_gone : {true, false}) {
            NamedSite site;
            site.name(row.content);
            site.spoil(is_gone);
            site.configure(row.lines);
            const std::string message = site.place_of("named.pem") + ": error: " + row.directive + ": ";
            site.does_not_start(message);
            site.add(kLastGood);
            const auto out = site.httpd.run({"-t"});
            test::check(out.status == 0, out.text, __FILE__, __LINE__);
            CHECK_CONTAINS(out.text, message);
            site.httpd.start();
            CHECK_EQUAL(site.acme(), 403);
            CHECK(site.httpd.wait_for_log("reason=policy-unavailable"));
            site.name(row.content);
            becomes([&] { return site.acme(); }, 200, "mended");
        }
    }
}

CLAIM(an_error_in_the_text_of_httpd_conf_stays_one_whatever_the_files_hold) {
    for (const char* const lines :
         {"MTLSExpect named.pem iss acme\n", "MTLSTrustAnchor named.pem from=tomorrow\n",
          "<MTLSPartner own>\nMTLSIdentity CN:own\nMTLSTrustAnchor acme.pem\nMTLSIntermediate\n</MTLSPartner>\n",
          "<MTLSPartner own>\nMTLSIdentity any\nMTLSTrustAnchor bundle:named.pem\n</MTLSPartner>\n"}) {
        NamedSite site;
        site.run();
        const pid_t server = site.httpd.pid();
        site.add(kLastGood + lines);
        for (const auto& words : {std::vector<std::string>{"-t"}, {"-k", "graceful"}, {"-k", "stop"}}) {
            const auto out = site.httpd.run(words);
            test::check(out.status != 0, lines, __FILE__, __LINE__);
            CHECK_CONTAINS(out.text, "Syntax error on line ");
        }
        CHECK(is_there(server));
        CHECK_EQUAL(site.acme(), 200);
    }
}

CLAIM(a_restart_by_an_edited_httpd_conf_that_names_a_missing_file_says_so_until_it_is_there) {
    for (const Row& row : rows()) {
        NamedSite site;
        site.run();
        site.add(row.lines);
        site.restart(SIGUSR1);
        site.logs(site.place_of("named.pem") + ": error: " + row.directive + ": cannot read ");
        site.logs("the policy files are refused");
        CHECK_EQUAL(site.acme(), 200);
        becomes([&] { return site.is_refused(); }, true, "the metric");
        site.name(row.content);
        site.logs("the policy files are no longer refused");
        CHECK_EQUAL(site.acme(), 200);
    }
}

CLAIM(an_audit_log_whose_folder_is_gone_ends_no_server_and_its_lines_are_counted) {
    NamedSite site;
    site.httpd.write("audit/.keep", "");
    site.run("event", "MTLSAuditLog audit/a.log\n");
    const pid_t server = site.httpd.pid();
    const std::string message = site.place_of("MTLSAuditLog") + ": error: MTLSAuditLog: cannot open 'audit/a.log'";
    const std::string none_dropped = "\nmtls_authz_audit_dropped_total 0\n";
    CHECK_EQUAL(site.acme(), 200);
    CHECK_CONTAINS(site.metrics(), none_dropped);
    fs::remove_all(site.httpd.path("audit"));
    site.restart(SIGUSR1);
    site.logs(message);
    CHECK(is_there(server));
    // A child of before, which has the log open, may still answer.
    const auto is_counted = [&] {
        return site.acme() == 200 && site.metrics().find(none_dropped) == std::string::npos;
    };
    becomes(is_counted, true, "a line that was dropped");
    // The next restart opens the log again.
    site.httpd.write("audit/.keep", "");
    site.restart(SIGHUP);
    becomes([&] { return site.acme(); }, 200, "it serves");
    becomes([&] { return fs::file_size(site.httpd.path("audit/a.log")) > 0; }, true, "a line");
    fs::remove_all(site.httpd.path("audit"));
    site.obeys("stop", message);
    CHECK(site.httpd.has_ended());
    site.does_not_start(message);
    // No policy is at fault.
    site.add(kLastGood);
    site.does_not_start(message);
}

CLAIM(a_fetch_user_that_is_gone_ends_no_server_and_what_it_owns_counts_as_before) {
    const World& w = world();
    const Identity gone = make_client("gone", "api.acme.example", w.acme_ca);
    NamedSite site;
    site.httpd.write("fetched/acme.crl", make_crl(w.acme_ca, {.revoked = {{&gone, 1}}}));
    for (const char* const name : {"fetched", "fetched/acme.crl"}) {
        CHECK_EQUAL(lchown(site.httpd.path(name).c_str(), 2, 0), 0);
    }
    site.run("event", "MTLSCRLFile fetched/*.crl\nMTLSFetchUser bin\n");
    const pid_t server = site.httpd.pid();
    const auto is_listed = [&](const std::string& path) {
        CHECK_EQUAL(site.get(gone, path), 403);
        CHECK(site.httpd.wait_for_log("denied GET \"" + path + "\": reason=revoked"));
    };
    CHECK_EQUAL(site.acme(), 200);
    is_listed("/gate/before");
    std::string conf = file_text(site.httpd.path("httpd.conf"));
    const std::string place = site.place_of("MTLSFetchUser");
    conf.replace(conf.find("MTLSFetchUser bin"), 17, "MTLSFetchUser no-such-user");
    site.httpd.write("httpd.conf", conf);
    const std::string message = place + ": error: MTLSFetchUser: there is no user 'no-such-user'";
    for (const int signal : {SIGUSR1, SIGHUP}) {
        site.restart(signal);
        site.logs(message);
        CHECK(is_there(server));
        becomes([&] { return site.acme(); }, 200, "it serves");
        is_listed("/gate/after-" + std::to_string(signal));
    }
    site.obeys("stop", message);
    CHECK(site.httpd.has_ended());
    site.does_not_start(message);
}
