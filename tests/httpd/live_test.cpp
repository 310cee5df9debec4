// The policy is live: partners come, change and go without a restart, and a bad file never replaces a good one.
#include <algorithm>
#include <csignal>
#include <set>

#include "claims.hpp"
#include "live_site.hpp"
#include "mtls_authz/load/policy_builder.hpp"

using namespace test;

CLAIM(a_partner_file_that_appears_changes_and_goes_counts_on_open_connections) {
    const World& w = world();
    LiveSite site;
    // A child that is late goes two steps at once, and may say so first: then the others say theirs at debug.
    site.httpd.set_log_level("warn mtls_authz:debug");
    site.put("acme.conf", kAcme);
    site.start();
    TlsClient acme(site.httpd.port(), as(w.acme)), globex(site.httpd.port(), as(w.globex));
    Http2Client h2(site.httpd.port(), as(w.globex), site.httpd.root());
    const auto ask = [&] { return globex.get("/gate/g").status; };
    CHECK_EQUAL(acme.get("/gate/a").status, 200);
    CHECK_EQUAL(ask(), 403);
    CHECK_EQUAL(h2.get("/gate/h").status, 403);
    site.put("globex.conf", kGlobex);
    becomes(ask, 200, "a file that appeared");
    becomes([&] { return h2.get("/gate/h").status; }, 200, "HTTP/2");
    CHECK(site.httpd.wait_for_log(": added globex"));
    for (int i = 0; i < 8; ++i) becomes([&] { return site.get(w.globex); }, 200, "in every child");
    // Changed: another name in its certificates.
    site.put("globex.conf", partner("globex", "MTLSIdentity DNS:new.globex.example\nMTLSTrustAnchor globex.pem"));
    becomes(ask, 403, "a file that changed");
    CHECK(site.httpd.wait_for_log(": changed globex"));
    site.put("globex.conf", kGlobex);
    becomes(ask, 200, "and back");
    site.drop("globex.conf");
    becomes(ask, 403, "a file that went");
    CHECK(site.httpd.wait_for_log(": removed globex"));
    CHECK_EQUAL(acme.get("/gate/a").status, 200);
    CHECK_EQUAL(site.httpd.unclaimed_errors({": denied "}).size(), 0U);
    // Three moves forth and two back to what had been there: each is said once, whichever child came first.
    std::size_t notices = 0;
    std::istringstream lines(site.httpd.error_log());
    for (std::string line; std::getline(lines, line);) {
        if (line.find(":notice]") != std::string::npos && line.find(" replaces ") != std::string::npos) ++notices;
    }
    CHECK_EQUAL(notices, 4U);
}

CLAIM(after_a_reload_all_children_together_hold_one_policy, Turn::kAny, Module::kPlain) {
    constexpr int kChildren = 4;
    LiveSite site;
    site.httpd.set_log_level("warn mtls_authz:debug");
    site.put("acme.conf", kAcme);
    site.start(
        "StartServers 4\nServerLimit 4\nMaxRequestWorkers 100\nThreadsPerChild 25\nMinSpareThreads 100\n"
        "MaxSpareThreads 100\n");
    const auto moves = [&] { return static_cast<int>(site.times(" replaces ")); };
    becomes([&] { return static_cast<int>(site.children().size()); }, kChildren, "children");
    pause_for(kTakesHold);
    const long without = children_kib(site.httpd.pid());
    const auto large = [](const std::string& also) {
        std::string lines = "MTLSTrustAnchor acme.pem\nMTLSIdentity DNS:api.acme.example\n" + also;
        for (int i = 0; i < 250000; ++i) lines += "MTLSIdentity DNS:host-" + std::to_string(i) + ".acme.example\n";
        return partner("acme", lines);
    };
    // How large such a policy is.
    site.httpd.write("policy.conf", large(""));
    mtls::DiskFiles disk;
    mtls::PolicyBuilder builder(site.httpd.root(), disk);
    builder.add_files({site.httpd.path("policy.conf"), "policy.conf", {"httpd.conf", 1}});
    mtls::Arena arena;
    CHECK(builder.build(arena) != nullptr);
    const long one = static_cast<long>(arena.used() / 1024);
    CHECK(one > 4096);
    for (int round = 1; round <= 3; ++round) {
        site.put("acme.conf", large("MTLSIdentity CN:round-" + std::to_string(round) + "\n"));
        becomes([&] { return moves(); }, round, "in force");
        pause_for(kTakesHold);  // all children follow, and what was there before is given back
        long more = 0;
        const auto is_one_policy = [&] {
            more = children_kib(site.httpd.pid()) - without;
            return static_cast<int>(more * 10 <= one * 13);
        };
        becomes(is_one_policy, 1, "late children too");
        std::printf("one policy: %ld KiB; %d children after a reload: %ld KiB more\n", one, kChildren, more);
        CHECK_EQUAL(site.get(world().acme), 200);
    }
}

