#include "mtls_authz/decide/decision.hpp"

#include <algorithm>
#include <optional>

#include "mtls_authz/base/text.hpp"

namespace mtls {

namespace {

bool has_literal(const std::vector<NameReference>& names, std::string_view name) {
    // In short lists, length and content are compared directly; long ones are searched by bisection.
    constexpr std::size_t kFew = 8;
    if (names.size() <= kFew) {
        return std::any_of(names.begin(), names.end(), [name](const NameReference& n) {
            return n.capture.empty() && n.literal.size() == name.size() && n.literal == name;
        });
    }
    const auto at = std::lower_bound(names.begin(), names.end(), name, [](const NameReference& a, std::string_view b) {
        return a.capture.empty() && a.literal < b;
    });
    return at != names.end() && at->capture.empty() && at->literal == name;
}

// Nothing if the capture has no value; each caller decides what that means.
std::optional<std::string_view> value_of(const NameReference& name, std::span<const Capture> captures) {
    for (const Capture& c : captures) {
        if (c.pattern == name.pattern && c.name == name.capture && !c.value.empty()) return c.value;
    }
    return std::nullopt;
}

enum class NameMatch { kNo, kYes, kUnknown };

NameMatch names_match(const GateRule& rule, std::string_view name, std::span<const Capture> captures) {
    if (has_literal(rule.names, name)) return NameMatch::kYes;
    bool unknown = false;
    for (auto n = rule.names.rbegin(); n != rule.names.rend() && !n->capture.empty(); ++n) {
        const auto value = value_of(*n, captures);
        if (value == name) return NameMatch::kYes;
        unknown = unknown || !value;
    }
    return unknown ? NameMatch::kUnknown : NameMatch::kNo;
}

NameMatch rule_matches(const GateRule& rule, const Identification& who, const std::vector<std::string>& groups,
                       std::span<const Capture> captures) {
    switch (rule.kind) {
        case GateRule::Kind::kNone:
            return NameMatch::kNo;
        case GateRule::Kind::kAnyPartner:
        case GateRule::Kind::kByGrant:  // check_rule() checks the grants
            return NameMatch::kYes;
        case GateRule::Kind::kPartner:
            return names_match(rule, who.partner->name, captures);
        case GateRule::Kind::kGroup: {
            NameMatch best = NameMatch::kNo;
            for (const std::string& group : groups) {
                const NameMatch match = names_match(rule, group, captures);
                if (match == NameMatch::kYes) return match;
                if (match == NameMatch::kUnknown) best = match;
            }
            // Without groups, no group can match, but a deny rule with an unknown name must still apply.
            if (groups.empty())
                return names_match(rule, {}, captures) == NameMatch::kUnknown ? NameMatch::kUnknown : best;
            return best;
        }
    }
    return NameMatch::kNo;
}

// The result of one allow rule.
struct RuleAnswer {
    bool fits = false;        // partner and grant match, for any method
    bool has_method = false;  // the method matches too
    const GrantedPath* path = nullptr;
};

RuleAnswer check_rule(const GateRule& rule, const Ask& ask) {
    RuleAnswer out;
    out.fits = rule_matches(rule, *ask.who, ask.who->groups, ask.captures) == NameMatch::kYes;
    if (!out.fits) return out;
    out.has_method = rule.methods.contains(ask.line.method);
    if (rule.kind != GateRule::Kind::kByGrant) return out;
    const GrantAnswer grant = ask.who->grants.find(ask.line);
    out.fits = grant.kind != GrantAnswer::Kind::kNo;
    out.has_method = out.has_method && grant.kind == GrantAnswer::Kind::kGranted;
    out.path = grant.path;
    return out;
}

// Whether only that the method acts below the path, too, keeps the request out.
[[gnu::noinline]] bool is_granted_here(const Gate& gate, const Ask& ask) {
    Ask here = ask;
    here.line.reaches_below = false;
    return gate.allow != nullptr && std::any_of(gate.allow->begin(), gate.allow->end(), [&here](const GateRule& rule) {
               return check_rule(rule, here).has_method;
           });
}

// A rule for GET does not let `get` in, and one that denies DELETE denies `delete`.
[[gnu::noinline]] std::string explain_case(std::string_view method) {
    const std::string known = known_in_upper_case(method);
    if (known.empty()) return {};
    return "some applications read " + in_quotes(method, 100) + " as " + known + std::string(kInOtherCase);
}

std::string detail_of_missing(std::string_view name) {
    return "MTLSDeny names the partner " + std::string(name) +
           ", which the policy does not have, so it denies everybody: mend the name, or take the line out";
}

// Why a rule of MTLSDeny denies. `missing`: a partner that it names and the policy does not have.
[[gnu::noinline]] void explain_denied(const GateRule& rule, std::string_view missing, const Ask& ask, Decision& out) {
    const bool is_exact = rule.methods.contains(ask.line.method);
    out.detail = !missing.empty() ? detail_of_missing(missing)
                 : is_exact       ? std::string(kDetailDeny)
                                  : explain_case(ask.line.method);
}

// Why no rule of MTLSAllow let the request in.
[[gnu::noinline]] void explain_not_allowed(const Gate& gate, const Ask& ask, Decision& out) {
    const bool is_by_grant = std::any_of(gate.allow->begin(), gate.allow->end(),
                                         [](const GateRule& rule) { return rule.kind == GateRule::Kind::kByGrant; });
    if (is_by_grant && out.reason == Reason::kNotAllowed) out.detail = kDetailByGrant;
    if (out.reason == Reason::kMethodNotGranted) out.detail = explain_case(ask.line.method);
    if (ask.line.reaches_below && is_granted_here(gate, ask)) {
        out.detail = std::string(kActsBelow) + ": grant one that ends in /** (or, but for MOVE, send Depth: 0)";
    }
}

// Step 10.
void check_gate(const Gate& gate, const Ask& ask, Decision& out) {
    out.reason = Reason::kNotAllowed;
    for (const DenyChain* chain = gate.deny; chain != nullptr; chain = chain->outer) {
        for (const GateRule& rule : *chain->rules) {
            if (!rule.methods.may_contain(ask.line.method)) continue;
            // kUnknown denies: an empty expression must not open a gate.
            const bool matches = rule_matches(rule, *ask.who, ask.who->denied_groups, ask.captures) != NameMatch::kNo;
            const std::string_view missing = matches ? "" : missing_partner(rule, *ask.policy);
            if (!matches && missing.empty()) continue;
            out.rule = &rule;
            return explain_denied(rule, missing, ask, out);
        }
    }
    if (gate.allow == nullptr) return;
    for (const GateRule& rule : *gate.allow) {
        const RuleAnswer answer = check_rule(rule, ask);
        if (!answer.fits || (!answer.has_method && out.rule != nullptr)) continue;
        out.reason = answer.has_method ? Reason::kGranted : Reason::kMethodNotGranted;
        out.rule = &rule;
        out.path = answer.path;
        if (answer.has_method) return;
    }
    explain_not_allowed(gate, ask, out);
}

// A grant must cover every reading of the path.
[[gnu::noinline]] void check_readings(const Gate& gate, const Ask& ask, Decision& out) {
    Ask other = ask;
    for (const std::string& reading : ask.readings) {
        other.line.path = reading;
        Decision found;
        check_gate(gate, other, found);
        if (found.granted()) continue;
        out.reason = Reason::kBadPath;
        out.detail = "a backend may read it as '" + reading + "', which is not granted";
        return;
    }
}

// The part of step 9 that depends on the request.
[[gnu::noinline]] void check_network(const Ask& ask, Decision& out) {
    out.detail = ask.who->partner->network_objection(ask.address);
    out.reason = out.detail.empty() ? Reason::kGranted : Reason::kWrongNetwork;
}

}  // namespace

std::string_view missing_partner(const GateRule& rule, const Policy& policy) {
    if (rule.kind != GateRule::Kind::kPartner) return {};
    const auto at = std::find_if(rule.names.begin(), rule.names.end(), [&policy](const NameReference& name) {
        return name.capture.empty() && policy.find(name.literal) == nullptr;
    });
    return at != rule.names.end() ? std::string_view(at->literal) : std::string_view();
}

void decide(const Gate& gate, const Ask& ask, Decision& out) {
    const auto refuse = [&out](Reason reason, std::string_view detail) {
        out.reason = reason;
        out.detail = detail;
    };
    if (ask.objection != nullptr) return refuse(ask.objection->reason, ask.objection->detail);  // 1
    if (ask.missing != Reason::kGranted) return refuse(ask.missing, ask.missing_detail);        // 2, 3
    if (ask.who->reason != Reason::kGranted) return refuse(ask.who->reason, ask.who->detail);   // 4 to 9
    out.reason = Reason::kGranted;
    if (!ask.who->partner->networks.empty() && !ask.is_from_anywhere) check_network(ask, out);  // 9
    if (out.granted()) check_gate(gate, ask, out);                                              // 10
    if (out.granted() && !ask.readings.empty()) check_readings(gate, ask, out);
}

}  // namespace mtls
