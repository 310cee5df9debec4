#include "mtls_authz/policy/policy.hpp"

#include <algorithm>
#include <iterator>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/trust/crl_signers.hpp"

namespace mtls {

const Partner* Policy::find(std::string_view name) const {
    const auto found = std::lower_bound(by_name_.begin(), by_name_.end(), name,
                                        [](const Partner* partner, std::string_view n) { return partner->name < n; });
    return found == by_name_.end() || (*found)->name != name ? nullptr : *found;
}

bool Policy::has_group(std::string_view name) const { return std::binary_search(groups_.begin(), groups_.end(), name); }

CertificateFile Policy::certificates_of(std::string_view digest) const {
    const auto found = std::lower_bound(certificates_.begin(), certificates_.end(), digest,
                                        [](const CertificatesByDigest& c, std::string_view d) { return c.digest < d; });
    return found != certificates_.end() && found->digest == digest ? CertificateFile(found->certificates)
                                                                   : CertificateFile();
}

std::vector<WatchedFiles> Policy::crl_files() const {
    std::vector<WatchedFiles> out;
    for (const CrlFile& f : crl_files_) out.push_back({std::string(f.pattern), std::string(f.spelled), f.where});
    return out;
}

std::vector<X509Ptr> Policy::ends_named(const std::string& name, const std::vector<X509Ptr>& server_cas) const {
    std::vector<X509Ptr> out = cas().anchors_named(name);
    std::vector<X509Ptr> topmost = some_trust_mod_ssl_ ? topmost_of(server_cas)(name) : std::vector<X509Ptr>();
    std::move(topmost.begin(), topmost.end(), std::back_inserter(out));
    return out;
}

// Also checks that all indexes refer to existing lines, partners and files.
bool Policy::is_inside(const Bounds& in) const {
    std::size_t identities = 0;
    return in.hold_all(partners_, by_name_, groups_, cas_, edges_, index_, any_by_issuer_, revocations_, grants_,
                       front_keys_, expectations_, expected_certificates_, crl_files_, files_, certificates_,
                       generation_) &&
           std::all_of(partners_.begin(), partners_.end(),
                       [&](const Partner& partner) {
                           const bool follows = partner.first_identity == identities;
                           identities += partner.identities.size();
                           return follows;
                       }) &&
           identities == identity_count_ && index_.has_ids_below(identities) &&
           std::all_of(any_by_issuer_.begin(), any_by_issuer_.end(),
                       [&](const AnyLine& line) { return line.identity < identities; });
}

Policy::Match Policy::match_of(std::uint32_t identity) const {
    const auto after = std::upper_bound(partners_.begin(), partners_.end(), identity,
                                        [](std::uint32_t i, const Partner& p) { return i < p.first_identity; });
    const Partner& partner = *std::prev(after);
    return {&partner, partner.identities.at(identity - partner.first_identity), identity};
}

Policy::Edges Policy::edges_around(std::int64_t now) const {
    Edges out;
    const auto next = std::upper_bound(edges_.begin(), edges_.end(), now);
    if (next != edges_.end()) out.next = *next;
    if (next != edges_.begin()) out.last = *std::prev(next);
    return out;
}

Policy::LinearScan Policy::worst_scan() const {
    const bool always = index_.linear().size() >= index_.longest().size();
    const auto lines = always ? index_.linear() : index_.longest();
    if (lines.empty()) return {};
    return {lines.size(), always, match_of(lines.front()).identity};
}

std::vector<Policy::Match> Policy::matching_identities(const CertificateFacts& facts) const {
    std::vector<Match> matches;
    for (const std::uint32_t id : index_.candidates(facts, {})) {
        const Match match = match_of(id);
        if (match.identity.selectors.hold(facts, nullptr)) matches.push_back(match);
    }
    return matches;
}

void Policy::add_any_matches(const NearestCa& nearest, const CertificateFacts& facts,
                             std::vector<Match>& matches) const {
    const std::size_t before = matches.size();
    const std::vector<std::string> leaf = {facts.sha256};
    for (const std::string& issuer : nearest.is_leaf_itself ? leaf : nearest.ca_ids) {
        auto found = std::lower_bound(any_by_issuer_.begin(), any_by_issuer_.end(), issuer,
                                      [](const AnyLine& line, std::string_view id) { return line.issuer < id; });
        for (; found != any_by_issuer_.end() && found->issuer == issuer; ++found) {
            matches.push_back(match_of(found->identity));
        }
    }
    if (matches.size() == before) return;
    std::sort(matches.begin(), matches.end(), [](const Match& a, const Match& b) { return a.order < b.order; });
}

std::string Partner::network_objection(std::string_view address) const {
    const std::string_view raw = without_mapping(address);
    const auto holds = [raw](const Network& network) { return network.contains(raw); };
    if (networks.empty() || std::any_of(networks.begin(), networks.end(), holds)) return {};
    constexpr std::size_t kMostListed = 8;
    const std::size_t more = networks.size() - std::min(networks.size(), kMostListed);
    const bool is_ip = raw.size() == 4 || raw.size() == 16;
    return (is_ip ? ip_text(raw) : "a client without an IP address") + " is not in " +
           texts_of(std::span(networks).first(networks.size() - more)) +
           (more == 0 ? "" : " and " + std::to_string(more) + " more");
}

std::string names_of(const std::vector<const Partner*>& partners, std::string_view separator) {
    std::string out;
    for (const Partner* partner : partners) {
        out += out.empty() ? "" : separator;
        out += partner->name;
    }
    return out;
}

}  // namespace mtls
