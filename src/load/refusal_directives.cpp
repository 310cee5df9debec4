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
    if (starts_nocase(value, "0x")) value.remove_prefix(2);
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
        return "cert-serial: says nothing without its issuer: add issuer: or issuer.spki-sha256: beside it";
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

// Takes note=TEXT off the end of the words.
std::string take_note(std::vector<std::string>& words) {
    if (words.empty() || !option(words.back(), "note")) return {};
    std::string note = words.back().substr(words.back().find('=') + 1);
    words.pop_back();
    return note;
}

// An unquoted note of several words, or one whose quotes begin after the '='.
std::string find_note_fault(const std::vector<std::string>& words) {
    const bool has_note = std::any_of(words.begin(), words.end(), [](const std::string& word) {
        return option(word, "note") || word.find('"') != std::string::npos;
    });
    return has_note ? "quotes go around the whole note: \"note=two words\"" : "";
}

}  // namespace

Result<Revocation> read_revocation(const Directive& d) {
    Revocation out;
    out.where = d.where;
    auto words = config_words(d.args);
    out.note = take_note(words);
    if (words.empty()) return Error{d.name + ": expected SELECTOR... [note=TEXT]"};
    if (std::any_of(words.begin(), words.end(), [](const std::string& word) { return option(word, "note"); })) {
        return Error{d.name + ": " + find_note_fault(words)};
    }
    for (std::size_t i = 0; i < words.size(); ++i) {
        auto parsed = Selector::parse(words[i]);
        if (!parsed) return Error{d.name + ": " + parsed.error() + unquoted_hint(words, i)};
        // A line that silently refuses nothing is worse than one that stops the start.
        if (!parsed.value().warnings.empty()) return Error{d.name + ": " + parsed.value().warnings.front()};
        out.selectors.add(parsed.value());
    }
    if (const std::string fault = find_fault(out.selectors.view()); !fault.empty()) return Error{d.name + ": " + fault};
    return out;
}

Result<WrittenSuspension> read_suspension(const Directive& d) {
    WrittenSuspension out;
    out.names = config_words(d.args);
    out.note = take_note(out.names);
    if (out.names.empty()) return Error{d.name + ": expected NAME... [note=TEXT]"};
    const std::string of_note = find_note_fault(out.names);
    for (const std::string& name : out.names) {
        if (is_valid_name(name)) continue;
        return Error{d.name + ": " + (of_note.empty() ? in_quotes(name) + " cannot be a partner's name" : of_note)};
    }
    return out;
}

std::string unknown_suspension(std::string_view name, std::span<const std::string_view> partners) {
    const bool is_switch = equal_nocase(name, "On") || equal_nocase(name, "Off");
    return "MTLSSuspend: there is no partner " + in_quotes(name) +
           (is_switch ? " (outside of <MTLSPartner>, it names partners)" : did_you_mean(name, partners)) +
           ": it suspends nobody until there is one; the line stays in force";
}

}  // namespace mtls
