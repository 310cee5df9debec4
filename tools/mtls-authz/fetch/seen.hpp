// The clients' certificates that responders are asked about.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "report.hpp"
#include "sources.hpp"

namespace mtls::tool {

// A leaf that one of the policy's CAs issued.
struct SeenLeaf {
    std::shared_ptr<const PolicyCa> issuer;
    std::string serial;          // hex, as CertificateFacts has it
    std::int64_t not_after = 0;  // 0: not known

    std::string id() const;  // "key of the issuer:serial", hex
};

struct Seen {
    std::map<std::string, SeenLeaf> leafs;  // by id
    // Addresses in certificates that a CA issued, by its canonical name: to be shown, never to be asked.
    std::map<std::string, std::string> list_hints, responder_hints;
};
// Leafs of certificate files, of all files of folders, and of the grants in audit logs. What cannot be read or was
// issued by no CA of the policy is reported.
Seen read_seen(const std::vector<std::string>& certificates, const std::vector<std::string>& audit_logs,
               const Sources& sources, std::int64_t now, Report& report);

}  // namespace mtls::tool
