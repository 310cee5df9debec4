// Gates: what one section of the server's configuration asks of a partner.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/method_set.hpp"
#include "mtls_authz/policy.hpp"
#include "mtls_authz/reason.hpp"

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

// What applies to one request after all sections are merged. Borrows everything.
struct Gate {
    GateMode mode = GateMode::kOn;
    const GateRules* allow = nullptr;  // null: no MTLSAllow anywhere, so nobody
    const DenyChain* deny = nullptr;
};

// The values of captures for one request: a capture that is not there, or empty, matches nobody.
struct Capture {
    std::string_view name;
    std::string_view value;
    unsigned pattern = 0;  // as in NameReference: two sections may give one name to different groups
};

// What of a request a gate asks about.
struct RequestLine {
    std::string_view method;
    std::string_view path;       // as httpd decoded and normalised it; empty where there is none
    bool reaches_below = false;  // the method acts on everything below the path too
};

struct GateAnswer {
    Reason reason = Reason::kNotAllowed;  // kGranted, kNotAllowed or kMethodNotGranted
    const GateRule* rule = nullptr;       // the rule that decided, if one did
    const Grant* grant = nullptr;         // behind a by-grant rule
    const GrantedPath* path = nullptr;    // of that grant, that fits; borrowed from `who`
};

// Step 10: may this identified partner pass, with this request?
GateAnswer decide(const Gate& gate, const Identification& who, const RequestLine& request,
                  std::span<const Capture> captures);

}  // namespace mtls
