// Chains that are refused: short keys, unknown algorithms, and more intermediates than the limit.
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cas.hpp"
#include "claims.hpp"
#include "mtls_authz/certificate/algorithms.hpp"
#include "mtls_authz/certificate/session_chain.hpp"
#include "mtls_authz/load/lint.hpp"
#include "mtls_authz/trust/handshake_refusal.hpp"
#include "policy_draft.hpp"

using namespace mtls;
using namespace test;

namespace {

// Intermediates, the topmost first, each with so many bytes of padding.
std::vector<test::Identity> tower(const test::Identity& root, const std::vector<std::size_t>& padding) {
    std::vector<test::Identity> out;
    for (const std::size_t n : padding) {
        CertSpec spec = ca_spec("T" + std::to_string(out.size()));
        if (n > 0) spec.raw = {{"1.3.6.1.4.1.55555.1", std::string(n, 'x')}};
        out.push_back(test::issue(spec, out.empty() ? &root : &out.back()));
    }
    return out;
}

std::vector<const test::Identity*> all_of(const std::vector<test::Identity>& cas, std::size_t from = 0) {
    std::vector<const test::Identity*> out;
    for (std::size_t i = cas.size(); i-- > from;) out.push_back(&cas[i]);
    return out;
}

SentHelpers sent_by(const test::Identity& leaf, const std::vector<test::Identity>& cas) {
    std::vector<X509*> chain;
    for (const test::Identity* ca : all_of(cas)) chain.push_back(ca->cert.get());
    return useful_helpers(*leaf.cert, chain);
}

}  // namespace

CLAIM(short_keys_count_at_no_security_level) {
    const auto root = test::issue(ca_spec("Root"), nullptr);
    const auto weak_root = test::issue(ca_spec("Weak"), nullptr, EvpPkeyPtr(EVP_RSA_gen(1024)));
    Draft d;
    const auto policy = d.file("root.pem", root.cert_pem() + weak_root.cert_pem())
                            .policy(partner("acme", "MTLSIdentity any\nMTLSTrustAnchor root.pem"));
    const auto at = [&](int level, const test::Identity& leaf) {
        ServerCas server;
        server.security_level = level;
        return verdict(ask(*policy, leaf, {}, now(), server));
    };
    for (const int level : {0, 1, 2}) {
        const auto by = [](EVP_PKEY* key, const test::Identity& ca) {
            return test::issue(client_spec("api"), &ca, EvpPkeyPtr(key));
        };
        CHECK_EQUAL(at(level, by(EVP_RSA_gen(1024), root)), "wrong-issuer");
        CHECK_EQUAL(at(level, by(EVP_EC_gen("P-192"), root)), "wrong-issuer");
        CHECK_EQUAL(at(level, by(EVP_EC_gen("P-256"), weak_root)), "wrong-issuer");
        CHECK_EQUAL(at(level, by(EVP_RSA_gen(2048), root)), "granted acme");
        CHECK_EQUAL(at(level, by(EVP_EC_gen("P-256"), root)), "granted acme");
    }
    CHECK_EQUAL(at(3, test::issue(client_spec("api"), &root, EvpPkeyPtr(EVP_RSA_gen(2048)))), "wrong-issuer");
}

