// Searches a path, and verifies it with OpenSSL. Internal: callers use verify_path().
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "mtls_authz/trust/trust.hpp"

namespace mtls {

// RFC 5280 sets no limit; mod_ssl's default is 1, and no known partner PKI has nearly ten intermediates.
constexpr std::size_t kMostIntermediates = 10;

// NIST SP 800-57: no SHA-1, no RSA-1024, no P-192, whatever level the virtual host uses for its ciphers.
constexpr int kLowestLevel = 2;

inline int level_of(const PathQuestion& question) { return std::max(kLowestLevel, question.security_level); }

// What path checks need of a CA's certificate.
struct CaReading {
    std::string malformed;                // as CertificateFacts'
    std::string key;                      // SHA-256 of its SubjectPublicKeyInfo
    std::string id;                       // the key, and the name
    std::vector<std::string> other_keys;  // of the other encodings of the key, see key_forms()
};
using CaReadingPtr = std::shared_ptr<const CaReading>;

// Cached by digest: many clients share few CAs.
CaReadingPtr read_ca(const Link& ca);

// Searches depth first from the leaf, by names and signatures, to a trusted certificate; returns the first path that
// OpenSSL accepts and that has no objection. The result depends only on the question. Bounded, because
// cross-certificates can form exponentially many paths.
class PathSearch {
public:
    explicit PathSearch(const PathQuestion& question) : question_(question) {}
    // If no path holds, the detail of the first one.
    PathAnswer run();
    bool saw_a_path() const { return tried_ > 0; }
    bool met_objection() const { return met_objection_; }

private:
    using Chain = std::vector<const Link*>;

    bool extend();
    bool try_path();
    bool issued(const Link& above, const Link& below);
    bool is_invalid_issuer(const Link& above, const Link& below);
    bool is_signed(const Link& above, const Link& below);
    // Why a CA whose key signed a certificate is not accepted as its issuer: the authorityKeyIdentifier. "": none.
    std::string find_other_identifier();
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
