// Chains of ML-DSA (FIPS 204) and SLH-DSA (FIPS 205) with two intermediates, in full and resumed handshakes. OpenSSL
// knows these from 3.5 on: elsewhere these claims say so, and claim nothing.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "claims.hpp"
#include "live_site.hpp"

using namespace test;

namespace {

bool is_known(const char* algorithm) {
    const mtls::ErrorQueueGuard errors;
    EVP_PKEY_CTX* const context = EVP_PKEY_CTX_new_from_name(nullptr, algorithm, nullptr);
    EVP_PKEY_CTX_free(context);
    if (context == nullptr) std::printf("left out: %s is unknown to %s\n", algorithm, OpenSSL_version(OPENSSL_VERSION));
    return context != nullptr;
}

mtls::EvpPkeyPtr make_key_of(const char* algorithm) {
    return mtls::EvpPkeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, algorithm));
}

// A root and two CAs below it, all with keys of one algorithm, and what the lower one issues.
struct Chain {
    const char* algorithm;
    Identity root, upper, lower;

    explicit Chain(const char* of) : algorithm(of) {
        root = make(nullptr, "Root");
        upper = make(&root, "Upper");
        lower = make(&upper, "Lower");
    }
    // TLS 1.3 has no signatures by SLH-DSA: there, the key of a leaf is another one.
    Identity leaf(const std::string& cn, const char* key) const {
        CertSpec spec;
        spec.subject = {{"O", algorithm}, {"CN", cn}};
        spec.digest = nullptr;
        return issue(spec, &lower, make_key_of(key));
    }
    Identity leaf(const std::string& cn) const {
        return leaf(cn, std::string(algorithm).starts_with("ML-DSA") ? algorithm : "ML-DSA-44");
    }
    ClientOptions client(const Identity& who) const {
        ClientOptions out;
        out.identity = &who;
        out.chain = {&lower, &upper};
        return out;
    }

private:
    Identity make(const Identity* issuer, const std::string& name) const {
        CertSpec spec;
        spec.subject = {{"O", algorithm}, {"CN", name}};
        spec.ca = true;
        spec.eku = "";
        spec.digest = nullptr;
        return issue(spec, issuer, make_key_of(algorithm));
    }
};

struct QuantumSite : LiveSite {
    // `by_anchors`: the handshake trusts the policy's anchors, and else what mod_ssl is given.
    void begin(const std::string& roots, bool by_anchors, const std::string& tls = "", const std::string& more = "") {
        httpd.write("roots.pem", roots);
        httpd.set_tls_lines("SSLVerifyClient optional\nSSLVerifyDepth 5\n" + tls +
                            (by_anchors ? "MTLSClientCA On\n" : "SSLCACertificateFile roots.pem\n"));
        start("<Location /status>\n SetHandler mtls-authz-status\n MTLSStatus On\n</Location>\n" + more);
    }
    std::string line_about(const std::string& path) const {
        CHECK(httpd.wait_for_log("\"" + path + "\""));
        const std::string log = httpd.error_log();
        const std::size_t at = log.find("\"" + path + "\"");
        return log.substr(at, log.find('\n', at) - at);
    }
    // In a full handshake and in two that resume one after the other.
    void expect(const ClientOptions& who, const std::string& path, int status) const {
        SslSessionPtr session;
        for (const char* const how : {"-full", "-resumed", "-again"}) {
            TlsClient client(httpd.port(), who, session.get());
            CHECK(client.connected());
            CHECK_EQUAL(client.resumed(), session != nullptr);
            CHECK_EQUAL(client.get(path + how).status, status);
            session = client.session();
        }
    }
};

}  // namespace

CLAIM(post_quantum_chains_count_in_full_and_resumed_handshakes) {
    for (const char* algorithm : {"ML-DSA-44", "ML-DSA-65", "ML-DSA-87", "SLH-DSA-SHA2-128s", "SLH-DSA-SHAKE-128s"}) {
        if (!is_known(algorithm)) continue;
        const Chain chain(algorithm), other(algorithm);
        const Identity acme = chain.leaf("acme"), nobody = chain.leaf("nobody"), foreign = other.leaf("acme");
        for (const bool by_anchors : {true, false}) {
            QuantumSite site;
            site.httpd.write("quantum.pem", chain.root.cert_pem());
            site.httpd.write("other.pem", other.root.cert_pem());
            site.put("acme.conf", partner("acme", "MTLSIdentity CN:acme\nMTLSTrustAnchor quantum.pem") +
                                      partner("other", "MTLSIdentity CN:other\nMTLSTrustAnchor other.pem"));
            site.begin(chain.root.cert_pem() + other.root.cert_pem(), by_anchors);
            site.expect(chain.client(acme), "/gate/acme", 200);
            site.expect(chain.client(nobody), "/gate/nobody", 403);
            site.expect(other.client(foreign), "/gate/foreign", 403);
            CHECK_CONTAINS(site.line_about("/gate/nobody-resumed"), "reason=unknown-partner");
            CHECK_CONTAINS(site.line_about("/gate/foreign-resumed"), "reason=wrong-issuer");
            Http2Client h2(site.httpd.port(), chain.client(acme), site.httpd.root());
            CHECK_EQUAL(h2.get("/gate/h2").status, 200);
        }
    }
}

