// The gates of httpd.conf and its part of the policy, as a running server sends them to `mtls-authz --live`: for each
// virtual host, the sections with a gate in the order in which httpd merges them, and the other settings that affect
// decisions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/base/result.hpp"
#include "mtls_authz/decide/gate.hpp"
#include "mtls_authz/load/directive.hpp"

namespace mtls {

struct MappedSection {
    // How httpd decides whether the section applies to a request.
    enum class Match {
        kAlways,
        kPrefix,     // <Location /x>: path prefix, whole segments
        kWildcard,   // <Location /x*>: fnmatch() with FNM_PATHNAME
        kRegex,      // <LocationMatch>
        kDirectory,  // <Directory /x> without wildcards: the folder of the file
        kUnknown,    // only httpd can decide: <If>, <Files>, <Proxy>, <DirectoryMatch>
    };
    Match match = Match::kUnknown;
    std::string title;  // "<Location /orders>"
    Where where;
    std::string path;  // the argument of `match`; for <Directory> with kUnknown, the literal prefix of its paths
    bool is_location = false;   // <Location> or <LocationMatch>
    bool is_directory = false;  // <Directory> or <DirectoryMatch>
    // The enclosing section (<If> in <Location>): the inner one applies only if the outer does.
    Match around = Match::kAlways;
    std::string path_around;

    std::optional<GateMode> mode;
    std::optional<GateRules> allow;  // absent: it has no MTLSAllow
    GateRules deny;
    bool authorizes = false;  // has Require mtls-*, or AuthType MTLS
};

struct MappedHost {
    std::string name;
    std::vector<std::string> aliases;    // may contain wildcards
    std::vector<std::string> addresses;  // "*:443"
    Where where;
    bool has_gates = false;  // its own or inherited
    bool merges_slashes = true;
    std::vector<MappedSection> sections;
    // Why a path may map to another file than DocumentRoot says, or be rewritten; empty: it cannot.
    std::vector<std::string> remaps;
    std::string document_root;

    bool has_tls = false;
    bool asks_for_certificates = false;  // SSLVerifyClient of the host, or inherited
    std::string asking_section;          // otherwise: a section with SSLVerifyClient; empty: there is none
    bool accepts_fronts = false;         // MTLSAcceptFront in a section, its own or inherited
    bool believes_anchors = false;       // MTLSClientCA
    bool lets_unknown_cas_in = false;    // SSLVerifyClient optional_no_ca
    bool checks_crls = false;            // SSLCARevocationCheck
    bool asks_ocsp = false;              // SSLOCSPEnable
    bool has_crls = false;               // SSLCARevocationFile, SSLCARevocationPath
    int verify_depth = 1;                // SSLVerifyDepth
    int security_level = 1;
    std::string certificates;  // PEM: the CAs that mod_ssl was configured with
};

// A section's regular expression with captures that rules refer to.
struct MappedPattern {
    bool is_of_path = false;  // it is matched with the path
    std::string text;
};

struct GateMap {
    std::string server_root;
    std::vector<Directive> policy;        // the policy's directives in httpd.conf, without those of policy files
    bool knows_regexes = true;            // no RegexDefaultOptions: regular expressions have httpd's default options
    std::vector<MappedPattern> patterns;  // indexed by NameReference::pattern - 1
    std::vector<MappedHost> hosts;        // the main server, then as written
};

std::string gate_map_text(const GateMap& map);
// Parses the output of gate_map_text() of the same build.
Result<GateMap> read_gate_map(std::string_view text);

}  // namespace mtls
