// CRLs as RFC 5280 6.3 has them.

#include "crl_answers.hpp"

using namespace test::crls;
using test::CrlSpec;
using test::Identity;

CLAIM(a_crl_revokes_what_it_lists_for_the_ca_that_signed_it) {
    const Pki& p = pki();
    for (const bool signer_known : {true, false}) {
        CrlSet set;
        CHECK_EQUAL(add(set, test::make_crl(p.ca, {{{&p.bad, -1}}}),
                        signer_known ? std::vector{&p.ca} : std::vector<const Identity*>{}),
                    "");
        CHECK_EQUAL(ask(set, p.bad, p.ca), "revoked");
        CHECK_EQUAL(ask(set, p.good, p.ca), "good");
        // Same name, another key: it counts for nothing there.
        CHECK_EQUAL(ask(set, p.bad, p.twin), "good");
        CHECK_EQUAL(ask(set, p.bad, p.twin, kRequired), "unknown");
        CHECK_EQUAL(ask(set, p.good, p.ca, kRequired), "good");
    }
    CHECK_EQUAL(ask(CrlSet(), p.good, p.ca), "good");
    CHECK_EQUAL(ask(CrlSet(), p.good, p.ca, kRequired), "unknown");
}

CLAIM(each_part_of_a_crl_counts_however_many_there_are_before_its_signer_is_known) {
    const Pki& p = pki();
    CrlSet set;
    const auto part = [&](std::size_t i, const Identity* revoked) {
        CrlSpec spec;
        if (revoked != nullptr) spec.revoked = {{revoked, -1}};
        spec.idp = "fullname:URI:http://crl.example/" + std::to_string(i);
        return add(set, test::make_crl(p.ca, spec), {});
    };
    const std::size_t most = CrlSet::kMostUnverified;
    for (std::size_t i = 0; i < most; ++i) CHECK_EQUAL(part(i, i == 0 ? &p.bad : nullptr), "");
    CHECK_EQUAL(set.size(), most);
    CHECK_EQUAL(ask(set, p.bad, p.ca), "revoked");
    CHECK_EQUAL(ask(set, p.good, p.ca), "good");
    // Now the signer is known: there may be more.
    CHECK_EQUAL(part(most, &p.good), "");
    CHECK_EQUAL(ask(set, p.good, p.ca), "revoked");
}

CLAIM(an_impostors_or_older_crl_never_replaces_the_one_in_force) {
    const Pki& p = pki();
    CrlSet set;
    CrlSpec current{{{&p.bad, -1}}};
    current.number = 300;
    CHECK_EQUAL(add(set, test::make_crl(p.ca, current), {&p.ca, &p.twin}), "");
    CrlSpec older;
    older.number = 2;
    older.this_update = -10;  // the number decides, not the date
    CHECK_CONTAINS(add(set, test::make_crl(p.ca, older), {&p.ca}), "older than the one in force");
    CHECK_EQUAL(ask(set, p.bad, p.ca), "revoked");
    CrlSpec fake;
    fake.number = 9000;
    Identity forger = test::copy_of(p.ca);
    forger.key = test::make_key();
    CHECK_CONTAINS(add(set, test::make_crl(forger, fake), {&p.ca, &p.twin}), "signed by none");
    CHECK_EQUAL(ask(set, p.bad, p.ca), "revoked");
    for (int i = 0; i < 20; ++i) add(set, test::make_crl(forger, fake), {&p.ca});
    CHECK_EQUAL(ask(set, p.bad, p.ca), "revoked");
    CrlSpec newer;
    newer.number = 301;
    CHECK_EQUAL(add(set, test::make_crl(p.ca, newer), {&p.ca}), "");
    CHECK_EQUAL(ask(set, p.bad, p.ca), "good");
}

CLAIM(a_ca_that_may_not_sign_crls_signs_none) {
    test::CertSpec spec;
    spec.subject = {{"CN", "No CRL CA"}};
    spec.ca = true;
    spec.key_usage = "critical,keyCertSign";
    const Identity ca = test::issue(spec, nullptr), leaf = test::make_client("x", "x.example.org", ca);
    CrlSet set;
    add(set, test::make_crl(ca, {{{&leaf, -1}}}), {&ca});
    CHECK_EQUAL(ask(set, leaf, ca, kRequired), "stale");
}

