#include "mtls_authz/trust/handshake_path.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "mtls_authz/trust/signature_cache.hpp"

namespace mtls {

namespace {

constexpr std::size_t kDeepestPath = 10;

// A path from the leaf to an anchor.
struct AnchorPath {
    std::vector<X509*> helpers;  // between leaf and anchor, borrowed from the search
    X509Ptr anchor;

    bool exists_at(std::int64_t now) const {
        const auto is_valid = [now](X509* c) {
            const Link link(c);
            return link.not_before <= now && now <= link.not_after;
        };
        return is_valid(anchor.get()) && std::all_of(helpers.begin(), helpers.end(), is_valid);
    }
};

// Finds the certificates that signed a certificate above a leaf, and the anchors above them. Bounded for any input,
// because a chain costs the peer less to make than us to verify.
class IssuerSearch {
public:
    IssuerSearch(X509& leaf, std::vector<X509*> sent, const CaDirectory& policy)
        : leaf_(leaf), sent_(std::move(sent)), policy_(policy) {
        constexpr std::size_t kMostLooked = 32;
        if (sent_.size() > kMostLooked) sent_.resize(kMostLooked);
        std::erase_if(sent_, [this](X509* one) { return is_root(*one, KeyOf::kPeer); });
    }

    // The shortest paths first; paths whose CAs are all valid before the others.
    std::vector<AnchorPath> paths(std::int64_t now) {
        constexpr std::size_t kMostPaths = 16;
        constexpr int kMostSteps = 64;
        std::vector<AnchorPath> out;
        if (policy_.has_leaf_anchor(certificate_sha256(leaf_), now)) out.push_back({{}, share(leaf_)});
        std::deque<std::vector<X509*>> open = {{}};
        for (int step = 0; !open.empty() && step < kMostSteps && out.size() < kMostPaths; ++step) {
            const std::vector<X509*> below = std::move(open.front());
            open.pop_front();
            const Above& above = find_above(below.empty() ? leaf_ : *below.back(), now);
            for (const X509Ptr& anchor : above.anchors) out.push_back({below, share(*anchor)});
            if (below.size() == kDeepestPath) continue;
            for (X509* helper : above.helpers) {
                if (std::find(below.begin(), below.end(), helper) != below.end()) continue;
                open.push_back(below);
                open.back().push_back(helper);
            }
        }
        std::stable_partition(out.begin(), out.end(), [now](const AnchorPath& path) { return path.exists_at(now); });
        return out;
    }

    // The policy's intermediates that were found.
    const std::set<X509*>& from_policy() const { return from_policy_; }

private:
    struct Above {
        std::vector<X509Ptr> anchors;
        std::vector<X509*> helpers;
    };
    using KeyOf = SignatureBudget::KeyOf;

    // Found once for each certificate: many paths lead over one.
    const Above& find_above(X509& certificate, std::int64_t now) {
        const auto [known, is_new] = above_.try_emplace(&certificate);
        if (is_new) known->second = {policy_.anchors_above(certificate, now, budget_), issuers_of(certificate)};
        return known->second;
    }

    std::vector<X509*> issuers_of(X509& certificate) {
        std::vector<X509*> out;
        const std::string digest = certificate_sha256(certificate);
        for (X509* sent : sent_) {
            if (!may_issue(*sent, certificate)) continue;
            const std::string key = spki_sha256(*sent);
            if (is_signed_by(certificate, digest, key, budget_, KeyOf::kPeer, [&] { return sent; }))
                out.push_back(sent);
        }
        const std::string name = read_name(*X509_get_issuer_name(&certificate)).canonical;
        for (const AnchorCertificate* c : policy_.intermediates_named(name)) {
            X509* const helper = held_.get(*c);
            const auto is_same = [&](const X509* other) { return X509_cmp(other, helper) == 0; };
            if (!may_issue(*helper, certificate) || std::any_of(sent_.begin(), sent_.end(), is_same)) continue;
            const bool is_issuer =
                is_signed_by(certificate, digest, c->spki_sha256, budget_, KeyOf::kUs, [&] { return helper; });
            if (!is_issuer || is_root(*helper, KeyOf::kUs)) continue;
            from_policy_.insert(helper);
            out.push_back(helper);
        }
        return out;
    }

