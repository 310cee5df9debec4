// What the log says of a handshake that was refused for want of a CA: which is missing, or why one that is there is
// none.
#include "mtls_authz/decide/handshake_advice.hpp"

#include <string>
#include <vector>

#include "claims.hpp"
#include "crl_site.hpp"
#include "policy_draft.hpp"

using namespace mtls;
using namespace test;
using namespace test::lists;

namespace {

struct Refusal {
    const test::Identity& leaf;
    std::vector<const test::Identity*> sent = {}, of_server = {};
    bool has_anchors = true;

    std::string clause(const Policy& policy) const {
        std::vector<X509Ptr> helpers, servers;
        for (const test::Identity* one : sent) helpers.push_back(share(*one->cert));
        for (const test::Identity* one : of_server) servers.push_back(share(*one->cert));
        const X509* const at = sent.empty() ? leaf.cert.get() : sent.back()->cert.get();
        const PresentedCertificate presented(*leaf.cert, SentHelpers{std::move(helpers), {}});
        const std::vector<const Partner*> claimed;
        return advise({presented, HandshakeRefusal::kUnknownCa, at, 0, claimed, has_anchors, servers}, policy, now())
            .clause;
    }
};

}  // namespace

CLAIM(a_refused_handshake_calls_no_ca_missing_that_is_there) {
    const test::Identity ca = ca_named("CA", nullptr), namesake = ca_named("CA", nullptr),
                         other = ca_named("Other", nullptr);
    const test::Identity leaf = make_client("api", "api.example", ca);
    const Site with_other(other.cert_pem()), with_namesake(namesake.cert_pem());
    CHECK_CONTAINS(Refusal{leaf}.clause(*with_other.lax), "missing is \"CN=CA\", which issued ");
    const std::string other_key = "; of the CAs \"CN=CA\" that are here, none has the key that issued ";
    CHECK_CONTAINS(Refusal{leaf}.clause(*with_namesake.lax), other_key);
    CHECK_CONTAINS((Refusal{leaf, {}, {&namesake}, false}.clause(*with_other.lax)), other_key);
    // Without MTLSClientCA, the policy's do not count in the handshake.
    CHECK_CONTAINS((Refusal{leaf, {}, {}, false}.clause(*with_namesake.lax)), "missing is \"CN=CA\"");
}

CLAIM(a_refused_handshake_says_why_a_ca_with_the_right_key_is_not_taken) {
    CertSpec spec;
    spec.subject = {{"CN", "CA"}};
    spec.ca = true;
    const test::Identity ca = issue(spec, nullptr), other = ca_named("Other", nullptr);
    const test::Identity leaf = make_client("api", "api.example", ca);
    spec.extensions = {{NID_subject_key_identifier, "01:02:03"}};
    spec.key_identifiers = false;
    const test::Identity renewed = issue(spec, nullptr, EvpPkeyPtr(EVP_PKEY_dup(ca.key.get())));
    const Site site(renewed.cert_pem()), without(other.cert_pem());
    CHECK_CONTAINS((Refusal{leaf, {}, {&renewed}, false}.clause(*without.lax)),
                   "none is taken for the issuer (authority and subject key identifier mismatch) of ");
    CHECK_CONTAINS(Refusal{leaf}.clause(*site.lax),
                   "the policy has a CA above it, and the path to that does not hold: "
                   "authority and subject key identifier mismatch");
}
