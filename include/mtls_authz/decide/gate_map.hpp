// The gates of httpd.conf as a running server hands them to `mtls-authz --live`: for each virtual host its sections
// that hold a gate, in the order in which httpd merges them, and what of httpd decides beside them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/base/result.hpp"
#include "mtls_authz/decide/gate.hpp"

namespace mtls {

struct MappedSection {
    // How httpd finds out whether the section covers a request.
    enum class Match {
        kAlways,
        kPrefix,     // <Location /x>: of the path, whole segments
        kWildcard,   // <Location /x*>: fnmatch() with FNM_PATHNAME
        kRegex,      // <LocationMatch>
        kDirectory,  // <Directory /x> without wildcards: of the file's folder
        kUnknown,    // what only httpd can tell: <If>, <Files>, <Proxy>, <DirectoryMatch>
    };
    Match match = Match::kUnknown;
    std::string title;  // "<Location /orders>"
    Where where;
    std::string path;           // as Match says; of a kUnknown <Directory> what its paths begin with
    bool is_location = false;   // of any kind
    bool is_directory = false;  // of any kind
    // Of one that stands in another (<If> in <Location>): it applies only where that does.
    Match around = Match::kAlways;
    std::string path_around;

    std::optional<GateMode> mode;
    std::optional<GateRules> allow;  // nothing: it has no MTLSAllow
    GateRules deny;
    bool authorizes = false;  // Require mtls-*, or AuthType MTLS
};

struct MappedHost {
    std::string name;
    std::vector<std::string> aliases;    // with wildcards
    std::vector<std::string> addresses;  // "*:443"
    Where where;
    bool has_gates = false;  // own or inherited
    bool merges_slashes = true;
    std::vector<MappedSection> sections;
    // Why a path may belong to another file than DocumentRoot says, or become another path; empty: it does not.
    std::vector<std::string> remaps;
    std::string document_root;
    bool has_dav = false;

    bool has_tls = false;
    bool asks_for_certificates = false;  // SSLVerifyClient, here or in a section
    bool believes_anchors = false;       // MTLSClientCA
    bool lets_unknown_cas_in = false;    // SSLVerifyClient optional_no_ca
    bool checks_crls = false;            // SSLCARevocationCheck
    bool has_crls = false;               // SSLCARevocationFile, SSLCARevocationPath
    int verify_depth = 1;                // SSLVerifyDepth
    int security_level = 1;
    std::string certificates;  // PEM: what mod_ssl was given
};

// A section's regular expression that rules name captures of.
struct MappedPattern {
    bool is_of_path = false;  // it is matched against the path
    std::string text;
};

struct GateMap {
    bool knows_regexes = true;            // no RegexDefaultOptions: they have httpd's default options
    std::vector<MappedPattern> patterns;  // as NameReference counts them, from 1
    std::vector<MappedHost> hosts;        // in httpd's order, the main server first
};

std::string gate_map_text(const GateMap& map);
// What gate_map_text() of the same build has made.
Result<GateMap> read_gate_map(std::string_view text);

}  // namespace mtls
