// Gates: what one section of the server's configuration asks of a partner.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/policy.hpp"
#include "mtls_authz/reason.hpp"

namespace mtls {

// A set of request methods (RFC 9110 9, RFC 4918, RFC 3253). HEAD always goes with GET.
class MethodSet {
public:
    // "GET,POST", "read", "write" or "*": no blanks, upper case.
    static Result<MethodSet> parse(std::string_view text);

    bool contains(std::string_view method) const;
    bool covers(const MethodSet& other) const;
    bool is_all() const { return read_ && write_; }
    const std::string& text() const { return text_; }

private:
    bool read_ = true;
    bool write_ = true;
    std::vector<std::string> names_;
    std::string text_;
};

bool is_known_method(std::string_view method);

// A partner's or group's name in a rule: literal, or what the section's own regular expression captured.
struct NameReference {
    std::string literal;
    std::string capture;  // "MATCH_PARTNER" for %{env:MATCH_PARTNER}; then `literal` is empty

    static Result<NameReference> parse(std::string_view word);
    std::string text() const { return capture.empty() ? literal : "%{env:" + capture + "}"; }
};

// One MTLSAllow or MTLSDeny line.
struct GateRule {
    enum class Kind { kNone, kAnyPartner, kPartner, kGroup };
    Kind kind = Kind::kNone;
    std::vector<NameReference> names;  // literals sorted, then captures
    MethodSet methods;
    Where where;

    // Reads `any-partner`, `none`, `partner NAME...`, `group NAME...`, each with `methods=` last.
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
};

struct GateAnswer {
    Reason reason = Reason::kNotAllowed;  // kGranted, kNotAllowed or kMethodNotGranted
    const GateRule* rule = nullptr;       // the rule that decided, if one did
};

// Step 10: may this identified partner pass, with this method?
GateAnswer decide(const Gate& gate, const Identification& who, std::string_view method,
                  std::span<const Capture> captures);

}  // namespace mtls
