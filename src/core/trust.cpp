#include "mtls_authz/trust.hpp"

#include <algorithm>
#include <deque>

#include "mtls_authz/path_memory.hpp"
#include "mtls_authz/signature_memory.hpp"
#include "mtls_authz/text.hpp"

namespace mtls {

namespace {

// RFC 5280 sets no limit; mod_ssl's default is 1, and no partner's PKI comes near ten.
constexpr int kDeepestPath = 10;

// Of this process. Made when first asked: loading the module runs nothing, and what is thrown denies.
PathMemory& paths() {
    static PathMemory of_process;
    return of_process;
}

}  // namespace

PresentedCertificate::PresentedCertificate(X509& leaf_certificate, std::vector<X509Ptr> helper_certificates)
    : leaf(share(leaf_certificate)), helpers(std::move(helper_certificates)), facts(read_facts(leaf_certificate)) {
    const ErrorQueueGuard errors;
    for (const X509Ptr& helper : helpers) helper_digests.push_back(certificate_sha256(*helper));
    // Several threads may ask about them: so OpenSSL's cache of extensions is filled before. A resumed session's are
    // fresh from their encoding.
    X509_check_purpose(leaf.get(), -1, 0);
    for (const X509Ptr& helper : helpers) X509_check_purpose(helper.get(), -1, 0);
}

namespace {

// Who among mod_ssl's CAs issued one of these: no CA of the policy did, but a revocation may name one of mod_ssl's.
void add_server_issuers(const ServerCas& server, const std::map<const X509*, std::string>& seen,
                        std::vector<CaDigests>& above) {
    for (const X509Ptr& ca : server.certificates) {
        std::string key;
        const bool issued = std::any_of(seen.begin(), seen.end(), [&](const auto& known) {
            const auto& [certificate, digest] = known;
            if (X509_NAME_cmp(X509_get_issuer_name(certificate), X509_get_subject_name(ca.get())) != 0) return false;
            if (key.empty()) key = spki_sha256(*ca);
            return is_signed_by(*certificate, digest, key, [&]() -> const X509Ptr& { return ca; });
        });
        if (issued) above.push_back({certificate_sha256(*ca), key});
    }
}

}  // namespace

NearestCa find_nearest_ca(const CaDirectory& directory, const PresentedCertificate& presented, const ServerCas& server,
                          std::int64_t now) {
    NearestCa nearest;
    if (directory.knows_leaf(presented.facts.sha256, now)) {
        nearest.is_leaf_itself = true;
        return nearest;
    }
    // Breadth first, one depth at a time. A signature verifies under one key only, so at each step name and key of the
    // issuer are certain, whatever the client chose to send or to leave out.
    std::vector<const X509*> level = {presented.leaf.get()};
    std::vector<X509Ptr> held;  // what was decoded
    std::deque<DistinguishedName> other_names;
    std::map<const X509*, std::string> seen = {{presented.leaf.get(), presented.facts.sha256}};  // with their digests
    for (int depth = 0; depth <= kDeepestPath && !level.empty(); ++depth) {
        std::vector<const X509*> above;
        for (const X509* certificate : level) {
            const bool is_leaf = certificate == presented.leaf.get();
            const DistinguishedName& issuer_name =
                is_leaf ? presented.facts.issuer
                        : other_names.emplace_back(read_name(*X509_get_issuer_name(certificate)));
            const auto* issuer =
                directory.issuer_of(*certificate, seen[certificate], issuer_name, now, nearest.same_name_other_key);
            if (issuer != nullptr) {
                const std::string id = issuer->certificates.front()->ca_id();
                if (std::find(nearest.ca_ids.begin(), nearest.ca_ids.end(), id) != nearest.ca_ids.end()) continue;
                nearest.ca_ids.push_back(id);
                for (const AnchorCertificate* c : issuer->certificates) {
                    nearest.above.push_back({std::string(c->sha256), std::string(c->spki_sha256)});
                }
                continue;
            }
            std::vector<std::pair<X509*, std::string_view>> helpers;  // with their digests, where they are known
            for (const AnchorCertificate* c : directory.intermediates_named(issuer_name.canonical)) {
                helpers.emplace_back(held.emplace_back(c->decode()).get(), c->sha256);
            }
            const bool has_digests = presented.helper_digests.size() == presented.helpers.size();
            for (std::size_t i = 0; i < presented.helpers.size(); ++i) {
                const std::string_view digest = has_digests ? presented.helper_digests[i] : std::string_view();
                helpers.emplace_back(presented.helpers[i].get(), digest);
            }
            for (const auto& candidate : helpers) {
                X509* const helper = candidate.first;
                if (seen.contains(helper) || !says_it_is_a_ca(*helper)) continue;
                if (X509_NAME_cmp(X509_get_issuer_name(certificate), X509_get_subject_name(helper)) != 0) continue;
                const std::string key = spki_sha256(*helper);
                if (!is_signed_by(*certificate, seen[certificate], key, [&] { return helper; })) continue;
                above.push_back(helper);
                const std::string digest =
                    candidate.second.empty() ? certificate_sha256(*helper) : std::string(candidate.second);
                seen.emplace(helper, digest);
                nearest.above.push_back({digest, key});
            }
        }
        if (!nearest.ca_ids.empty()) return nearest;
        level = std::move(above);
    }
    add_server_issuers(server, seen, nearest.above);
    return nearest;
}

namespace {

std::string describe_failure(X509_STORE_CTX* ctx) {
    std::string detail = X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx));
    const X509* const at = X509_STORE_CTX_get_current_cert(ctx);
    if (at != nullptr && X509_STORE_CTX_get_error_depth(ctx) > 0) {
        detail += " (at CA " + read_name(*X509_get_subject_name(at)).text() + ")";
    }
    return detail;
}

