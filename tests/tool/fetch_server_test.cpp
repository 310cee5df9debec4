// What mtls-authz fetch writes, as a user of its own, counts in a running server.
#include <pwd.h>
#include <unistd.h>

#include "../httpd/live_site.hpp"
#include "fetching.hpp"

using namespace test;

namespace {

// The tool, where other users may run it.
Httpd::Output fetch_as(const char* user, const Httpd& httpd, const std::vector<std::string>& args) {
    std::vector<std::string> words = {httpd.path("mtls-authz"), "fetch",    "--policy",
                                      "partners/*.conf",        "--into",   "fetched",
                                      "--allow-network",        "127.0.0.1"};
    if (geteuid() == 0) words.insert(words.begin(), {"runuser", "-u", user, "--"});
    words.insert(words.end(), args.begin(), args.end());
    return run_command(words, httpd.root());
}

std::string even_upper(std::string serial) {
    if (serial.size() % 2 != 0) serial.insert(0, "0");
    for (char& c : serial) c = static_cast<char>(std::toupper(c));
    return serial;
}

}  // namespace

CLAIM(what_is_fetched_denies_clients_that_are_connected) {
    const World& w = world();
    set_httpd_paths(find_httpd(fs::path(tool_path()).parent_path() / "mod_mtls_authz.so"));
    Bench bench;
    const Nginx nginx(bench.folder(), free_port());
    OpensslResponder responder(w.globex_ca);
    responder.known = {even_upper(serial_of(w.globex))};

    LiveSite site;
    site.httpd.write("sub.pem", issue(
                                    [&] {
                                        CertSpec spec = Fetching::with_list_at(nginx.url("/acme.crl"));
                                        spec.subject = {{"CN", "Acme Sub"}};
                                        spec.ca = true;
                                        spec.eku = "";
                                        return spec;
                                    }(),
                                    &w.acme_ca)
                                    .cert_pem());
    site.put("acme.conf", partner("acme",
                                  "MTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor acme.pem\n"
                                  "MTLSIntermediate sub.pem"));
    site.put("globex.conf", kGlobex);
    fs::copy_file(tool_path(), site.httpd.path("mtls-authz"));
    for (const char* folder : {"fetched", "fetched/crl", "fetched/revoked"}) {
        fs::create_directory(site.httpd.path(folder));
        const passwd* const user = getpwnam("bin");
        if (geteuid() == 0) CHECK_EQUAL(chown(site.httpd.path(folder).c_str(), user->pw_uid, user->pw_gid), 0);
    }
    site.start(
        "MTLSCRLFile fetched/crl/*.crl\nMTLSRevocationFile fetched/revoked/*.conf\nMTLSAuditLog logs/audit.log\n"
        "MTLSFetchUser bin\n");
    TlsClient acme(site.httpd.port(), as(w.acme)), globex(site.httpd.port(), as(w.globex));
    const auto ask_acme = [&] { return acme.get("/gate/a").status; };
    const auto ask_globex = [&] { return globex.get("/gate/g").status; };
    CHECK_EQUAL(ask_acme(), 200);
    CHECK_EQUAL(ask_globex(), 200);
    fs::permissions(site.httpd.path("logs/audit.log"), fs::perms::others_read, fs::perm_options::add);
    const auto fetched = [&](int status) {
        const auto out =
            fetch_as("bin", site.httpd, {"--ocsp", "globex.pem=" + responder.url(), "--seen", "logs/audit.log"});
        check_equal(out.status, status, out.text, __FILE__, __LINE__);
        return out.text;
    };

    nginx.put("acme.crl", make_crl(w.acme_ca, {.number = 5}));
    const std::string said = fetched(0);
    CHECK_CONTAINS(said, "0 entries");
    CHECK_CONTAINS(said, "1 certificate(s) of \"CN=Globex CA");
    const std::string good = responder.last;
    stays(ask_acme, 200, "a list without it");
    CHECK_EQUAL(ask_globex(), 200);

    nginx.put("acme.crl", make_crl(w.acme_ca, {.revoked = {{&w.acme, 1}}, .number = 6}));
    pause_for(std::chrono::milliseconds(1100));
    responder.revoked[responder.known.front()] = "keyCompromise";
    CHECK_CONTAINS(fetched(0), "(keyCompromise)");
    becomes(ask_acme, 403, "the list that was fetched");
    becomes(ask_globex, 403, "what the responder said");
    CHECK(site.httpd.wait_for_log("denied GET \"/gate/a\": reason=revoked detail=\"by the CRL of"));
    CHECK(site.httpd.wait_for_log("denied GET \"/gate/g\": reason=revoked"));
    CHECK_EQUAL(site.times("is not safe"), 0U);

    // The old list, and the old answer, again.
    nginx.put("acme.crl", make_crl(w.acme_ca, {.number = 5}));
    responder.replayed = good;
    CHECK_CONTAINS(fetched(1), "is not newer than the one at hand; the list of");
    stays(ask_acme, 403, "an old list");
    CHECK_EQUAL(ask_globex(), 403);
}