CLAIM(an_algorithm_that_openssl_does_not_know_is_not_called_weak) {
    const std::string unknown = "1.3.6.1.4.1.55555.9", ml_dsa_65 = "2.16.840.1.101.3.4.3.18";
    CertSpec odd = ca_spec("Post-quantum");
    odd.key_algorithm = unknown;
    const auto root = test::issue(ca_spec("Root"), nullptr), anchor = test::issue(odd, nullptr);
    Draft d;
    d.file("root.pem", root.cert_pem()).file("anchor.pem", anchor.cert_pem());
    const auto policy = d.policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor anchor.pem") +
                                 partner("other", "MTLSIdentity CN:other\nMTLSTrustAnchor root.pem"));
    CHECK_CONTAINS(d.said(), "'anchor.pem': the certificate \"CN=Post-quantum\" makes no path");
    CHECK_CONTAINS(d.said(), "is algorithm " + unknown + ", unknown to the OpenSSL here (");
    for (const Diagnostic& found : lint_policy(*policy, now())) CHECK(found.str().find("weak") == std::string::npos);
    const auto refused = [&](const test::Identity& leaf, const std::vector<const test::Identity*>& sent) {
        const auto answer = ask(*policy, leaf, sent);
        CHECK_EQUAL(verdict(answer), "not-verified");
        CHECK_CONTAINS(answer.detail, unknown + ", unknown to the OpenSSL here (");
    };
    // The anchor's key, an intermediate's, and a signature.
    refused(test::issue(client_spec("api"), &anchor), {});
    const auto below = test::issue(odd, &root);
    refused(test::issue(client_spec("other"), &below), {&below});
    CertSpec client = client_spec("other");
    client.signature_algorithm = unknown;
    refused(test::issue(client, &root), {});
    // The leaf's own key.
    client = client_spec("other");
    client.key_algorithm = unknown;
    const auto leaf = ask(*policy, test::issue(client, &root));
    CHECK_EQUAL(verdict(leaf), "wrong-issuer");
    CHECK_CONTAINS(leaf.detail, unknown + ", unknown to the OpenSSL here (");
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("other"), &root))), "granted other");

    // OpenSSL's word for it in a handshake.
    const int weak = X509_V_ERR_CA_KEY_TOO_SMALL;
    CHECK(handshake_refusal_of(weak, anchor.cert.get()) == HandshakeRefusal::kUnknownAlgorithm);
    CHECK(handshake_refusal_of(weak, root.cert.get()) == HandshakeRefusal::kBadSignature);
    CHECK(handshake_refusal_of(X509_V_ERR_CERT_HAS_EXPIRED, anchor.cert.get()) == HandshakeRefusal::kExpired);
    odd.key_algorithm = ml_dsa_65;
    const bool is_new = OBJ_txt2nid(ml_dsa_65.c_str()) == NID_undef;
    CHECK_CONTAINS(describe_verify_error(weak, test::issue(odd, nullptr).cert.get()),
                   is_new ? "is ML-DSA-65, unknown to the OpenSSL here (" : "in a form that is unknown");
    if (is_new) CHECK_CONTAINS(unknown_key(*test::issue(odd, nullptr).cert), "OpenSSL 3.5 and later know it");
}

CLAIM(ten_intermediates_make_a_path_and_eleven_say_the_limit) {
    const auto root = test::issue(ca_spec("Root"), nullptr);
    Draft d;
    const auto cas = tower(root, std::vector<std::size_t>(12));
    d.file("root.pem", root.cert_pem())
        .file("top.pem", cas[0].cert_pem())
        .file("two.pem", cas[0].cert_pem() + cas[1].cert_pem());
    const auto policy = d.policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor root.pem"));
    const auto below = [&](std::size_t count) { return test::issue(client_spec("api"), &cas[count - 1]); };
    for (std::size_t count = 1; count <= 10; ++count) {
        CHECK_EQUAL(verdict(ask(*policy, below(count), all_of(cas))), "granted acme");
    }
    const auto eleven = ask(*policy, below(11), all_of(cas));
    CHECK_EQUAL(verdict(eleven), "not-verified");
    CHECK_CONTAINS(eleven.detail, "10 with ");
    CHECK_CONTAINS(eleven.detail, "1 more with ");
    CHECK_CONTAINS(eleven.detail, "limit of 10 and 32768 bytes");
    // What the policy has itself need not come from the client; but a path has its own limit.
    const std::string helped = "MTLSIdentity CN:api\nMTLSTrustAnchor root.pem\nMTLSIntermediate ";
    const auto long_path = ask(*d.policy(partner("acme", helped + "top.pem")), below(11), all_of(cas, 1));
    CHECK_EQUAL(verdict(long_path), "not-verified");
    CHECK_CONTAINS(long_path.detail, "more intermediates than the 10");
    // A stranger reads of no limit.
    CHECK_EQUAL(ask(*policy, test::issue(client_spec("api"), nullptr), all_of(cas)).detail, "");
}

