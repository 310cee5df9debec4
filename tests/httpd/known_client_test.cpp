// What a process keeps of clients that come again changes no answer: each connection is judged by what it sent itself.
#include "claims.hpp"
#include "world.hpp"

using namespace test;

namespace {

// One process, so that all connections share what it keeps.
constexpr const char* kOneProcess = "StartServers 1\nServerLimit 1\nMaxRequestWorkers 8\nThreadsPerChild 8\n";

ClientOptions sending(const Identity& who, const std::vector<const Identity*>& chain, int tls) {
    ClientOptions out;
    out.identity = &who;
    out.chain = chain;
    out.tls = tls;
    return out;
}

}  // namespace

CLAIM(each_connection_is_judged_by_the_intermediates_that_it_sent_itself) {
    const World& w = world();
    const Identity other_sub = make_ca("Acme Sub", &w.globex_ca),
                   namesake = make_client("api", "api.acme.example", other_sub);
    Site site;
    site.tls("SSLVerifyClient optional_no_ca\nSSLVerifyDepth 5\n")
        .start(std::string(kOneProcess) + location("/gate", "    MTLSAllow partner acme"));
    const std::vector<const Identity*> own = {&w.acme_sub}, others = {&other_sub}, none;
    const struct {
        const Identity& who;
        const std::vector<const Identity*>& chain;
        int status;
    } rows[] = {{w.acme_by_sub, own, 200}, {w.acme_by_sub, none, 403}, {w.acme_by_sub, others, 403},
                {namesake, own, 403},      {namesake, others, 403},    {w.acme_by_sub, own, 200},
                {w.acme_by_sub, none, 403}};
    for (const int tls : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        for (int turn = 0; turn < 2; ++turn) {
            for (const auto& row : rows) {
                TlsClient full(site.httpd.port(), sending(row.who, row.chain, tls));
                CHECK_EQUAL(full.get("/gate/x").status, row.status);
                const auto session = full.session();
                TlsClient again(site.httpd.port(), sending(row.who, row.chain, tls), session.get());
                CHECK(again.resumed());
                CHECK_EQUAL(again.get("/gate/x").status, row.status);
            }
        }
    }
}
