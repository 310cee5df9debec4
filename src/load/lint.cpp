#include "mtls_authz/load/lint.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/public_ca.hpp"
#include "mtls_authz/decide/identification.hpp"
#include "mtls_authz/load/policy_builder.hpp"
#include "mtls_authz/load/refusal_directives.hpp"
#include "mtls_authz/policy/overlap.hpp"

namespace mtls {

namespace {

class Linter {
public:
    Linter(const Policy& policy, std::int64_t now, int days) : policy_(policy), now_(now), soon_(now + kDay * days) {}

    std::vector<Diagnostic> run() {
        std::set<const AnchorSet*> seen;
        for (const Partner& partner : policy_.partners()) {
            if (seen.insert(partner.anchors).second) check_anchors(partner);
            for (const Identity& identity : partner.identities) {
                check_identity(partner, identity);
                check_issuer(partner, identity.anchor, identity.selectors, identity.where, "MTLSIdentity");
            }
            for (const Grant& grant : partner.grants)
                check_issuer(partner, std::nullopt, grant.conditions, grant.where, "MTLSGrant");
            for (const GroupMembership& membership : partner.groups) check_group(partner, membership);
            check_grants(partner.grants);
            check_purpose(partner);
            check_contract(partner);
            check_intermediates(partner);
        }
        check_grants(policy_.grants());
        check_overlaps();
        check_linear_scan();
        return std::move(findings_);
    }

private:
    void check_linear_scan() {
        constexpr std::size_t kFew = 100;
        const Policy::LinearScan worst_scan = policy_.worst_scan();
        if (worst_scan.lines <= kFew) return;
        warn(worst_scan.one->where,
             std::to_string(worst_scan.lines) +
                 (worst_scan.always
                      ? " MTLSIdentity lines, like this one, hold nothing that a certificate could be found "
                        "by, so each is tried for every new connection"
                      : " MTLSIdentity lines share the selector by which this one is found, so each is "
                        "tried for a certificate that has it") +
                 ": the work is linear in their number; add a selector that differs, like DNS:");
    }

    void warn(const Where& where, std::string message) {
        findings_.push_back({Diagnostic::Severity::kWarning, where, std::move(message)});
    }

    void check_anchors(const Partner& partner) {
        for (const Anchor& anchor : partner.anchors->anchors) {
            for (const AnchorCertificate& c : anchor.certificates) check_anchor(anchor, c);
        }
        check_last_anchor(partner);
    }

    // A rollover ends the old anchor on purpose: only the end of the last one is a problem.
    void check_last_anchor(const Partner& partner) {
        const auto end_of = [](const Anchor& anchor) { return anchor.window.until.value_or(INT64_MAX); };
        const auto& anchors = partner.anchors->anchors;
        const auto last = std::max_element(anchors.begin(), anchors.end(),
                                           [&](const Anchor& a, const Anchor& b) { return end_of(a) < end_of(b); });
        if (last == anchors.end() || end_of(*last) >= soon_) return;
        const bool is_over = end_of(*last) < now_;
        warn(last->where, "MTLSTrustAnchor " + std::string(last->file) + (is_over ? " ended on " : " ends on ") +
                              format_time(end_of(*last)) + ", and no other lasts longer: nobody is let in under it " +
                              (is_over ? "since" : "after that") + ": add the next one, or write a later until=");
    }

    void check_contract(const Partner& partner) {
        const auto& until = partner.validity.until;
        if (until && now_ <= *until && *until < soon_)
            warn(partner.where, "MTLSValid of " + std::string(partner.name) + " ends on " + format_time(*until) +
                                    ": after that the partner is refused (outside-contract)");
    }

