// What a process keeps of clients that come again: each connection gets what its own bytes say.
#include "mtls_authz/decide/known_certificates.hpp"

#include "mtls_authz/certificate/decoded_certificates.hpp"
#include "mtls_authz/trust/bounded_cache.hpp"
#include "policy_draft.hpp"

using namespace mtls;
using namespace test;

namespace {

// What a connection of a partner gets that presents this chain to one of two virtual hosts.
const char kHosts[] = "ab";
std::shared_ptr<KnownCertificate> get(KnownCertificates& known, const X509& leaf,
                                      const std::vector<const test::Identity*>& sent = {}, int host = 0) {
    const std::string der = encode(i2d_X509, leaf);
    const X509Ptr own = decode_exactly(der);  // each connection decodes the certificate for itself
    std::vector<X509*> chain;
    for (const test::Identity* link : sent) chain.push_back(link->cert.get());
    SentHelpers helpers = useful_helpers(*own, chain);
    const std::string key = KnownCertificates::key_of(*own, encode_helpers(*own, helpers), &kHosts[host]);
    if (auto found = known.find(key)) return found;
    auto added = std::make_shared<KnownCertificate>(PresentedCertificate(*own, std::move(helpers)));
    known.keep(key, added);
    return added;
}

}  // namespace

CLAIM(a_bounded_cache_has_nothing_for_another_key_in_the_same_slot) {
    BoundedCache<const int, 1> cache;
    CHECK(cache.find("") == nullptr);
    CHECK(cache.find("one") == nullptr);
    cache.insert("one", std::make_shared<const int>(1));
    CHECK_EQUAL(*cache.find("one"), 1);
    CHECK(cache.find("two") == nullptr);
    CHECK(cache.find("one ") == nullptr);
    CHECK(cache.find(std::string_view("one\0", 4)) == nullptr);
    cache.insert("two", std::make_shared<const int>(2));
    CHECK_EQUAL(*cache.find("two"), 2);
    CHECK(cache.find("one") == nullptr);
}

CLAIM(connections_share_what_is_known_of_equal_bytes_only) {
    const auto root = test::make_ca("Root"), sub = test::make_ca("Sub", &root), other_sub = test::make_ca("Sub", &root);
    const auto leaf = test::issue(client_spec("api"), &sub), namesake = test::issue(client_spec("api"), &sub);
    KnownCertificates known;
    const auto whole = get(known, *leaf.cert, {&sub});
    CHECK(whole == get(known, *leaf.cert, {&sub}));
    CHECK_EQUAL(whole->certificate().helpers.size(), 1U);
    CHECK_EQUAL(whole->certificate().facts.sha256, certificate_sha256(*leaf.cert));
    const auto alone = get(known, *leaf.cert);
    CHECK(alone != whole && alone == get(known, *leaf.cert));
    CHECK_EQUAL(alone->certificate().helpers.size(), 0U);
    const auto with_other = get(known, *leaf.cert, {&other_sub});
    CHECK(with_other != whole && with_other != alone);
    const auto of_namesake = get(known, *namesake.cert, {&sub});
    CHECK(of_namesake != whole);
    CHECK_EQUAL(of_namesake->certificate().facts.sha256, certificate_sha256(*namesake.cert));
    // Each virtual host has its own, since an identification is of one.
    const auto elsewhere = get(known, *leaf.cert, {&sub}, 1);
    CHECK(elsewhere != whole && elsewhere == get(known, *leaf.cert, {&sub}, 1));
}

CLAIM(a_chain_is_known_up_to_a_size_and_a_number_of_names) {
    const auto root = test::make_ca("Root");
    const auto leaf_with = [&root](std::size_t padding) {
        CertSpec spec = client_spec("api");
        spec.raw = {{"1.3.6.1.4.1.55555.1", std::string(padding, 'x')}};
        return test::issue(spec, &root);
    };
    KnownCertificates known;
    const auto fits = leaf_with(KnownCertificates::kMostBytes - 2000),
               exceeds = leaf_with(KnownCertificates::kMostBytes);
    const auto kept = get(known, *fits.cert), not_kept = get(known, *exceeds.cert);
    CHECK(kept == get(known, *fits.cert));
    CHECK(not_kept != get(known, *exceeds.cert));
    CHECK_EQUAL(not_kept->certificate().facts.sha256, certificate_sha256(*exceeds.cert));
    const auto leaf_with_names = [&root](std::size_t names) {
        CertSpec spec = client_spec("api");
        while (spec.san.size() < names) spec.san.emplace_back(GEN_DNS, "n" + std::to_string(spec.san.size()));
        return test::issue(spec, &root);
    };
    const auto few = leaf_with_names(200), many = leaf_with_names(KnownCertificates::kMostNames);
    CHECK(get(known, *few.cert) == get(known, *few.cert));
    CHECK(get(known, *many.cert) != get(known, *many.cert));
}

CLAIM(who_is_known_is_identified_anew_by_each_policy_and_chain) {
    const auto root = test::make_ca("Root"), sub = test::make_ca("Sub", &root);
    const auto leaf = test::issue(client_spec("api"), &sub);
    Draft d;
    d.file("root.pem", root.cert_pem());
    Published<Snapshot> published;
    KnownCertificates known;
    const ServerCas server;
    const auto reason = [&](const std::vector<const test::Identity*>& sent, std::int64_t at) {
        return word_of(get(known, *leaf.cert, sent)->identify(published.read(), server, at).reason);
    };
    std::uint64_t serial = 0;
    for (const char* more : {"", "MTLSSuspend On", ""}) {
        published.publish(std::unique_ptr<const Snapshot>(new Snapshot{
            d.policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor root.pem\n" + std::string(more))),
            std::make_shared<const Refusals>(), std::make_shared<const CrlSet>(), ++serial}));
        for (int i = 0; i < 2; ++i) {
            CHECK_EQUAL(reason({&sub}, now()), *more == '\0' ? "granted" : "suspended");
            CHECK_EQUAL(reason({}, now()), "not-verified");
            CHECK_EQUAL(reason({&sub}, now() + 100000000), "expired");
        }
    }
}