CLAIM(a_million_identities_come_into_force_in_a_server_that_began_with_one, Turn::kAny, Module::kPlain) {
    LiveSite site;
    site.put("acme.conf", kAcme);
    site.start();
    CHECK_EQUAL(site.get(world().acme), 200);
    std::string lines = "MTLSTrustAnchor globex.pem\nMTLSIdentity DNS:api.globex.example\n";
    for (int i = 0; i < 1000000; ++i) lines += "MTLSIdentity DNS:h" + std::to_string(i) + ".globex.example\n";
    site.put("globex.conf", partner("globex", lines));
    // It takes seconds to read.
    for (int i = 0; i < 12 && !site.httpd.wait_for_log(" replaces "); ++i) CHECK_EQUAL(site.get(world().acme), 200);
    becomes([&] { return site.get(world().globex); }, 200, "one of a million");
    CHECK_EQUAL(site.get(world().acme), 200);
    site.drop("globex.conf");
    becomes([&] { return site.get(world().globex); }, 403, "none of them");
}

CLAIM(every_mpm_reloads) {
    for (const char* mpm : {"prefork", "worker"}) {
        LiveSite site;
        site.put("acme.conf", kAcme);
        site.start("", mpm);
        CHECK_EQUAL(site.get(world().globex), 403);
        site.put("globex.conf", kGlobex);
        for (int i = 0; i < 4; ++i) becomes([&] { return site.get(world().globex); }, 200, mpm);
    }
}

CLAIM(without_refresh_files_count_at_a_restart_alone) {
    LiveSite site;
    site.put("acme.conf", kAcme);
    site.start("MTLSPolicyRefresh 0\n");
    site.put("globex.conf", kGlobex);
    stays([&] { return site.get(world().globex); }, 403, "no look");
    CHECK_EQUAL(site.get(world().acme), 200);
    site.httpd.graceful();
    becomes([&] { return site.get(world().globex); }, 200, "restarted");
}

