// A folder with a CA, a certificate of acme and a policy that lets it in.
#pragma once

#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "pki.hpp"
#include "tool.hpp"

namespace test {

// Of standard output: what went to standard error is passed over.
inline std::vector<nlohmann::json> lines_of(const std::string& text) {
    std::vector<nlohmann::json> out;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) {
        if (!line.starts_with("mtls-authz: ")) out.push_back(nlohmann::json::parse(line));
    }
    return out;
}

inline std::string partner(const std::string& name, const std::string& lines) {
    return "<MTLSPartner " + name + ">\n" + lines + "\n</MTLSPartner>\n";
}

// For ten years, so that nothing is warned of.
inline Identity long_lived_ca() {
    CertSpec spec;
    spec.subject = {{"CN", "Acme CA"}};
    spec.ca = true;
    spec.eku = "";
    spec.not_after = 86400L * 3650;
    return issue(spec, nullptr);
}

struct Pki : Bench {
    Identity ca = long_lived_ca(), sub = make_ca("Acme Sub", &ca), other = make_ca("Other CA");
    Identity acme;
    Pki() {
        CertSpec spec;
        spec.subject = {{"C", "US"}, {"O", "Acme"}, {"organizationIdentifier", "VATUS-1"}, {"CN", "api"}};
        spec.san = {{GEN_DNS, "api.acme.example"}, {GEN_URI, "spiffe://acme.example/ns/prod"}};
        acme = issue(spec, &ca);
        file("ca.pem", ca.cert_pem());
        file("other-ca.pem", other.cert_pem());
        file("acme.pem", acme.cert_pem());
        file("acme.conf", partner("acme",
                                  "MTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor ca.pem\nMTLSGroup suppliers\n"
                                  "MTLSGrant read /orders/**\nMTLSGrant POST /orders/ if O:Acme"));
    }
};

}  // namespace test
