// Gates: what one section of the server's configuration asks of a partner.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/base/result.hpp"
#include "mtls_authz/rules/method_set.hpp"

namespace mtls {

// A partner's or group's name in a rule: literal, or what the section's own regular expression captured.
struct NameReference {
    std::string literal;
    std::string capture;   // "MATCH_PARTNER" for %{env:MATCH_PARTNER}; then `literal` is empty
    unsigned pattern = 0;  // the regular expression that captures it, as the reader numbers them; 0: none does

    static Result<NameReference> parse(std::string_view word);
    std::string text() const { return capture.empty() ? literal : "%{env:" + capture + "}"; }
};

// One MTLSAllow or MTLSDeny line.
struct GateRule {
    enum class Kind { kNone, kAnyPartner, kByGrant, kPartner, kGroup };
    Kind kind = Kind::kNone;
    std::vector<NameReference> names;  // literals sorted, then captures
    MethodSet methods;
    Where where;

    // Reads `any-partner`, `by-grant`, `none`, `partner NAME...`, `group NAME...`, each with `methods=` last.
    static Result<GateRule> parse_allow(std::string_view args);
    static Result<GateRule> parse_deny(std::string_view args);
    static GateRule of(Kind kind);  // for every method, without names

    std::string text() const;
    // Whether everything that `other` lets in is let in by this one too, as far as the text tells.
    bool covers(const GateRule& other) const;
};

using GateRules = std::vector<GateRule>;

// MTLSDeny adds up: the rules of one section, and those of the sections around it.
struct DenyChain {
    const GateRules* rules = nullptr;
    const DenyChain* outer = nullptr;
};

enum class GateMode { kOn, kLogOnly, kOff };

// The rules that apply to one request after all sections are merged. Borrows everything.
struct Gate {
    const GateRules* allow = nullptr;  // null: no MTLSAllow applies, so every request is denied
    const DenyChain* deny = nullptr;
};

}  // namespace mtls