    // Warns of public CAs, which stop issuing certificates for clients, and of waivers that end soon.
    void check_purpose(const Partner& partner) {
        const auto& waiver = partner.server_purpose;
        if (waiver && waiver->until && now_ <= *waiver->until && *waiver->until < soon_) {
            warn(partner.where, "MTLSPurpose serverAuth of " + std::string(partner.name) + " ends on " +
                                    format_time(*waiver->until) +
                                    ": by then the partner needs a certificate that was made for clients");
        }
        if (waiver || !partner.has_own_anchors) return;
        for (const Anchor& anchor : partner.anchors->anchors) {
            for (const AnchorCertificate& c : anchor.certificates) {
                const std::string why = c.is_ca ? why_public(c) : "";
                if (why.empty()) continue;
                return warn(anchor.where,
                            "MTLSTrustAnchor " + std::string(anchor.file) + " of " + std::string(partner.name) +
                                ": the CA " + in_double_quotes(c.subject_text) + " is public, since " + why +
                                ": a renewed certificate may be made for servers alone, as " + kPublicCasStop +
                                ", and the handshake then refuses it: ask the partner for one of a private CA, or "
                                "write MTLSPurpose serverAuth until=DATE");
            }
        }
    }

    // "" where it is not, or where more CAs than this have been asked for.
    std::string why_public(const AnchorCertificate& ca) {
        constexpr std::size_t kMostAsked = 1000;
        const auto found = why_public_.find(ca.sha256);
        if (found != why_public_.end()) return found->second;
        if (why_public_.size() == kMostAsked) return "";
        return why_public_.emplace(ca.sha256, public_cas_.why(*ca.decode())).first->second;
    }

    static bool is_self_issued(const X509& certificate) { return names_as_issuer(certificate, certificate); }

    // A file of a chain may have its anchor at the end.
    void check_intermediates(const Partner& partner) {
        const auto is_anchor = [&partner](const AnchorCertificate& c) {
            return std::any_of(
                partner.anchors->anchors.begin(), partner.anchors->anchors.end(), [&](const Anchor& anchor) {
                    return std::any_of(anchor.certificates.begin(), anchor.certificates.end(),
                                       [&](const AnchorCertificate& other) { return other.sha256 == c.sha256; });
                });
        };
        for (std::size_t i = 0; i < partner.intermediates.size(); ++i) {
            for (const AnchorCertificate& c : partner.intermediates[i]) {
                const std::string what = "MTLSIntermediate " + std::string(partner.intermediate_files[i]) + " of " +
                                         std::string(partner.name) + ": " + in_double_quotes(c.subject_text) + " ";
                if (!has_ca_flag(*c.decode())) {
                    std::string fault = c.is_ca ? why_it_issues_nothing(*c.decode()) : "";
                    fault.insert(0, fault.empty() ? "is no CA" : "makes no path, since ");
                    warn(partner.where, what + fault + ": nothing is issued by it");
                } else if (is_self_issued(*c.decode()) && !is_anchor(c)) {
                    warn(partner.where, what +
                                            "issued itself, and so leads to no trust anchor: where it is a CA that "
                                            "the partner has confirmed, write MTLSTrustAnchor");
                }
            }
        }
    }

    void check_anchor(const Anchor& anchor, const AnchorCertificate& c) {
        constexpr int kLeastSecurityBits = 112;  // NIST SP 800-57: RSA 2048, P-224
        const std::string what =
            "MTLSTrustAnchor " + std::string(anchor.file) + ": " + in_double_quotes(c.subject_text) + " ";
        const std::string date = format_time(c.not_after);
        const bool has_end = c.not_after != INT64_MIN;  // else the builder has reported it as malformed
        if (has_end && c.not_after < now_) {
            warn(anchor.where,
                 what + "expired on " + date + ": nothing under it is let in; ask the partner for the next one");
        } else if (has_end && c.not_after < soon_) {
            warn(anchor.where,
                 what + "expires on " + date + ": ask the partner for the next one, and add it beside this");
        }
        const X509Ptr certificate = c.decode();
        const std::string fault = has_ca_flag(*certificate) ? "" : why_it_issues_nothing(*certificate);
        if (c.is_ca && !fault.empty()) {
            warn(anchor.where, what + "is a CA's, and nothing that it issued is let in: " + fault +
                                   ": ask the partner for the CA's certificate without this fault");
        } else if (!fault.empty() && read_facts(*certificate).malformed.empty()) {  // else the builder reported it
            warn(anchor.where, what + "is let in alone, and nothing that it issued: " + fault +
                                   ": if it is a CA, ask the partner for its certificate with basicConstraints and "
                                   "keyCertSign");
        } else if (fault.empty() && !c.is_ca && !is_self_issued(*certificate)) {
            warn(anchor.where, what + "is no CA: it alone is let in, and nothing that its CA issues after it");
        }
        const EVP_PKEY* const key = X509_get0_pubkey(certificate.get());
        if (key != nullptr && EVP_PKEY_get_security_bits(key) < kLeastSecurityBits) {
            warn(anchor.where, what + "has a weak key: expected at least RSA with 2048 bits, or P-256");
        }
        int digest = NID_undef;
        X509_get_signature_info(certificate.get(), &digest, nullptr, nullptr, nullptr);
        if (digest == NID_sha1 || digest == NID_md5) {
            warn(anchor.where, what + "is signed with " + std::string(OBJ_nid2sn(digest)) +
                                   ": paths over it are refused, unless it is the anchor itself");
        }
    }

