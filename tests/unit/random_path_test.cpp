// Paths through random PKIs, beside OpenSSL's own answer for every order of the certificates at hand.
#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define MTLS_AUTHZ_FINDS_LEAKS
#include <sanitizer/lsan_interface.h>
#endif
#endif

#include <algorithm>
#include <map>
#include <optional>
#include <random>

#include "claims.hpp"
#include "mtls_authz/certificate/der.hpp"
#include "mtls_authz/trust/trust.hpp"
#include "pki.hpp"

using namespace mtls;

namespace {

constexpr std::size_t kCas = 6;
constexpr std::size_t kMostInChain = 3;

// CAs of few names, some of one key, certified by each other, with and without key identifiers and constraints.
class RandomPki {
public:
    explicit RandomPki(unsigned seed) : random_(seed) {
        for (std::size_t i = 0; i < kCas; ++i) {
            names_.push_back(one_of({"A", "B", "C"}));
            EVP_PKEY* const key = keys()[i == 0 || below(4) > 0 ? i : static_cast<std::size_t>(below(i))].get();
            EVP_PKEY_up_ref(key);
            keys_.emplace_back(key);
        }
    }

    // The CA under some issuer; its own where that is nothing.
    test::Identity ca(std::size_t subject, std::optional<std::size_t> issuer) {
        test::CertSpec spec = constraints(true);
        spec.subject = {{"CN", names_[subject]}};
        return certificate(spec, subject, issuer);
    }

    test::Identity leaf(std::size_t issuer) {
        test::CertSpec spec = constraints(false);
        spec.subject = {{"CN", "leaf"}};
        spec.san = {{GEN_DNS, one_of({"api.acme.example", "api.other.example"})}};
        spec.eku = one_of({"clientAuth", "clientAuth", "clientAuth", "", "serverAuth"});
        return certificate(spec, std::nullopt, issuer);
    }

    int below(std::size_t n) { return static_cast<int>(random_() % n); }

private:
    static const std::vector<EvpPkeyPtr>& keys() {
        static const std::vector<EvpPkeyPtr> made = [] {
            std::vector<EvpPkeyPtr> out;
            while (out.size() <= kCas) out.push_back(test::make_key());
            return out;
        }();
        return made;
    }
    template <class T>
    T one_of(std::initializer_list<T> all) {
        return *(all.begin() + below(all.size()));
    }
    std::string one_of(std::initializer_list<const char*> all) { return *(all.begin() + below(all.size())); }

    test::CertSpec constraints(bool ca) {
        test::CertSpec spec;
        spec.ca = ca;
        spec.key_identifiers = below(2) == 0;
        if (below(10) == 0) spec.not_after = -60;
        if (below(12) == 0) spec.digest = "SHA1";
        if (ca && below(6) == 0) spec.path_length = below(2);
        if (ca && below(8) == 0) spec.name_constraints = "permitted;DNS:acme.example";
        if (ca && below(10) == 0) spec.key_usage = "critical,cRLSign";
        const auto add = [&](int nid, const std::string& value) { spec.extensions.emplace_back(nid, value); };
        if (below(2) == 0)
            add(NID_certificate_policies, one_of({"1.2.3.4", "1.2.3.9", "2.5.29.32.0", "1.2.3.4,1.2.3.9"}));
        if (ca && below(5) == 0)
            add(NID_policy_constraints, one_of({"critical,requireExplicitPolicy:0", "critical,requireExplicitPolicy:1",
                                                "critical,inhibitPolicyMapping:0"}));
        if (ca && below(8) == 0) add(NID_inhibit_any_policy, one_of({"critical,0", "critical,1"}));
        if (ca && below(6) == 0) add(NID_policy_mappings, one_of({"1.2.3.4:1.2.3.9", "1.2.3.9:1.2.3.4"}));
        if (below(25) == 0) spec.extensions.emplace_back(NID_issuing_distribution_point, "critical,onlyuser:TRUE");
        return spec;
    }

