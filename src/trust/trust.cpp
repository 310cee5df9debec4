#include "mtls_authz/trust/trust.hpp"

#include <algorithm>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/trust/bounded_cache.hpp"
#include "mtls_authz/trust/path_search.hpp"

namespace mtls {

namespace {

// Whether certificates form a path depends only on their content, so the result can be reused. Dates and revocation
// are not cached; they are checked every time.
struct VerifiedPath {
    std::vector<std::uint16_t> links;  // above the leaf: indexes into the offered certificates
    PathFacts facts;                   // see PathAnswer
    std::vector<std::string> ca_ids;
};

// One per process. Constructed on first use, so that loading the module runs no code, and an exception of the
// constructor denies one request.
auto& paths() {
    constexpr std::size_t kSlots = 4096;
    static BoundedCache<const VerifiedPath, kSlots> of_process;
    return of_process;
}

}  // namespace

PresentedCertificate::PresentedCertificate(X509& leaf_certificate, SentHelpers sent)
    : leaf(share(leaf_certificate)),
      helpers(std::move(sent.certificates)),
      facts(read_facts(leaf_certificate)),
      helper_digests(std::move(sent.digests)),
      left_out(sent.left_out) {
    const ErrorQueueGuard errors;
    if (helper_digests.empty()) {
        for (const X509Ptr& helper : helpers) helper_digests.push_back(certificate_sha256(*helper));
    }
    // Fills OpenSSL's cache of decoded extensions now, because several threads may use the certificates later. After a
    // resumption they are newly decoded.
    X509_check_purpose(leaf.get(), -1, 0);
    for (const X509Ptr& helper : helpers) X509_check_purpose(helper.get(), -1, 0);
}

std::string PresentedCertificate::sha256_of(const X509& certificate) const {
    if (&certificate == leaf.get()) return facts.sha256;
    for (std::size_t i = 0; i < std::min(helpers.size(), helper_digests.size()); ++i) {
        if (&certificate == helpers[i].get()) return helper_digests[i];
    }
    return certificate_sha256(certificate);
}

const std::string& PresentedCertificate::base64_der() const {
    return base64_der_.get([this] { return base64(encode(i2d_X509, *leaf)); });
}

namespace {

// The links that are valid at `now`. OpenSSL treats the second of notAfter as expired; RFC 5280 4.1.2.5 includes it.
std::vector<Link> valid_at(const std::vector<Link>& links, std::int64_t now) {
    std::vector<Link> out;
    for (const Link& link : links) {
        if (link.is_valid_at(now)) out.push_back(link);
    }
    return out;
}

// The cache key: everything that a path depends on. Empty if a digest is missing, or if there are too many
// certificates.
std::string text_of(const PathQuestion& question) {
    constexpr std::size_t kMostLinks = 32;
    if (question.trusted.size() + question.helpers.size() > kMostLinks || question.leaf.sha256.empty()) return {};
    std::string text = std::to_string(question.purpose) + "," + std::to_string(level_of(question)) + "," +
                       std::to_string(question.trusted.size()) + ":" + std::string(question.leaf.sha256);
    text.reserve(text.size() + 32 * (question.trusted.size() + question.helpers.size()));
    for (const auto* links : {&question.trusted, &question.helpers}) {
        for (const Link& link : *links) {
            if (link.sha256.empty()) return {};
            text += link.sha256;
        }
    }
    return text;
}

// The offered certificate at this index; the trusted ones come first.
X509* offered(const PathQuestion& question, std::size_t number) {
    const std::size_t trusted = question.trusted.size();
    return (number < trusted ? question.trusted[number] : question.helpers[number - trusted]).certificate;
}

void add_to_cache(const PathQuestion& question, const std::string& text, const PathAnswer& answer) {
    VerifiedPath path{{}, answer.facts, answer.ca_ids};
    const std::size_t all = question.trusted.size() + question.helpers.size();
    for (std::size_t i = 1; i < answer.chain.size(); ++i) {
        std::size_t number = 0;
        while (number < all && offered(question, number) != answer.chain[i].get()) ++number;
        if (number == all) return;
        path.links.push_back(static_cast<std::uint16_t>(number));
    }
    paths().insert(text, std::make_shared<const VerifiedPath>(std::move(path)));
}

PathAnswer from_cache(const PathQuestion& question, const VerifiedPath& path) {
    PathAnswer answer;
    answer.ok = true;
    answer.facts = path.facts;
    answer.ca_ids = path.ca_ids;
    answer.chain.push_back(share(*question.leaf.certificate));
    for (const std::uint16_t number : path.links) answer.chain.push_back(share(*offered(question, number)));
    return answer;
}

}  // namespace

Link::Link(X509* c, std::string_view digest) : certificate(c), sha256(digest) {
    const auto from = epoch_of(X509_get0_notBefore(c));
    const auto until = epoch_of(X509_get0_notAfter(c));
    if (!from || !until) return;  // never valid
    not_before = *from;
    not_after = *until;
}

PathAnswer verify_path(const PathQuestion& question) {
    const ErrorQueueGuard errors;
    PathQuestion current = question;
    current.trusted = valid_at(question.trusted, question.now);
    current.helpers = valid_at(question.helpers, question.now);
    const std::string text = text_of(current);
    if (!text.empty()) {
        if (const auto cached = paths().find(text)) {
            PathAnswer answer = from_cache(current, *cached);
            if (!question.objection || question.objection(answer).empty()) return answer;
        }
    }
    PathSearch search(current);
    PathAnswer answer = search.run();
    // Caches only the first path that OpenSSL accepts: the result must not depend on objections of earlier policies.
    if (answer.ok && !text.empty() && !search.met_objection()) add_to_cache(current, text, answer);
    if (answer.ok || search.saw_a_path()) return answer;
    // Searches again with the invalid ones included, to report which one has expired.
    return PathSearch(question).run();
}

}  // namespace mtls
