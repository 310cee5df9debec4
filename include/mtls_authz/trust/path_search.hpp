// Which certificates make a path, and whether OpenSSL takes it. Inside the core: verify_path() is what others call.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "mtls_authz/trust/trust.hpp"

namespace mtls {

// RFC 5280 sets no limit; mod_ssl's default is 1, and no partner's PKI comes near ten intermediates.
constexpr std::size_t kMostIntermediates = 10;

// NIST SP 800-57: no SHA-1, no RSA-1024, no P-192, whatever level the virtual host has for its ciphers.
constexpr int kLowestLevel = 2;

inline int level_of(const PathQuestion& question) { return std::max(kLowestLevel, question.security_level); }

// From the leaf upwards, by names and signatures, to a trusted certificate; the first path that OpenSSL takes and that
// meets no objection. What it finds depends on the question alone. Bounded: cross-certificates could make more paths
// than anybody has time for.
class PathSearch {
public:
    explicit PathSearch(const PathQuestion& question) : question_(question) {}
    // Where none holds: why the first did not.
    PathAnswer run();
    bool saw_a_path() const { return tried_ > 0; }
    bool met_objection() const { return met_objection_; }

private:
    using Chain = std::vector<const Link*>;

    bool extend();
    bool try_path();
    bool issued(const Link& above, const Link& below);
    bool refuse(std::string why);

    const PathQuestion& question_;
    Chain chain_;
    PathAnswer answer_;
    std::size_t steps_ = 0;
    std::size_t tried_ = 0;
    bool met_objection_ = false;
    std::map<std::pair<const X509*, const X509*>, bool> signed_by_;
};

}  // namespace mtls
