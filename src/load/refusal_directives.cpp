#include "mtls_authz/load/refusal_directives.hpp"

#include <algorithm>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/rules/partner_name.hpp"

namespace mtls {

namespace {

bool asks_issuer(const Selector& s) {
    return s.field() == Field::kIssuer || s.field() == Field::kIssuerSpki || s.field() == Field::kIssuerAttribute;
}

// Whether a value could be a serial number as tools print it: hex digits, with or without colons or 0x.
bool reads_as_serial(const Selector& s) {
    std::string_view value = s.text().substr(s.text().find(':') + 1);
    if (equal_nocase(value.substr(0, 2), "0x")) value.remove_prefix(2);
    return std::all_of(value.begin(), value.end(), [](char c) { return c == ':' || hex_digit(c) >= 0; });
}

// The reason why a line with these selectors refuses no certificate or probably the wrong ones; "" if there is none.
std::string find_fault(const Conditions& selectors) {
    const auto any = [&](auto&& is_wanted) {
        return std::any_of(selectors.begin(), selectors.end(),
                           [&](const Selector& s) { return !s.negated() && is_wanted(s); });
    };
    if (selectors.all_negated()) return "expected at least one selector without '!'";
    const bool names_issuer =
        any([](const Selector& s) { return s.field() == Field::kIssuer || s.field() == Field::kIssuerSpki; });
    if (!names_issuer && std::any_of(selectors.begin(), selectors.end(),
                                     [](const Selector& s) { return s.field() == Field::kSerial; })) {
        return "cert-serial: says nothing without its issuer: add issuer: or issuer.spki-sha256:";
    }
    const bool mistakes_serial = any(asks_issuer) && any([](const Selector& s) {
                                     return s.text().starts_with("serialNumber:") && reads_as_serial(s);
                                 });
    if (mistakes_serial) {
        return "serialNumber: is an attribute of the subject; the certificate's serial number, beside its issuer, is "
               "cert-serial: (for the attribute, leave the issuer out)";
    }
    const std::string both = selectors.contradiction();
    if (both.empty()) return {};
    return "no certificate has both " + both + ": where either is meant, write each on a line of its own";
}

}  // namespace

Result<Revocation> read_revocation(const Directive& d) {
    Revocation out;
    out.where = d.where;
    auto words = config_words(d.args);
    constexpr std::string_view kNote = "note=";
    if (!words.empty() && equal_nocase(words.back().substr(0, kNote.size()), kNote)) {
        out.note = words.back().substr(kNote.size());
        words.pop_back();
    }
    if (words.empty()) return Error{d.name + ": expected SELECTOR... [note=TEXT]"};
    for (const std::string& word : words) {
        auto parsed = Selector::parse(word);
        if (!parsed) return Error{d.name + ": " + parsed.error()};
        // A line that silently refuses nothing is worse than one that stops the start.
        if (!parsed.value().warnings.empty()) return Error{d.name + ": " + parsed.value().warnings.front()};
        out.selectors.add(parsed.value());
    }
    if (const std::string fault = find_fault(out.selectors.view()); !fault.empty()) return Error{d.name + ": " + fault};
    return out;
}

Result<std::vector<std::string>> read_suspension(const Directive& d) {
    auto words = config_words(d.args);
    if (!words.empty() && option(words.back(), "note")) words.pop_back();
    if (words.empty()) return Error{d.name + ": expected NAME... [note=TEXT]"};
    for (const std::string& name : words) {
        if (is_valid_name(name)) continue;
        const bool half_quoted = name.find('"') != std::string::npos;
        return Error{d.name + ": " + in_quotes(name) + " cannot be a partner's name" +
                     (half_quoted ? "; quotes go around the whole word: \"note=two words\"" : "")};
    }
    return words;
}

std::string unknown_suspension(std::string_view name, std::span<const std::string_view> partners) {
    return "MTLSSuspend: there is no partner " + in_quotes(name) + did_you_mean(name, partners) +
           ": it suspends nobody until there is one; the line stays in force";
}

}  // namespace mtls
