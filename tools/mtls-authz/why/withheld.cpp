#include "withheld.hpp"

#include <algorithm>
#include <optional>
#include <span>

#include "mtls_authz/base/text.hpp"

namespace mtls::tool {

namespace {

using Kind = PathPattern::Segment::Kind;

// The text of the path at the segments of a pattern that depend on the client; nothing if the pattern has not this
// path, whoever asks.
std::optional<std::vector<std::pair<Kind, std::string>>> values_in(const PathPattern& pattern, std::string_view path) {
    if (!path.starts_with('/')) return std::nullopt;
    const auto parts = split(path.substr(1), '/');
    const auto segments = pattern.segments();
    const bool has_length = pattern.reaches_below() ? parts.size() > segments.size() : parts.size() == segments.size();
    if (!has_length) return std::nullopt;
    std::vector<std::pair<Kind, std::string>> out;
    for (std::size_t i = 0; i < segments.size(); ++i) {
        const bool is_literal = segments[i].kind == Kind::kLiteral;
        if (is_literal ? parts[i] != segments[i].text : parts[i].empty()) return std::nullopt;
        if (!is_literal && segments[i].kind != Kind::kAny) out.emplace_back(segments[i].kind, parts[i]);
    }
    return out;
}

std::string at(const Grant& grant) { return "MTLSGrant " + grant.text() + " at " + grant.where.str(); }

// Whether a place in the policy is one of a log line, where it may be relative to ServerRoot.
bool is_at(const std::string& place, const std::string& said) {
    return !said.empty() && (place == said || (place.ends_with(said) && place[place.size() - said.size() - 1] == '/'));
}

}  // namespace

std::string withheld_grant(const Policy& policy, const Partner& partner, const LogLine& log_line) {
    for (const auto grants : {std::span(partner.grants), policy.grants()}) {
        for (const Grant& grant : grants) {
            if (!grant.methods.contains(log_line.method)) continue;
            for (const PathPattern& pattern : grant.paths) {
                const auto values = values_in(pattern, log_line.path);
                if (!values) continue;
                const auto other = std::find_if(values->begin(), values->end(), [&](const auto& value) {
                    return value.first == Kind::kPartner && value.second != partner.name;
                });
                if (other != values->end()) {
                    return at(grant) + " gives this path to the partner " + other->second +
                           (policy.find(other->second) != nullptr ? "" : ", which there is not") + ", and not to " +
                           std::string(partner.name);
                }
                const bool has_field = std::any_of(values->begin(), values->end(),
                                                   [](const auto& value) { return value.first == Kind::kField; });
                if (has_field || !grant.conditions.empty())
                    return at(grant) + " gives this path to other certificates of " + std::string(partner.name) +
                           ", and not to this one";
            }
        }
    }
    return {};
}

PlacedGrant grant_at(const Policy& policy, const Partner& partner, const std::string& place) {
    for (const auto grants : {std::span(partner.grants), policy.grants()}) {
        const auto found = std::find_if(grants.begin(), grants.end(),
                                        [&](const Grant& grant) { return is_at(grant.where.str(), place); });
        if (found != grants.end()) return {&*found, grants.data() == policy.grants().data()};
    }
    return {};
}

const MappedSection* section_at(const GateMap& gates, const std::string& place) {
    const auto has = [&place](const GateRules& rules) {
        return std::any_of(rules.begin(), rules.end(),
                           [&place](const GateRule& rule) { return is_at(rule.where.str(), place); });
    };
    for (const MappedHost& host : gates.hosts) {
        for (const MappedSection& section : host.sections) {
            if (is_at(section.where.str(), place) || (section.allow && has(*section.allow)) || has(section.deny))
                return &section;
        }
    }
    return nullptr;
}

std::string withheld_by_gate(const MappedSection& section, const Partner& partner) {
    if (!section.allow) return {};
    for (const GateRule& rule : *section.allow) {
        const std::string line = "MTLSAllow " + rule.text() + " at " + rule.where.str();
        std::vector<std::string> groups;
        for (const NameReference& name : rule.names) {
            if (!name.capture.empty()) return line + " gives each partner the paths that name it, and its own alone";
            groups.push_back(name.literal);
        }
        if (rule.kind != GateRule::Kind::kGroup) continue;
        if (std::string group = withheld_group(partner, groups); !group.empty()) return group;
    }
    return {};
}

std::string withheld_group(const Partner& partner, const std::vector<std::string>& groups) {
    for (const GroupMembership& membership : partner.groups) {
        if (membership.conditions.empty()) continue;
        for (const std::string_view name : membership.names) {
            if (std::find(groups.begin(), groups.end(), name) == groups.end()) continue;
            return "MTLSGroup " + std::string(name) + " if" + membership.conditions.text() + " of " +
                   std::string(partner.name) + " is for other certificates of it, and not for this one";
        }
    }
    return {};
}

}  // namespace mtls::tool
