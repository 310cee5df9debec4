// The signers whose lists count for a certificate: keys of its CA, but no other CA of that name and no other signer.
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "cas.hpp"
#include "claims.hpp"
#include "crl_site.hpp"
#include "lists.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/der.hpp"
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

namespace {

// The public key under id-RSASSA-PSS (RFC 4055 1.2): it verifies no signature of PKCS #1 1.5.
EvpPkeyPtr as_pss(const EVP_PKEY& key) {
    const std::string oid("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a", 9);
    const std::string spki = der_element(
        V_ASN1_SEQUENCE, der_element(V_ASN1_SEQUENCE, der_element(V_ASN1_OBJECT, oid)) +
                             der_element(V_ASN1_BIT_STRING, std::string(1, '\0') + encode(i2d_PublicKey, key)));
    const auto* at = bytes_of(spki).data();
    EvpPkeyPtr out(d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size())));
    CHECK(out != nullptr);
    return out;
}

EvpPkeyPtr as_plain(const EVP_PKEY& key) {
    const X509Ptr carrier(X509_new());
    CHECK(X509_set_pubkey(carrier.get(), const_cast<EVP_PKEY*>(&key)) == 1);
    const std::string_view encoded = octets_of(*X509_get0_pubkey_bitstr(carrier.get()));
    const auto* at = bytes_of(encoded).data();
    EvpPkeyPtr out(d2i_PublicKey(EVP_PKEY_RSA, nullptr, &at, static_cast<long>(encoded.size())));
    CHECK(out != nullptr);
    return out;
}

EvpPkeyPtr make_pss_key() {
    const std::unique_ptr<EVP_PKEY_CTX, FreeWith<EVP_PKEY_CTX_free>> ctx(
        EVP_PKEY_CTX_new_from_name(nullptr, "RSA-PSS", nullptr));
    EVP_PKEY* made = nullptr;
    CHECK(EVP_PKEY_keygen_init(ctx.get()) == 1 && EVP_PKEY_CTX_set_rsa_keygen_bits(ctx.get(), 2048) == 1 &&
          EVP_PKEY_keygen(ctx.get(), &made) == 1);
    return EvpPkeyPtr(made);
}

}  // namespace

