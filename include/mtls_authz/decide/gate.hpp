// Gates: the partners, groups and methods that one section of httpd.conf allows or denies.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/base/result.hpp"
#include "mtls_authz/rules/method_set.hpp"

namespace mtls {

// The name of a partner or group in a rule: a literal, or a capture of the section's own regular expression.
struct NameReference {
    std::string literal;
    std::string capture;  // "MATCH_PARTNER" for %{env:MATCH_PARTNER}; `literal` is then empty
    unsigned pattern =
        0;  // number of the regular expression with this capture, assigned by the configuration reader; 0: none

    static Result<NameReference> parse(std::string_view word);
    std::string text() const { return capture.empty() ? literal : "%{env:" + capture + "}"; }
};

// One MTLSAllow or MTLSDeny directive.
struct GateRule {
    enum class Kind { kNone, kAnyPartner, kByGrant, kPartner, kGroup };
    Kind kind = Kind::kNone;
    std::vector<NameReference> names;  // literals sorted, then captures
    MethodSet methods;
    Where where;

    // Parses `any-partner`, `by-grant`, `none`, `partner NAME...`, `group NAME...`, each with an optional `methods=` at
    // the end.
    static Result<GateRule> parse_allow(std::string_view args);
    static Result<GateRule> parse_deny(std::string_view args);
    static GateRule of(Kind kind);  // for every method, without names

    std::string text() const;
};

using GateRules = std::vector<GateRule>;
// Whether these rules together allow everything that `rule` allows, as far as the texts show.
bool cover(const GateRules& rules, const GateRule& rule);

// MTLSDeny accumulates: the rules of one section, and those of the enclosing sections.
struct DenyChain {
    const GateRules* rules = nullptr;
    const DenyChain* outer = nullptr;
};

enum class GateMode { kOn, kLogOnly, kOff };

// The rules for one request after all sections are merged. Borrows everything.
struct Gate {
    const GateRules* allow = nullptr;  // null: no MTLSAllow applies, so every request is denied
    const DenyChain* deny = nullptr;
};

}  // namespace mtls
