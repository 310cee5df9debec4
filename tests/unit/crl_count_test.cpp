// Which lists count for a certificate, and what they have to say together (RFC 5280 6.3.3).

#include <openssl/core_names.h>

#include "lists.hpp"
#include "mtls_authz/load/crl_files.hpp"
#include "policy_draft.hpp"

using namespace mtls;
using namespace test;

namespace {

constexpr unsigned kKeys = 0x006, kRest = 0x1f8;

// Lists as CrlFiles holds them; signers are learned from `known`.
CrlSet set_of(const std::vector<ListSpec>& specs, const CasByName& known = {}) {
    CrlSet set;
    for (const ListSpec& spec : specs) {
        X509CrlPtr list = make_list(spec);
        const std::string issuer = read_name(*X509_CRL_get_issuer(list.get())).canonical;
        auto crl = Crl::read(std::move(list));
        const CasByName none = [](const std::string&) { return std::vector<X509Ptr>(); };
        if (crl.ok()) set.add(std::move(crl.value()), known ? known : none, now());
        if (!crl.ok()) set.mark_unusable(issuer, crl.error());
    }
    return set;
}

ListSpec list_by(const test::Identity& signer, const std::vector<const test::Identity*>& revoked = {},
                 long reason = -1) {
    ListSpec out;
    out.signer = &signer;
    for (const test::Identity* id : revoked) out.entries.push_back({serial_of(*id), reason});
    return out;
}

ListSpec scoped(ListSpec list, const ScopeSpec& scope) {
    list.scope = scope;
    return list;
}

ScopeSpec only_user() { return {{}, true}; }
ScopeSpec only_ca() { return {{}, false, true}; }
ScopeSpec only_reasons(unsigned reasons) { return {{}, false, false, false, false, reasons}; }
ScopeSpec at(const std::string& uri) { return {{{uri}}}; }

test::Identity leaf_with(const std::vector<PointSpec>& points, const test::Identity& ca) {
    CertSpec spec = client_spec("pointed");
    spec.raw.push_back(distribution_points(points));
    return issue(spec, &ca);
}

test::Identity ca_named(const std::string& cn, const test::Identity* issuer, const std::string& usage = "",
                        EvpPkeyPtr key = {}, std::int64_t not_after = 864000) {
    CertSpec spec;
    spec.subject = {{"CN", cn}};
    spec.ca = true;
    spec.key_usage = usage;
    spec.not_before = -864000;
    spec.not_after = not_after;
    return issue(spec, issuer, std::move(key));
}

EvpPkeyPtr key_of(const test::Identity& id) {
    EVP_PKEY_up_ref(id.key.get());
    return EvpPkeyPtr(id.key.get());
}

// One partner, its anchor and its intermediates, under both kinds of MTLSCRL.
struct Site {
    Draft draft;
    std::shared_ptr<const Policy> lax, strict, forgiving;

    Site(const std::string& anchors, const std::string& intermediates = "") {
        draft.file("anchors.pem", anchors).file("ca.pem", intermediates);
        const std::string lines = "MTLSIdentity any\nMTLSTrustAnchor anchors.pem\n" +
                                  std::string(intermediates.empty() ? "" : "MTLSIntermediate ca.pem\n");
        lax = draft.policy(partner("acme", lines));
        strict = draft.policy(partner("acme", lines + "MTLSCRL required\n"));
        forgiving = draft.policy(partner("acme", lines + "MTLSCRLStale allow\n"));
    }
    static std::string word(const Policy& policy, const test::Identity& who, const CrlSet& crls,
                            const std::vector<const test::Identity*>& sent = {}) {
        return std::string(word_of(ask(policy, who, sent, now(), {}, {}, crls).reason));
    }
    std::string answers(const test::Identity& who, const CrlSet& crls,
                        const std::vector<const test::Identity*>& sent = {}) const {
        return word(*lax, who, crls, sent) + " " + word(*strict, who, crls, sent);
    }
};

}  // namespace

