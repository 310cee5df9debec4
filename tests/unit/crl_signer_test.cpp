// The signers whose lists count for a certificate: keys of its CA, but no other CA of that name and no other signer.
#include <openssl/core_names.h>
#include <openssl/evp.h>

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "cas.hpp"
#include "claims.hpp"
#include "crl_site.hpp"
#include "lists.hpp"
#include "mtls_authz/load/crl_files.hpp"
#include "policy_draft.hpp"

using namespace mtls;
using namespace test;
using namespace test::lists;

CLAIM(a_list_by_another_key_of_the_ca_counts_under_the_same_anchor) {
    const test::Identity root = ca_named("Root", nullptr), old = ca_named("CA", &root), current = ca_named("CA", &root);
    const test::Identity by_old = make_client("o", "o.example", old), fine = make_client("f", "f.example", old);
    const std::string names = old.cert_pem() + current.cert_pem();
    const Site site(root.cert_pem(), names);
    const ListSpec of_root = list_by(root);
    const CrlSet by_new = set_of({list_by(current, {&by_old}), of_root});
    CHECK_EQUAL(site.answers(by_old, by_new), "revoked revoked");
    CHECK_EQUAL(site.answers(fine, by_new), "granted granted");
    const CrlSet by_old_key = set_of({list_by(old, {&by_old}), of_root});
    CHECK_EQUAL(site.answers(make_client("n", "n.example", current), by_old_key), "granted granted");
    // The same number under both keys: neither replaces the other.
    CHECK_EQUAL(site.answers(by_old, set_of({list_by(old, {&by_old}), list_by(current), of_root})), "revoked revoked");
    CHECK_EQUAL(site.answers(by_old, set_of({list_by(current), list_by(old, {&by_old}), of_root})), "revoked revoked");
    // Sent by the client, for a partner that names neither.
    const Site bare(root.cert_pem());
    CHECK_EQUAL(bare.answers(by_old, by_new, {&old, &current}), "revoked revoked");
    CHECK_EQUAL(bare.answers(fine, set_of({list_by(current), of_root}), {&old}), "revocation-stale revocation-stale");
    // A key for CRLs alone.
    CertSpec alone;
    alone.subject = {{"CN", "CA"}};
    alone.key_usage = "critical,cRLSign";
    const test::Identity lists_only = issue(alone, &root);
    const Site with_key(root.cert_pem(), names + lists_only.cert_pem());
    CHECK_EQUAL(with_key.answers(by_old, set_of({list_by(lists_only, {&by_old}), of_root})), "revoked revoked");
    CHECK_EQUAL(with_key.answers(fine, set_of({list_by(lists_only, {&by_old}), of_root})), "granted granted");
}

CLAIM(a_list_counts_below_each_encoding_of_its_signers_key) {
    const test::Identity root = ca_named("Root", nullptr);
    CertSpec spec;
    spec.subject = {{"CN", "CA"}};
    spec.ca = true;
    spec.key_identifiers = false;  // a hash of the key as it is encoded
    const test::Identity ca = issue(spec, &root);
    EvpPkeyPtr compressed(EVP_PKEY_dup(ca.key.get()));
    CHECK(EVP_PKEY_set_utf8_string_param(compressed.get(), OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, "compressed") ==
          1);
    const test::Identity same = issue(spec, &root, std::move(compressed));
    CHECK(spki_sha256(*same.cert) != spki_sha256(*ca.cert));
    const test::Identity bad = make_client("b", "b.example", ca), good = make_client("g", "g.example", ca);
    const Site site(root.cert_pem());
    const CrlSet crls = set_of({list_by(ca, {&bad}), list_by(root)});
    for (int i = 0; i < 2; ++i) {
        for (const test::Identity* sent : {&ca, &same}) {
            CHECK_EQUAL(site.answers(bad, crls, {sent}), "revoked revoked");
            CHECK_EQUAL(site.answers(good, crls, {sent}), "granted granted");
        }
    }
}

