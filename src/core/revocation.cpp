#include "mtls_authz/revocation.hpp"

#include <algorithm>

#include "mtls_authz/text.hpp"

namespace mtls {

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
    bool names_issuer = false;
    bool names_serial = false;
    for (const std::string& word : words) {
        auto parsed = Selector::parse(word);
        if (!parsed) return Error{d.name + ": " + parsed.error()};
        // A line that silently refuses nobody is worse than one that stops the start.
        if (!parsed.value().warnings.empty()) return Error{d.name + ": " + parsed.value().warnings.front()};
        const Selector& selector = parsed.value().selector;
        const Field field = selector.field();
        names_issuer =
            names_issuer || (!selector.negated() && (field == Field::kIssuer || field == Field::kIssuerSpki));
        names_serial = names_serial || field == Field::kSerial;
        out.selectors.push_back(std::move(parsed.value().selector));
    }
    if (std::all_of(out.selectors.begin(), out.selectors.end(), [](const Selector& s) { return s.negated(); })) {
        return Error{d.name + ": expected at least one selector without '!'"};
    }
    if (names_serial && !names_issuer) {
        return Error{d.name + ": cert-serial: says nothing without its issuer: add issuer: or issuer.spki-sha256:"};
    }
    return out;
}

std::string RevocationLine::text() const {
    std::string out = selectors.text().substr(1);
    if (!note.empty()) out += " " + config_quote("note=" + std::string(note));
    return out;
}

void RevocationSetBuilder::add(Revocation revocation) {
    index_.add(static_cast<std::uint32_t>(revocations_.size()), revocation.selectors);
    revocations_.push_back(std::move(revocation));
}

RevocationSet RevocationSetBuilder::finish(Arena& arena) {
    std::vector<RevocationLine> lines;
    lines.reserve(revocations_.size());
    for (const Revocation& r : revocations_) {
        lines.push_back({{r.selectors, arena}, arena.keep(r.note), {arena.keep(r.where.file), r.where.line}});
    }
    RevocationSet out;
    out.lines_ = arena.keep(lines);
    out.index_ = index_.finish(arena);
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

}  // namespace

const RevocationLine* RevocationSet::find(const CertificateFacts& facts, const std::vector<CaDigests>& above) const {
    if (lines_.empty()) return nullptr;
    std::vector<std::string> ca_keys;
    for (const CaDigests& ca : above) ca_keys.push_back(ca.spki_sha256);
    for (const std::uint32_t id : index_.candidates(facts, above)) {
        const RevocationLine& line = lines_[id];
        const auto selectors = line.selectors.read();
        const bool hit = std::all_of(selectors.begin(), selectors.end(), [&](const Selector& selector) {
            return pins_a_ca(selector, above) || selector.test(facts, &ca_keys, Repeats::kAnyCounts) != Answer::kNo;
        });
        if (hit) return &line;
    }
    return nullptr;
}

}  // namespace mtls