CLAIM(parts_of_a_list_that_is_split_by_reasons_count_together) {
    const test::Identity ca = make_ca("CA"), stolen = make_client("s", "s.example", ca),
                         old = make_client("o", "o.example", ca), good = make_client("g", "g.example", ca);
    const Site site(ca.cert_pem());
    const ListSpec keys = scoped(list_by(ca, {&stolen}, 1), only_reasons(kKeys));
    const ListSpec rest = scoped(list_by(ca, {&old}, 4), only_reasons(kRest));
    for (const auto& lists : {std::vector{keys, rest}, std::vector{rest, keys}}) {
        for (const CasByName& known : {CasByName(), CasByName([&](const std::string&) {
                                           std::vector<X509Ptr> out;
                                           out.push_back(share(*ca.cert));
                                           return out;
                                       })}) {
            const CrlSet both = set_of(lists, known);
            CHECK_EQUAL(site.answers(stolen, both), "revoked revoked");
            CHECK_EQUAL(site.answers(old, both), "revoked revoked");
            CHECK_EQUAL(site.answers(good, both), "granted granted");
        }
    }
    CHECK_EQUAL(site.answers(stolen, set_of({keys})), "revoked revoked");
    CHECK_EQUAL(site.answers(good, set_of({keys})), "granted revocation-unknown");
    // A part that is out of date is not made good for by the other one; a complete list makes it so.
    ListSpec late = rest;
    late.next_update = -10;
    CHECK_EQUAL(site.answers(good, set_of({keys, late})), "revocation-stale revocation-stale");
    CHECK_EQUAL(site.answers(good, set_of({keys, late, list_by(ca)})), "granted granted");
    // A certificate may say itself for which reasons a point is.
    const test::Identity for_keys = leaf_with({{{{"u:1"}}, {}, kKeys}}, ca);
    const test::Identity for_all = leaf_with({{{{"u:1"}}, {}, kKeys}, {{{"u:1"}}, {}, kRest}}, ca);
    const CrlSet one = set_of({scoped(list_by(ca), at("u:1"))});
    CHECK_EQUAL(site.answers(for_keys, one), "granted revocation-unknown");
    CHECK_EQUAL(site.answers(for_all, one), "granted granted");
    CHECK_EQUAL(site.answers(for_keys, set_of({list_by(ca)})), "granted granted");
}

CLAIM(basic_constraints_decide_which_lists_are_about_a_certificate) {
    const test::Identity root = make_ca("Root"), sub = make_ca("Sub", &root), deep = make_client("d", "d.example", sub);
    const test::Identity user = make_client("u", "u.example", root);
    const Site site(root.cert_pem());
    for (const char* usage : {"critical,digitalSignature", "critical,digitalSignature,keyCertSign"}) {
        CertSpec spec = client_spec("as-ca");
        spec.ca = true;
        spec.key_usage = usage;  // says nothing of what it is
        const test::Identity as_ca = issue(spec, &root);
        const CrlSet of_cas = set_of({scoped(list_by(root, {&as_ca}), only_ca())});
        CHECK_EQUAL(site.answers(as_ca, of_cas), "revoked revoked");
        CHECK_EQUAL(site.answers(user, of_cas), "granted revocation-unknown");
        const CrlSet of_users = set_of({scoped(list_by(root, {&user}), only_user())});
        CHECK_EQUAL(site.answers(as_ca, of_users), "granted revocation-unknown");
        CHECK_EQUAL(site.answers(user, of_users), "revoked revoked");
        CHECK_EQUAL(site.answers(as_ca, set_of({scoped(list_by(root), only_ca())})), "granted granted");
    }
    // Intermediates are asked of the lists for CAs.
    const ListSpec by_sub = list_by(sub);
    CHECK_EQUAL(site.answers(deep, set_of({by_sub, scoped(list_by(root), only_ca())}), {&sub}), "granted granted");
    CHECK_EQUAL(site.answers(deep, set_of({by_sub, scoped(list_by(root, {&sub}), only_ca())}), {&sub}),
                "revoked revoked");
    CHECK_EQUAL(site.answers(deep, set_of({by_sub, scoped(list_by(root), only_user())}), {&sub}),
                "granted revocation-unknown");
}