CLAIM(a_list_by_another_ca_of_the_same_name_does_not_count) {
    const test::Identity root = ca_named("Root", nullptr), other_root = ca_named("Root", nullptr),
                         ca = ca_named("CA", &root), twin = ca_named("CA", &other_root);
    const test::Identity leaf = make_client("l", "l.example", ca), top = make_client("t", "t.example", root);
    const Site site(root.cert_pem() + other_root.cert_pem(), ca.cert_pem() + twin.cert_pem());
    const auto known = [&](const std::string& name) { return site.lax->cas().cas_named(name); };
    CHECK_EQUAL(site.answers(leaf, set_of({list_by(twin, {&leaf}), list_by(root)}, known)),
                "granted revocation-unknown");
    CHECK_EQUAL(site.answers(top, set_of({list_by(other_root, {&top})}, known)), "granted revocation-unknown");
    CHECK_EQUAL(site.answers(leaf, set_of({list_by(ca, {&leaf}), list_by(root)}, known)), "revoked revoked");
    CHECK_EQUAL(site.answers(top, set_of({list_by(root, {&top})}, known)), "revoked revoked");
}

CLAIM(a_list_that_counts_for_one_of_two_anchors_of_a_name_is_spoken_of) {
    const test::Identity old = ca_named("Root", nullptr), current = ca_named("Root", nullptr);
    const Site site(old.cert_pem() + current.cert_pem());
    const auto known = [&](const std::string& name) { return site.lax->cas().cas_named(name); };
    const auto anchors = [&](const std::string& name) { return site.lax->cas().anchors_named(name); };
    CrlFiles crls;
    crls.watch({{site.draft.folder() + "/*.crl", "*.crl", {"p.conf", 1}}}, known);
    std::vector<Diagnostic> said;
    std::ofstream(site.draft.folder() + "/new.crl") << pem_of(*make_list(list_by(current)));
    crls.look(known, anchors, said);
    CHECK_EQUAL(said.size(), 1U);
    CHECK_CONTAINS(said.front().message, "has another key and no CRL here");
    std::ofstream(site.draft.folder() + "/old.crl") << pem_of(*make_list(list_by(old)));
    crls.look(known, anchors, said);
    CHECK_EQUAL(said.size(), 1U);
}

CLAIM(a_signer_that_is_expired_or_revoked_or_vouches_for_itself_is_no_signer) {
    const test::Identity root = ca_named("Root", nullptr), ca = ca_named("CA", &root),
                         past = ca_named("CA", &root, "", {}, -3600), gone = ca_named("CA", &root);
    const test::Identity leaf = make_client("l", "l.example", ca);
    const Site site(root.cert_pem(), ca.cert_pem() + past.cert_pem() + gone.cert_pem());
    const ListSpec of_root = list_by(root, {&gone});
    CHECK_EQUAL(site.answers(leaf, set_of({list_by(past), of_root})), "revocation-stale revocation-stale");
    CHECK_EQUAL(site.answers(leaf, set_of({list_by(gone), of_root})), "revocation-stale revocation-stale");
    CHECK_EQUAL(site.answers(leaf, set_of({list_by(past, {&leaf}), list_by(ca), of_root})), "revoked revoked");
    CHECK_EQUAL(site.answers(leaf, set_of({list_by(gone), list_by(root)})), "granted granted");
    CHECK_EQUAL(site.answers(leaf, set_of({list_by(gone), list_by(ca), of_root})), "granted granted");
    // A change of key that the old key signed: what the new key says of its own certificate proves nothing.
    const test::Identity first = ca_named("Root", nullptr), second = ca_named("Root", &first),
                         under = make_client("u", "u.example", second);
    const Site rolled(first.cert_pem(), second.cert_pem());
    CHECK_EQUAL(rolled.answers(under, set_of({list_by(second)})), "granted revocation-unknown");
    CHECK_EQUAL(rolled.answers(under, set_of({list_by(first)})), "granted granted");
    CHECK_EQUAL(rolled.answers(under, set_of({list_by(first, {&second}), list_by(second)})), "revoked revoked");
}

