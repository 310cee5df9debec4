// The policy is live: partners come, change and go without a restart, and a bad file never replaces a good one.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>

#include "claims.hpp"
#include "waiting.hpp"
#include "world.hpp"

using namespace test;
namespace fs = std::filesystem;

namespace {

std::string partner(const std::string& name, const std::string& lines) {
    return "<MTLSPartner " + name + ">\n" + lines + "\n</MTLSPartner>\n";
}
const std::string kAcme = partner("acme", "MTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor acme.pem");
const std::string kGlobex = partner("globex", "MTLSIdentity DNS:api.globex.example\nMTLSTrustAnchor globex.pem");

// A server whose partners stand in files alone.
struct LiveSite {
    Httpd httpd;
    LiveSite() : httpd(httpd_paths()) { world().install(httpd); }

    void put(const std::string& name, const std::string& content) const {
        httpd.write("partners/.new", content);
        fs::rename(httpd.path("partners/.new"), httpd.path("partners/" + name));
    }
    void drop(const std::string& name) const { fs::remove_all(httpd.path("partners/" + name)); }

    void configure(const std::string& lines = "", const std::string& mpm = "event") {
        httpd.configure(
            "AliasMatch ^/(gate|free)/ \"" + httpd.path("htdocs/ok.html") +
                "\"\nMTLSPolicyFile partners/*.conf\n<Location /gate>\n MTLSAllow any-partner\n MTLSEnv All\n"
                "</Location>\n" +
                lines,
            mpm);
    }
    void start(const std::string& lines = "", const std::string& mpm = "event") {
        configure(lines, mpm);
        httpd.start();
    }
    int get(const Identity& who, const std::string& path = "/gate/x") const {
        return TlsClient(httpd.port(), as(who)).get(path).status;
    }
    std::size_t times(const std::string& text) const {
        const std::string log = httpd.error_log();
        std::size_t n = 0;
        for (std::size_t at = log.find(text); at != std::string::npos; at = log.find(text, at + 1)) ++n;
        return n;
    }
    // Lines at `error` that hold the text: what the children say at debug does not count.
    std::size_t errors(const std::string& text) const {
        std::size_t n = 0;
        std::istringstream lines(httpd.error_log());
        for (std::string line; std::getline(lines, line);) {
            if (line.find(":error]") != std::string::npos && line.find(text) != std::string::npos) ++n;
        }
        return n;
    }
    std::vector<pid_t> children() const {
        std::vector<pid_t> out;
        for (const auto& entry : fs::directory_iterator("/proc")) {
            const pid_t pid = std::atoi(entry.path().filename().c_str());
            if (pid <= 0) continue;
            std::ifstream stat(entry.path() / "stat");
            std::string text((std::istreambuf_iterator<char>(stat)), {});
            const std::size_t end = text.rfind(')');
            if (end == std::string::npos) continue;
            int parent = 0;
            char state = 0;
            if (std::sscanf(text.c_str() + end + 1, " %c %d", &state, &parent) == 2 && parent == httpd.pid()) {
                out.push_back(pid);
            }
        }
        return out;
    }
};

}  // namespace