CLAIM(a_bad_policy_file_leaves_the_old_policy_in_force_and_says_why_once) {
    const World& w = world();
    LiveSite site;
    site.put("acme.conf", kAcme);
    site.httpd.write("expect.pem", w.acme.cert_pem());
    site.start("MTLSExpect expect.pem is acme\n");
    TlsClient acme(site.httpd.port(), as(w.acme)), globex(site.httpd.port(), as(w.globex));
    const std::string file = site.httpd.path("partners/globex.conf");
    const std::pair<std::string, std::string> rows[] = {
        {kGlobex + "MTLSIdentity CN:x\n", "globex.conf:5: error: MTLSIdentity belongs inside <MTLSPartner NAME>"},
        {kGlobex + partner("ACME", "MTLSIdentity CN:x\nMTLSTrustAnchor acme.pem"),
         "globex.conf:5: error: <MTLSPartner ACME>: already defined at " + site.httpd.path("partners/acme.conf") +
             ":1"},
        {kGlobex.substr(0, kGlobex.size() - 15), "the file is incomplete"},
        {kGlobex.substr(0, kGlobex.size() - 1), "the last line has no newline"},
        {"", "the policy file is empty"},
        {partner("globex", "MTLSIdentity DSN:x\nMTLSTrustAnchor globex.pem"), "(did you mean 'DNS'?)"},
        {partner("globex", "MTLSIdentity CN:x\nMTLSTrustAnchor nowhere.pem"), "nowhere.pem': No such file"},
        {kGlobex + "MTLSTrustAnchor acme.pem\n", "belongs in httpd.conf only"},
        {kGlobex + "MTLSAuthz Off\n", "MTLSAuthz belongs in httpd.conf"},
        {kGlobex + "MTLSPolicyFile x\n", "MTLSPolicyFile belongs in httpd.conf"},
        {kGlobex + "Include x\n", "'Include' is refused in policy files"},
        {"<IfDefine X>\n" + kGlobex + "</IfDefine>\n", "close that one first"},
        {"<IfModule x>\n</IfModule>\n" + kGlobex, "'IfModule' is refused in policy files"},
        {partner("globex", "MTLSIdentity DNS:${NAME}\nMTLSTrustAnchor globex.pem"), "'${' is not expanded"},
        {kGlobex + "MTLSExpect ../acme.pem is nobody\n", "MTLSExpect: cannot read"},
        {kGlobex + partner("thief", "MTLSIdentity CN:api\nMTLSTrustAnchor acme.pem"),
         "MTLSExpect expect.pem is acme: does not hold: with this policy, it is refused: ambiguous"},
    };
    for (const auto& [content, message] : rows) {
        site.put("globex.conf", content);
        test::check(site.httpd.wait_for_log(message), message + " in " + site.httpd.error_log(), __FILE__, __LINE__);
        pause_for(std::chrono::milliseconds(1800));
        test::check_equal(site.errors(message), 1U, message, __FILE__, __LINE__);
        test::check_equal(globex.get("/gate/g").status, 403, message, __FILE__, __LINE__);
        test::check_equal(acme.get("/gate/a").status, 200, message, __FILE__, __LINE__);
        test::check_equal(site.get(w.globex), 403, message, __FILE__, __LINE__);
    }
    CHECK(site.times("stays in force since 20") >= std::size(rows));
    // Other content with the same mistake is said again.
    site.put("globex.conf", rows[0].first + "# tried once more\n");
    becomes([&] { return static_cast<int>(site.errors(rows[0].second)); }, 2, "other content");
    // A directory in its place; then the good file, and then the first bad one again, which is said again.
    site.drop("globex.conf");
    fs::create_directory(file);
    CHECK(site.httpd.wait_for_log("is not a regular file"));
    CHECK_EQUAL(acme.get("/gate/a").status, 200);
    fs::remove(file);
    site.put("globex.conf", kGlobex);
    becomes([&] { return globex.get("/gate/g").status; }, 200, "mended");
    CHECK(site.httpd.wait_for_log("no longer refused"));
    site.put("globex.conf", rows[0].first);
    const auto said_again = [&] { return static_cast<int>(site.errors(rows[0].second)); };
    becomes(said_again, 3, "said again");
    CHECK_EQUAL(globex.get("/gate/g").status, 200);
}

CLAIM(reloads_and_refusals_are_counted_once_for_all_children) {
    const World& w = world();
    LiveSite site;
    site.put("acme.conf", kAcme);
    site.start(
        "<Location /metrics>\n SetHandler mtls-authz-status\n MTLSStatus On\n</Location>\n"
        "<Location /off>\n SetHandler mtls-authz-status\n</Location>\n");
    const auto metric = [&](const std::string& name) {
        const std::string text = plain_get(site.httpd.plain_port(), "/metrics").body;
        const std::size_t at = text.find("\n" + name + " ");
        return at == std::string::npos ? -1 : std::stoi(text.substr(at + name.size() + 2));
    };
    const std::string ok = "mtls_authz_policy_reloads_total{result=\"ok\"}",
                      failed = "mtls_authz_policy_reloads_total{result=\"failed\"}";
    CHECK_EQUAL(plain_get(site.httpd.plain_port(), "/off").status, 404);
    CHECK_CONTAINS(plain_get(site.httpd.plain_port(), "/metrics").headers, "text/plain; version=0.0.4");
    CHECK_EQUAL(metric(ok), 0);
    CHECK_EQUAL(metric(failed), 0);
    CHECK_EQUAL(metric("mtls_authz_policy_partners"), 1);
    site.put("globex.conf", kGlobex);
    for (int i = 0; i < 8; ++i) becomes([&] { return site.get(w.globex); }, 200, "in every child");
    CHECK_EQUAL(metric(ok), 1);
    CHECK_EQUAL(metric("mtls_authz_policy_partners"), 2);
    site.put("globex.conf", "nonsense\n");
    becomes([&] { return metric(failed); }, 1, "refused");
    stays([&] { return metric(failed); }, 1, "once");
    CHECK_EQUAL(metric(ok), 1);
}

