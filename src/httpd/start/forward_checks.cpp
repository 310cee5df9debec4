#include "httpd/start/forward_checks.hpp"

#include <algorithm>
#include <string>

#include "httpd/config/config.hpp"
#include "httpd/config/config_tree.hpp"
#include "httpd/request/forward.hpp"
#include "mtls_authz/base/request_path.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/policy/forwarding.hpp"

namespace mtls::httpd {

namespace {

struct ForwardLine {
    const ap_directive_t* node;
    std::vector<ForwardedHeader> headers;
    std::vector<std::string> keys;  // header_key()
};

std::vector<ForwardLine> forward_lines() {
    std::vector<ForwardLine> out;
    for_every_directive([&out](const ap_directive_t& d) {
        if (!equal_nocase(d.directive, "MTLSForward")) return;
        auto headers = parse_forward(d.args != nullptr ? d.args : "");
        if (!headers) return;
        auto keys = keys_of(headers.value());
        if (keys) out.push_back({&d, std::move(headers.value()), std::move(keys.value())});
    });
    return out;
}

// Whether both apply to some request; true if uncertain.
bool may_meet(const ap_directive_t* a, const ap_directive_t* b) {
    const ap_directive_t *const host = host_of(a), *const other_host = host_of(b);
    if (host != nullptr && other_host != nullptr && host != other_host) return false;
    const ap_directive_t *const section = path_section_of(a), *const other = path_section_of(b);
    if (section == nullptr || other == nullptr || section == other) return true;
    const auto one = literal_location(section), two = literal_location(other);
    return !one || !two || covers(*one, *two) || covers(*two, *one);
}

void check_request_header(const ap_directive_t& d, const std::vector<ForwardLine>& lines,
                          std::vector<Diagnostic>& findings) {
    const auto words = config_words(d.args != nullptr ? d.args : "");
    static constexpr std::string_view kActions[] = {"set", "append", "merge", "add", "edit", "edit*", "unset"};
    const bool changes = words.size() >= 2 && !equal_nocase(words.back(), "early") &&
                         std::any_of(std::begin(kActions), std::end(kActions),
                                     [&](std::string_view action) { return equal_nocase(words[0], action); });
    if (!changes) return;
    const std::string key = header_key(words[1]);
    for (const ForwardLine& line : lines) {
        if (std::find(line.keys.begin(), line.keys.end(), key) == line.keys.end() || !may_meet(&d, line.node)) continue;
        const bool removes = equal_nocase(words[0], "unset");
        findings.push_back({Diagnostic::Severity::kWarning, place_of(&d),
                            "RequestHeader " + words[0] + " " + escape_for_reader(words[1], 100) +
                                ": mod_headers comes after MTLSForward, which sets this header at " +
                                place_of(line.node).str() + ", so " +
                                (removes ? "the backend does not get it: take this line out, since what clients send "
                                           "under that name is removed anyway"
                                         : "the backend gets another value than the one that was granted: take this "
                                           "line out, or choose another name")});
        return;
    }
}

// The argument of MTLSForward for a variable that the value reads, with `=` at its end; "" if there is none.
std::string argument_for(std::string_view value) {
    constexpr std::string_view kAttribute = "MTLS_ATTR_";
    if (value.find("MTLS_PARTNER") != value.npos) return "partner=";
    if (value.find("MTLS_GROUPS") != value.npos) return "groups=";
    const std::size_t at = value.find(kAttribute);
    if (at == value.npos) return {};
    const std::string_view name = value.substr(at + kAttribute.size());
    return "attr." + std::string(name.substr(0, name.find_first_of("})'\" "))) + '=';
}

void check_header_from_variable(const ap_directive_t& d, std::vector<Diagnostic>& findings) {
    const auto words = config_words(d.args != nullptr ? d.args : "");
    const std::string argument = words.size() > 2 ? argument_for(words[2]) : "";
    if (argument.empty()) return;
    const std::string name = escape_for_reader(words[1], 100);
    findings.push_back({Diagnostic::Severity::kWarning, place_of(&d),
                        "RequestHeader " + words[0] + " " + name +
                            " hands on what a gate found, and a client can have mod_proxy drop it (Connection: " +
                            name + ") and send its own in another spelling: write MTLSForward " + argument + name});
}

void check_attributes(const Policy& policy, const ForwardLine& line, std::vector<Diagnostic>& findings) {
    for (const ForwardedHeader& header : line.headers) {
        if (header.holds != ForwardedHeader::Holds::kAttribute) continue;
        std::vector<std::string_view> defined;
        for (const Partner& partner : policy.partners()) {
            for (const PartnerAttribute& attribute : partner.attributes) {
                const bool is_listed = std::find(defined.begin(), defined.end(), attribute.name) != defined.end();
                if (!is_listed) defined.push_back(attribute.name);
            }
        }
        const bool is_defined = std::any_of(defined.begin(), defined.end(), [&](std::string_view name) {
            return equal_nocase(name, header.attribute);
        });
        if (is_defined) continue;
        findings.push_back({Diagnostic::Severity::kWarning, place_of(line.node),
                            "MTLSForward attr." + escape_for_reader(header.attribute, 100) + "=" + header.name +
                                ": no partner has an MTLSAttribute of this name" +
                                did_you_mean(header.attribute, defined) + ", so the backend never gets the header"});
    }
}

}  // namespace

void check_forwarding(const Policy& policy, std::vector<Diagnostic>& findings) {
    const auto lines = forward_lines();
    for (const ForwardLine& line : lines) check_attributes(policy, line, findings);
    for_every_directive([&](const ap_directive_t& d) {
        if (!equal_nocase(d.directive, "RequestHeader")) return;
        check_request_header(d, lines, findings);
        check_header_from_variable(d, findings);
    });
}

}  // namespace mtls::httpd
