#include "mtls_authz/revocation.hpp"

#include <algorithm>

#include "mtls_authz/text.hpp"

namespace mtls {

namespace {

bool asks_issuer(const Selector& s) {
    return s.field() == Field::kIssuer || s.field() == Field::kIssuerSpki || s.field() == Field::kIssuerAttribute;
}

// Whether a value could be a serial number as tools print it: hex digits, perhaps with colons or 0x.
bool reads_as_serial(const Selector& s) {
    std::string_view value = std::string_view(s.text()).substr(s.text().find(':') + 1);
    if (equal_nocase(value.substr(0, 2), "0x")) value.remove_prefix(2);
    return std::all_of(value.begin(), value.end(), [](char c) { return c == ':' || hex_digit(c) >= 0; });
}

// Why these, all together, would refuse nobody, or not what was meant; "" where nothing is wrong.
std::string find_fault(const std::vector<Selector>& selectors) {
    const auto any = [&](auto&& is_wanted) {
        return std::any_of(selectors.begin(), selectors.end(),
                           [&](const Selector& s) { return !s.negated() && is_wanted(s); });
    };
    if (!any([](const Selector&) { return true; })) return "expected at least one selector without '!'";
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
    for (std::size_t i = 0; i < selectors.size(); ++i) {
        for (std::size_t k = i + 1; k < selectors.size(); ++k) {
            if (!selectors[i].contradicts(selectors[k])) continue;
            return "no certificate has both " + selectors[i].text() + " and " + selectors[k].text() +
                   ": where either is meant, write each on a line of its own";
        }
    }
    return {};
}

}  // namespace

Result<Revocation> Revocation::parse(const Directive& d) {
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
        // A line that silently refuses nobody is worse than one that stops the start.
        if (!parsed.value().warnings.empty()) return Error{d.name + ": " + parsed.value().warnings.front()};
        out.selectors.push_back(std::move(parsed.value().selector));
    }
    if (const std::string fault = find_fault(out.selectors); !fault.empty()) return Error{d.name + ": " + fault};
    return out;
}

std::string RevocationLine::text() const {
    std::string out = selectors.text().substr(1);
    if (!note.empty()) out += " " + config_quote("note=" + std::string(note));
    return out;
}

namespace {

// Whether all is about names and serial numbers, and some of it is about one certificate.
bool names_a_certificate(const std::vector<Selector>& selectors) {
    const auto names_it = [](const Selector& s) {
        return !s.negated() && (s.field() == Field::kSerial || s.field() == Field::kSubject);
    };
    return std::any_of(selectors.begin(), selectors.end(), names_it) &&
           std::all_of(selectors.begin(), selectors.end(), [](const Selector& s) {
               return s.field() == Field::kSerial || s.field() == Field::kSubject || s.field() == Field::kIssuer ||
                      s.field() == Field::kIssuerSpki;
           });
}

}  // namespace

void RevocationSetBuilder::add(Revocation revocation) {
    names_certificates_ = names_certificates_ || names_a_certificate(revocation.selectors);
    index_.add(static_cast<std::uint32_t>(revocations_.size()), revocation.selectors);
    revocations_.push_back(std::move(revocation));
}

RevocationSet RevocationSetBuilder::finish(Arena& arena) {
    std::vector<RevocationLine> lines;
    lines.reserve(revocations_.size());
    std::string_view file;  // nearly always that of the line before
    for (const Revocation& r : revocations_) {
        if (file != r.where.file) file = arena.keep(r.where.file);
        lines.push_back({{r.selectors, arena}, arena.keep(r.note), {file, r.where.line}});
    }
    RevocationSet out;
    out.lines_ = arena.keep(lines);
    out.index_ = index_.finish(arena);
    out.names_certificates_ = names_certificates_;
    return out;
}

namespace {

// A pin on a CA refuses whatever it issued.
bool pins_a_ca(const Selector& selector, const std::vector<CaDigests>& above) {
    if (selector.negated()) return false;
    return std::any_of(above.begin(), above.end(), [&](const CaDigests& ca) {
        return (selector.field() == Field::kSha256 && selector.operand() == ca.sha256) ||
               (selector.field() == Field::kSpki && selector.operand() == ca.spki_sha256);
    });
}

std::vector<std::string> keys_of(const std::vector<CaDigests>& cas) {
    std::vector<std::string> out;
    for (const CaDigests& ca : cas) {
        if (!ca.spki_sha256.empty()) out.push_back(ca.spki_sha256);
    }
    return out;
}

}  // namespace

const RevocationLine* RevocationSet::first_of(const CertificateFacts& facts, const std::vector<CaDigests>& pins,
                                              const PathFacts& path,
                                              bool (*counts)(const std::vector<Selector>&)) const {
    for (const std::uint32_t id : index_.candidates(facts, pins)) {
        const RevocationLine& line = lines_[id];
        const auto selectors = line.selectors.read();
        const bool hit = counts(selectors) && std::all_of(selectors.begin(), selectors.end(), [&](const Selector& s) {
                             return pins_a_ca(s, pins) || s.test(facts, &path, Repeats::kAnyCounts) != Answer::kNo;
                         });
        if (hit) return &line;
    }
    return nullptr;
}

const RevocationLine* RevocationSet::find(const CertificateFacts& facts, const std::vector<CaDigests>& above,
                                          const std::vector<std::string>& policies) const {
    if (lines_.empty()) return nullptr;
    return first_of(facts, above, {keys_of(above), policies}, [](const std::vector<Selector>&) { return true; });
}

const RevocationLine* RevocationSet::find_ca(const std::vector<X509Ptr>& cas,
                                             const std::vector<CaDigests>& above) const {
    if (!names_certificates_) return nullptr;
    for (const X509Ptr& ca : cas) {
        CertificateFacts facts = read_facts(*ca);
        // Its issuer has numbered it beside those that it issued, perhaps with a number of theirs.
        if ((X509_get_extension_flags(ca.get()) & EXFLAG_SS) != 0) facts.serial.clear();
        const RevocationLine* const line = first_of(facts, {}, {keys_of(above), {}}, names_a_certificate);
        if (line != nullptr) return line;
    }
    return nullptr;
}

}  // namespace mtls