CLAIM(a_key_in_another_encoding_does_not_keep_a_list_from_its_signer) {
    const test::Identity root = ca_named("Root", nullptr), other = ca_named("Other", &root),
                         ca = ca_named("CA", &root, "", EvpPkeyPtr(EVP_RSA_gen(2048))),
                         namesake = ca_named("CA", &other), encoded = ca_named("CA", &other, "", as_pss(*ca.key)),
                         beside = ca_named("CA", &root, "", as_pss(*ca.key));
    const test::Identity strange = make_client("s", "s.example", namesake), bad = make_client("b", "b.example", ca),
                         good = make_client("g", "g.example", ca);
    const Site site(root.cert_pem());
    const CrlSet lists = set_of({list_by(ca, {&bad}), list_by(root), list_by(other)});
    for (int i = 0; i < 2; ++i) {
        CHECK_EQUAL(site.answers(strange, lists, {&namesake, &other}), "revocation-stale revocation-stale");
        CHECK_EQUAL(site.answers(strange, lists, {&namesake, &encoded, &other}), "granted granted");
        CHECK_EQUAL(site.answers(good, lists, {&ca}), "granted granted");
        CHECK_EQUAL(site.answers(bad, lists, {&ca}), "revoked revoked");
    }
    // A list that is signed in RSASSA-PSS.
    const test::Identity pss = ca_named("CA", &root, "", make_pss_key()),
                         plain = ca_named("CA", &root, "", as_plain(*pss.key)),
                         below = make_client("x", "x.example", pss);
    for (const auto& order : {std::vector{&plain, &pss}, std::vector{&pss, &plain}}) {
        const CrlSet signed_so = set_of({list_by(pss), list_by(root)});
        for (const test::Identity* sent : order) {
            CHECK_EQUAL(site.answers(make_client("y", "y.example", namesake), signed_so, {&namesake, sent, &other}),
                        "granted revocation-unknown");
        }
        CHECK_EQUAL(site.answers(below, signed_so, {&pss}), "granted granted");
    }
    // Both in the files of the policy, in either order.
    for (const std::string& both : {beside.cert_pem() + ca.cert_pem(), ca.cert_pem() + beside.cert_pem()}) {
        for (const auto& [anchors, intermediates] :
             {std::pair(root.cert_pem(), both), std::pair(both, std::string())}) {
            const Site with_files(anchors, intermediates);
            const auto known = [&](const std::string& name) { return with_files.lax->cas().cas_named(name); };
            const CrlSet at_load = set_of({list_by(ca, {&bad}), list_by(root)}, known);
            CHECK_EQUAL(with_files.answers(good, at_load), "granted granted");
            CHECK_EQUAL(with_files.answers(bad, at_load), "revoked revoked");
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

CLAIM(what_a_list_says_does_not_depend_on_who_came_before) {
    const test::Identity root = ca_named("Root", nullptr), old = ca_named("CA", &root), current = ca_named("CA", &root);
    const test::Identity bad = make_client("b", "b.example", old), fine = make_client("f", "f.example", old),
                         listed = make_client("l", "l.example", current), good = make_client("g", "g.example", current);
    const Site site(root.cert_pem()), with_files(root.cert_pem(), current.cert_pem());
    const CrlSet lists = set_of({list_by(current, {&bad, &listed}), list_by(root)});
    const std::string stale = "revocation-stale revocation-stale";
    for (int i = 0; i < 2; ++i) {
        CHECK_EQUAL(site.answers(bad, lists, {&old}), stale);
        CHECK_EQUAL(site.answers(fine, lists, {&old}), stale);
        CHECK_CONTAINS(ask(*site.lax, bad, {&old}, now(), {}, {}, lists).detail, "add its certificate");
        CHECK_EQUAL(site.answers(listed, lists, {&current}), "revoked revoked");
        CHECK_EQUAL(site.answers(good, lists, {&current}), "granted granted");
        CHECK_EQUAL(with_files.answers(bad, lists, {&old}), "revoked revoked");
        CHECK_EQUAL(with_files.answers(fine, lists, {&old}), "granted granted");
    }
    // The CA's own list is enough.
    CHECK_EQUAL(site.answers(fine, set_of({list_by(current), list_by(old), list_by(root)}), {&old}), "granted granted");
}

namespace {

test::Identity ca_with_unknown_extension(const std::string& cn, const test::Identity& issuer) {
    CertSpec spec;
    spec.subject = {{"CN", cn}};
    spec.ca = true;
    spec.extensions = {{NID_netscape_comment, "critical,a word"}};
    return issue(spec, &issuer);
}

}  // namespace

CLAIM(a_list_whose_signer_has_no_path_is_not_taken_for_another_cas) {
    const test::Identity root = ca_named("Root", nullptr), other_root = ca_named("Other", nullptr),
                         missing = ca_named("Missing", &root), ca = ca_named("CA", &root);
    const test::Identity leaf = make_client("l", "l.example", ca);
    const std::pair<test::Identity, std::string> signers[] = {
        {ca_with_unknown_extension("CA", root), "unhandled critical extension"},
        {ca_named("CA", &missing), "the certificate of \"CN=Missing\" that issued it is not at hand"},
        {ca_named("CA", &other_root), "the certificate of \"CN=Other\" that issued it is not at hand"},
        {ca_named("CA", nullptr), "\"CN=CA\" issued itself, and is none"},
        {ca_named("CA", &root, "", EvpPkeyPtr(EVP_RSA_gen(1024))), "key too weak"},
    };
    for (const auto& [signer, why] : signers) {
        const Site site(root.cert_pem(), ca.cert_pem() + signer.cert_pem());
        const CrlSet lists = set_of({list_by(signer, {&leaf}), list_by(root)},
                                    [&](const std::string& name) { return site.lax->cas().cas_named(name); });
        CHECK_EQUAL(site.answers(leaf, lists), "revocation-stale revocation-stale");
        const std::string detail = ask(*site.lax, leaf, {}, now(), {}, {}, lists).detail;
        CHECK_CONTAINS(detail, "its signer has no path to a trust anchor: ");
        CHECK_CONTAINS(detail, why);
        CHECK_EQUAL(site.answers(leaf, set_of({list_by(signer), list_by(ca), list_by(root)})), "granted granted");
    }
    // Of another anchor, whether or not that one counts at the moment; but not by a certificate that a client sends.
    const test::Identity twin = ca_named("CA", &other_root);
    const CrlSet of_twin = set_of({list_by(twin, {&leaf}), list_by(root)});
    const auto with = [&](const std::string& beta) {
        Draft d;
        d.file("root.pem", root.cert_pem()).file("ca.pem", ca.cert_pem()).file("other.pem", other_root.cert_pem());
        d.file("twin.pem", twin.cert_pem());
        const auto policy =
            d.policy(partner("acme", "MTLSIdentity any\nMTLSTrustAnchor root.pem\nMTLSIntermediate ca.pem") +
                     partner("beta", "MTLSIdentity O:Beta\nMTLSTrustAnchor other.pem" + beta));
        return std::string(word_of(ask(*policy, leaf, {&twin}, now(), {}, {}, of_twin).reason));
    };
    CHECK_EQUAL(with("\nMTLSIntermediate twin.pem"), "granted");
    CHECK_EQUAL(with(" until=2020-01-01\nMTLSIntermediate twin.pem"), "granted");
    CHECK_EQUAL(with(""), "revocation-stale");
}

CLAIM(a_signer_below_this_anchor_by_another_partners_files_is_not_another_ca) {
    const test::Identity root = ca_named("Root", nullptr), other = ca_named("Other", nullptr),
                         middle = ca_named("M", &root), cross = ca_named("M", &other, "", key_of(middle)),
                         ca = ca_named("CA", &root), renewed = ca_named("CA", &middle);
    const test::Identity leaf = make_client("l", "l.example", ca);
    const auto with = [&](const std::string& of_beta) {
        Draft d;
        d.file("root.pem", root.cert_pem()).file("ca.pem", ca.cert_pem() + renewed.cert_pem());
        d.file("other.pem", other.cert_pem()).file("m.pem", of_beta);
        const auto policy =
            d.policy(partner("acme", "MTLSIdentity any\nMTLSTrustAnchor root.pem\nMTLSIntermediate ca.pem") +
                     partner("beta", "MTLSIdentity O:Beta\nMTLSTrustAnchor other.pem\nMTLSIntermediate m.pem"));
        return ask(*policy, leaf, {}, now(), {}, {}, set_of({list_by(renewed, {&leaf}), list_by(root)}));
    };
    const auto both = with(cross.cert_pem() + middle.cert_pem());
    CHECK_EQUAL(std::string(word_of(both.reason)), "revocation-stale");
    CHECK_CONTAINS(both.detail, "its signer's path is in none of the partner's files: add it with MTLSIntermediate");
    CHECK_EQUAL(std::string(word_of(with(cross.cert_pem()).reason)), "granted");
}

CLAIM(keys_of_one_name_below_one_of_mod_ssls_cas_are_one_ca) {
    const test::Identity root = ca_named("Root", nullptr), old = ca_named("CA", &root), current = ca_named("CA", &root),
                         strange = ca_with_unknown_extension("CA", root);
    const test::Identity bad = make_client("b", "b.example", old), fine = make_client("f", "f.example", old);
    Draft d;
    const auto policy = d.policy(partner("acme", "MTLSIdentity CN:b\nMTLSIdentity CN:f\nMTLSTrustAnchor mod_ssl"));
    const auto said = [&](const test::Identity& who, const test::Identity& signer,
                          const std::vector<const test::Identity*>& cas) {
        ServerCas server;
        for (const test::Identity* c : cas) server.certificates.push_back(share(*c->cert));
        server.crls = std::make_shared<const CrlSet>(set_of({list_by(signer, {&bad})}));
        return std::string(word_of(ask(*policy, who, {}, now(), server).reason));
    };
    CHECK_EQUAL(said(bad, current, {&root, &old, &current}), "revoked");
    CHECK_EQUAL(said(fine, current, {&root, &old, &current}), "granted");
    CHECK_EQUAL(said(bad, strange, {&root, &old, &strange}), "revocation-stale");
    // Two CAs, for all that is known.
    CHECK_EQUAL(said(bad, current, {&old, &current}), "granted");
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

CLAIM(a_list_that_counts_for_nothing_that_an_intermediate_of_its_name_issued_is_spoken_of) {
    const test::Identity root = ca_named("Root", nullptr), other_root = ca_named("Other", nullptr),
                         ca = ca_named("CA", &root), renewed = ca_named("CA", &root),
                         twin = ca_named("CA", &other_root), strange = ca_with_unknown_extension("CA", root);
    const auto said = [](const test::Identity& signer, const std::string& anchors, const std::string& intermediates) {
        const Site site(anchors, intermediates);
        const auto known = [&](const std::string& name) { return site.lax->cas().cas_named(name); };
        CrlFiles crls;
        crls.watch({{site.draft.folder() + "/*.crl", "*.crl", {"p.conf", 1}}}, known);
        std::ofstream(site.draft.folder() + "/a.crl") << pem_of(*make_list(list_by(signer)));
        std::vector<Diagnostic> out;
        crls.look(
            known, [&](const std::string& name) { return site.lax->cas().anchors_named(name); }, out);
        CHECK(out.size() < 2);
        return out.empty() ? std::string() : out.front().message;
    };
    const std::string both = root.cert_pem() + other_root.cert_pem();
    CHECK_CONTAINS(said(twin, both, ca.cert_pem() + twin.cert_pem()), "has another key and no CRL here");
    CHECK_EQUAL(said(renewed, both, ca.cert_pem() + renewed.cert_pem()), "");
    CHECK_CONTAINS(said(strange, both, ca.cert_pem() + strange.cert_pem()),
                   "cannot be used: its signer has no path to a trust anchor: unhandled critical extension");
    CHECK_CONTAINS(said(twin, root.cert_pem(), ca.cert_pem() + twin.cert_pem()),
                   "has no path to a trust anchor: the c");
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
