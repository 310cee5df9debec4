#include "mtls_authz/trust.hpp"

#include <openssl/pem.h>

#include <algorithm>
#include <atomic>

#include "mtls_authz/signature_memory.hpp"
#include "mtls_authz/text.hpp"

namespace mtls {

namespace {

// RFC 5280 sets no limit; mod_ssl's default is 1, and no partner's PKI comes near ten.
constexpr int kDeepestPath = 10;

bool exists_at(const std::vector<TimeWindow>& windows, std::int64_t now) {
    return std::any_of(windows.begin(), windows.end(), [now](const TimeWindow& w) { return w.contains(now); });
}

SignatureMemory signatures;  // of this process

// `digest`, `issuer_key`: SHA-256 of the certificate, and of the issuer's key.
bool signed_by(const X509& certificate, const std::string& digest, const X509& issuer, const std::string& issuer_key) {
    const std::string link = sha256("link" + digest + issuer_key);
    if (signatures.knows(link)) return true;
    const ErrorQueueGuard errors;
    EVP_PKEY* const key = X509_get0_pubkey(&issuer);
    // X509_verify() caches in the certificate and takes it non-const; its locks make that safe.
    const bool verified = key != nullptr && X509_verify(const_cast<X509*>(&certificate), key) == 1;
    if (verified) signatures.remember(link);
    return verified;
}

bool has_basic_constraints_ca(const X509& certificate) {
    constexpr int kByBasicConstraints = 1;
    return X509_check_ca(const_cast<X509*>(&certificate)) == kByBasicConstraints;
}

}  // namespace

Result<std::vector<AnchorCertificate>> read_certificates(const std::string& pem, const std::string& file) {
    const ErrorQueueGuard errors;
    const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    std::vector<AnchorCertificate> out;
    for (;;) {
        X509Ptr certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
        if (!certificate) break;
        AnchorCertificate anchor;
        anchor.facts = read_facts(*certificate);
        // Fills OpenSSL's cache of extensions now, once, instead of under a lock in a request.
        X509_check_purpose(certificate.get(), -1, 0);
        anchor.is_ca = has_basic_constraints_ca(*certificate);
        anchor.certificate = std::move(certificate);
        out.push_back(std::move(anchor));
    }
    const unsigned long last = ERR_peek_last_error();
    const bool at_end = ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
    if (!at_end || out.empty()) {
        return Error{"'" + file + "' " +
                     (out.empty() ? "holds no PEM certificate" : "holds a certificate that cannot be read") +
                     ": expected one or more blocks of -----BEGIN CERTIFICATE-----"};
    }
    return out;
}

void CaDirectory::add(const AnchorCertificate& anchor, const TimeWindow& window) {
    const bool is_new =
        added_.emplace(&anchor, window.from.value_or(INT64_MIN), window.until.value_or(INT64_MAX)).second;
    if (!is_new) return;
    if (!anchor.is_ca) {
        LeafAnchor& leaf = leaves_[anchor.facts.sha256];
        leaf.certificates.push_back(&anchor);
        leaf.windows.push_back(window);
        return;
    }
    const std::string id = anchor.ca_id();
    Issuer& issuer = cas_[id];
    if (issuer.certificates.empty()) by_name_[anchor.facts.subject.canonical].push_back(id);
    issuer.certificates.push_back(&anchor);
    issuer.windows.push_back(window);
}

void CaDirectory::add_intermediate(X509& certificate) {
    if (!known_intermediates_.insert(&certificate).second) return;
    intermediates_[read_name(*X509_get_subject_name(&certificate)).canonical].push_back(&certificate);
}

std::vector<X509*> CaDirectory::intermediates_named(const std::string& canonical) const {
    const auto found = intermediates_.find(canonical);
    return found == intermediates_.end() ? std::vector<X509*>() : found->second;
}

const CaDirectory::Issuer* CaDirectory::issuer_of(const X509& certificate, const std::string& digest,
                                                  const DistinguishedName& issuer_name, std::int64_t now,
                                                  bool& same_name) const {
    const auto named = by_name_.find(issuer_name.canonical);
    if (named == by_name_.end()) return nullptr;
    bool known_key = false;
    for (const std::string& id : named->second) {
        const Issuer& issuer = cas_.find(id)->second;
        const AnchorCertificate& ca = *issuer.certificates.front();
        if (!signed_by(certificate, digest, *ca.certificate, ca.facts.spki_sha256)) continue;
        known_key = true;
        if (exists_at(issuer.windows, now)) return &issuer;
    }
    if (!known_key) same_name = true;
    return nullptr;
}

bool CaDirectory::knows_leaf(const std::string& sha256, std::int64_t now) const {
    const auto found = leaves_.find(sha256);
    return found != leaves_.end() && exists_at(found->second.windows, now);
}

bool CaDirectory::names(const std::string& ca_id, std::int64_t now) const {
    const auto found = cas_.find(ca_id);
    return found != cas_.end() && exists_at(found->second.windows, now);
}

std::vector<X509*> CaDirectory::anchors_for(const std::vector<X509*>& chain, std::int64_t now) const {
    std::vector<X509*> out;
    if (chain.empty()) return out;
    if (knows_leaf(certificate_sha256(*chain.front()), now)) out.push_back(chain.front());
    std::set<std::string> seen;
    for (X509* certificate : chain) {
        const auto named = by_name_.find(read_name(*X509_get_issuer_name(certificate)).canonical);
        if (named == by_name_.end() || !seen.insert(named->first).second) continue;
        for (const std::string& id : named->second) {
            const Issuer& issuer = cas_.find(id)->second;
            for (std::size_t i = 0; i < issuer.certificates.size(); ++i) {
                if (issuer.windows[i].contains(now)) out.push_back(issuer.certificates[i]->certificate.get());
            }
        }
    }
    return out;
}

void CaDirectory::finish() {
    added_.clear();
    known_intermediates_.clear();
    std::map<std::string, Announced> names;
    const auto add = [&names](const DistinguishedName& name, X509_NAME* encoded,
                              const std::vector<TimeWindow>& windows) {
        constexpr std::size_t kLength = 2;  // bytes before each name
        const auto size = static_cast<std::size_t>(std::max(0, i2d_X509_NAME(encoded, nullptr))) + kLength;
        names.emplace(name.canonical, Announced{encoded, size, {}}).first->second.windows.push_back(&windows);
    };
    for (const auto& [id, issuer] : cas_) {
        const AnchorCertificate& ca = *issuer.certificates.front();
        add(ca.facts.subject, X509_get_subject_name(ca.certificate.get()), issuer.windows);
    }
    for (const auto& [digest, leaf] : leaves_) {
        const AnchorCertificate& c = *leaf.certificates.front();
        add(c.facts.issuer, X509_get_issuer_name(c.certificate.get()), leaf.windows);
    }
    announced_.clear();
    for (auto& [canonical, name] : names) announced_.push_back(std::move(name));
}

std::optional<std::vector<X509_NAME*>> CaDirectory::announced_names(std::size_t limit, std::int64_t now) const {
    std::vector<X509_NAME*> out;
    std::size_t size = 0;
    for (const Announced& name : announced_) {
        const bool exists = std::any_of(name.windows.begin(), name.windows.end(),
                                        [now](const auto* windows) { return exists_at(*windows, now); });
        if (!exists) continue;
        size += name.size;
        if (size > limit) return std::nullopt;
        out.push_back(name.name);
    }
    return out;
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
            return signed_by(*certificate, digest, *ca, key);
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
    std::map<const X509*, std::string> seen = {{presented.leaf.get(), presented.facts.sha256}};  // with their digests
    for (int depth = 0; depth <= kDeepestPath && !level.empty(); ++depth) {
        std::vector<const X509*> above;
        for (const X509* certificate : level) {
            const DistinguishedName issuer_name = read_name(*X509_get_issuer_name(certificate));
            const auto* issuer =
                directory.issuer_of(*certificate, seen[certificate], issuer_name, now, nearest.same_name_other_key);
            if (issuer != nullptr) {
                const std::string id = issuer->certificates.front()->ca_id();
                if (std::find(nearest.ca_ids.begin(), nearest.ca_ids.end(), id) != nearest.ca_ids.end()) continue;
                nearest.ca_ids.push_back(id);
                for (const AnchorCertificate* c : issuer->certificates) {
                    nearest.above.push_back({c->facts.sha256, c->facts.spki_sha256});
                }
                continue;
            }
            std::vector<X509*> helpers = directory.intermediates_named(issuer_name.canonical);
            for (const X509Ptr& sent : presented.helpers) helpers.push_back(sent.get());
            for (X509* helper : helpers) {
                if (seen.contains(helper) || !has_basic_constraints_ca(*helper)) continue;
                if (X509_NAME_cmp(X509_get_issuer_name(certificate), X509_get_subject_name(helper)) != 0) continue;
                const std::string key = spki_sha256(*helper);
                if (!signed_by(*certificate, seen[certificate], *helper, key)) continue;
                above.push_back(helper);
                nearest.above.push_back({seen.emplace(helper, certificate_sha256(*helper)).first->second, key});
            }
        }
        if (!nearest.ca_ids.empty()) return nearest;
        level = std::move(above);
    }
    add_server_issuers(server, seen, nearest.above);
    return nearest;
}

namespace {

BorrowedX509Stack stack_of(const std::vector<X509*>& certificates) {
    BorrowedX509Stack stack(sk_X509_new_null());
    if (!stack) throw std::bad_alloc();
    for (X509* certificate : certificates) {
        if (sk_X509_push(stack.get(), certificate) == 0) throw std::bad_alloc();
    }
    return stack;
}

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
std::vector<X509*> valid_at(const std::vector<X509*>& certificates, std::int64_t now) {
    if (now == kAnyTime) return certificates;
    std::vector<X509*> out;
    for (X509* certificate : certificates) {
        const auto not_before = epoch_of(X509_get0_notBefore(certificate));
        const auto not_after = epoch_of(X509_get0_notAfter(certificate));
        if (not_before && not_after && *not_before <= now && now <= *not_after) out.push_back(certificate);
    }
    return out;
}

std::atomic<X509_STORE_CTX_verify_fn> openssl_verify{nullptr};

// In place of OpenSSL's last step, which verifies the signatures of the path that it has built: the same path, byte for
// byte, is not verified again. (That step looks at dates too, unless told not to; but then this one is not used.)
int verify_signatures_once(X509_STORE_CTX* ctx) {
    STACK_OF(X509)* const chain = X509_STORE_CTX_get0_chain(ctx);
    std::string path = "path";
    for (int i = 0; i < sk_X509_num(chain); ++i) path += certificate_sha256(*sk_X509_value(chain, i));
    const std::string digest = sha256(path);
    if (signatures.knows(digest)) return 1;
    const int verified = openssl_verify.load()(ctx);
    if (verified == 1 && X509_STORE_CTX_get_error(ctx) == X509_V_OK) signatures.remember(digest);
    return verified;
}

extern "C" int on_verify_signatures(X509_STORE_CTX* ctx) noexcept {
    try {
        return verify_signatures_once(ctx);
    } catch (const std::exception&) {
        X509_STORE_CTX_set_error(ctx, X509_V_ERR_OUT_OF_MEM);
        return 0;
    }
}

PathAnswer build_path(const PathQuestion& question, unsigned long flags) {
    const BorrowedX509Stack trusted = stack_of(question.trusted);
    const BorrowedX509Stack helpers = stack_of(question.helpers);
    const X509StorePtr empty_store(X509_STORE_new());
    const X509StoreCtxPtr ctx(X509_STORE_CTX_new());
    PathAnswer answer;
    if (!empty_store || !ctx || X509_STORE_CTX_init(ctx.get(), empty_store.get(), question.leaf, helpers.get()) != 1) {
        throw std::bad_alloc();
    }
    X509_STORE_CTX_set0_trusted_stack(ctx.get(), trusted.get());
    openssl_verify = X509_STORE_CTX_get_verify(ctx.get());
    if (flags == X509_V_FLAG_NO_CHECK_TIME) X509_STORE_CTX_set_verify(ctx.get(), on_verify_signatures);
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

PathAnswer verify_path(const PathQuestion& question) {
    const ErrorQueueGuard errors;
    PathQuestion current = question;
    current.trusted = valid_at(question.trusted, question.now);
    current.helpers = valid_at(question.helpers, question.now);
    PathAnswer answer = build_path(current, X509_V_FLAG_NO_CHECK_TIME);
    if (answer.ok || question.now == kAnyTime) return answer;
    // With the others back in, OpenSSL says which of them has expired.
    PathAnswer why = build_path(question, 0);
    if (!why.ok) answer.detail = why.detail;
    return answer;
}

// ---- in the handshake -------------------------------------------------------------------------------------------

namespace {

// A verification of the same certificate as `ctx`, with its store and parameters, and without its callback.
X509StoreCtxPtr second_context(X509_STORE_CTX* ctx) {
    X509StoreCtxPtr out(X509_STORE_CTX_new());
    if (!out || X509_STORE_CTX_init(out.get(), X509_STORE_CTX_get0_store(ctx), X509_STORE_CTX_get0_cert(ctx),
                                    X509_STORE_CTX_get0_untrusted(ctx)) != 1) {
        throw std::bad_alloc();
    }
    X509_VERIFY_PARAM_set1(X509_STORE_CTX_get0_param(out.get()), X509_STORE_CTX_get0_param(ctx));
    return out;
}

// Quietly: the callback writes a line for whatever fails.
bool would_verify(X509_STORE_CTX* ctx) {
    const ErrorQueueGuard errors;
    const X509StoreCtxPtr trial = second_context(ctx);
    return X509_verify_cert(trial.get()) == 1;
}

}  // namespace

int verify_with_anchors(X509_STORE_CTX* ctx, const CaDirectory& anchors, int ssl_index, std::int64_t now) {
    std::vector<X509*> chain = {X509_STORE_CTX_get0_cert(ctx)};
    STACK_OF(X509)* const untrusted = X509_STORE_CTX_get0_untrusted(ctx);
    for (int i = 0; i < sk_X509_num(untrusted); ++i) chain.push_back(sk_X509_value(untrusted, i));
    const auto candidates = anchors.anchors_for(chain, now);
    if (candidates.empty() || would_verify(ctx)) return X509_verify_cert(ctx);

    const BorrowedX509Stack trusted = stack_of(candidates);
    const X509StoreCtxPtr own = second_context(ctx);
    X509_STORE_CTX_set0_trusted_stack(own.get(), trusted.get());
    X509_STORE_CTX_set_flags(own.get(), X509_V_FLAG_PARTIAL_CHAIN);
    X509_STORE_CTX_set_verify_cb(own.get(), X509_STORE_CTX_get_verify_cb(ctx));
    X509_STORE_CTX_set_ex_data(own.get(), ssl_index, X509_STORE_CTX_get_ex_data(ctx, ssl_index));
    const int verified = X509_verify_cert(own.get());
    X509_STORE_CTX_set_error(ctx, X509_STORE_CTX_get_error(own.get()));
    X509_STORE_CTX_set_error_depth(ctx, X509_STORE_CTX_get_error_depth(own.get()));
    X509_STORE_CTX_set0_verified_chain(ctx, X509_STORE_CTX_get1_chain(own.get()));
    return verified;
}

}  // namespace mtls
