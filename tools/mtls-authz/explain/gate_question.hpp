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

// The merged rules of a section and of those that certainly cover all of its paths.
struct PlaceRules {
    std::optional<GateMode> mode;  // nullopt: no gate
    GateRules allow, deny;
    bool is_of_all = true;                 // the section covers all paths of the pattern
    bool authorizes = false;               // Require mtls-*, AuthType MTLS
    const MappedSection* owner = nullptr;  // the last one with rules or a mode
    bool is_replaced = false;              // what the section itself allows counts nowhere
    // Those that may cover some of its paths, in the order of merging: with denials, or merged after what allows.
    std::vector<const MappedSection*> perhaps;
};
PlaceRules rules_at(const MappedHost& host, const MappedSection& section);
// The same for those of its paths that a pattern may have.
PlaceRules rules_at(const MappedHost& host, const MappedSection& section, const PathPattern& path);
// Common prefix of all paths that the section covers.
std::string literal_prefix_of(const MappedSection& section);

// Normalises an already decoded path as httpd does.
std::string path_for(const MappedHost& host, const std::string& path);

}  // namespace mtls::tool