    // By name, key identifier and usage, as OpenSSL selects.
    static bool may_issue(X509& issuer, X509& certificate) {
        return X509_check_issued(&issuer, &certificate) == X509_V_OK;
    }
    // A root is not an intermediate.
    bool is_root(X509& certificate, KeyOf whose) {
        return (X509_get_extension_flags(&certificate) & EXFLAG_SS) != 0 &&
               is_signed_by(certificate, certificate_sha256(certificate), spki_sha256(certificate), budget_, whose,
                            [&certificate] { return &certificate; });
    }

    X509& leaf_;
    std::vector<X509*> sent_;
    const CaDirectory& policy_;
    HeldCertificates held_;
    std::set<X509*> from_policy_;
    std::map<const X509*, Above> above_;
    SignatureBudget budget_;
};

// The errors that a verification without mod_ssl's callback ignores.
struct Tolerance {
    bool missing_crl = false;
    bool leaf_dates = false;

    bool covers(const X509_STORE_CTX& ctx) const {
        auto* const asked = const_cast<X509_STORE_CTX*>(&ctx);
        const int error = X509_STORE_CTX_get_error(asked);
        if (error == X509_V_ERR_UNABLE_TO_GET_CRL) return missing_crl;
        const bool is_date = error == X509_V_ERR_CERT_HAS_EXPIRED || error == X509_V_ERR_CERT_NOT_YET_VALID;
        return leaf_dates && is_date && X509_STORE_CTX_get_error_depth(asked) == 0;
    }
};

extern "C" int on_tolerated(int ok, X509_STORE_CTX* ctx) {
    const auto* const tolerance = static_cast<const Tolerance*>(X509_STORE_CTX_get_app_data(ctx));
    return ok == 1 || (tolerance != nullptr && tolerance->covers(*ctx)) ? 1 : 0;
}

bool verifies_without_callback(X509_STORE_CTX& ctx, Tolerance tolerance) {
    const ErrorQueueGuard errors;
    X509_STORE_CTX_set_app_data(&ctx, &tolerance);
    X509_STORE_CTX_set_verify_cb(&ctx, on_tolerated);
    return X509_verify_cert(&ctx) == 1;
}

// Verifies the certificate of another context, with its store and parameters.
class RepeatedVerification {
public:
    explicit RepeatedVerification(X509_STORE_CTX* ctx)
        : RepeatedVerification(ctx, X509_STORE_CTX_get0_untrusted(ctx)) {}
    // With this path's anchor as the only trusted certificate.
    RepeatedVerification(X509_STORE_CTX* ctx, const AnchorPath& path)
        : helpers_(stack_of(path.helpers)), anchor_(stack_of({path.anchor.get()})) {
        init(ctx, helpers_.get());
        X509_STORE_CTX_set0_trusted_stack(ctx_.get(), anchor_.get());
        X509_STORE_CTX_set_flags(ctx_.get(), X509_V_FLAG_PARTIAL_CHAIN);
    }
    X509_STORE_CTX* get() const { return ctx_.get(); }

private:
    RepeatedVerification(X509_STORE_CTX* ctx, STACK_OF(X509) * untrusted) { init(ctx, untrusted); }
    void init(X509_STORE_CTX* ctx, STACK_OF(X509) * untrusted) {
        if (!ctx_ || X509_STORE_CTX_init(ctx_.get(), X509_STORE_CTX_get0_store(ctx), X509_STORE_CTX_get0_cert(ctx),
                                         untrusted) != 1) {
            throw std::bad_alloc();
        }
        X509_VERIFY_PARAM_set1(X509_STORE_CTX_get0_param(ctx_.get()), X509_STORE_CTX_get0_param(ctx));
    }

