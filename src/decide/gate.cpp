#include "mtls_authz/decide/gate.hpp"

#include <algorithm>
#include <array>
#include <tuple>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/rules/partner_name.hpp"

namespace mtls {

// Accepts only captures of the section's own regular expression: everything else in an expression can be chosen by the
// client (headers, cookies, query) or set from .htaccess.
Result<NameReference> NameReference::parse(std::string_view word) {
    if (word.find('%') == std::string_view::npos && word.find('$') == std::string_view::npos) {
        if (is_valid_name(word)) return NameReference{std::string(word), {}, 0};
        return Error{in_quotes(word, 100) + " cannot be a name: expected letters, digits, '.', '_' or '-'"};
    }
    for (const std::string_view prefix : {"%{env:", "%{reqenv:", "%{ENV:"}) {
        if (!word.starts_with(prefix) || !word.ends_with('}')) continue;
        const std::string_view variable = word.substr(prefix.size(), word.size() - prefix.size() - 1);
        const bool plain =
            std::all_of(variable.begin(), variable.end(), [](char c) { return is_alnum(c) || c == '_'; });
        if (plain && variable.starts_with("MATCH_") && variable.size() > 6)
            return NameReference{{}, std::string(variable), 0};
    }
    return Error{in_quotes(word, 100) +
                 " is no expression that can name a partner: expected %{env:MATCH_NAME}, with (?<NAME>...) in "
                 "the regular expression of the same section; headers, cookies, query and functions can be forged"};
}

namespace {

// The error about a blank behind or before a comma of methods=; "" if there is none.
std::string fault_of_blank(const std::vector<std::string>& words) {
    for (std::size_t i = 0; i + 1 < words.size(); ++i) {
        if (!starts_nocase(words[i], "methods=")) continue;
        if (!words[i].ends_with(',') && !words[i + 1].starts_with(',')) return {};
        const std::string whole = joined(std::span(words).subspan(i), "");
        return "the methods are one word: write " + in_quotes(whole, 100) + ", without blanks";
    }
    return {};
}

Result<GateRule> parse_rule(std::string_view args, bool allow) {
    auto words = config_words(args);
    if (std::string fault = fault_of_blank(words); !fault.empty()) return Error{std::move(fault)};
    GateRule rule;
    const bool limited = !words.empty() && starts_nocase(words.back(), "methods=");
    if (limited) {
        const auto methods = MethodSet::parse(std::string_view(words.back()).substr(8));
        if (!methods) return Error{"methods=: " + methods.error()};
        rule.methods = methods.value();
        words.pop_back();
    }
    const std::string expected =
        allow ? "expected any-partner, by-grant, none, partner NAME... or group NAME..., and methods= last"
              : "expected partner NAME... or group NAME..., and methods= last";
    if (words.empty()) return Error{expected};
    const std::string& kind = words.front();
    using Kind = GateRule::Kind;
    struct Word {
        std::string_view text;
        Kind kind;
    };
    static constexpr Word kWords[] = {{"partner", Kind::kPartner},
                                      {"group", Kind::kGroup},
                                      {"any-partner", Kind::kAnyPartner},
                                      {"by-grant", Kind::kByGrant},
                                      {"none", Kind::kNone}};
    constexpr std::size_t kInDeny = 2;
    const std::span<const Word> allowed_words(kWords, allow ? std::size(kWords) : kInDeny);
    const auto word = std::find_if(allowed_words.begin(), allowed_words.end(),
                                   [&kind](const Word& w) { return equal_nocase(kind, w.text); });
    if (word == allowed_words.end()) {
        std::vector<std::string_view> texts;
        for (const Word& w : allowed_words) texts.push_back(w.text);
        std::string meant = did_you_mean(kind, texts);
        const auto is_it = [&kind](const Word& w) { return equal_nocase(kind, w.text); };
        const bool is_any = equal_nocase(kind, "any") || equal_nocase(kind, "all") ||
                            std::any_of(std::begin(kWords), std::end(kWords), is_it);
        if (is_any) meant = allow ? " (did you mean 'any-partner'?)" : " (MTLSAllow none lets nobody in)";
        if (meant.empty() && is_valid_name(kind)) meant = " (did you mean 'partner " + kind + "'?)";
        return Error{in_quotes(kind, 100) + meant + ": " + expected};
    }
    rule.kind = word->kind;
    const bool named = rule.kind == Kind::kPartner || rule.kind == Kind::kGroup;
    if (named == (words.size() == 1)) {
        return Error{named ? in_quotes(kind, 100) + " needs at least one NAME"
                           : in_quotes(kind, 100) + " takes no names: " + expected};
    }
    if (rule.kind == Kind::kNone && limited) return Error{"'none' takes no methods="};
    for (std::size_t i = 1; i < words.size(); ++i) {
        if (starts_nocase(words[i], "methods=")) return Error{"methods= comes last, once"};
        if (is_known_method(words[i])) {
            return Error{in_quotes(words[i], 100) + " is a method, not a name; write methods=" + words[i] +
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

}  // namespace

Result<GateRule> GateRule::parse_allow(std::string_view args) { return parse_rule(args, true); }
Result<GateRule> GateRule::parse_deny(std::string_view args) { return parse_rule(args, false); }

GateRule GateRule::of(Kind kind) {
    GateRule out;
    out.kind = kind;
    return out;
}

std::string GateRule::text() const {
    static constexpr std::array<std::string_view, 5> kWords = {"none", "any-partner", "by-grant", "partner", "group"};
    std::string out(kWords[static_cast<std::size_t>(kind)]);
    for (const NameReference& name : names) out += " " + name.text();
    if (!methods.is_all()) out += " methods=" + methods.text();
    return out;
}

namespace {

// Whether the rule is about all partners that a rule of this kind and with this name is about. `name`: null for a kind
// without names.
bool is_about(const GateRule& rule, GateRule::Kind kind, const NameReference* name) {
    if (rule.kind == GateRule::Kind::kAnyPartner) return true;
    if (rule.kind != kind) return false;
    return name == nullptr || std::any_of(rule.names.begin(), rule.names.end(), [name](const NameReference& own) {
               return own.literal == name->literal && own.capture == name->capture && own.pattern == name->pattern;
           });
}

}  // namespace

bool cover(const GateRules& rules, const GateRule& rule) {
    if (rule.kind == GateRule::Kind::kNone) return true;
    const auto are_covered = [&](const NameReference* name) {
        std::uint64_t methods = 0;
        for (const GateRule& one : rules) methods |= is_about(one, rule.kind, name) ? one.methods.bits() : 0;
        return (rule.methods.bits() & ~methods) == 0;
    };
    if (rule.names.empty()) return are_covered(nullptr);
    return std::all_of(rule.names.begin(), rule.names.end(),
                       [&](const NameReference& name) { return are_covered(&name); });
}

}  // namespace mtls