CLAIM(a_cas_own_list_does_not_answer_for_another_crl_issuer) {
    const test::Identity ca = ca_named("CA", nullptr), other = ca_named("CRL Issuer", &ca);
    const Site site(ca.cert_pem(), other.cert_pem());
    const PointName point{{}, {{"CN", "Point"}}};
    const test::Identity foreign = leaf_with({{point, {&other}}}, ca), own = leaf_with({{point, {&ca}}}, ca),
                         plain = leaf_with({{point}}, ca), either = leaf_with({{point, {&other}}, {point}}, ca),
                         nameless = leaf_with({{{}, {&other}}}, ca);
    const ScopeSpec at_point{point};
    for (const ListSpec& list : {scoped(list_by(ca), at_point), list_by(ca)}) {
        CHECK_EQUAL(site.answers(foreign, set_of({list})), "granted revocation-unknown");
        CHECK_EQUAL(site.answers(nameless, set_of({list})), "granted revocation-unknown");
        CHECK_EQUAL(site.answers(own, set_of({list})), "granted granted");
        CHECK_EQUAL(site.answers(plain, set_of({list})), "granted granted");
        CHECK_EQUAL(site.answers(either, set_of({list})), "granted granted");
    }
    CHECK_EQUAL(site.answers(foreign, set_of({list_by(ca, {&foreign})})), "revoked revoked");
    ScopeSpec indirect = at_point;
    indirect.indirect = true;
    ListSpec theirs = scoped(list_by(other), indirect);
    CHECK_EQUAL(site.answers(foreign, set_of({theirs})), "granted granted");
    CHECK_EQUAL(site.answers(own, set_of({theirs})), "granted revocation-unknown");
    CHECK_EQUAL(site.answers(nameless, set_of({theirs})), "granted revocation-unknown");
    theirs.entries = {{serial_of(foreign), 1, {&other, &ca}}, {serial_of(nameless)}, {serial_of(own)}};
    CHECK_EQUAL(site.answers(foreign, set_of({theirs})), "revoked revoked");
    CHECK_EQUAL(site.answers(nameless, set_of({theirs})), "revoked revoked");
    // Entries of other issuers in a list that is not indirect: it cannot be used, and is not taken for none.
    theirs.scope->indirect = false;
    CHECK_EQUAL(site.answers(foreign, set_of({theirs})), "revocation-stale revocation-stale");
    // A list of theirs that cannot be used is not taken for none.
    test::Identity forger = copy_of(other);
    forger.key = make_key();
    CHECK_EQUAL(site.answers(foreign, set_of({scoped(list_by(forger), indirect)})),
                "revocation-stale revocation-stale");
}