    test::Identity certificate(const test::CertSpec& spec, std::optional<std::size_t> subject,
                               std::optional<std::size_t> issuer) {
        const auto key = [](const EvpPkeyPtr& of) {
            EVP_PKEY_up_ref(of.get());
            return EvpPkeyPtr(of.get());
        };
        if (!issuer) return test::issue(spec, nullptr, key(keys_[*subject]));
        test::CertSpec signing;  // what signs: only its name and key count
        signing.subject = {{"CN", names_[*issuer]}};
        signing.ca = true;
        const test::Identity ca = test::issue(signing, nullptr, key(keys_[*issuer]));
        return test::issue(spec, &ca, subject ? key(keys_[*subject]) : key(keys().back()));
    }

    std::mt19937 random_;
    std::vector<std::string> names_;
    std::vector<EvpPkeyPtr> keys_;
};

// Each order asks for the same pairs anew.
std::map<std::pair<X509*, X509*>, int>& known_signatures() {
    static std::map<std::pair<X509*, X509*>, int> known;
    return known;
}

int issued_and_signed(X509_STORE_CTX*, X509* below, X509* above) {
    if (X509_check_issued(above, below) != X509_V_OK) return 0;
    const auto [known, is_new] = known_signatures().try_emplace({below, above});
    if (is_new) known->second = X509_verify(below, X509_get0_pubkey(above)) == 1 ? 1 : 0;
    return known->second;
}

struct Theirs {
    std::vector<X509*> chain;
    std::vector<std::string> policies;
};

// What OpenSSL says where it may choose among `helpers` in this order, but takes nobody for an issuer who did not sign.
std::optional<Theirs> ask_openssl(X509* leaf, X509* anchor, const std::vector<X509*>& helpers) {
    const BorrowedX509Stack trusted = stack_of({anchor}), untrusted = stack_of(helpers);
    const X509StorePtr store(X509_STORE_new());
    X509_STORE_set_check_issued(store.get(), issued_and_signed);
    const X509StoreCtxPtr ctx(X509_STORE_CTX_new());
    X509_STORE_CTX_init(ctx.get(), store.get(), leaf, untrusted.get());
    X509_STORE_CTX_set0_trusted_stack(ctx.get(), trusted.get());
    X509_VERIFY_PARAM* const param = X509_STORE_CTX_get0_param(ctx.get());
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_POLICY_CHECK);
    X509_VERIFY_PARAM_add0_policy(param, OBJ_nid2obj(NID_any_policy));
    X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_CLIENT);
    X509_VERIFY_PARAM_set_depth(param, 10);
    X509_VERIFY_PARAM_set_auth_level(param, 2);
    if (X509_verify_cert(ctx.get()) != 1) return std::nullopt;
    Theirs out;
    STACK_OF(X509)* const chain = X509_STORE_CTX_get0_chain(ctx.get());
    for (int i = 0; i < sk_X509_num(chain); ++i) out.chain.push_back(sk_X509_value(chain, i));
    STACK_OF(X509_POLICY_NODE)* const nodes =
        X509_policy_tree_get0_policies(X509_STORE_CTX_get0_policy_tree(ctx.get()));
    for (int i = 0; i < sk_X509_POLICY_NODE_num(nodes); ++i) {
        out.policies.push_back(oid_dotted(*X509_policy_node_get0_policy(sk_X509_POLICY_NODE_value(nodes, i))));
    }
    std::sort(out.policies.begin(), out.policies.end());
    return out;
}

// Every path over at most so many helpers, in whatever order they come.
void ask_openssl_in_every_order(X509* leaf, X509* anchor, const std::vector<X509*>& all, std::vector<X509*>& taken,
                                std::vector<Theirs>& out) {
    if (auto theirs = ask_openssl(leaf, anchor, taken)) out.push_back(std::move(*theirs));
    if (taken.size() == kMostInChain) return;
    for (X509* helper : all) {
        if (std::find(taken.begin(), taken.end(), helper) != taken.end()) continue;
        taken.push_back(helper);
        ask_openssl_in_every_order(leaf, anchor, all, taken, out);
        taken.pop_back();
    }
}