CLAIM(a_glob_that_had_files_and_has_none_keeps_the_policy) {
    const World& w = world();
    LiveSite site;
    site.put("acme.conf", kAcme);
    site.start();
    TlsClient acme(site.httpd.port(), as(w.acme));
    CHECK_EQUAL(acme.get("/gate/a").status, 200);
    site.drop("acme.conf");
    stays([&] { return acme.get("/gate/a").status; }, 200, "no file at all");
    CHECK(site.httpd.wait_for_log("had 1 file(s) and now has none"));
    CHECK_EQUAL(site.errors("had 1 file(s) and now has none"), 1U);
    // The folder gone, and back.
    fs::rename(site.httpd.path("partners"), site.httpd.path("elsewhere"));
    stays([&] { return acme.get("/gate/a").status; }, 200, "no folder");
    CHECK(site.httpd.wait_for_log("cannot be read"));
    fs::rename(site.httpd.path("elsewhere"), site.httpd.path("partners"));
    site.put("globex.conf", kGlobex);
    becomes([&] { return acme.get("/gate/a").status; }, 403, "other files");
}

CLAIM(a_child_that_starts_while_files_are_broken_decides_as_its_siblings) {
    const World& w = world();
    LiveSite site;
    site.put("acme.conf", kAcme);
    site.put("globex.conf", kGlobex);
    site.start();
    CHECK_EQUAL(site.get(w.globex), 200);
    site.drop("globex.conf");
    for (int i = 0; i < 8; ++i) becomes([&] { return site.get(w.globex); }, 403, "globex is out");
    // What the server started with would let globex in again.
    site.put("globex.conf", kGlobex + "MTLSIdentity broken\n");
    CHECK(site.httpd.wait_for_log("the policy files are refused"));
    const auto before = site.children();
    CHECK(before.size() >= 2);
    for (const pid_t pid : before) kill(pid, SIGKILL);
    const auto all_new = [&] {
        const auto now = site.children();
        return now.size() >= 2 && std::none_of(now.begin(), now.end(), [&](pid_t pid) {
                   return std::find(before.begin(), before.end(), pid) != before.end();
               });
    };
    for (int i = 0; i < 200 && !all_new(); ++i) pause_for(std::chrono::milliseconds(50));
    CHECK(all_new());
    for (int i = 0; i < 20; ++i) {
        becomes([&] { return site.get(w.acme); }, 200, "acme");
        CHECK_EQUAL(site.get(w.globex), 403);
    }
    site.put("globex.conf", kGlobex);
    for (int i = 0; i < 8; ++i) becomes([&] { return site.get(w.globex); }, 200, "mended");
}

CLAIM(a_broken_policy_holds_no_refusal_up) {
    const World& w = world();
    LiveSite site;
    site.put("acme.conf", kAcme);
    site.httpd.write("revoked.conf", "# nobody\n");
    site.start("MTLSRevocationFile revoked.conf\n");
    TlsClient acme(site.httpd.port(), as(w.acme));
    site.put("bad.conf", "nonsense\n");
    CHECK(site.httpd.wait_for_log("the policy files are refused"));
    CHECK_EQUAL(acme.get("/gate/a").status, 200);
    site.httpd.write("revoked.conf", "MTLSSuspend acme\n");
    becomes([&] { return acme.get("/gate/a").status; }, 403, "suspended");
}