CLAIM(a_stale_crl_denies_unless_forgiven_and_still_revokes) {
    const Pki& p = pki();
    CrlSet set;
    CrlSpec spec{{{&p.bad, -1}}};
    spec.next_update = 100;
    add(set, test::make_crl(p.ca, spec), {&p.ca});
    CHECK_EQUAL(ask(set, p.good, p.ca, {}, 90), "good");
    CHECK_EQUAL(ask(set, p.good, p.ca, {}, 110), "stale");
    CHECK_EQUAL(ask(set, p.good, p.ca, {std::nullopt, INT64_MAX}, 110), "good");
    CHECK_EQUAL(ask(set, p.good, p.ca, {std::nullopt, 3600}, 3000), "good");
    CHECK_EQUAL(ask(set, p.good, p.ca, {std::nullopt, 3600}, 3800), "stale");
    CHECK_EQUAL(ask(set, p.bad, p.ca, {std::nullopt, INT64_MAX}, 110), "revoked");
    CHECK_EQUAL(ask(set, p.bad, p.ca, {}, 110), "revoked");
    CrlSet endless;
    spec.has_next_update = false;
    add(endless, test::make_crl(p.ca, spec), {&p.ca});
    CHECK_EQUAL(ask(endless, p.good, p.ca), "stale");
    CHECK_CONTAINS(detail_of(endless, p.good, p.ca, {}), "has no nextUpdate");
    CHECK_CONTAINS(detail_of(set, p.good, p.ca, {}, 110), "is past its nextUpdate");
    CHECK_EQUAL(ask(endless, p.good, p.ca, {std::nullopt, INT64_MAX}), "good");
    CrlSet future;
    spec.this_update = 500;
    add(future, test::make_crl(p.ca, spec), {&p.ca});
    CHECK_EQUAL(ask(future, p.bad, p.ca), "good");
    CHECK_EQUAL(ask(future, p.bad, p.ca, kRequired), "unknown");
    CHECK_CONTAINS(detail_of(future, p.bad, p.ca, kRequired), "is not used before its thisUpdate");
    CHECK_EQUAL(ask(future, p.bad, p.ca, {}, 600), "revoked");
}

CLAIM(deltas_remove_on_their_base_only) {
    const Pki& p = pki();
    CrlSpec base{{{&p.bad, 6}}};
    base.number = 10;
    CrlSpec delta{{{&p.bad, 8}, {&p.good, 1}}};
    delta.number = 12;
    delta.base = 10;
    CrlSet set;
    CHECK_EQUAL(add(set, test::make_crl(p.ca, base) + test::make_crl(p.ca, delta), {&p.ca}), "");
    CHECK_EQUAL(ask(set, p.bad, p.ca), "good");  // removeFromCRL
    CHECK_EQUAL(ask(set, p.good, p.ca), "revoked");
    CrlSet alone;
    add(alone, test::make_crl(p.ca, delta), {&p.ca});
    // What it lists is revoked, base or not; without its base it answers for no other certificate.
    CHECK_EQUAL(ask(alone, p.good, p.ca), "revoked");
    CHECK_EQUAL(ask(alone, p.bad, p.ca, kRequired), "unknown");
    delta.base = 11;
    CrlSet gap;
    add(gap, test::make_crl(p.ca, base) + test::make_crl(p.ca, delta), {&p.ca});
    CHECK_EQUAL(ask(gap, p.bad, p.ca), "revoked");
    CHECK_EQUAL(ask(gap, p.good, p.ca), "revoked");
    // In a complete list, removeFromCRL takes nothing back.
    CrlSpec odd{{{&p.bad, 8}}};
    CrlSet complete;
    add(complete, test::make_crl(p.ca, odd), {&p.ca});
    CHECK_EQUAL(ask(complete, p.bad, p.ca), "revoked");
}

