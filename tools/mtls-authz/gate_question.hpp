// What the gates of a running server say to a request, with httpd's own order of sections. Where httpd alone can tell
// whether a section applies, both are tried; an answer that depends on it is none.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "mtls_authz/decide/decision.hpp"
#include "mtls_authz/decide/gate_map.hpp"

namespace mtls::tool {

struct GateAsk {
    const GateMap& map;
    const MappedHost& host;
    const Identification& who;
    Reason reason;  // of who it is, with what is asked of a connection or a client's address; kGranted: a partner
    std::string method;
    std::string path;  // decoded and normalised
};

struct GateVerdict {
    enum class Kind {
        kAllow,      // a gate lets it in
        kDeny,       // with `reason`
        kWouldDeny,  // with `reason`, but the gate is LogOnly
        kOpen,       // there is no gate
        kUnknown,    // with `why`
    };
    Kind kind = Kind::kUnknown;
    Reason reason = Reason::kInternalError;
    std::string detail;
    std::string why;
    const MappedSection* section = nullptr;  // whose MTLSAllow counts
    const GateRule* rule = nullptr;          // that decided, if one did
    const GrantedPath* path = nullptr;       // behind a by-grant rule; borrowed from `who`
};

GateVerdict ask_gates(const GateAsk& ask);

// What the sections say that cover all of this one's paths for certain; of one that is no plain <Location>, only it
// and what the server itself says.
struct PlaceRules {
    std::optional<GateMode> mode;  // nothing: there is no gate
    GateRules allow, deny;
    bool authorizes = false;  // Require mtls-*, AuthType MTLS
};
PlaceRules rules_at(const GateMap& map, const MappedHost& host, const MappedSection& section);
// What the paths begin with that the section covers.
std::string literal_prefix_of(const MappedSection& section);

// A path as httpd decodes and normalises it, of one that is decoded already.
std::string path_for(const MappedHost& host, const std::string& path);

}  // namespace mtls::tool
