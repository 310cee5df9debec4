// MTLSTrustAnchor and MTLSIntermediate: reads the files that they name, certificates or the bundle of a SPIFFE trust
// domain, and checks the partner's other directives against a bundle.
#include <algorithm>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/algorithms.hpp"
#include "mtls_authz/certificate/spiffe_id.hpp"
#include "mtls_authz/load/policy_builder.hpp"
#include "mtls_authz/trust/spiffe_bundle.hpp"

namespace mtls {

// Nothing if the file cannot be read; adds the error.
std::optional<std::string> PolicyBuilder::read_content(const Directive& d, const std::string& file, std::size_t limit) {
    if (is_text_only_) return std::nullopt;
    const std::string path = absolute(file);
    auto content = files_.read(path, limit);
    files_read_.insert_or_assign(path, WrittenFile{content ? sha256(content.value()) : content.error(), limit});
    if (content) return std::move(content.value());
    const auto& trust = files_.trust();
    const std::string hint =
        is_database_name(path) ? "" : hint_of_missing(path) + hint_of_unreadable(path, trust ? &*trust : nullptr);
    error(d.where, d.name + ": cannot read " + in_quotes(path) + ": " + content.error() + hint);
    return std::nullopt;
}

// Decodes each file once, and not at all if an earlier policy has its content.
bool PolicyBuilder::read_file(const Directive& d, const std::string& file, CertificateFile& out) {
    const std::string path = absolute(file);
    const auto here = certificates_at_.find(path);
    if (here != certificates_at_.end()) {
        out = here->second;
        return true;
    }
    const auto content = read_content(d, file, kLargestCertificateFile);
    if (!content) return false;
    const std::string& digest = files_read_.at(path).digest;
    CertificateFile& decoded = written_.certificates[digest];
    if (decoded.empty() && previous_ != nullptr) decoded = previous_->certificates_of(digest);
    if (decoded.empty()) {
        const auto read = read_certificates(*content, path);
        if (!read) {
            written_.certificates.erase(digest);
            error(d.where, d.name + ": " + read.error());
            return false;
        }
        decoded = keep_certificates(d, file, read.value());
    }
    out = decoded;
    certificates_at_.emplace(path, out);
    return true;
}

CertificateFile PolicyBuilder::keep_certificates(const Directive& d, const std::string& file,
                                                 const std::vector<ReadCertificate>& read) {
    std::vector<AnchorCertificate> certificates;
    for (const ReadCertificate& c : read) {
        certificates.emplace_back(c, arena_);
        const std::string fault = c.facts.malformed.empty() ? unknown_key(*c.certificate) : c.facts.malformed;
        if (fault.empty()) continue;
        warning(d.where, d.name + " " + in_quotes(file) + ": the certificate " +
                             in_double_quotes(c.facts.subject.text()) +
                             " makes no path, so nothing under it is let in: " + escape_for_reader(fault, 200));
    }
    return arena_.keep(certificates);
}

void PolicyBuilder::trust_anchor(const Directive& d, WrittenPartner* partner) {
    const auto words = config_words(d.args);
    auto& set = partner != nullptr ? own_anchors_[partner] : default_anchors_;
    if (partner == nullptr && set) {
        return error(d.where, d.name + ": the default trust anchor is already set at " + set->where.str() +
                                  "; name all its files on one line");
    }
    if (!set) set = std::make_shared<WrittenAnchorSet>();
    set->where = d.where;
    if (words.size() == 1 && words.front() == kModSsl) {
        set->uses_mod_ssl = true;
        return;
    }
    std::vector<std::string> files;
    std::optional<std::string> trust_domain;
    TimeWindow window;
    for (const std::string& word : words) {
        if (const auto domain = option(word, "trust-domain")) {
            if (trust_domain) return error(d.where, d.name + ": " + in_quotes(word) + " is given twice");
            trust_domain = domain;
            continue;
        }
        const auto from = option(word, "from");
        const auto until = option(word, "until");
        if (!from && !until) {
            if (word == kModSsl) return error(d.where, d.name + ": mod_ssl stands alone on its line");
            files.push_back(word);
            continue;
        }
        auto& edge = from ? window.from : window.until;
        if (edge) return error(d.where, d.name + ": " + in_quotes(word) + " is given twice");
        const auto date = parse_date(from ? *from : *until, from ? DateEdge::kFrom : DateEdge::kUntil);
        if (!date) return error(d.where, d.name + ": " + date.error());
        edge = date.value();
    }
    const auto is_bundle = [](const std::string& file) { return file.starts_with(kBundlePrefix); };
    const bool some_bundle = std::any_of(files.begin(), files.end(), is_bundle);
    if (files.empty() || (trust_domain && !some_bundle)) {
        return error(d.where, d.name +
                                  ": expected FILE... [from=DATE] [until=DATE], bundle:FILE trust-domain=NAME "
                                  "[from=DATE] [until=DATE], or mod_ssl");
    }
    if (const std::string fault = window.fault(); !fault.empty()) return error(d.where, d.name + ": " + fault);
    if (some_bundle) {
        const std::string fault = files.size() > 1 ? "a SPIFFE bundle has a line of its own"
                                  : partner == nullptr
                                      ? "a SPIFFE bundle belongs inside <MTLSPartner NAME>: no default for all"
                                  : !trust_domain ? in_quotes(files[0]) +
                                                        " needs trust-domain=NAME beside it: a bundle does not say "
                                                        "whose it is"
                                                  : trust_domain_fault(*trust_domain);
        if (!fault.empty()) return error(d.where, d.name + ": " + fault);
    }
    for (const std::string& file : files) {
        WrittenAnchor anchor{file, d.where, window, {}, trust_domain.value_or(""), {}};
        if (some_bundle ? read_bundle(d, anchor) : read_file(d, file, anchor.certificates)) {
            set->anchors.push_back(std::move(anchor));
        }
    }
}

void PolicyBuilder::intermediate(const Directive& d, WrittenPartner& partner) {
    const auto files = config_words(d.args);
    if (files.empty()) return error(d.where, d.name + ": expected FILE..., like mtls/acme-intermediate.pem");
    for (const std::string& file : files) {
        CertificateFile certificates;
        if (!read_file(d, file, certificates)) continue;
        partner.intermediate_files.push_back(file);
        partner.intermediates.push_back(certificates);
    }
}

// ---- bundles --------------------------------------------------------------------------------------------------------

// The highest sequence number of this bundle in the policy in force: that of its file or, if there is none, of its
// trust domain.
std::optional<std::uint64_t> PolicyBuilder::sequence_in_force(const WrittenAnchor& anchor) {
    if (!sequences_) {
        sequences_.emplace();
        const std::span<const Partner> partners =
            previous_ != nullptr ? previous_->partners() : std::span<const Partner>();
        for (const Partner& partner : partners) {
            for (const Anchor& old : partner.anchors->anchors) {
                if (old.trust_domain.empty()) continue;
                for (const std::string_view file : {old.file.view(), std::string_view()}) {
                    auto& highest = (*sequences_)[{std::string(old.trust_domain), std::string(file)}];
                    highest = std::max(highest, old.sequence);
                }
            }
        }
    }
    for (const std::string& file : {anchor.file, std::string()}) {
        const auto found = sequences_->find({anchor.trust_domain, file});
        if (found != sequences_->end()) return found->second;
    }
    return std::nullopt;
}

// Reads each file once. An older bundle than the one in force would restore CAs that the trust domain has removed.
bool PolicyBuilder::read_bundle(const Directive& d, WrittenAnchor& anchor) {
    const std::string file = anchor.file.substr(kBundlePrefix.size()), path = absolute(file);
    const std::string what = d.name + ": " + in_quotes(path) + " ";
    const auto [entry, is_new] = bundles_.try_emplace(path);
    WrittenAnchor& read = entry->second;
    if (is_new) {
        files_.let_fetcher_own(path);
        const auto content = read_content(d, file, kLargestBundle);
        const auto bundle = content ? read_spiffe_bundle(*content) : Error{};
        if (!bundle) {
            if (content) error(d.where, what + bundle.error());
            bundles_.erase(entry);
            return false;
        }
        for (const std::string& text : bundle.value().warnings) warning(d.where, what + text);
        std::vector<ReadCertificate> certificates;
        for (std::string_view der : bundle.value().authorities) certificates.emplace_back(take_x509(der));
        read.sequence = bundle.value().sequence;
        CertificateFile& decoded = written_.certificates[std::string(kBundlePrefix) + files_read_.at(path).digest];
        if (decoded.empty()) decoded = keep_certificates(d, anchor.file, certificates);
        read.certificates = decoded;
    }
    anchor.certificates = read.certificates;
    anchor.sequence = read.sequence;
    const auto in_force = sequence_in_force(anchor);
    if (!in_force || (anchor.sequence && *anchor.sequence >= *in_force)) return true;
    error(d.where,
          what +
              (anchor.sequence ? "has the spiffe_sequence " + std::to_string(*anchor.sequence) + ", which is lower"
                               : "has no spiffe_sequence, which is no later one") +
              " than the " + std::to_string(*in_force) +
              " in force: an old bundle is back, by mistake or by somebody who replays it; fetch the newest one of the "
              "trust domain " +
              anchor.trust_domain + ", or restart the server where the older one is meant");
    return false;
}

// Under a bundle, a certificate has one URI, a SPIFFE ID of its trust domain: a selector for another URI would never
// hold. `anchor`: value of anchor=, or empty.
void PolicyBuilder::check_trust_domains(const WrittenPartner& partner, std::string_view anchor, const Where& where,
                                        const std::string& what, const Conditions& selectors) {
    std::string domains;
    for (const Selector& selector : selectors) {
        if (selector.field() != Field::kUri || selector.negated()) continue;
        const auto asked = trust_domain_of(selector.operand());
        bool can_fit = false;
        domains.clear();
        for (const WrittenAnchor& a : partner.anchors->anchors) {
            if (!anchor.empty() && a.file != anchor) continue;
            can_fit = can_fit || asked == a.trust_domain;
            if (!domains.empty()) domains += ", ";
            domains += a.trust_domain;
        }
        if (can_fit) continue;
        std::string why = what;
        why.append(" of ").append(partner.name).append(": ").append(in_quotes(selector.text()));
        why +=
            " can never hold: under a SPIFFE bundle, the one URI of a certificate is a SPIFFE ID of its trust domain (";
        why += domains;
        why += "); a partner of its own, with the bundle of that trust domain, can have this one";
        error(where, why);
    }
}

void PolicyBuilder::check_bundles(const WrittenPartner& partner) {
    const WrittenAnchorSet& set = *partner.anchors;
    const auto is_bundle = [](const WrittenAnchor& anchor) { return anchor.is_bundle(); };
    if (std::none_of(set.anchors.begin(), set.anchors.end(), is_bundle)) return;
    if (set.uses_mod_ssl || !std::all_of(set.anchors.begin(), set.anchors.end(), is_bundle)) {
        return error(set.where,
                     "MTLSTrustAnchor of " + partner.name +
                         ": beside a SPIFFE bundle no other anchors can stand: CAs outside of it could issue "
                         "names of its trust domain; give certificates of other CAs a partner of their own");
    }
    const auto keep_name = [this](const std::string& name) { return arena_.keep(name); };
    const IdentityLines lines = partner.identities.keep(arena_, keep_name);
    for (const Identity& identity : lines) {
        check_trust_domains(partner, identity.anchor.value_or(Text()), identity.where, "MTLSIdentity",
                            identity.selectors);
    }
    for (const WrittenGroup& group : partner.groups) {
        check_trust_domains(partner, "", partner.where, "MTLSGroup", group.conditions.view());
    }
    for (const WrittenGrant& grant : partner.grants) {
        check_trust_domains(partner, "", grant.where, "MTLSGrant", grant.conditions.view());
    }
}

}  // namespace mtls