CLAIM(a_distribution_point_is_compared_by_any_of_its_names) {
    const test::Identity ca = ca_named("CA", nullptr);
    const Site site(ca.cert_pem());
    const PointName relative{{}, {}, "Part"}, in_full{{}, {{"CN", "CA"}, {"CN", "Part"}}}, uris{{"u:1", "u:2"}};
    const auto answer = [&](const PointName& of_certificate, const PointName& of_list) {
        return site.answers(leaf_with({{of_certificate}}, ca), set_of({scoped(list_by(ca), {of_list})}));
    };
    CHECK_EQUAL(answer(relative, in_full), "granted granted");
    CHECK_EQUAL(answer(in_full, relative), "granted granted");
    CHECK_EQUAL(answer(relative, relative), "granted granted");
    CHECK_EQUAL(answer(relative, {{}, {}, "Other"}), "granted revocation-unknown");
    CHECK_EQUAL(answer(uris, {{"u:2"}}), "granted granted");
    CHECK_EQUAL(answer({{"u:2"}}, uris), "granted granted");
    CHECK_EQUAL(answer(uris, {{"u:3"}}), "granted revocation-unknown");
    // A scope counts whether its extension is critical or not, and a name of any type restricts.
    ScopeSpec elsewhere = at("u:3");
    elsewhere.critical = false;
    CHECK_EQUAL(site.answers(leaf_with({{uris}}, ca), set_of({scoped(list_by(ca), elsewhere)})),
                "granted revocation-unknown");
    CrlSpec by_dns;
    by_dns.idp = "fullname:DNS:crl.example";
    CrlSet set;
    set.add(
        Crl::read(std::move(decode_crls(make_crl(ca, by_dns)).lists.front())).value(),
        [](const std::string&) { return std::vector<X509Ptr>(); }, now());
    CHECK_EQUAL(site.answers(make_client("x", "x.example", ca), set), "granted revocation-unknown");
}

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

