// The client certificates to ask OCSP responders about.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "report.hpp"
#include "sources.hpp"

namespace mtls::tool {

// A leaf certificate that a CA of the policy issued.
struct SeenLeaf {
    std::shared_ptr<const PolicyCa> issuer;
    std::string serial;          // hex, as in CertificateFacts
    std::string sha256;          // hex, of the certificate
    std::int64_t not_after = 0;  // 0: not known

    // How a line of fetch names it: "key of the issuer:serial", hex; or "sha256:" and hex, if its serial number is
    // longer than cert-serial: takes (RFC 5280, 4.1.2.2: 20 octets).
    std::string id() const;
    bool has_long_serial() const;
};

struct SeenLeaves {
    std::map<std::string, SeenLeaf> leafs;  // by id
    // Addresses in leaf certificates, by their issuer's canonical name: shown, but never asked.
    std::map<std::string, std::string> list_hints, responder_hints;
};
// Reads leaf certificates from files, from all files of folders, and from the grants in audit logs. Reports those that
// are unreadable or not issued by a CA of the policy.
SeenLeaves read_seen(const std::vector<std::string>& certificates, const std::vector<std::string>& audit_logs,
                     const Sources& sources, std::int64_t now, Report& report);

}  // namespace mtls::tool