CLAIM(scopes_say_what_a_crl_is_about) {
    const Pki& p = pki();
    const Identity sub = test::make_ca("Sub CA", &p.ca), unlisted = test::make_ca("Sub CA", &p.ca);
    const auto with = [&](const std::string& idp) {
        CrlSet set;
        CrlSpec spec{{{&p.bad, -1}, {&sub, -1}}};
        spec.idp = idp;
        const std::string said = add(set, test::make_crl(p.ca, spec), {&p.ca});
        return std::pair(set, said);
    };
    CHECK_EQUAL(ask(with("onlyuser:TRUE").first, p.bad, p.ca), "revoked");
    CHECK_EQUAL(ask(with("onlyuser:TRUE").first, unlisted, p.ca, kRequired), "unknown");
    CHECK_EQUAL(ask(with("onlyCA:TRUE").first, p.good, p.ca, kRequired), "unknown");
    CHECK_EQUAL(ask(with("onlyCA:TRUE").first, sub, p.ca), "revoked");
    CHECK_CONTAINS(with("onlyAA:TRUE").second, "attribute certificates");
    CHECK_EQUAL(ask(with("onlysomereasons:keyCompromise").first, p.bad, p.ca), "revoked");
    CHECK_EQUAL(ask(with("onlysomereasons:keyCompromise").first, p.good, p.ca, kRequired), "unknown");
    test::CertSpec pointed;
    pointed.subject = {{"CN", "pointed"}};
    pointed.crl_points = "URI:http://crl.example/1";
    const Identity one = test::issue(pointed, &p.ca);
    CHECK_EQUAL(ask(with("fullname:URI:http://crl.example/1").first, one, p.ca, kRequired), "good");
    CHECK_EQUAL(ask(with("fullname:URI:http://crl.example/2").first, one, p.ca, kRequired), "unknown");
    CHECK_EQUAL(ask(with("fullname:URI:http://crl.example/1").first, p.good, p.ca, kRequired), "unknown");
    CrlSpec strange;
    strange.raw_critical = {{"1.2.3.4", test::der_utf8("x")}};
    CrlSet set;
    CHECK_CONTAINS(add(set, test::make_crl(p.ca, strange), {&p.ca}), "unknown critical extension");
}

CLAIM(an_indirect_crl_counts_where_the_certificate_points_to_its_signer) {
    const Pki& p = pki();
    const Identity signer = test::make_ca("CRL Signer", &p.ca), stranger = test::make_ca("CRL Signer");
    test::CertSpec spec;
    spec.subject = {{"CN", "pointed"}};
    spec.crl_issuer = &signer;
    const Identity bad = test::issue(spec, &p.ca), good = test::issue(spec, &p.ca);
    CrlSpec list;
    list.idp = "indirectCRL:TRUE";
    list.revoked = {{&bad, 1}, {&p.bad, 1}};
    list.entry_issuer = &p.ca;
    CrlSet set;
    CHECK_EQUAL(add(set, test::make_crl(signer, list), {}), "");
    const std::vector<const Identity*> signers = {&signer};
    CHECK_EQUAL(ask(set, bad, p.ca, kRequired, 0, signers), "revoked");
    CHECK_EQUAL(ask(set, good, p.ca, kRequired, 0, signers), "good");
    // Not without a verified signer, nor with one of the same name, nor for a certificate that points nowhere.
    CHECK_EQUAL(ask(set, bad, p.ca, kRequired), "unknown");
    CHECK_EQUAL(ask(set, bad, p.ca, kRequired, 0, {&stranger}), "unknown");
    CHECK_EQUAL(ask(set, p.bad, p.ca, kRequired, 0, signers), "unknown");
    // Entries name their issuer: the same serial of the signer's own is another certificate.
    CrlSpec own;
    own.idp = "indirectCRL:TRUE";
    own.revoked = {{&bad, 1}};
    CrlSet other;
    add(other, test::make_crl(signer, own), {});
    CHECK_EQUAL(ask(other, bad, p.ca, {}, 0, signers), "good");
    // A list that is not indirect speaks for its signer alone.
    CrlSpec direct;
    direct.revoked = {{&bad, 1}};
    CrlSet plain;
    add(plain, test::make_crl(signer, direct), {});
    CHECK_EQUAL(ask(plain, bad, p.ca, kRequired, 0, signers), "unknown");
}
