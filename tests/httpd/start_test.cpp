// What must neither keep a server from starting without a word, nor end it: limits, random numbers, broken files.
#include <sys/resource.h>

#include <sstream>

#include "claims.hpp"
#include "live_site.hpp"

using namespace test;

namespace {

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

}  // namespace

CLAIM(loading_the_module_runs_none_of_its_code) {
    if (httpd_paths().is_sanitized()) return;  // the sanitizers run theirs
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

CLAIM(without_memory_to_share_httpd_says_so_and_serves) {
    if (httpd_paths().is_sanitized()) return;  // which take more address space than any limit leaves
    const World& w = world();
    LiveSite site;
    site.put("acme.conf", kAcme);
    site.httpd.set_limit(RLIMIT_AS, 450UL << 20);
    site.start("", "prefork");
    CHECK(site.httpd.wait_for_log("no memory to share between children"));
    CHECK_EQUAL(site.get(w.acme), 200);
    CHECK_EQUAL(site.get(w.globex), 403);
    site.put("globex.conf", kGlobex);
    becomes([&] { return site.get(w.globex); }, 200, "an edit counts");
}