    void check_group(const Partner& partner, const GroupMembership& membership) {
        const std::string both = membership.conditions.contradiction();
        if (both.empty()) return;
        warn(partner.where, "MTLSGroup " + std::string(membership.names.front()) + " of " + std::string(partner.name) +
                                ": nobody is in it, no certificate has both " + both);
    }

    void check_identity(const Partner& partner, const Identity& identity) {
        const std::string both = identity.selectors.contradiction();
        if (both.empty()) return;
        warn(identity.where,
             "MTLSIdentity of " + std::string(partner.name) + " can never fit: no certificate has both " + both);
    }

    // An issuer that is none of the anchors: any CA below them can have that name. `anchor`: value of anchor=.
    void check_issuer(const Partner& partner, const std::optional<Text>& anchor, const Conditions& conditions,
                      const Where& where, const std::string& directive) {
        const auto is_key = [](const Selector& s) { return s.field() == Field::kIssuerSpki && !s.negated(); };
        if (std::any_of(conditions.begin(), conditions.end(), is_key)) return;
        for (const Selector& selector : conditions) {
            const bool is_name = selector.field() == Field::kIssuer || selector.field() == Field::kIssuerAttribute;
            if (!is_name || selector.negated() || bears_it(*partner.anchors, anchor, selector)) continue;
            return warn(where,
                        directive + " of " + std::string(partner.name) + ": " + in_quotes(selector.text()) +
                            " is only a name, and none of its trust anchors bears it: any CA below them can take "
                            "that name; name the CA itself with MTLSTrustAnchor, or use issuer.spki-sha256:");
        }
    }

    // Whether an anchor has the name, or none is a CA here.
    bool bears_it(const AnchorSet& set, const std::optional<Text>& anchor, const Selector& selector) {
        bool is_borne = true;
        for (const Anchor& one : set.anchors) {
            if (anchor && *anchor != one.file) continue;
            for (const AnchorCertificate& c : one.certificates) {
                if (!c.is_ca) continue;
                CertificateFacts issued;
                issued.issuer = read_name(*X509_get_subject_name(c.decode().get()));
                if (selector.test(issued, nullptr, Repeats::kAnyCounts) != Answer::kNo) return true;
                is_borne = false;
            }
        }
        return is_borne;
    }

    void check_grants(std::span<const Grant> grants) {
        for (const Grant& grant : grants) {
            const std::string both = grant.conditions.contradiction();
            if (!both.empty()) warn(grant.where, "MTLSGrant never holds: no certificate has both " + both);
        }
        for (std::size_t i = 0; i < grants.size(); ++i) {
            for (std::size_t k = 0; k < grants.size(); ++k) {
                if (i == k || !covers(grants[k], grants[i]) || (k > i && covers(grants[i], grants[k]))) continue;
                warn(grants[i].where, "MTLSGrant " + grants[i].text() + ": covered by the one at " +
                                          grants[k].where.str() + "; it adds nothing");
                break;
            }
        }
    }

    static bool covers(const Grant& wide, const Grant& narrow) {
        const bool conditions = wide.conditions.empty() || wide.conditions.texts() == narrow.conditions.texts();
        return conditions && wide.methods.covers(narrow.methods) &&
               std::all_of(narrow.paths.begin(), narrow.paths.end(), [&](const PathPattern& path) {
                   return std::any_of(wide.paths.begin(), wide.paths.end(),
                                      [&](const PathPattern& other) { return other.covers(path); });
               });
    }

