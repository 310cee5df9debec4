#include "policies.hpp"

#include <cstdio>

namespace bench {

namespace {

std::string numbered(const char* format, int n) {
    char out[80];
    std::snprintf(out, sizeof out, format, n);
    return out;
}

std::string partner_begins(int n) { return numbered("<MTLSPartner partner-%06d>\n    MTLSTrustAnchor ca.pem\n", n); }
std::string identity(int n) { return "    MTLSIdentity DNS:" + cn_of(n) + ".partners.example\n"; }

}  // namespace

std::string cn_of(int n) { return numbered("client-%07d", n); }

Pki::Pki() : ca_(test::make_ca("Bench CA")) {
    test::CertSpec spec;
    spec.subject = {{"CN", "localhost"}};
    spec.san = {{GEN_DNS, "localhost"}};
    spec.eku = "serverAuth";
    server_ = test::issue(spec, nullptr);
}

const test::Identity* Pki::client(const std::string& cn) {
    auto& client = clients_[cn];
    if (!client) {
        test::CertSpec spec;
        spec.subject = {{"CN", cn}};
        spec.san = {{GEN_DNS, cn + ".partners.example"}};
        client = std::make_unique<test::Identity>(test::issue(spec, &ca_));
    }
    return client.get();
}

Files Pki::files() const { return {server_.pem(), ca_.cert_pem(), {{"ca.pem", ca_.cert_pem()}}}; }

Files Pki::files_with(const std::string& policy) const {
    Files out = files();
    out.others.emplace_back("partners.conf", policy);
    return out;
}

std::string policy_of(int identities) {
    constexpr int kEach = 10;
    std::string out;
    for (int i = 0; i < identities; ++i) {
        if (i % kEach == 0) out += partner_begins(i / kEach);
        out += identity(i);
        if (i % kEach == kEach - 1 || i + 1 == identities) out += "</MTLSPartner>\n";
    }
    return out;
}

std::string partners_of(int count) {
    std::string out;
    for (int i = 0; i < count; ++i) out += partner_begins(i) + identity(i) + "</MTLSPartner>\n";
    return out;
}

}  // namespace bench
