// A site behind the front `lb`, and more certificates that the front can forward.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "claims.hpp"
#include "front_fields.hpp"
#include "live_site.hpp"
#include "mtls_authz/base/text.hpp"
#include "pki.hpp"
#include "world.hpp"

namespace test::fronts {

// A front, and certificates that it may hand on beside those of the world.
struct Edge {
    Identity ca = make_ca("Edge CA");
    Identity lb = make_client("lb", "lb.edge.example", ca);
    Identity expired = client("api.acme.example", world().acme_ca, -7200, -3600);

    static Identity client(const std::string& dns, const Identity& ca, std::int64_t from, std::int64_t until) {
        CertSpec spec;
        spec.subject = {{"CN", dns}};
        spec.san = {{GEN_DNS, dns}};
        spec.not_before = from;
        spec.not_after = until;
        return issue(spec, &ca);
    }
};
inline const Edge& edge() {
    static const Edge it;
    return it;
}

inline const std::string kRfc9440 = "MTLSFront header=Client-Cert chain=Client-Cert-Chain format=rfc9440";

inline std::string front_partner(const std::string& lines) {
    return partner("lb", "MTLSIdentity DNS:lb.edge.example\nMTLSTrustAnchor edge.pem\n" + lines);
}

inline const std::string kTold =
    "MTLSEnv All\nHeader always set X-Partner \"expr=%{reqenv:MTLS_PARTNER}\"\n"
    "Header always set X-Via \"expr=%{reqenv:MTLS_VIA}\"\n";
inline const std::string kGate = location("/gate", "MTLSAllow partner acme\nMTLSAcceptFront lb\n" + kTold);

inline void install(const Httpd& httpd) {
    const World& w = world();
    httpd.write("edge.pem", edge().ca.cert_pem());
    httpd.write("client-cas.pem", w.acme_ca.cert_pem() + w.globex_ca.cert_pem() + edge().ca.cert_pem());
}

struct FrontSite : Site {
    explicit FrontSite(const std::string& lines = kGate, const std::string& front = kRfc9440,
                       const std::string& mpm = "event") {
        install(httpd);
        tls("SSLVerifyClient optional_no_ca\nLimitRequestFieldSize 131072");
        start(front_partner(front) + "LimitRequestFieldSize 131072\n" + lines, mpm);
    }
    // What a request of the front is answered.
    Response through(const std::string& path, const std::string& headers) { return get(&edge().lb, path, headers); }
    std::string detail_for(const std::string& path) {
        const std::string line = log_about(path);
        const std::size_t at = line.find("detail=\"");
        return at == std::string::npos ? "" : line.substr(at + 8, line.find('"', at + 8) - at - 8);
    }
};

inline std::string cert(const Identity& id, const std::string& name = "Client-Cert") {
    return name + ": " + as_rfc9440(id) + "\r\n";
}

inline std::string header(const std::string& text, const std::string& name) {
    const std::string lower = mtls::lower(text);
    const std::size_t at = lower.find("\n" + mtls::lower(name) + ":");
    if (at == std::string::npos) return {};
    const std::size_t start = at + name.size() + 2;
    return std::string(mtls::trim(text.substr(start, text.find('\n', start) - start)));
}

}  // namespace test::fronts
