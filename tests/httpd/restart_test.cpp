// Under load: restarts, a restart with another build of the module, and the exchange of a large policy.
#include <cctype>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "claims.hpp"
#include "faults.hpp"
#include "kept_site.hpp"
#include "number_from.hpp"

using namespace test;

namespace {

// As if the module had been built from other sources: then it reads no memory that this one wrote.
void change_sources(const std::string& module) {
    std::ifstream in(module, std::ios::binary);
    std::string bytes((std::istreambuf_iterator<char>(in)), {});
    // The digest of the sources, and the version of the compiler behind it.
    constexpr std::size_t kDigits = 64;
    std::size_t found = 0, run = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const bool is_digit =
            std::isdigit(static_cast<unsigned char>(bytes[i])) != 0 || (bytes[i] >= 'a' && bytes[i] <= 'f');
        if (!is_digit && run == kDigits && bytes[i] == '/') {
            char& first = bytes[i - kDigits];
            first = first == '0' ? '1' : '0';
            ++found;
        }
        run = is_digit ? run + 1 : 0;
    }
    CHECK(found > 0);
    std::ofstream(module + ".new", std::ios::binary) << bytes;
    fs::rename(module + ".new", module);
}

}  // namespace

CLAIM(graceful_restarts_under_load_fail_no_request_and_grow_nothing, Turn::kFirst) {
    const int restarts = number_from("RESTARTS", 20);
    Kept site("event");
    site.drop("globex.conf");
    becomes([&] { return site.globex(); }, 403, "globex is out");
    Load load(site);
    const auto restart = [&](int count) {
        for (int i = 0; i < count; ++i) {
            site.httpd.graceful();
            load.wait_for(12);
            pause_for(std::chrono::milliseconds(150));
        }
    };
    restart(restarts / 4);
    const long early = resident_kib(site.httpd.pid());
    restart(restarts - restarts / 4);
    const long late = resident_kib(site.httpd.pid());
    load.stop();
    std::printf(
        "%d restarts, %d requests, %d refused while no keeper answered; the parent held %ld KiB and %ld at last\n",
        restarts, load.asked(), load.refused_wrongly(), early, late);
    load.check(0);
    CHECK(load.asked() > 12 * restarts);
    test::check(late < early + early / 10 + 1024 || httpd_paths().is_sanitized(),
                "grew from " + std::to_string(early) + " to " + std::to_string(late) + " KiB", __FILE__, __LINE__);
    for (const std::string& error : site.httpd.unclaimed_errors({": denied "})) {
        test::check(false, error, __FILE__, __LINE__);
    }
    site.put("globex.conf", kGlobex);
    becomes([&] { return site.globex(); }, 200, "an edit counts");
}

CLAIM(a_module_of_other_sources_takes_over_at_a_graceful_restart_and_reads_no_memory_of_the_old_one) {
    Kept site;
    site.httpd.copy_module();
    site.run();
    site.drop("globex.conf");
    becomes([&] { return site.globex(); }, 403, "globex is out");
    const pid_t server = site.httpd.pid(), before = site.keeper();
    Load load(site);
    change_sources(site.httpd.path("mod_mtls_authz.so"));
    site.httpd.graceful();
    becomes([&] { return site.keepers().size() == 1 && site.keeper() != before; }, true, "another keeper");
    load.wait_for(40);
    site.httpd.graceful();
    load.wait_for(40);
    load.stop();
    load.check(0);
    CHECK(is_there(server));
    site.put("globex.conf", kGlobex);
    becomes([&] { return site.globex(); }, 200, "an edit counts");
    site.refuse("MTLSSuspend acme\n");
    becomes([&] { return site.acme(); }, 403, "a refusal counts");
}

CLAIM(a_large_policy_is_exchanged_under_load_without_a_wrong_answer, Turn::kFirst) {
    const int count = number_from("IDENTITIES", httpd_paths().is_sanitized() ? 2000 : 100000);
    Kept site("event");
    site.drop("globex.conf");
    becomes([&] { return site.globex(); }, 403, "globex is out");
    Load load(site);
    for (int i = 0; i < 3; ++i) {
        // Its certificate fits none of them.
        site.put("many.conf",
                 many_identities(count) + "# " + std::to_string(i) + "\n" +
                     partner("more" + std::to_string(i), "MTLSIdentity CN:more\nMTLSTrustAnchor acme.pem"));
        const auto is_added = [&] { return site.times("more" + std::to_string(i)) > 0; };
        for (int tries = 0; tries < 6 && !is_added(); ++tries) becomes([&] { return is_added(); }, true, "in force");
        load.wait_for(50);
    }
    load.stop();
    load.check(0);
    CHECK_EQUAL(load.refused_wrongly(), 0);
    std::printf("%d identities, exchanged three times beside %d requests\n", count, load.asked());
}