CLAIM(a_partner_file_that_appears_changes_and_goes_counts_on_open_connections) {
    const World& w = world();
    LiveSite site;
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
    CHECK_EQUAL(site.httpd.unclaimed_errors({"mtls_authz: denied"}).size(), 0U);
    // Three moves forth and two back to what had been there: each is said once, whichever child came first.
    std::size_t notices = 0;
    std::istringstream lines(site.httpd.error_log());
    for (std::string line; std::getline(lines, line);) {
        if (line.find(":notice]") != std::string::npos && line.find(" replaces ") != std::string::npos) ++notices;
    }
    CHECK_EQUAL(notices, 4U);
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
        {kGlobex + "MTLSTrustAnchor acme.pem\n", "stands in httpd.conf only"},
        {kGlobex + "MTLSAuthz Off\n", "MTLSAuthz stands in httpd.conf"},
        {kGlobex + "MTLSPolicyFile x\n", "MTLSPolicyFile stands in httpd.conf"},
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
    becomes(said_again, 2, "said again");
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
    CHECK_CONTAINS(out.text, "acme.conf:5: error: MTLSGrant: 'read' is no method");
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

CLAIM(files_that_others_could_have_written_are_refused_with_the_command_that_mends_it) {
    if (geteuid() != 0) return;  // as another user there is nobody to protect them from
    const World& w = world();
    LiveSite site;
    site.put("acme.conf", kAcme);
    site.configure();
    const std::string file = site.httpd.path("partners/acme.conf"), folder = site.httpd.path("partners");
    const auto refused = [&](const std::string& command) {
        const auto out = site.httpd.run({"-t"});
        test::check(out.status != 0, "accepted, instead of asking for " + command, __FILE__, __LINE__);
        CHECK_CONTAINS(out.text, command);
        // The command mends it.
        CHECK_EQUAL(std::system(command.c_str()), 0);
        const auto mended = site.httpd.run({"-t"});
        test::check(mended.status == 0, mended.text, __FILE__, __LINE__);
    };
    constexpr uid_t kNobody = 65534;
    chmod(file.c_str(), 0666);
    refused("chmod o-w '" + file + "'");
    CHECK_EQUAL(chown(file.c_str(), kNobody, 0), 0);
    refused("chown root '" + file + "'");
    CHECK_EQUAL(chown(file.c_str(), 12345, 0), 0);
    refused("chown root '" + file + "'");
    CHECK_EQUAL(chown(file.c_str(), 0, kNobody), 0);
    chmod(file.c_str(), 0664);
    refused("chmod g-w '" + file + "'");
    chmod(folder.c_str(), 0777);
    refused("chmod o-w '" + folder + "'");
    CHECK_EQUAL(chown(folder.c_str(), kNobody, 0), 0);
    refused("chown root '" + folder + "'");
    chmod(site.httpd.path("acme.pem").c_str(), 0666);
    refused("chmod o-w '" + site.httpd.path("acme.pem") + "'");
    // Through a link: what it leads to, and the folder there.
    fs::create_directory(site.httpd.path("open"));
    fs::rename(file, site.httpd.path("open/acme.conf"));
    fs::create_symlink("../open/acme.conf", file);
    CHECK_EQUAL(site.httpd.run({"-t"}).status, 0);
    chmod(site.httpd.path("open").c_str(), 0777);
    refused("chmod o-w '" + site.httpd.path("open") + "'");
    CHECK_EQUAL(lchown(file.c_str(), kNobody, 0), 0);
    refused("chown -h root '" + file + "'");
    // Group-writable by a group with which the server does not run is for the administrator to say.
    CHECK_EQUAL(chown(site.httpd.path("open/acme.conf").c_str(), 0, 4), 0);
    chmod(site.httpd.path("open/acme.conf").c_str(), 0664);
    CHECK_EQUAL(site.httpd.run({"-t"}).status, 0);
    chmod(site.httpd.path("open/acme.conf").c_str(), 0644);
    // While it runs: the old policy stays.
    site.httpd.start();
    TlsClient acme(site.httpd.port(), as(w.acme)), globex(site.httpd.port(), as(w.globex));
    site.put("globex.conf", kGlobex);
    becomes([&] { return globex.get("/gate/g").status; }, 200, "safe");
    const std::string other = site.httpd.path("partners/globex.conf");
    chmod(other.c_str(), 0666);
    site.httpd.write("partners/globex.conf", partner("globex", "MTLSIdentity any\nMTLSTrustAnchor globex.pem"));
    CHECK(
        site.httpd.wait_for_log("is not safe: '" + other + "' can be written by everybody: chmod o-w '" + other + "'"));
    CHECK_EQUAL(globex.get("/gate/g").status, 200);
    CHECK_EQUAL(acme.get("/gate/a").status, 200);
    CHECK_EQUAL(site.get(w.acme_from_globex), 403);
}

CLAIM(without_a_user_of_its_own_the_owner_rule_is_one_warning) {
    LiveSite site;
    site.put("acme.conf", kAcme);
    site.put("globex.conf", kGlobex);
    site.configure();
    // As root, somebody else is asked to start it; otherwise this is somebody else already.
    const std::string file = site.httpd.path("partners/acme.conf");
    std::vector<std::string> words = site.httpd.command({"-t"});
    if (geteuid() == 0) {
        constexpr uid_t kNobody = 65534;
        words.insert(words.begin(), {"runuser", "-u", "nobody", "--"});
        CHECK_EQUAL(chown(file.c_str(), kNobody, 0), 0);
        CHECK_EQUAL(chown(site.httpd.path("logs").c_str(), kNobody, 0), 0);
        fs::remove(site.httpd.path("logs/error.log"));
    }
    auto out = run_command(words, "");
    test::check(out.status == 0, out.text, __FILE__, __LINE__);
    const std::size_t at = out.text.find("httpd is not started as root with a User of its own");
    CHECK(at != std::string::npos);
    CHECK(out.text.find("User of its own", at + 40) == std::string::npos);
    // What everybody can write is refused all the same.
    chmod(file.c_str(), 0666);
    out = run_command(words, "");
    CHECK(out.status != 0);
    CHECK_CONTAINS(out.text, "chmod o-w '" + file + "'");
}

CLAIM(a_file_that_only_root_can_read_counts_until_a_restart_and_is_warned_of) {
    if (geteuid() != 0) return;
    const World& w = world();
    LiveSite site;
    site.put("acme.conf", kAcme);
    site.put("secret.conf", partner("twin", "MTLSIdentity CN:twin\nMTLSTrustAnchor acme.pem"));
    chmod(site.httpd.path("partners/secret.conf").c_str(), 0600);
    chmod(site.httpd.path("acme.pem").c_str(), 0600);
    site.start();
    CHECK(site.httpd.wait_for_log(site.httpd.path("partners/secret.conf") +
                                  ": warning: will not reload: readable by root only"));
    CHECK_CONTAINS(site.httpd.error_log(), site.httpd.path("acme.pem") + ": warning: will not reload");
    TlsClient twin(site.httpd.port(), as(w.ambiguous)), globex(site.httpd.port(), as(w.globex));
    CHECK_EQUAL(twin.get("/gate/t").status, 200);
    // Others beside it still load, and it keeps its content.
    site.put("globex.conf", kGlobex);
    becomes([&] { return globex.get("/gate/g").status; }, 200, "another file");
    CHECK_EQUAL(twin.get("/gate/t").status, 200);
    CHECK_EQUAL(site.get(w.acme), 200);
    // One that the children could read, and can no longer, is broken.
    chmod(site.httpd.path("partners/globex.conf").c_str(), 0600);
    CHECK(site.httpd.wait_for_log("globex.conf': Permission denied"));
    CHECK_EQUAL(globex.get("/gate/g").status, 200);
}