CLAIM(anchors_crls_and_expectations_named_by_policy_files_are_live_too) {
    const World& w = world();
    LiveSite site;
    site.put("acme.conf", kAcme);
    site.start();
    TlsClient acme(site.httpd.port(), as(w.acme)), globex(site.httpd.port(), as(w.globex));
    // The policy before its anchor: refused until that is there.
    fs::remove(site.httpd.path("globex.pem"));
    site.put("globex.conf", kGlobex);
    CHECK(site.httpd.wait_for_log("globex.pem': No such file"));
    site.httpd.write("globex.pem", w.globex_ca.cert_pem());
    becomes([&] { return globex.get("/gate/g").status; }, 200, "the anchor came");
    // A list that only the policy names, and its going.
    CrlSpec spec;
    spec.revoked = {{&w.globex, 1}};
    site.httpd.write("globex.crl", make_crl(w.globex_ca, spec));
    site.put("crls.conf", "MTLSCRLFile globex.crl\n");
    becomes([&] { return globex.get("/gate/g").status; }, 403, "revoked");
    CHECK_EQUAL(acme.get("/gate/a").status, 200);
    site.drop("crls.conf");
    CHECK(site.httpd.wait_for_log("crls.conf: error: is gone, and with it lines that refuse"));
    CHECK_EQUAL(globex.get("/gate/g").status, 403);
    site.put("crls.conf", "# none\n");
    becomes([&] { return globex.get("/gate/g").status; }, 200, "the list is no longer named");
    // The certificate of an expectation changes: what would break it does not count.
    site.httpd.write("expect.pem", w.acme.cert_pem());
    site.put("expect.conf", "MTLSExpect expect.pem is acme\n");
    CHECK(site.httpd.wait_for_log("no partner changed, other lines did"));
    site.put("acme.conf", partner("acme", "MTLSIdentity DNS:other.acme.example\nMTLSTrustAnchor acme.pem"));
    CHECK(
        site.httpd.wait_for_log("MTLSExpect expect.pem is acme: does not hold: with this policy, it is refused: "
                                "unknown-partner"));
    CHECK_EQUAL(acme.get("/gate/a").status, 200);
}

CLAIM(gates_and_captures_follow_the_policy) {
    const World& w = world();
    LiveSite site;
    site.put("acme.conf", kAcme);
    site.start(
        "<Location /gate/group>\n MTLSAllow group new\n</Location>\n<LocationMatch \"^/free/(?<PARTNER>[^/]+)/\">\n"
        " MTLSAllow partner %{env:MATCH_PARTNER}\n</LocationMatch>\n<Location /gate/named>\n MTLSAllow partner globex\n"
        "</Location>\n");
    CHECK(site.httpd.wait_for_log("there is no partner 'globex'"));
    TlsClient acme(site.httpd.port(), as(w.acme)), globex(site.httpd.port(), as(w.globex));
    CHECK_EQUAL(acme.get("/free/acme/x").status, 200);
    CHECK_EQUAL(globex.get("/free/globex/x").status, 403);
    CHECK_EQUAL(acme.get("/gate/group/x").status, 403);
    site.put("globex.conf", partner("globex",
                                    "MTLSIdentity DNS:api.globex.example\nMTLSTrustAnchor globex.pem\n"
                                    "MTLSGroup new"));
    becomes([&] { return globex.get("/free/globex/x").status; }, 200, "the capture names it");
    CHECK_EQUAL(globex.get("/free/acme/x").status, 403);
    CHECK_EQUAL(globex.get("/gate/named/x").status, 200);
    CHECK_EQUAL(globex.get("/gate/group/x").status, 200);
    CHECK_EQUAL(acme.get("/gate/group/x").status, 403);
    site.drop("globex.conf");
    becomes([&] { return globex.get("/gate/named/x").status; }, 403, "gone again");
}

