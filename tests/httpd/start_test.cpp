// What must neither keep a server from starting without a word, nor end it: limits, random numbers, broken files.
#include <sys/resource.h>

#include <csignal>
#include <sstream>

#include "claims.hpp"
#include "live_site.hpp"

using namespace test;

namespace {

bool is_there(pid_t pid) { return kill(pid, 0) == 0; }

// Size of the section in bytes.
std::size_t size_of_section(const std::string& file, const std::string& section) {
    std::istringstream lines(run_command({"readelf", "-S", "-W", file}, "").text);
    for (std::string line; std::getline(lines, line);) {
        const std::size_t at = line.find(" " + section + " ");
        if (at == std::string::npos) continue;
        std::istringstream words(line.substr(at));
        std::string name, type, address, offset, size;
        words >> name >> type >> address >> offset >> size;
        return std::stoul(size, nullptr, 16);
    }
    return 0;
}

const std::string kBroken = "<MTLSPartner q>\nMTLSNonsense x\n</MTLSPartner>\n";

}  // namespace

CLAIM(loading_the_module_runs_none_of_its_code, Turn::kAny, Module::kPlain) {
    // One entry is the compiler's own.
    CHECK_EQUAL(size_of_section(httpd_paths().module, ".init_array"), sizeof(void*));
}

CLAIM(without_random_numbers_httpd_says_so_instead_of_ending) {
    Site site;
    site.httpd.write("openssl.cnf", "openssl_conf = a\n[a]\nrandom = b\n[b]\nrandom = NO-SUCH-GENERATOR\n");
    site.httpd.configure(World::policy() + location("/gate", "MTLSAllow any-partner"));
    CHECK_EQUAL(site.httpd.run({"-t"}).status, 0);
    site.httpd.set_environment("OPENSSL_CONF", site.httpd.path("openssl.cnf"));
    const auto out = site.httpd.run({"-t"});
    CHECK_EQUAL(out.status, 1);
    CHECK_CONTAINS(out.text, "OpenSSL gives no random numbers");
}

// httpd reads its configuration twice. In the background, standard error is closed before the second time, so that only
// the error log can tell what is found then.
CLAIM(what_the_second_reading_alone_finds_ends_the_start_and_is_in_the_error_log) {
    for (const int count : {12000, 1}) {
        LiveSite site;
        std::string names;
        for (int i = 0; i < count; ++i) names += "MTLSIdentity CN:client-" + std::to_string(i) + "\n";
        site.put("many.conf", partner("many", names + "MTLSTrustAnchor acme.pem"));
        site.httpd.set_limit(RLIMIT_FSIZE, 256UL << 10);
        const bool fits = count == 1;
        try {
            site.start();
            CHECK(fits);
        } catch (const std::runtime_error&) {
            CHECK(!fits);
        }
        if (fits) continue;
        CHECK_CONTAINS(site.httpd.error_log(), "error: the policy cannot be shared: it takes more than 2");
        CHECK_CONTAINS(site.httpd.error_log(), "the server does not start, because of these errors");
    }
}

CLAIM(a_limit_of_file_size_ends_nothing_and_all_children_share_one_policy) {
    const World& w = world();
    for (const std::size_t limit : {100UL << 20, 1UL << 20}) {
        LiveSite site;
        site.put("acme.conf", kAcme);
        site.httpd.set_limit(RLIMIT_FSIZE, limit);
        site.start();
        CHECK_EQUAL(site.get(w.acme), 200);
        CHECK_EQUAL(site.get(w.globex), 403);
        site.put("globex.conf", kGlobex);
        becomes([&] { return site.get(w.globex); }, 200, "an edit counts");
        CHECK_EQUAL(site.times("no memory to share"), 0U);
        CHECK_EQUAL(site.times("exit signal"), 0U);
    }
}

