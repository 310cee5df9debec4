// Builds policies from text, and identifies certificates by them, for tests of the core.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "claims.hpp"
#include "mtls_authz/certificate/session_chain.hpp"
#include "mtls_authz/decide/identification.hpp"
#include "mtls_authz/load/policy_builder.hpp"
#include "pki.hpp"

namespace test {

using namespace mtls;

// A policy from text, with the files that it names.
class Draft {
public:
    Draft() {
        std::string name = "/tmp/mtls-unit-XXXXXX";
        folder_ = mkdtemp(name.data());
    }
    ~Draft() { std::filesystem::remove_all(folder_); }

    Draft& file(const std::string& name, const std::string& content) {
        std::ofstream(folder_ + "/" + name) << content;
        return *this;
    }
    std::shared_ptr<const Policy> policy(const std::string& text) {
        DiskFiles disk;
        PolicyBuilder builder(folder_, disk);
        std::vector<Diagnostic> errors;
        auto directives = read_directives(text, "p.conf", errors);
        check(directives.ok(), directives.ok() ? "" : directives.error(), __FILE__, __LINE__);
        for (const Directive& d : directives.value()) builder.add(d);
        auto policy = builder.build();
        said_.clear();
        for (const Diagnostic& d : builder.diagnostics()) said_ += d.str() + "\n";
        check(policy != nullptr, said_, __FILE__, __LINE__);
        return policy;
    }
    const std::string& said() const { return said_; }
    const std::string& folder() const { return folder_; }

private:
    std::string folder_;
    std::string said_;
};

inline std::int64_t now() { return std::time(nullptr); }

inline Identification ask(const Policy& policy, const Identity& who, const std::vector<const Identity*>& sent = {},
                          std::int64_t at = now(), const ServerCas& server = {}, const Refusals& refusals = {},
                          const CrlSet& crls = {}) {
    PresentedCertificate presented;
    presented.leaf = share(*who.cert);
    presented.facts = read_facts(*who.cert);
    std::vector<X509*> chain;
    for (const Identity* link : sent) chain.push_back(link->cert.get());
    SentHelpers sent_helpers = useful_helpers(*who.cert, chain);
    presented.helpers = std::move(sent_helpers.certificates);
    presented.left_out = sent_helpers.left_out;
    return identify(policy, presented, {server, refusals, crls, at});
}

inline std::string verdict(const Identification& who) {
    return std::string(word_of(who.reason)) + (who.partner != nullptr ? " " + std::string(who.partner->name) : "");
}

inline std::string partner(const std::string& name, const std::string& lines) {
    return "<MTLSPartner " + name + ">\n" + lines + "\n</MTLSPartner>\n";
}

inline CertSpec client_spec(const std::string& cn) {
    CertSpec spec;
    spec.subject = {{"O", "Acme"}, {"CN", cn}};
    return spec;
}

}  // namespace test