CLAIM(as_many_intermediates_count_as_fit) {
    const auto root = test::issue(ca_spec("Root"), nullptr);
    Draft d;
    d.file("root.pem", root.cert_pem());
    const auto bare = d.policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor root.pem"));
    const auto ask_through = [&](const Policy& policy, const std::vector<test::Identity>& cas) {
        return ask(policy, test::issue(client_spec("api"), &cas.back()), all_of(cas));
    };
    CHECK_EQUAL(verdict(ask_through(*bare, tower(root, {5800, 5800, 5800, 5800, 5800}))), "granted acme");
    const auto big = tower(root, {20000, 20000});
    CHECK_EQUAL(verdict(ask_through(*bare, big)), "not-verified");
    CHECK_CONTAINS(ask_through(*bare, big).detail, "1 more with 20");
    d.file("top.pem", big[0].cert_pem());
    const auto helped =
        d.policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor root.pem\nMTLSIntermediate top.pem"));
    CHECK_EQUAL(verdict(ask_through(*helped, big)), "granted acme");
    // One that does not fit keeps no smaller one out.
    const auto mixed = tower(root, {0, 33000, 0});
    const auto leaf = test::issue(client_spec("api"), &mixed.back());
    CHECK_EQUAL(sent_by(leaf, mixed).certificates.size(), 2U);
    CHECK_EQUAL(sent_by(leaf, mixed).left_out.count, 1U);
    // The leaf is in the ticket, too.
    CertSpec large = client_spec("api");
    large.raw = {{"1.3.6.1.4.1.55555.1", std::string(45000, 'x')}};
    const auto pair = tower(root, {9000, 9000});
    CHECK_EQUAL(sent_by(test::issue(large, &pair.back()), pair).certificates.size(), 1U);
}

CLAIM(a_session_carries_intermediates_for_its_leaf_alone) {
    const auto root = test::make_ca("Root"), sub = test::make_ca("Sub", &root), other = test::make_ca("Other");
    const auto leaf = test::issue(client_spec("a"), &sub), stranger = test::issue(client_spec("b"), &sub);
    SentHelpers helpers = useful_helpers(*leaf.cert, {root.cert.get(), other.cert.get(), sub.cert.get()});
    CHECK_EQUAL(helpers.certificates.size(), 1U);
    for (const std::uint32_t left_out : {0U, 300U}) {
        helpers.left_out = {left_out, left_out * 1000};
        const std::string data = encode_helpers(*leaf.cert, helpers);
        const SentHelpers back = decode_helpers(data, *leaf.cert);
        CHECK_EQUAL(back.certificates.size(), 1U);
        CHECK_EQUAL(back.left_out.count, left_out);
        CHECK_EQUAL(back.left_out.bytes, left_out * 1000);
        CHECK_EQUAL(back.digests.front(), certificate_sha256(*sub.cert));
        CHECK_EQUAL(decode_helpers(data, *stranger.cert).certificates.size(), 0U);
        std::string of_another_version = data;
        of_another_version[0] = 2;
        CHECK_EQUAL(decode_helpers(of_another_version, *leaf.cert).certificates.size(), 0U);
        for (std::size_t n = 34; n < data.size(); ++n) {
            const bool is_whole = left_out > 0 && n + 10 == data.size();
            CHECK(is_whole || decode_helpers(std::string_view(data).substr(0, n), *leaf.cert).certificates.empty());
        }
    }
    // With a byte behind the certificate, or a length in more bytes than DER takes, the digest would not be its own.
    const std::string der = encode(i2d_X509, *sub.cert);
    const auto holding = [&leaf](const std::string& encoded) {
        const auto size = static_cast<unsigned>(encoded.size());
        return '\1' + certificate_sha256(*leaf.cert) + static_cast<char>(size >> 8) + static_cast<char>(size) + encoded;
    };
    CHECK_EQUAL(decode_helpers(holding(der), *leaf.cert).certificates.size(), 1U);
    CHECK_EQUAL(decode_helpers(holding(der + 'x'), *leaf.cert).certificates.size(), 0U);
    CHECK_EQUAL(decode_helpers(holding(std::string("\x30\x83\0", 3) + der.substr(2)), *leaf.cert).certificates.size(),
                0U);
    const SentHelpers none{{}, {2, 70000}};
    CHECK_EQUAL(decode_helpers(encode_helpers(*leaf.cert, none), *leaf.cert).left_out.count, 2U);
}