// OpenSSL 3.0 loses the decoded policyConstraints of a certificate without certificatePolicies (policy_cache_new()).
#ifdef MTLS_AUTHZ_FINDS_LEAKS
using NoLeakCheck = __lsan::ScopedDisabler;
#else
struct NoLeakCheck {
    NoLeakCheck() {}
};
#endif

}  // namespace

CLAIM(a_path_is_found_exactly_where_openssl_takes_one_in_some_order) {
    const NoLeakCheck openssl_loses_policy_constraints;
    const ErrorQueueGuard errors;
    std::size_t found = 0, missing = 0, branched = 0, with_policies = 0;
    for (unsigned seed = 0; seed < 400; ++seed) {
        RandomPki pki(seed);
        const test::Identity anchor = pki.ca(0, pki.below(3) == 0 ? std::optional<std::size_t>(5) : std::nullopt);
        std::vector<test::Identity> cas;
        for (std::size_t i = 1; i < 5; ++i) {
            cas.push_back(pki.ca(i, static_cast<std::size_t>(pki.below(i))));
            if (pki.below(5) == 0) cas.back() = pki.ca(i, static_cast<std::size_t>(pki.below(kCas)));
        }
        const test::Identity leaf = pki.leaf(static_cast<std::size_t>(pki.below(5)));

        std::vector<X509*> helpers;
        for (const test::Identity& ca : cas) helpers.push_back(ca.cert.get());
        known_signatures().clear();
        std::vector<X509*> taken;
        std::vector<Theirs> theirs;
        ask_openssl_in_every_order(leaf.cert.get(), anchor.cert.get(), helpers, taken, theirs);

        PathQuestion question{Link(leaf.cert.get()), {Link(anchor.cert.get())}, {}, 1, std::time(nullptr)};
        for (X509* helper : helpers) question.helpers.emplace_back(helper);
        PathAnswer ours = verify_path(question);
        // The leaf's own dates are not verify_path()'s business.
        const bool is_current = X509_cmp_current_time(X509_get0_notAfter(leaf.cert.get())) > 0;
        if (!is_current) continue;
        const std::string where = "seed " + std::to_string(seed) + ": " + (ours.ok ? "found" : ours.detail);
        test::check(ours.chain.size() > kMostInChain + 2 || ours.ok == !theirs.empty(), where, __FILE__, __LINE__);
        ++(ours.ok ? found : missing);
        if (!ours.ok) continue;
        std::vector<X509*> chain;
        for (const X509Ptr& certificate : ours.chain) chain.push_back(certificate.get());
        std::sort(ours.facts.policies.begin(), ours.facts.policies.end());
        const auto same = std::find_if(theirs.begin(), theirs.end(), [&](const Theirs& t) { return t.chain == chain; });
        test::check(same != theirs.end(), where + " a path that OpenSSL refuses", __FILE__, __LINE__);
        // Where the leaf asserts anyPolicy beside others, OpenSSL has anyPolicy alone.
        const auto& ours_policies = ours.facts.policies;
        const bool is_any = same->policies == std::vector<std::string>{"2.5.29.32.0"};
        const bool has_any =
            std::find(ours_policies.begin(), ours_policies.end(), "2.5.29.32.0") != ours_policies.end();
        test::check(is_any ? has_any : ours_policies == same->policies, where + " other policies", __FILE__, __LINE__);
        if (!ours_policies.empty()) ++with_policies;
        if (theirs.size() > 1 && chain.size() > 2) ++branched;
    }
    CHECK(found > 60);
    CHECK(missing > 60);
    CHECK(branched > 10);
    CHECK(with_policies > 20);
}
