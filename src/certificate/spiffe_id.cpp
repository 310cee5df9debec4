#include "mtls_authz/certificate/spiffe_id.hpp"

#include <algorithm>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/uri.hpp"

namespace mtls {

namespace {

constexpr std::size_t kLongestTrustDomain = 255;
constexpr std::size_t kLongestSpiffeId = 2048;

bool is_of_domain(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || c == '.' || c == '-' || c == '_'; }

// SPIFFE-ID 2.2: segments are not empty, and contain no characters that could be decoded differently.
bool is_path(std::string_view path) {
    const auto segments = segments_of(path);
    return path.starts_with('/') && std::none_of(segments.begin(), segments.end(), [](std::string_view segment) {
               return segment.empty() || segment == "." || segment == ".." ||
                      !std::all_of(segment.begin(), segment.end(),
                                   [](char c) { return is_alnum(c) || c == '.' || c == '-' || c == '_'; });
           });
}

}  // namespace

std::string trust_domain_fault(std::string_view name) {
    const bool is_name =
        !name.empty() && name.size() <= kLongestTrustDomain && std::all_of(name.begin(), name.end(), is_of_domain);
    if (is_name) return {};
    const std::string quoted = in_quotes(name, 200);
    const std::string bare = lower(name.substr(name.starts_with(kSpiffeScheme) ? kSpiffeScheme.size() : 0));
    return quoted + " is no name of a trust domain" +
           (bare != name && trust_domain_fault(bare).empty() ? " (did you mean '" + bare + "'?)" : "") +
           ": expected 1 to 255 lower-case letters, digits, '.', '-' and '_', like acme.example";
}

std::string_view trust_domain_of(std::string_view uri) {
    if (!uri.starts_with(kSpiffeScheme)) return {};
    uri.remove_prefix(kSpiffeScheme.size());
    return uri.substr(0, uri.find_first_of("/?#"));
}

std::string svid_fault(const CertificateFacts& facts, std::string_view trust_domain) {
    const std::string what = std::string(kNoSvid) + std::string(trust_domain) + ": ";
    if (facts.is_ca) return what + "it is a CA";
    if (facts.signs_certificates) return what + "its keyUsage lets it sign certificates or CRLs";
    if (facts.uri.empty()) return what + "it has no URI";
    if (facts.uri.size() > 1) return what + "it has " + std::to_string(facts.uri.size()) + " URIs, and one is expected";
    const std::string& id = facts.uri.front();
    const std::string domain = std::string(kSpiffeScheme) + std::string(trust_domain);
    const std::string_view path = std::string_view(id).substr(std::min(domain.size(), id.size()));
    if (id.starts_with(domain) && id.size() <= kLongestSpiffeId && is_path(path)) return {};
    return what + "its URI " + in_quotes(id, 200) + " is not " + domain + "/ and a path of letters, digits, '.', " +
           "'-' and '_' between slashes";
}

}  // namespace mtls
