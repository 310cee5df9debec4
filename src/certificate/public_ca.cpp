#include "mtls_authz/certificate/public_ca.hpp"

#include <algorithm>

#include "mtls_authz/base/openssl_types.hpp"
#include "mtls_authz/certificate/certificate_facts.hpp"

namespace mtls {

namespace {

constexpr std::string_view kForumPolicies = "2.23.140.1.";  // of TLS certificates, by the Baseline Requirements

bool is_of_this_key(const X509& certificate, const std::string& key) { return key_sha256(certificate) == key; }

}  // namespace

// Looks up certificates by name among those that this system trusts.
class PublicCas::SystemStore {
public:
    SystemStore() {
        if (!store_ || !ctx_) throw std::bad_alloc();
        X509_STORE_set_default_paths(store_.get());
        if (X509_STORE_CTX_init(ctx_.get(), store_.get(), nullptr, nullptr) != 1) throw std::bad_alloc();
    }
    bool has(const X509& ca) {
        const std::string key = key_sha256(ca);
        STACK_OF(X509)* const named = X509_STORE_CTX_get1_certs(ctx_.get(), X509_get_subject_name(&ca));
        bool found = false;
        for (int i = 0; named != nullptr && i < sk_X509_num(named); ++i) {
            found = found || is_of_this_key(*sk_X509_value(named, i), key);
        }
        sk_X509_pop_free(named, X509_free);
        return found;
    }
    bool has_issuer_of(const X509& ca) {
        X509* issuer = nullptr;
        const int found = X509_STORE_CTX_get1_issuer(&issuer, ctx_.get(), const_cast<X509*>(&ca));
        const X509Ptr held(issuer);
        return found == 1 && X509_verify(const_cast<X509*>(&ca), X509_get0_pubkey(issuer)) == 1;
    }

private:
    X509StorePtr store_{X509_STORE_new()};
    X509StoreCtxPtr ctx_{X509_STORE_CTX_new()};
};

PublicCas::PublicCas() = default;
PublicCas::~PublicCas() = default;

std::string PublicCas::why(const X509& ca) {
    const ErrorQueueGuard errors;
    const CertificateFacts facts = read_facts(ca);
    const auto forum = std::find_if(facts.policies.begin(), facts.policies.end(),
                                    [](const std::string& oid) { return oid.starts_with(kForumPolicies); });
    if (forum != facts.policies.end()) return "it bears the CA/Browser Forum's policy " + *forum;
    if (!store_) store_ = std::make_unique<SystemStore>();
    if (store_->has(ca)) return "this system trusts it, as OpenSSL's default certificates say";
    return store_->has_issuer_of(ca) ? "this system trusts the CA that issued it" : "";
}

std::string why_public_ca(const X509& ca) { return PublicCas().why(ca); }

bool is_for_servers_alone(const CertificateFacts& facts) {
    constexpr const char* kServerAuth = "1.3.6.1.5.5.7.3.1";
    constexpr const char* kClientAuth = "1.3.6.1.5.5.7.3.2";
    const auto has = [&](const char* oid) {
        return std::find(facts.eku.begin(), facts.eku.end(), oid) != facts.eku.end();
    };
    return has(kServerAuth) && !has(kClientAuth);
}

}  // namespace mtls