CLAIM(a_server_whose_revocations_cannot_be_shared_does_not_start_without_them) {
    std::string lines = "MTLSSuspend acme\n";
    for (int i = 0; i < 20000; ++i) lines += "MTLSRevoke CN:gone-" + std::to_string(i) + "\n";
    for (const bool is_patient : {false, true}) {
        LiveSite site;
        site.put("acme.conf", kAcme);
        site.httpd.write("revoked.conf", lines);
        site.httpd.set_limit(RLIMIT_FSIZE, 512UL << 10);
        std::string fault;
        try {
            site.start(std::string("MTLSRevocationFile revoked.conf\n") +
                       (is_patient ? "MTLSPolicyStart last-good\n" : ""));
        } catch (const std::runtime_error& e) {
            fault = e.what();
        }
        CHECK_EQUAL(fault.empty(), is_patient);
        if (!is_patient) CHECK_CONTAINS(fault, "the revocations could not be read (");
        if (!is_patient) continue;
        CHECK_EQUAL(site.get(world().acme), 403);
        CHECK(site.httpd.wait_for_log("reason=policy-unavailable"));
        site.httpd.write("revoked.conf", "MTLSSuspend globex\n");
        becomes([&] { return site.get(world().acme); }, 200, "they can be shared");
    }
}

CLAIM(little_address_space_is_enough_to_share, Turn::kAny, Module::kPlain) {
    const World& w = world();
    LiveSite site;
    site.put("acme.conf", kAcme);
    site.httpd.set_limit(RLIMIT_AS, 300UL << 20);
    site.start("", "prefork");
    CHECK_EQUAL(site.get(w.acme), 200);
    CHECK_EQUAL(site.get(w.globex), 403);
    site.put("globex.conf", kGlobex);
    becomes([&] { return site.get(w.globex); }, 200, "an edit counts");
}

CLAIM(a_broken_policy_leaves_the_last_good_one_in_force_at_a_restart_and_ends_no_server) {
    const World& w = world();
    for (const int signal : {SIGUSR1, SIGHUP}) {
        LiveSite site;
        site.put("acme.conf", kAcme);
        site.httpd.write("revoked.conf", "# nobody\n");
        site.start("MTLSRevocationFile revoked.conf\n");
        const pid_t server = site.httpd.pid();
        site.put("bad.conf", kBroken);
        CHECK(site.httpd.wait_for_log("the policy files are refused"));
        // Which httpd checks before it signals the server: what is wrong with the files is said, and is no obstacle.
        for (const char* word : {"graceful", "restart"}) {
            const auto out = site.httpd.run({"-k", word});
            CHECK_EQUAL(out.status, 0);
            CHECK_CONTAINS(out.text, "bad.conf:2: error: ");
            becomes([&] { return site.get(w.acme); }, 200, "the last good one");
        }
        site.httpd.restart(signal);
        becomes([&] { return site.get(w.acme); }, 200, "the last good one");
        becomes([&] { return site.get(w.globex); }, 403, "it has no globex");
        CHECK(is_there(server));
        // What only takes away counts meanwhile; then the file is mended, and counts for all.
        site.httpd.write("revoked.conf", "MTLSSuspend acme\n");
        becomes([&] { return site.get(w.acme); }, 403, "suspended");
        site.httpd.write("revoked.conf", "# nobody\n");
        becomes([&] { return site.get(w.acme); }, 200, "no longer suspended");
        site.put("bad.conf", kGlobex);
        becomes([&] { return site.get(w.globex); }, 200, "mended");
        // httpd.conf itself is checked as ever.
        std::ofstream(site.httpd.path("httpd.conf"), std::ios::app) << "MTLSNonsense\n";
        CHECK(site.httpd.run({"-k", "graceful"}).status != 0);
        CHECK_EQUAL(site.get(w.acme), 200);
    }
}

