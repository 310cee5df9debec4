#include "mtls_authz/rules/revocation.hpp"

#include <algorithm>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/trust/signature_cache.hpp"

namespace mtls {

std::string RevocationLine::text() const {
    std::string out = selectors.text().substr(1);
    if (!note.empty()) out += " " + config_quote("note=" + std::string(note));
    return out;
}

namespace {

// Whether all selectors test names, serial numbers or issuer keys, and at least one identifies a single certificate.
bool names_a_certificate(const Conditions& selectors) {
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
    names_certificates_ = names_certificates_ || names_a_certificate(revocation.selectors.view());
    index_.add(static_cast<std::uint32_t>(revocations_.size()), revocation.selectors.view());
    revocations_.push_back(std::move(revocation));
}

RevocationSet RevocationSetBuilder::finish(Arena& arena) {
    std::vector<RevocationLine> lines;
    lines.reserve(revocations_.size());
    std::string_view file;  // nearly always the file of the previous line
    for (const Revocation& r : revocations_) {
        if (file != r.where.file) file = arena.keep(r.where.file);
        lines.push_back({Conditions(arena.keep(r.selectors.records())), arena.keep(r.note), {file, r.where.line}});
    }
    RevocationSet out;
    out.lines_ = arena.keep(lines);
    out.index_ = index_.finish(arena);
    out.names_certificates_ = names_certificates_;
    return out;
}

namespace {

// A pin on a CA refuses everything that the CA issued.
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
                                              const PathFacts& path, bool (*counts)(const Conditions&)) const {
    for (const std::uint32_t id : index_.candidates(facts, pins)) {
        const RevocationLine& line = lines_[id];
        const Conditions& selectors = line.selectors;
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
    return first_of(facts, above, {keys_of(above), policies}, [](const Conditions&) { return true; });
}

const RevocationLine* RevocationSet::find_ca(const std::vector<X509Ptr>& cas,
                                             const std::vector<CaDigests>& above) const {
    if (!names_certificates_) return nullptr;
    for (const X509Ptr& ca : cas) {
        CertificateFacts facts = read_facts(*ca);
        // A self-signed CA numbers itself like the certificates that it issued, so its serial may equal one of theirs.
        if (is_self_signed(*ca, facts.sha256, facts.spki_sha256)) facts.serial.clear();
        const RevocationLine* const line = first_of(facts, {}, {keys_of(above), {}}, names_a_certificate);
        if (line != nullptr) return line;
    }
    return nullptr;
}

}  // namespace mtls