CLAIM(a_post_quantum_session_that_no_cache_takes_is_a_full_handshake_with_the_same_answer) {
    if (!is_known("ML-DSA-87")) return;
    const Chain chain("ML-DSA-87");
    const Identity acme = chain.leaf("acme");
    QuantumSite site;
    site.httpd.load("socache_shmcb");
    site.httpd.write("quantum.pem", chain.root.cert_pem());
    site.put("acme.conf", partner("acme", "MTLSIdentity CN:acme\nMTLSTrustAnchor quantum.pem"));
    site.begin(chain.root.cert_pem(), false, "SSLSessionTickets off\n", "SSLSessionCache shmcb:cache(512000)\n");
    SslSessionPtr session;
    for (int i = 0; i < 3; ++i) {
        TlsClient client(site.httpd.port(), chain.client(acme), session.get());
        CHECK(!client.resumed());
        CHECK_EQUAL(client.get("/gate/x").status, 200);
        session = client.session();
    }
}

CLAIM(post_quantum_intermediates_beyond_the_limit_count_for_neither_handshake) {
    // Two of these have 33 kB, and the limit is 32.
    constexpr const char* kAlgorithm = "SLH-DSA-SHA2-192s";
    if (!is_known(kAlgorithm)) return;
    const Chain chain(kAlgorithm);
    const Identity acme = chain.leaf("acme");
    QuantumSite site;
    site.httpd.write("quantum.pem", chain.root.cert_pem());
    site.httpd.write("upper.pem", chain.upper.cert_pem());
    site.put("acme.conf", partner("acme", "MTLSIdentity CN:acme\nMTLSTrustAnchor quantum.pem"));
    site.begin(chain.root.cert_pem(), true);
    site.expect(chain.client(acme), "/gate/long", 403);
    for (const char* how : {"-full", "-resumed", "-again"}) {
        const std::string line = site.line_about(std::string("/gate/long") + how);
        CHECK_CONTAINS(line, "reason=not-verified");
        CHECK_CONTAINS(line, "of the client's intermediates 1 with ");
        CHECK_CONTAINS(line, "put those into MTLSIntermediate");
    }
    site.put("acme.conf",
             partner("acme", "MTLSIdentity CN:acme\nMTLSTrustAnchor quantum.pem\nMTLSIntermediate upper.pem"));
    becomes([&] { return TlsClient(site.httpd.port(), chain.client(acme)).get("/gate/x").status; }, 200, "helped");
    site.expect(chain.client(acme), "/gate/helped", 200);
}

CLAIM(selectors_and_the_status_know_post_quantum_keys) {
    if (!is_known("ML-DSA-65")) return;
    const Chain chain("ML-DSA-65");
    const Identity strong = chain.leaf("acme", "ML-DSA-65"), weaker = chain.leaf("acme", "ML-DSA-44");
    QuantumSite site;
    site.httpd.write("quantum.pem", chain.root.cert_pem());
    site.put("acme.conf",
             partner("acme", "MTLSIdentity CN:acme key:ML-DSA !key:ML-DSA-44\nMTLSTrustAnchor quantum.pem"));
    site.begin(chain.root.cert_pem(), true);
    site.expect(chain.client(weaker), "/gate/weaker", 403);
    CHECK_CONTAINS(site.line_about("/gate/weaker-full"), "reason=unknown-partner");
    site.expect(chain.client(strong), "/gate/strong", 200);
    const auto json = nlohmann::json::parse(plain_get(site.httpd.plain_port(), "/status?format=json").body);
    CHECK_EQUAL(json["partners"][0]["certificate"]["key"].get<std::string>(), "ML-DSA-65");
    CHECK_CONTAINS(plain_get(site.httpd.plain_port(), "/status").body,
                   "mtls_authz_partner_certificate_info{partner=\"acme\",key=\"ML-DSA-65\"} 1\n");
}