CLAIM(a_denial_of_a_partner_that_no_policy_has_denies_everybody_and_ends_no_server) {
    const World& w = world();
    LiveSite site;
    site.put("acme.conf", kAcme);
    site.put("globex.conf", kGlobex);
    site.start("<Location /free>\n MTLSAllow any-partner\n MTLSDeny partner globex methods=read\n</Location>\n");
    CHECK_EQUAL(site.get(w.globex, "/free/x"), 403);
    CHECK_EQUAL(site.get(w.acme, "/free/x"), 200);
    // Renamed: the denial goes on.
    site.put("globex.conf", partner("globex-inc", "MTLSIdentity DNS:api.globex.example\nMTLSTrustAnchor globex.pem"));
    becomes([&] { return site.get(w.acme, "/free/x"); }, 403, "renamed");
    CHECK_EQUAL(site.get(w.globex, "/free/x"), 403);
    CHECK_EQUAL(site.get(w.globex), 200);
    CHECK(site.get(w.acme, "/free/x", "POST") != 403);
    CHECK_EQUAL(site.get(w.acme), 200);
    CHECK_CONTAINS(site.httpd.error_log(),
                   "MTLSDeny: there is no partner 'globex': it denies everybody until there is one");
    CHECK_CONTAINS(site.httpd.error_log(), "MTLSDeny names the partner globex, which the policy does not have");
    site.httpd.restart(SIGHUP);
    becomes([&] { return static_cast<int>(site.times("resuming normal operations")); }, 2, "it has restarted");
    CHECK_EQUAL(site.get(w.globex, "/free/x"), 403);
    site.put("globex.conf", kGlobex);
    becomes([&] { return site.get(w.acme, "/free/x"); }, 200, "back");
    CHECK_EQUAL(site.get(w.globex, "/free/x"), 403);
    site.drop("globex.conf");
    becomes([&] { return site.get(w.acme, "/free/x"); }, 403, "removed");
    CHECK(site.httpd.stop());
    // At a cold start it is a mistake.
    CHECK(site.httpd.run({"-t"}).status != 0);
}

CLAIM(a_denial_of_a_partner_that_no_policy_has_is_no_obstacle_where_the_last_good_policy_may_be_missing) {
    const World& w = world();
    LiveSite site;
    site.put("acme.conf", kAcme);
    site.configure(
        "MTLSPolicyStart last-good\n<Location /free>\n MTLSAllow any-partner\n MTLSDeny partner globx\n</Location>\n");
    const auto out = site.httpd.run({"-t"});
    CHECK_EQUAL(out.status, 0);
    CHECK_CONTAINS(out.text, "there is no partner 'globx': it denies everybody until there is one");
    site.httpd.start();
    CHECK_EQUAL(site.get(w.acme, "/free/x"), 403);
    CHECK_EQUAL(site.get(w.acme), 200);
}

CLAIM(a_server_is_stopped_by_its_own_command_whatever_the_files_hold) {
    LiveSite site;
    site.put("acme.conf", kAcme);
    site.start();
    site.put("bad.conf", kBroken);
    fs::remove(site.httpd.path("acme.pem"));
    const auto out = site.httpd.run({"-k", "stop"});
    test::check(out.status == 0, out.text, __FILE__, __LINE__);
    CHECK(site.httpd.has_ended());
}

CLAIM(a_cold_start_with_a_broken_policy_fails_and_names_file_and_line) {
    LiveSite site;
    site.put("acme.conf", kAcme);
    site.put("bad.conf", kBroken);
    site.configure();
    const std::string place = site.httpd.path("partners/bad.conf") + ":2: error: ";
    for (const char* words : {"-t", "-kstart"}) {
        const auto out = site.httpd.run({words});
        CHECK(out.status != 0);
        CHECK_CONTAINS(out.text, place);
        CHECK(!fs::exists(site.httpd.path("run/httpd.pid")));
    }
    CHECK_CONTAINS(site.httpd.error_log(), "the server does not start, because of errors that are on standard error");
    // The nearest: without the broken line.
    site.drop("bad.conf");
    site.httpd.start();
    CHECK_EQUAL(site.get(world().acme), 200);
}