CLAIM(a_list_of_the_future_replaces_nothing_before_its_time) {
    const test::Identity ca = make_ca("CA"), bad = make_client("b", "b.example", ca);
    const Site site(ca.cert_pem());
    const auto known = [&](const std::string& name) { return site.lax->cas().cas_named(name); };
    ListSpec next = list_by(ca), later = list_by(ca);
    next.number = 2;
    next.this_update = 500;
    later.number = 3;
    later.this_update = 1500;
    const CrlSet set = set_of({list_by(ca, {&bad}), next, later}, known);
    CHECK_EQUAL(set.size(), 2U);
    CHECK_EQUAL(site.answers(bad, set), "revoked revoked");
    CHECK_EQUAL(std::string(word_of(ask(*site.lax, bad, {}, now() + 1600, {}, {}, set).reason)), "granted");
    CHECK(ask(*site.lax, bad, {}, now(), {}, {}, set).valid_until < now() + 1501);
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

CLAIM(a_delta_takes_back_with_its_base_alone_and_revokes_in_any_case) {
    const test::Identity root = ca_named("Root", nullptr), old = ca_named("CA", &root), current = ca_named("CA", &root);
    const test::Identity held = make_client("h", "h.example", old), good = make_client("g", "g.example", old);
    const Site site(root.cert_pem(), old.cert_pem() + current.cert_pem());
    ListSpec base = list_by(old, {&held}, 6), delta = list_by(old, {&held}, 8);
    base.number = 10;
    delta.number = 12;
    delta.base = 10;
    const auto answer = [&](const ListSpec& with, const test::Identity& who) {
        return site.answers(who, set_of({base, with, list_by(root)}));
    };
    CHECK_EQUAL(answer(delta, held), "granted granted");
    ListSpec odd = delta;
    odd.base = 11;
    CHECK_EQUAL(answer(odd, held), "revoked revoked");
    odd = delta;
    odd.number = 10;
    CHECK_EQUAL(answer(odd, held), "revoked revoked");
    odd = delta;
    odd.next_update = -10;
    CHECK_EQUAL(answer(odd, held), "revoked revoked");
    odd = delta;
    odd.signer = &current;
    CHECK_EQUAL(answer(odd, held), "revoked revoked");
    odd = scoped(delta, only_user());
    CHECK_EQUAL(answer(odd, held), "revoked revoked");
    odd = delta;
    odd.entries.push_back({serial_of(held), 1});
    CHECK_EQUAL(answer(odd, held), "revoked revoked");
    // What a delta adds counts with whatever base, until a base says the same.
    delta.entries = {{serial_of(good), 1}};
    CHECK_EQUAL(answer(delta, good), "revoked revoked");
    CHECK_EQUAL(site.answers(good, set_of({delta})), "revoked revoked");
    CHECK_EQUAL(site.answers(held, set_of({delta, list_by(root)})), "granted revocation-unknown");
    base.number = 12;
    CHECK_EQUAL(answer(delta, good), "granted granted");
}

CLAIM(a_delta_takes_the_place_of_another_only_where_what_that_says_is_covered) {
    const test::Identity ca = make_ca("CA"), listed = make_client("l", "l.example", ca),
                         other = make_client("o", "o.example", ca);
    const CasByName known = [&](const std::string&) {
        std::vector<X509Ptr> out;
        out.push_back(share(*ca.cert));
        return out;
    };
    const Site site(ca.cert_pem());
    const auto numbered = [&](ListSpec list, long number, std::optional<long> base = {}) {
        list.number = number;
        list.base = base;
        list.this_update = -10000 + number * 100;
        return list;
    };
    const auto answer = [&](std::vector<ListSpec> lists, const test::Identity& who) {
        const std::string first = site.answers(who, set_of(lists));
        CHECK_EQUAL(site.answers(who, set_of(lists, known)), first);
        std::reverse(lists.begin(), lists.end());
        CHECK_EQUAL(site.answers(who, set_of(lists)), first);
        CHECK_EQUAL(site.answers(who, set_of(lists, known)), first);
        return first;
    };
    const ListSpec full = numbered(list_by(ca), 5), older = numbered(list_by(ca, {&listed}), 7, 5);
    CHECK_EQUAL(answer({full, older}, listed), "revoked revoked");
    // Its base is one that is not at hand: of the changes between, the older one alone speaks.
    for (const long base : {6, 7, 8}) {
        CHECK_EQUAL(answer({full, older, numbered(list_by(ca), 9, base)}, listed), "revoked revoked");
        CHECK_EQUAL(answer({full, older, numbered(list_by(ca), 9, base)}, other), "granted granted");
    }
    CHECK_EQUAL(answer({full, older, numbered(list_by(ca), 8, 6), numbered(list_by(ca), 9, 8)}, listed),
                "revoked revoked");
    // From the same base on, or an earlier one, it lists all changes.
    CHECK_EQUAL(answer({full, older, numbered(list_by(ca), 9, 5)}, listed), "granted granted");
    CHECK_EQUAL(answer({full, older, numbered(list_by(ca), 9, 4)}, listed), "granted granted");
    CHECK_EQUAL(answer({full, older, numbered(list_by(ca, {&listed}, 8), 9, 5)}, listed), "granted granted");
    // With a complete list that it completes, too; so does a complete list that is as new as the older one.
    const ListSpec base = numbered(list_by(ca), 6), newer = numbered(list_by(ca), 9, 6);
    CHECK_EQUAL(answer({full, older, base}, listed), "revoked revoked");
    CHECK_EQUAL(answer({full, older, base, newer}, listed), "granted granted");
    CHECK_EQUAL(answer({full, older, numbered(list_by(ca), 7), numbered(list_by(ca), 9, 8)}, listed),
                "granted granted");
    // Not with one that another key signed, or of another scope, or of the future.
    ListSpec future = base;
    future.this_update = 5000;
    CHECK_EQUAL(answer({full, older, newer, future}, listed), "revoked revoked");
    CHECK_EQUAL(answer({full, older, newer, scoped(base, only_user())}, listed), "revoked revoked");
}

CLAIM(serials_of_entries_are_numbers) {
    const test::Identity ca = make_ca("CA");
    const Site site(ca.cert_pem());
    const char* const serials[] = {"80", "-80", "7F", "0", "0080FF", "-1"};
    for (const char* listed : serials) {
        ListSpec list = list_by(ca);
        list.entries = {{listed}};
        for (const char* serial : serials) {
            CertSpec spec = client_spec("x");
            spec.serial = serial;
            const std::string expected = std::string(serial) == listed ? "revoked revoked" : "granted granted";
            CHECK_EQUAL(site.answers(issue(spec, &ca), set_of({list})), expected);
        }
    }
}

CLAIM(lists_that_cannot_be_used_are_not_taken_for_none) {
    const test::Identity ca = make_ca("CA"), other = make_ca("Other"), good = make_client("g", "g.example", ca),
                         elsewhere = make_client("e", "e.example", other);
    const Site site(ca.cert_pem() + other.cert_pem());
    const auto known = [&](const std::string& name) { return site.lax->cas().cas_named(name); };
    const std::string usable = der_of(*make_list(list_by(ca)));
    const auto edited = [&](const std::string& from, const std::string& to) {
        std::string out = usable;
        const std::size_t found = out.find(from);
        CHECK(found != std::string::npos);
        return out.replace(found, from.size(), to);
    };
    ScopeSpec none = only_user();
    none.ca = true;
    ListSpec odd = list_by(ca), odd_entry = list_by(ca, {&elsewhere}), damaged = list_by(ca);
    odd.unknown_critical = true;
    odd_entry.entries.front().unknown_critical = true;
    damaged.damaged = true;
    ScopeSpec attribute;
    attribute.attribute = true;
    const std::string files[] = {
        der_of(*make_list(scoped(list_by(ca), none))),
        der_of(*make_list(scoped(list_by(ca), attribute))),
        der_of(*make_list(odd)),
        der_of(*make_list(odd_entry)),
        der_of(*make_list(damaged)),
        edited(std::string("\x02\x01\x01", 3), std::string("\x04\x01\x01", 3)),          // the version
        edited(std::string("\x30\x0a\x06\x08", 4), std::string("\x30\x0a\x05\x08", 4)),  // the inner algorithm
        edited(std::string("\x30\x0a\x06\x08\x2a\x86", 6), std::string("\x30\x0a\x06\x08\x2a\x87", 6)),
        usable.substr(0, usable.size() / 2),
        // Beside one that is good.
        pem_of(*make_list(list_by(other))) + "-----BEGIN X509 CRL-----\n" +
            pem_of(*make_list(list_by(ca))).substr(25, 200),
    };
    for (const std::string& content : files) {
        const std::string path = site.draft.folder() + "/a.crl";
        std::ofstream(path, std::ios::binary) << content;
        CrlFiles crls;
        crls.watch({{path, "a.crl", {"p.conf", 1}}}, known);
        std::vector<Diagnostic> said;
        CHECK(crls.look(known, known, said));
        CHECK_EQUAL(said.size(), 1U);
        CHECK_EQUAL(site.answers(good, *crls.crls()), "revocation-stale revocation-stale");
        CHECK_CONTAINS(ask(*site.lax, good, {}, now(), {}, {}, *crls.crls()).detail, "cannot be used");
        CHECK_EQUAL(Site::word(*site.lax, elsewhere, *crls.crls()), "granted");
        // A usable one beside it ends that; so does an edit that leaves a part of the reasons.
        CrlSet beside = *crls.crls();
        beside.add(Crl::read(make_list(list_by(ca))).value(), known, now());
        CHECK_EQUAL(site.answers(good, beside), "granted granted");
        std::ofstream(path, std::ios::binary) << pem_of(*make_list(scoped(list_by(ca), only_reasons(kKeys))));
        CHECK(crls.look(known, known, said));
        CHECK_EQUAL(said.size(), 1U);
        CHECK_EQUAL(site.answers(good, *crls.crls()), "granted revocation-unknown");
    }
    std::ofstream(site.draft.folder() + "/b.crl", std::ios::binary) << files[9];
    CrlFiles crls;
    crls.watch({{site.draft.folder() + "/b.crl", "b.crl", {"p.conf", 1}}}, known);
    std::vector<Diagnostic> said;
    crls.look(known, known, said);
    CHECK_EQUAL(site.answers(elsewhere, *crls.crls()), "granted granted");
}