    BorrowedX509Stack helpers_, anchor_;
    X509StoreCtxPtr ctx_{X509_STORE_CTX_new()};
};

// Adds helpers to a context for the lifetime of this object.
class HelpersScope {
public:
    HelpersScope(X509_STORE_CTX* ctx, const std::vector<X509*>& helpers)
        : ctx_(ctx), sent_(X509_STORE_CTX_get0_untrusted(ctx)), helpers_(stack_of(helpers)) {
        X509_STORE_CTX_set0_untrusted(ctx_, helpers_.get());
    }
    ~HelpersScope() { X509_STORE_CTX_set0_untrusted(ctx_, sent_); }
    HelpersScope(const HelpersScope&) = delete;
    HelpersScope& operator=(const HelpersScope&) = delete;

private:
    X509_STORE_CTX* const ctx_;
    STACK_OF(X509) * const sent_;
    const BorrowedX509Stack helpers_;
};

// Copies the result to the context that TLS reads, so that TLS and the log name the certificate that failed.
void copy_result(X509_STORE_CTX* from, X509_STORE_CTX* to) {
    X509_STORE_CTX_set_error(to, X509_STORE_CTX_get_error(from));
    X509_STORE_CTX_set_error_depth(to, X509_STORE_CTX_get_error_depth(from));
    STACK_OF(X509)* const chain = X509_STORE_CTX_get1_chain(from);
    X509_STORE_CTX_set0_verified_chain(to, chain);
    // Only a certificate that the chain keeps alive.
    X509* const current = X509_STORE_CTX_get_current_cert(from);
    const auto held = certificates_of(chain);
    const bool is_in_chain = std::find(held.begin(), held.end(), current) != held.end();
    X509_STORE_CTX_set_current_cert(to, is_in_chain ? current : nullptr);
}

HandshakeVerdict verify_by(const AnchorPath& path, X509_STORE_CTX* ctx, int ssl_index) {
    const RepeatedVerification by_anchor(ctx, path);
    X509_STORE_CTX_set_verify_cb(by_anchor.get(), X509_STORE_CTX_get_verify_cb(ctx));
    X509_STORE_CTX_set_app_data(by_anchor.get(), X509_STORE_CTX_get_app_data(ctx));
    X509_STORE_CTX_set_ex_data(by_anchor.get(), ssl_index, X509_STORE_CTX_get_ex_data(ctx, ssl_index));
    const int verified = X509_verify_cert(by_anchor.get());
    copy_result(by_anchor.get(), ctx);
    return {verified, verified == 1};
}

HandshakeVerdict verify_by_either(X509_STORE_CTX* ctx, const std::vector<AnchorPath>& paths, int ssl_index,
                                  MissingCrl missing) {
    const Tolerance tolerance{missing == MissingCrl::kPasses};
    if (paths.empty() || verifies_without_callback(*RepeatedVerification(ctx).get(), tolerance))
        return {X509_verify_cert(ctx)};
    const auto is_good = [&](const AnchorPath& path) {
        return paths.size() == 1 || verifies_without_callback(*RepeatedVerification(ctx, path).get(), tolerance);
    };
    const auto good = std::find_if(paths.begin(), paths.end(), is_good);
    return verify_by(good != paths.end() ? *good : paths.front(), ctx, ssl_index);
}

extern "C" int on_watched(int ok, X509_STORE_CTX* ctx);

// Calls a context's own callback, and notes whether it accepts what OpenSSL refuses.
class CallbackWatch {
public:
    explicit CallbackWatch(X509_STORE_CTX* ctx)
        : ctx_(ctx), own_(X509_STORE_CTX_get_verify_cb(ctx)), data_(X509_STORE_CTX_get_app_data(ctx)) {
        X509_STORE_CTX_set_app_data(ctx, this);
        X509_STORE_CTX_set_verify_cb(ctx, on_watched);
    }
    ~CallbackWatch() {
        X509_STORE_CTX_set_verify_cb(ctx_, own_);
        X509_STORE_CTX_set_app_data(ctx_, data_);
    }
    CallbackWatch(const CallbackWatch&) = delete;
    CallbackWatch& operator=(const CallbackWatch&) = delete;

