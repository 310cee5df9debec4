// What paths sections apply to, as far as their texts show, and checks by that: gates that another section replaces,
// and gates that cover less than they seem to.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "httpd/config/config.hpp"

namespace mtls::httpd {

using Findings = std::vector<Diagnostic>;
using Sections = std::vector<const GateSection*>;  // of one server, after those that it inherits

inline void warn(Findings& findings, const Where& where, std::string message) {
    findings.push_back({Diagnostic::Severity::kWarning, where, std::move(message)});
}
// Virtual hosts inherit what was said of the main server.
void add_once(Findings& findings, Diagnostic::Severity severity, const Where& where, const std::string& text);

bool is_literal_location(const GateSection& s);

// The paths at which a section applies to every request.
struct Reach {
    enum class Kind {
        kBelow,   // the path, and below it
        kBegins,  // all that begin with this text
        kFits,    // those that a pattern of httpd fits
    };
    Kind kind = Kind::kBelow;
    std::string_view path;

    bool is_everything() const { return kind != Kind::kFits && (path.empty() || path == "/"); }
    bool has(std::string_view one) const;            // this path
    bool has_below(std::string_view one) const;      // this path, and all below it
    bool has_all(std::string_view beginning) const;  // all paths that begin so
};
// Nothing if some condition is left. <Directory> and the like have none, as what files are is not known.
std::optional<Reach> reach_of(const GateSection& s);
// Whether it has all paths of a <Location> or <LocationMatch>.
bool includes(const Reach& reach, const GateSection& location);

// Reports gates whose rules another section of the server replaces.
void check_order(const server_rec* s, const Sections& sections, Findings& findings);
// Reports gates that never apply, or leave open what they seem to cover.
void check_reach(const server_rec* s, const Sections& sections, Findings& findings);

}  // namespace mtls::httpd