    void check_overlaps() {
        for (const Overlap& overlap : find_overlaps(policy_)) {
            std::string text = "MTLSIdentity of " + std::string(overlap.partner->name);
            text += overlap.is_covered ? " is covered by that of " : " overlaps with that of ";
            text += std::string(overlap.other->name) + " at " + overlap.other_where.str();
            text += ", under a trust anchor that both have: a certificate with ";
            text += overlap.is_covered ? overlap.identity.text() + " is" : overlap.both + " fits both, and is then";
            warn(overlap.identity.where, text + " ambiguous, and refused");
        }
    }

    const Policy& policy_;
    const std::int64_t now_;
    const std::int64_t soon_;
    PublicCas public_cas_;
    std::map<std::string_view, std::string> why_public_;  // by SHA-256
    std::vector<Diagnostic> findings_;
};

bool is_slip(std::string_view wanted, const std::vector<std::string>& actual) {
    const std::vector<std::string_view> candidates(actual.begin(), actual.end());
    return nearest_of(wanted, candidates).has_value();
}

}  // namespace

std::vector<Diagnostic> lint_policy(const Policy& policy, std::int64_t now, int days) {
    return Linter(policy, now, days).run();
}

std::vector<Diagnostic> lint_refusals(const Policy& policy, const Refusals& refusals) {
    constexpr std::size_t kMostNamed = 10;
    std::vector<Diagnostic> out;
    if (policy.partners().empty()) return out;
    std::vector<std::string_view> names;
    std::size_t unknown = 0;
    for (const auto& [name, note, where] : refusals.suspended) {
        if (policy.find(name) != nullptr || ++unknown > kMostNamed) continue;
        if (names.empty()) {
            for (const Partner& partner : policy.partners()) names.push_back(partner.name);
        }
        out.push_back({Diagnostic::Severity::kWarning, where, unknown_suspension(name, names)});
    }
    if (unknown > kMostNamed) {
        out.push_back({Diagnostic::Severity::kWarning,
                       {},
                       "MTLSSuspend: " + std::to_string(unknown - kMostNamed) + " more names that no partner has"});
    }
    return out;
}

std::vector<NearMiss> find_near_misses(const Policy& policy, const CertificateFacts& facts, const PathFacts* path,
                                       std::size_t most) {
    std::vector<NearMiss> out;
    for (const Partner& partner : policy.partners()) {
        for (std::size_t i = 0; i < partner.identities.size(); ++i) {
            NearMiss miss{&partner, partner.identities.at(i), {}};
            bool something = false;
            for (const Selector& selector : miss.identity.selectors) {
                const Answer answer = selector.test(facts, path, Repeats::kMustBeSingle);
                if (answer == Answer::kYes) {
                    something = something || !selector.negated();
                    continue;
                }
                auto actual = selector.actual_values(facts);
                const std::string_view text = selector.text();
                const bool unclear = answer == Answer::kCannotTell;
                const bool close = !unclear && !selector.negated() && is_slip(text.substr(text.find(':') + 1), actual);
                const bool fits_somewhere =
                    unclear && !selector.negated() && selector.test(facts, path, Repeats::kAnyCounts) != Answer::kNo;
                something = something || close || fits_somewhere;
                const bool is_forbidden = selector.field() == Field::kPolicy && path != nullptr &&
                                          selector.test(facts, path, Repeats::kAnyCounts) == Answer::kCannotTell;
                miss.failures.push_back({selector, std::move(actual), close,
                                         unclear        ? selector.why_unclear(facts)
                                         : is_forbidden ? "the CAs above it allow it other policies, or none"
                                                        : std::string()});
            }
            if (something && !miss.failures.empty()) out.push_back(std::move(miss));
        }
    }
    std::stable_sort(out.begin(), out.end(),
                     [](const NearMiss& a, const NearMiss& b) { return a.failures.size() < b.failures.size(); });
    if (out.size() > most) out.resize(most);
    return out;
}

}  // namespace mtls