    int ask(int ok, X509_STORE_CTX* asked) {
        const int answer = own_ != nullptr ? own_(ok, asked) : ok;
        has_overruled_ = has_overruled_ || (ok != 1 && answer != 0);
        return answer;
    }
    bool has_overruled() const { return has_overruled_; }

private:
    X509_STORE_CTX* const ctx_;
    const X509_STORE_CTX_verify_cb own_;
    void* const data_;
    bool has_overruled_ = false;
};

extern "C" int on_watched(int ok, X509_STORE_CTX* ctx) {
    auto* const watch = static_cast<CallbackWatch*>(X509_STORE_CTX_get_app_data(ctx));
    return watch != nullptr ? watch->ask(ok, ctx) : ok;  // null: a context of OpenSSL's own, for the path of a CRL
}

template <class Verify>
HandshakeVerdict verify_watched(X509_STORE_CTX* ctx, Verify verify) {
    const CallbackWatch watch(ctx);
    HandshakeVerdict out = verify();
    if (out.verified != 1 || watch.has_overruled()) return out;
    for (X509* certificate : certificates_of(X509_STORE_CTX_get0_chain(ctx))) out.chain.push_back(share(*certificate));
    return out;
}

}  // namespace

HandshakeVerdict verify_handshake(X509_STORE_CTX* ctx) {
    return verify_watched(ctx, [ctx] { return HandshakeVerdict{X509_verify_cert(ctx)}; });
}

HandshakeVerdict verify_handshake(X509_STORE_CTX* ctx, const CaDirectory& policy, int ssl_index, MissingCrl missing,
                                  std::int64_t now) {
    std::vector<X509*> helpers = certificates_of(X509_STORE_CTX_get0_untrusted(ctx));
    IssuerSearch search(*X509_STORE_CTX_get0_cert(ctx), helpers, policy);
    const auto paths = search.paths(now);
    helpers.insert(helpers.end(), search.from_policy().begin(), search.from_policy().end());
    const HelpersScope with(ctx, helpers);
    return verify_watched(ctx, [&] { return verify_by_either(ctx, paths, ssl_index, missing); });
}

// The same errors as ssl_verify_error_is_optional() in mod_ssl.
bool is_of_unknown_ca(long error) {
    return error == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT || error == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN ||
           error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY || error == X509_V_ERR_CERT_UNTRUSTED ||
           error == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE;
}

bool verifies(const OwnStore& own, const PresentedCertificate& presented, const CaDirectory& policy, int purpose) {
    if (!own.store) return false;
    const ErrorQueueGuard errors;
    std::vector<X509*> helpers;
    for (const X509Ptr& helper : presented.helpers) helpers.push_back(helper.get());
    IssuerSearch search(*presented.leaf, helpers, policy);
    search.paths(kAnyTime);
    helpers.insert(helpers.end(), search.from_policy().begin(), search.from_policy().end());
    const BorrowedX509Stack untrusted = stack_of(helpers);
    const X509StoreCtxPtr ctx(X509_STORE_CTX_new());
    if (!ctx || X509_STORE_CTX_init(ctx.get(), own.store.get(), presented.leaf.get(), untrusted.get()) != 1) {
        throw std::bad_alloc();
    }
    X509_STORE_CTX_set_default(ctx.get(), "ssl_client");
    X509_VERIFY_PARAM_set_purpose(X509_STORE_CTX_get0_param(ctx.get()), purpose);
    X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(ctx.get()), own.security_level);
    return verifies_without_callback(*ctx, {own.missing == MissingCrl::kPasses, true});
}

}  // namespace mtls