// Those that are valid at `now`. OpenSSL takes the second of notAfter for expired already; RFC 5280 4.1.2.5 includes
// it.
std::vector<Link> valid_at(const std::vector<Link>& links, std::int64_t now) {
    std::vector<Link> out;
    for (const Link& link : links) {
        if (now == kAnyTime || (link.not_before <= now && now <= link.not_after)) out.push_back(link);
    }
    return out;
}

std::vector<X509*> certificates_of(const std::vector<Link>& links) {
    std::vector<X509*> out;
    for (const Link& link : links) out.push_back(link.certificate);
    return out;
}

PathAnswer build_path(const PathQuestion& question, unsigned long flags) {
    const BorrowedX509Stack trusted = stack_of(certificates_of(question.trusted));
    const BorrowedX509Stack helpers = stack_of(certificates_of(question.helpers));
    const X509StorePtr empty_store(X509_STORE_new());
    const X509StoreCtxPtr ctx(X509_STORE_CTX_new());
    PathAnswer answer;
    if (!empty_store || !ctx ||
        X509_STORE_CTX_init(ctx.get(), empty_store.get(), question.leaf.certificate, helpers.get()) != 1) {
        throw std::bad_alloc();
    }
    X509_STORE_CTX_set0_trusted_stack(ctx.get(), trusted.get());
    X509_VERIFY_PARAM* const param = X509_STORE_CTX_get0_param(ctx.get());
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN | flags);
    X509_VERIFY_PARAM_set_purpose(param, question.purpose);
    X509_VERIFY_PARAM_set_depth(param, kDeepestPath);
    X509_VERIFY_PARAM_set_auth_level(param, std::max(1, question.security_level));
    if (flags == 0) X509_VERIFY_PARAM_set_time(param, static_cast<time_t>(question.now));

    answer.ok = X509_verify_cert(ctx.get()) == 1 && X509_STORE_CTX_get_error(ctx.get()) == X509_V_OK;
    if (!answer.ok) {
        answer.detail = describe_failure(ctx.get());
        return answer;
    }
    STACK_OF(X509)* const chain = X509_STORE_CTX_get0_chain(ctx.get());
    for (int i = 0; i < sk_X509_num(chain); ++i) answer.chain.push_back(share(*sk_X509_value(chain, i)));
    for (int i = 1; i < sk_X509_num(chain); ++i) {
        const X509& ca = *sk_X509_value(chain, i);
        answer.ca_keys.push_back(spki_sha256(ca));
        answer.ca_ids.push_back(answer.ca_keys.back() + read_name(*X509_get_subject_name(&ca)).canonical);
    }
    return answer;
}

}  // namespace

namespace {

// All that a path depends on, in one text; empty where something is not known, or it is too much.
std::string text_of(const PathQuestion& question) {
    constexpr std::size_t kMostLinks = 32;
    if (question.trusted.size() + question.helpers.size() > kMostLinks || question.leaf.sha256.empty()) return {};
    std::string text = std::to_string(question.purpose) + "," + std::to_string(question.security_level) + "," +
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

// The offered certificate of this number: the trusted ones first.
X509* offered(const PathQuestion& question, std::size_t number) {
    const std::size_t trusted = question.trusted.size();
    return (number < trusted ? question.trusted[number] : question.helpers[number - trusted]).certificate;
}

void remember(const PathQuestion& question, const std::string& text, const PathAnswer& answer) {
    PathMemory::Path path{{}, answer.ca_keys, answer.ca_ids};
    const std::size_t all = question.trusted.size() + question.helpers.size();
    for (std::size_t i = 1; i < answer.chain.size(); ++i) {
        std::size_t number = 0;
        while (number < all && offered(question, number) != answer.chain[i].get()) ++number;
        if (number == all) return;
        path.links.push_back(static_cast<std::uint16_t>(number));
    }
    paths().remember(text, std::move(path));
}

PathAnswer recall(const PathQuestion& question, const PathMemory::Path& path) {
    PathAnswer answer;
    answer.ok = true;
    answer.ca_keys = path.ca_keys;
    answer.ca_ids = path.ca_ids;
    answer.chain.push_back(share(*question.leaf.certificate));
    for (const std::uint16_t number : path.links) answer.chain.push_back(share(*offered(question, number)));
    return answer;
}

}  // namespace

Link::Link(X509* c, std::string_view digest) : certificate(c), sha256(digest) {
    const auto from = epoch_of(X509_get0_notBefore(c));
    const auto until = epoch_of(X509_get0_notAfter(c));
    if (!from || !until) return;  // valid at no time
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
        if (const auto known = paths().find(text)) return recall(current, *known);
    }
    PathAnswer answer = build_path(current, X509_V_FLAG_NO_CHECK_TIME);
    if (answer.ok && !text.empty()) remember(current, text, answer);
    if (answer.ok || question.now == kAnyTime) return answer;
    // With the others back in, OpenSSL says which of them has expired.
    PathAnswer why = build_path(question, 0);
    if (!why.ok) answer.detail = why.detail;
    return answer;
}

}  // namespace mtls
