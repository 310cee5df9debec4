#include "mtls_authz/gate.hpp"

#include <algorithm>
#include <array>

#include "mtls_authz/policy_builder.hpp"
#include "mtls_authz/text.hpp"

namespace mtls {

namespace {

constexpr std::array<std::string_view, 6> kReadMethods = {"GET", "HEAD", "OPTIONS", "PROPFIND", "REPORT", "SEARCH"};
constexpr std::array<std::string_view, 31> kOtherMethods = {
    "POST",   "PUT",    "DELETE",      "PATCH",      "CONNECT",          "TRACE",      "PROPPATCH",    "MKCOL",
    "COPY",   "MOVE",   "LOCK",        "UNLOCK",     "VERSION-CONTROL",  "CHECKOUT",   "UNCHECKOUT",   "CHECKIN",
    "UPDATE", "LABEL",  "MKWORKSPACE", "MKACTIVITY", "BASELINE-CONTROL", "MERGE",      "ACL",          "BIND",
    "UNBIND", "REBIND", "ORDERPATCH",  "LINK",       "UNLINK",           "MKCALENDAR", "MKREDIRECTREF"};

template <class Range>
bool in(const Range& range, std::string_view word) {
    return std::find(range.begin(), range.end(), word) != range.end();
}

std::string quoted(std::string_view text) { return "'" + escape_for_log(text, 100) + "'"; }

// HEAD is GET without a body: whoever may do one may do the other.
std::string_view follow_get(std::string_view method) { return method == "HEAD" ? "GET" : method; }

}  // namespace

bool is_known_method(std::string_view method) { return in(kReadMethods, method) || in(kOtherMethods, method); }

Result<MethodSet> MethodSet::parse(std::string_view text) {
    MethodSet out;
    out.text_ = std::string(text);
    if (text == "*") return out;
    out.read_ = text == "read";
    out.write_ = text == "write";
    if (out.read_ || out.write_) return out;
    for (const std::string_view name : split(text, ',')) {
        std::string upper(name);
        std::transform(upper.begin(), upper.end(), upper.begin(),
                       [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
        if (name.empty())
            return Error{"methods=" + std::string(text) + ": an empty method; write GET,POST without blanks"};
        if (!is_known_method(name)) {
            const bool case_only = is_known_method(upper);
            std::vector<std::string_view> known(kReadMethods.begin(), kReadMethods.end());
            known.insert(known.end(), kOtherMethods.begin(), kOtherMethods.end());
            return Error{"methods=: " + quoted(name) + " is no method that httpd knows" +
                         (case_only ? " (did you mean '" + upper + "'?)" : did_you_mean(name, known)) +
                         ": expected GET,POST,... or read, write, *"};
        }
        out.names_.emplace_back(name);
    }
    if (in(out.names_, "HEAD") && !in(out.names_, "GET")) {
        return Error{"methods=: HEAD goes with GET; write GET"};
    }
    return out;
}

bool MethodSet::contains(std::string_view method) const {
    if (is_all()) return true;
    if (read_ || write_) return in(kReadMethods, method) == read_;
    return in(names_, follow_get(method));
}

bool MethodSet::covers(const MethodSet& other) const {
    if (is_all()) return true;
    if (other.is_all()) return false;
    if (other.read_ || other.write_) return (read_ && other.read_) || (write_ && other.write_);
    return std::all_of(other.names_.begin(), other.names_.end(), [this](const std::string& m) { return contains(m); });
}

// Only captures of the section's own regular expression: everything else that an expression could read is in the hands
// of the client (headers, cookies, query), or can be set from .htaccess.
Result<NameReference> NameReference::parse(std::string_view word) {
    if (word.find('%') == std::string_view::npos && word.find('$') == std::string_view::npos) {
        if (is_valid_name(word)) return NameReference{std::string(word), {}};
        return Error{quoted(word) + " cannot be a name: expected letters, digits, '.', '_' or '-'"};
    }
    for (const std::string_view prefix : {"%{env:", "%{reqenv:", "%{ENV:"}) {
        if (!word.starts_with(prefix) || !word.ends_with('}')) continue;
        const std::string_view variable = word.substr(prefix.size(), word.size() - prefix.size() - 1);
        const bool plain =
            std::all_of(variable.begin(), variable.end(), [](char c) { return is_alnum(c) || c == '_'; });
        if (plain && variable.starts_with("MATCH_") && variable.size() > 6)
            return NameReference{{}, std::string(variable)};
    }
    return Error{quoted(word) +
                 " is no expression that can name a partner: expected %{env:MATCH_NAME}, with (?<NAME>...) in "
                 "the regular expression of the same section; headers, cookies, query and functions can be forged"};
}

namespace {

Result<GateRule> parse_rule(std::string_view args, bool allow) {
    auto words = config_words(args);
    GateRule rule;
    if (!words.empty() && equal_nocase(words.back().substr(0, 8), "methods=")) {
        auto methods = MethodSet::parse(std::string_view(words.back()).substr(8));
        if (!methods) return Error{methods.error()};
        rule.methods = std::move(methods.value());
        words.pop_back();
    }
    const std::string expected = allow
                                     ? "expected any-partner, none, partner NAME... or group NAME..., and methods= last"
                                     : "expected partner NAME... or group NAME..., and methods= last";
    if (words.empty()) return Error{expected};
    const std::string& kind = words.front();
    const bool named = equal_nocase(kind, "partner") || equal_nocase(kind, "group");
    const bool any = allow && equal_nocase(kind, "any-partner");
    const bool none = allow && equal_nocase(kind, "none");
    if (!named && !any && !none) {
        static constexpr std::string_view kKinds[] = {"any-partner", "none", "partner", "group"};
        return Error{quoted(kind) + did_you_mean(kind, kKinds) + ": " + expected};
    }
    if (named == (words.size() == 1)) {
        return Error{named ? quoted(kind) + " needs at least one NAME" : quoted(kind) + " takes no names: " + expected};
    }
    if (none && !rule.methods.text().empty()) return Error{"'none' takes no methods="};
    rule.kind = any                             ? GateRule::Kind::kAnyPartner
                : none                          ? GateRule::Kind::kNone
                : equal_nocase(kind, "partner") ? GateRule::Kind::kPartner
                                                : GateRule::Kind::kGroup;
    for (std::size_t i = 1; i < words.size(); ++i) {
        if (equal_nocase(words[i].substr(0, 8), "methods=")) return Error{"methods= comes last, once"};
        if (is_known_method(words[i])) {
            return Error{quoted(words[i]) + " is a method, not a name; write methods=" + words[i] +
                         " (several are joined by commas, without blanks)"};
        }
        auto name = NameReference::parse(words[i]);
        if (!name) return Error{name.error()};
        rule.names.push_back(std::move(name.value()));
    }
    std::sort(rule.names.begin(), rule.names.end(), [](const NameReference& a, const NameReference& b) {
        return std::tie(a.capture, a.literal) < std::tie(b.capture, b.literal);
    });
    return rule;
}

bool has_literal(const std::vector<NameReference>& names, std::string_view name) {
    const auto at = std::lower_bound(names.begin(), names.end(), name, [](const NameReference& a, std::string_view b) {
        return a.capture.empty() && a.literal < b;
    });
    return at != names.end() && at->capture.empty() && at->literal == name;
}

// Nothing where a capture has no value: each caller decides what that means.
std::optional<std::string_view> value_of(const std::string& capture, std::span<const Capture> captures) {
    for (const Capture& c : captures) {
        if (c.name == capture && !c.value.empty()) return c.value;
    }
    return std::nullopt;
}

enum class NameMatch { kNo, kYes, kUnknown };

NameMatch names_match(const GateRule& rule, std::string_view name, std::span<const Capture> captures) {
    if (has_literal(rule.names, name)) return NameMatch::kYes;
    bool unknown = false;
    for (auto n = rule.names.rbegin(); n != rule.names.rend() && !n->capture.empty(); ++n) {
        const auto value = value_of(n->capture, captures);
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
            // A partner without any group cannot be in a group that nobody can name, but a denial that cannot be read
            // has to hold for everybody.
            if (groups.empty())
                return names_match(rule, {}, captures) == NameMatch::kUnknown ? NameMatch::kUnknown : best;
            return best;
        }
    }
    return NameMatch::kNo;
}

}  // namespace

Result<GateRule> GateRule::parse_allow(std::string_view args) { return parse_rule(args, true); }
Result<GateRule> GateRule::parse_deny(std::string_view args) { return parse_rule(args, false); }

std::string GateRule::text() const {
    static constexpr std::array<std::string_view, 4> kWords = {"none", "any-partner", "partner", "group"};
    std::string out(kWords[static_cast<std::size_t>(kind)]);
    for (const NameReference& name : names) out += " " + name.text();
    if (!methods.text().empty()) out += " methods=" + methods.text();
    return out;
}

bool GateRule::covers(const GateRule& other) const {
    if (other.kind == Kind::kNone) return true;
    if (kind == Kind::kNone || !methods.covers(other.methods)) return false;
    if (kind == Kind::kAnyPartner) return true;
    return kind == other.kind && std::all_of(other.names.begin(), other.names.end(), [this](const NameReference& n) {
               return std::any_of(names.begin(), names.end(), [&](const NameReference& own) {
                   return own.literal == n.literal && own.capture == n.capture;
               });
           });
}

GateAnswer decide(const Gate& gate, const Identification& who, std::string_view method,
                  std::span<const Capture> captures) {
    for (const DenyChain* chain = gate.deny; chain != nullptr; chain = chain->outer) {
        for (const GateRule& rule : *chain->rules) {
            // What cannot be told denies: an expression that is empty must not open a gate.
            if (rule_matches(rule, who, who.denied_groups, captures) == NameMatch::kNo) continue;
            if (rule.methods.contains(method)) return {Reason::kNotAllowed, &rule};
        }
    }
    GateAnswer answer;
    if (gate.allow == nullptr) return answer;
    for (const GateRule& rule : *gate.allow) {
        if (rule_matches(rule, who, who.groups, captures) != NameMatch::kYes) continue;
        if (rule.methods.contains(method)) return {Reason::kGranted, &rule};
        if (answer.rule == nullptr) answer = {Reason::kMethodNotGranted, &rule};
    }
    return answer;
}

}  // namespace mtls
