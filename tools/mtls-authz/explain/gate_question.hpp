// Evaluates a request against the gates of a running server, with httpd's merge order. If only httpd can decide whether
// a section applies, tries both; if the results differ, the answer is unknown.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "mtls_authz/decide/decision.hpp"
#include "mtls_authz/keeper/gate_map.hpp"

namespace mtls::tool {

struct GateAsk {
    const GateMap& map;
    const MappedHost& host;
    const Policy* policy;  // null only if `reason` refuses
    const Identification& who;
    Reason reason;  // of identification, connection and address checks; kGranted: a partner
    std::string method;
    std::string path;  // decoded and normalised
};

struct GateVerdict {
    enum class Kind {
        kAllow,      // a gate grants it
        kDeny,       // see `reason`
        kWouldDeny,  // see `reason`; the gate is LogOnly
        kOpen,       // no gate applies
        kUnknown,    // see `why`
    };
    Kind kind = Kind::kUnknown;
    Reason reason = Reason::kInternalError;
    std::string detail;
    std::string why;
    const MappedSection* section = nullptr;  // the section with the effective MTLSAllow
    const GateRule* rule = nullptr;          // the deciding rule; may be null
    const GrantedPath* path = nullptr;       // for a by-grant rule; borrowed from `who`
};

GateVerdict ask_gates(const GateAsk& ask);

// The merged rules of the sections that certainly cover all paths of this one; for a section other than a plain
// <Location>, only its own and the server's.
struct PlaceRules {
    std::optional<GateMode> mode;  // nullopt: no gate
    GateRules allow, deny;
    bool authorizes = false;  // Require mtls-*, AuthType MTLS
};
PlaceRules rules_at(const GateMap& map, const MappedHost& host, const MappedSection& section);
// Common prefix of all paths that the section covers.
std::string literal_prefix_of(const MappedSection& section);

// Normalises an already decoded path as httpd does.
std::string path_for(const MappedHost& host, const std::string& path);

}  // namespace mtls::tool