CLAIM(whether_a_ca_may_sign_crls_is_asked_of_each_of_its_certificates) {
    const test::Identity root = ca_named("Root", nullptr);
    for (const test::Identity* issuer : {static_cast<const test::Identity*>(nullptr), &root}) {
        const test::Identity may = ca_named("CA", issuer);
        const test::Identity may_not = issue(
            [] {
                CertSpec spec;
                spec.subject = {{"CN", "CA"}};
                spec.ca = true;
                spec.key_usage = "critical,keyCertSign";
                return spec;
            }(),
            issuer != nullptr ? issuer : &may, key_of(may));
        const test::Identity good = make_client("g", "g.example", may), gone = make_client("x", "x.example", may);
        for (const bool as_anchor : {true, false}) {
            if (!as_anchor && issuer == nullptr) continue;
            for (const bool may_not_first : {true, false}) {
                const std::string both =
                    may_not_first ? may_not.cert_pem() + may.cert_pem() : may.cert_pem() + may_not.cert_pem();
                const Site site(as_anchor ? both : root.cert_pem(), as_anchor ? "" : both);
                const CrlSet lists = set_of({list_by(may, {&gone}), list_by(root)});
                CHECK_EQUAL(site.answers(good, lists), "granted granted");
                CHECK_EQUAL(site.answers(gone, lists), "revoked revoked");
                CHECK_EQUAL(Site::word(*site.forgiving, gone, lists), "revoked");
            }
            const Site none(as_anchor ? may_not.cert_pem() : root.cert_pem(), as_anchor ? "" : may_not.cert_pem());
            const std::string stale = "revocation-stale revocation-stale";
            CHECK_EQUAL(none.answers(good, set_of({list_by(may), list_by(root)})), stale);
            // The anchor's other certificate has to be in a file; an intermediate has its own path.
            CHECK_EQUAL(none.answers(good, set_of({list_by(may), list_by(root)}), {&may}),
                        as_anchor ? stale : "granted granted");
        }
    }
}

CLAIM(a_client_makes_no_list_one_of_a_strangers_key) {
    const test::Identity root = ca_named("Root", nullptr), ca = ca_named("CA", nullptr),
                         stranger = ca_named("CA", &root);
    const test::Identity leaf = make_client("l", "l.example", ca);
    const Site site(ca.cert_pem());
    const CrlSet lists = set_of({list_by(stranger)});
    const auto why = [&](const std::vector<const test::Identity*>& sent) {
        return ask(*site.strict, leaf, sent, now(), {}, {}, lists).detail;
    };
    const std::string before = why({});
    CHECK_CONTAINS(before, "no known CA of that name has its signer's key");
    CHECK_EQUAL(why({&stranger}), before);
    CHECK_EQUAL(why({}), before);
}

CLAIM(lists_that_wait_for_their_signer_are_bounded) {
    const test::Identity ca = make_ca("CA"), held = make_client("h", "h.example", ca);
    const Site site(ca.cert_pem());
    std::vector<ListSpec> lists;
    for (int i = 0; i < 70; ++i) {
        lists.push_back(list_by(ca));
        lists.back().number = i + 1;
        lists.back().this_update = i - 1000;
    }
    lists.back().entries = {{serial_of(held), 1}};
    const CrlSet set = set_of(lists);
    CHECK_EQUAL(set.size(), 64U);
    CHECK_EQUAL(site.answers(held, set), "revoked revoked");
}

CLAIM(of_lists_whose_signer_was_not_known_the_latest_counts) {
    const test::Identity ca = make_ca("CA"), held = make_client("h", "h.example", ca);
    const Site site(ca.cert_pem());
    ListSpec released = list_by(ca);
    released.number = 2;
    released.this_update = -60;
    CrlSet set = set_of({list_by(ca, {&held}, 6), released});
    CHECK_EQUAL(set.size(), 2U);
    CHECK_EQUAL(site.answers(held, set), "granted granted");
    // The key is known by now, though no file names the CA.
    ListSpec third = list_by(ca);
    third.number = 3;
    set.add(
        Crl::read(make_list(third)).value(), [](const std::string&) { return std::vector<X509Ptr>(); }, now());
    CHECK_EQUAL(set.size(), 1U);
}