CLAIM(a_generation_names_the_content_on_every_server) {
    const World& w = world();
    std::set<std::string> generations;
    for (int i = 0; i < 2; ++i) {
        LiveSite site;
        site.put(i == 0 ? "a.conf" : "z.conf", "# a comment that does not count\n" + kAcme);
        site.put("globex.conf", kGlobex);
        site.httpd.write("htdocs/own/g.html", "<!--#echo var='MTLS_GENERATION' -->");
        site.httpd.load("include");
        site.start(
            "<Location /own>\n MTLSAllow any-partner\n MTLSEnv All\n Options +Includes\n"
            " SetOutputFilter INCLUDES\n</Location>\n");
        TlsClient acme(site.httpd.port(), as(w.acme));
        const std::string generation = acme.get("/own/g.html").body;
        CHECK_EQUAL(generation.size(), 16U);
        generations.insert(generation);
        const auto dump = site.httpd.run({"-t", "-D", "DUMP_MTLS_POLICY"});
        CHECK_CONTAINS(dump.text, "# MTLS policy, generation " + generation);
        // A comment changes nothing; a line does.
        site.put("globex.conf", "# hello\n" + kGlobex);
        stays([&] { return acme.get("/own/g.html").body == generation ? 1 : 0; }, 1, "a comment");
        site.put("globex.conf", partner("globex",
                                        "MTLSIdentity DNS:api.globex.example\nMTLSTrustAnchor globex.pem\n"
                                        "MTLSGrant read /x"));
        becomes([&] { return acme.get("/own/g.html").body == generation ? 1 : 0; }, 0, "a line");
    }
    CHECK_EQUAL(generations.size(), 1U);
}

CLAIM(httpd_t_checks_policy_files_and_dump_shows_what_they_hold) {
    LiveSite site;
    site.put("acme.conf", kAcme + "MTLSGrant read,GET /x\n");
    site.configure();
    auto out = site.httpd.run({"-t"});
    CHECK(out.status != 0);
    CHECK_CONTAINS(out.text, "acme.conf:5: error: MTLSGrant: 'read' stands alone");
    site.put("acme.conf", kAcme + "MTLSGrant GET /x/* \"if\" CN:a\nMTLSCRLFile crl/*.crl\n");
    out = site.httpd.run({"-t", "-D", "DUMP_MTLS_POLICY"});
    CHECK_EQUAL(out.status, 0);
    for (const char* part : {"<MTLSPartner acme>\n", "MTLSGrant GET /x/* if CN:a\n", "MTLSCRLFile crl/*.crl\n"}) {
        CHECK_CONTAINS(out.text, part);
    }
    // What it prints reads back as a policy file, to the same generation.
    const std::string printed = out.text.substr(out.text.find("# MTLS policy"));
    site.put("acme.conf", printed.substr(0, printed.find("# gate")));
    const auto again = site.httpd.run({"-t", "-D", "DUMP_MTLS_POLICY"});
    CHECK_CONTAINS(again.text, printed.substr(0, printed.find('\n')));
    // A literal name has to be there, a pattern not.
    site.httpd.configure("MTLSPolicyFile nowhere.conf\n");
    out = site.httpd.run({"-t"});
    CHECK(out.status != 0);
    CHECK_CONTAINS(out.text, "nowhere.conf': No such file");
    site.drop("acme.conf");
    site.configure();
    out = site.httpd.run({"-t"});
    CHECK_EQUAL(out.status, 0);
    CHECK_CONTAINS(out.text, "no file fits yet");
}

CLAIM(partners_may_stand_in_httpd_conf_and_in_files_but_not_twice) {
    const World& w = world();
    LiveSite site;
    site.put("globex.conf", kGlobex);
    site.start(kAcme);
    CHECK_EQUAL(site.get(w.acme), 200);
    CHECK_EQUAL(site.get(w.globex), 200);
    LiveSite twice;
    twice.put("acme.conf", kAcme);
    twice.configure(kAcme);
    const auto out = twice.httpd.run({"-t"});
    CHECK(out.status != 0);
    CHECK_CONTAINS(out.text, twice.httpd.path("partners/acme.conf") +
                                 ":1: error: <MTLSPartner acme>: already defined at " + twice.httpd.path("httpd.conf"));
}
