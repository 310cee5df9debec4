// Chains as long as they come: one decision for full and resumed handshakes, and the limits in the log.
#include "claims.hpp"
#include "world.hpp"

using namespace test;

namespace {

// A client of acme's below so many CAs, each with so many bytes of padding.
struct LongChain {
    std::vector<Identity> cas;  // the topmost first
    Identity leaf;

    LongChain(std::size_t count, std::size_t padding) {
        CertSpec spec;
        spec.ca = true;
        if (padding > 0) spec.raw = {{"1.3.6.1.4.1.55555.1", std::string(padding, 'x')}};
        while (cas.size() < count) {
            spec.subject = {{"CN", "Intermediate " + std::to_string(cas.size())}};
            cas.push_back(issue(spec, cas.empty() ? &world().acme_ca : &cas.back()));
        }
        leaf = make_client("deep", "api.acme.example", cas.back());
    }
    std::vector<const Identity*> sent() const {
        std::vector<const Identity*> out;
        for (std::size_t i = cas.size(); i-- > 0;) out.push_back(&cas[i]);
        return out;
    }
};

}  // namespace

CLAIM(long_chains_count_in_full_and_resumed_handshakes) {
    Site site;
    site.tls("SSLVerifyClient optional_no_ca\nSSLVerifyDepth 12\n")
        .start("<Location /gate>\n MTLSAllow partner acme\n</Location>");
    const LongChain ten(10, 0), large(5, 5800), eleven(11, 0), too_large(2, 20000);
    const struct {
        const char* name;
        const LongChain& chain;
        const char* left_out;  // null: let in
    } rows[] = {{"ten", ten, nullptr},
                {"large", large, nullptr},
                {"eleven", eleven, "10 with "},
                {"too-large", too_large, "1 with 2"}};
    for (const auto& row : rows) {
        for (const int tls : {TLS1_2_VERSION, TLS1_3_VERSION}) {
            ClientOptions options;
            options.identity = &row.chain.leaf;
            options.chain = row.chain.sent();
            options.tls = tls;
            const std::string path = "/gate/" + std::string(row.name) + (tls == TLS1_2_VERSION ? "-12" : "-13");
            const auto check = [&](TlsClient& client, const std::string& at) {
                CHECK_EQUAL(client.get(at).status, row.left_out == nullptr ? 200 : 403);
                if (row.left_out == nullptr) return;
                CHECK_EQUAL(site.reason_for(at), "not-verified");
                CHECK_CONTAINS(site.log_about(at), "of the client's intermediates " + std::string(row.left_out));
                CHECK_CONTAINS(site.log_about(at), "the limit of 10 and 32768 bytes: put those into MTLSIntermediate");
            };
            TlsClient full(site.httpd.port(), options);
            check(full, path + "-full");
            const auto session = full.session();
            TlsClient again(site.httpd.port(), options, session.get());
            CHECK(again.resumed());
            check(again, path + "-resumed");
        }
    }
}
