// The handshake's verification: mod_ssl's own CAs first, then one path to a live anchor.

#include "mtls_authz/trust/handshake_path.hpp"

#include "mtls_authz/certificate/decoded_certificates.hpp"
#include "mtls_authz/trust/signature_cache.hpp"
#include "policy_draft.hpp"

using namespace mtls;
using namespace test;

namespace {

using Made = test::Identity;

int ssl_index() {
    static const int index = X509_STORE_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
    return index;
}

struct Shaken {
    bool verified = false;
    bool by_anchors = false;
    int error = 0;
    int depth = 0;
    std::string at;
};

// What TLS would find in its context afterwards.
Shaken shake(const Policy& policy, const Made& who, const std::vector<const Made*>& sent = {},
             const std::vector<const Made*>& own = {}) {
    const X509StorePtr store(X509_STORE_new());
    for (const Made* ca : own) X509_STORE_add_cert(store.get(), ca->cert.get());
    std::vector<X509*> chain;
    for (const Made* link : sent) chain.push_back(link->cert.get());
    const BorrowedX509Stack untrusted = stack_of(chain);
    const X509StoreCtxPtr ctx(X509_STORE_CTX_new());
    X509_STORE_CTX_init(ctx.get(), store.get(), who.cert.get(), untrusted.get());
    X509_STORE_CTX_set_default(ctx.get(), "ssl_client");
    const auto verdict = verify_handshake(ctx.get(), policy.cas(), ssl_index(), MissingCrl::kRefuses, now());
    CHECK(X509_STORE_CTX_get0_untrusted(ctx.get()) == untrusted.get());
    Shaken out{verdict.verified == 1,
               verdict.by_anchors,
               X509_STORE_CTX_get_error(ctx.get()),
               X509_STORE_CTX_get_error_depth(ctx.get()),
               {}};
    CHECK(out.verified == (out.error == X509_V_OK));
    const X509* const at = X509_STORE_CTX_get_current_cert(ctx.get());
    if (at != nullptr) out.at = read_name(*X509_get_subject_name(at)).text();
    return out;
}

CertSpec bare(const std::string& cn, bool ca) {
    CertSpec spec;
    spec.subject = {{"CN", cn}};
    spec.ca = ca;
    spec.key_identifiers = false;
    return spec;
}
CertSpec expired(CertSpec spec) {
    spec.not_before = -90000;
    spec.not_after = -80000;
    return spec;
}
EvpPkeyPtr same_key(const Made& id) {
    EVP_PKEY_up_ref(id.key.get());
    return EvpPkeyPtr(id.key.get());
}

std::string anchored(const std::string& name, const std::string& lines) {
    return partner(name, "MTLSIdentity CN:" + name + "\n" + lines);
}

}  // namespace

CLAIM(of_anchors_with_one_name_the_one_that_signed_is_taken) {
    std::vector<Made> cas;
    Draft d;
    std::string text;
    for (int i = 0; i < 4; ++i) {
        cas.push_back(issue(bare("CA", true), nullptr));
        const std::string name = "p" + std::to_string(i);
        d.file(name + ".pem", cas.back().cert_pem());
        if (i < 3) text += anchored(name, "MTLSTrustAnchor " + name + ".pem");
    }
    const auto policy = d.policy(text);
    CHECK_CONTAINS(d.said(), "MTLSTrustAnchor of p1: the CA \"CN=CA\" has the same name as one of p0 (");
    for (std::size_t i = 0; i < 4; ++i) {
        const Made leaf = issue(bare("x", false), &cas[i]);
        const Made sub = issue(bare("Sub", true), &cas[i]), below = issue(bare("x", false), &sub);
        for (const auto& sent : std::vector<std::vector<const Made*>>{{}, {&cas[0]}, {&cas[2], &cas[1], &cas[3]}}) {
            const Shaken got = shake(*policy, leaf, sent);
            CHECK_EQUAL(got.verified, i < 3);
            CHECK_EQUAL(got.by_anchors, i < 3);
            auto more = sent;
            more.push_back(&sub);
            CHECK_EQUAL(shake(*policy, below, more).verified, i < 3);
        }
        CHECK(!shake(*policy, below).verified);
        // mod_ssl's own CA of that name is in nobody's way, and where it signed, no anchor is asked.
        CHECK_EQUAL(shake(*policy, leaf, {}, {&cas[1]}).verified, i < 3);
        CHECK_EQUAL(shake(*policy, leaf, {}, {&cas[1]}).by_anchors, i == 0 || i == 2);
    }
}

CLAIM(two_keys_of_one_partners_ca_are_no_reason_to_warn) {
    const Made before = issue(bare("CA", true), nullptr), after = issue(bare("CA", true), nullptr);
    Draft d;
    d.file("both.pem", before.cert_pem() + after.cert_pem()).file("before.pem", before.cert_pem());
    const auto policy = d.policy(anchored("a", "MTLSTrustAnchor both.pem") + anchored("b", "MTLSTrustAnchor both.pem"));
    CHECK(d.said().find("the same name as one of a") != std::string::npos);
    d.policy(anchored("a", "MTLSTrustAnchor both.pem"));
    CHECK_EQUAL(d.said(), "");
    d.policy(anchored("a", "MTLSTrustAnchor before.pem") + anchored("b", "MTLSTrustAnchor before.pem"));
    CHECK_EQUAL(d.said(), "");
    CHECK(shake(*policy, issue(bare("a", false), &after)).verified);
    CHECK(shake(*policy, issue(bare("a", false), &before)).verified);
}

CLAIM(every_path_over_cross_signed_cas_is_tried) {
    const Made r1 = issue(bare("Root", true), nullptr), r2 = issue(bare("Root", true), nullptr);
    const Made by1 = issue(bare("Mid", true), &r1), by2 = issue(bare("Mid", true), &r2, same_key(by1));
    const Made old2 = issue(expired(bare("Mid", true)), &r2, same_key(by1));
    const Made leaf = issue(bare("api", false), &by1);
    Draft d;
    d.file("r1.pem", r1.cert_pem()).file("r2.pem", r2.cert_pem()).file("mids.pem", by1.cert_pem() + by2.cert_pem());
    const auto first = d.policy(anchored("api", "MTLSTrustAnchor r1.pem"));
    const auto second = d.policy(anchored("api", "MTLSTrustAnchor r2.pem"));
    const auto both = d.policy(anchored("api", "MTLSTrustAnchor r1.pem r2.pem"));
    for (const auto& sent : std::vector<std::vector<const Made*>>{
             {&by1, &by2}, {&by2, &by1}, {&old2, &by1, &by2}, {&by1, &old2, &by2}, {&r2, &r1, &by2, &by1}}) {
        CHECK(shake(*first, leaf, sent).verified);
        CHECK(shake(*second, leaf, sent).verified);
        CHECK(shake(*both, leaf, sent).verified);
    }
    CHECK(!shake(*first, leaf, {&by2}).verified);
    CHECK(!shake(*second, leaf, {&by1}).verified);
    const Shaken old = shake(*second, leaf, {&by1, &old2});
    CHECK_EQUAL(old.error, X509_V_ERR_CERT_HAS_EXPIRED);
    CHECK_EQUAL(old.at, "CN=Mid");
    const auto helped = d.policy(anchored("api", "MTLSTrustAnchor r2.pem\nMTLSIntermediate mids.pem"));
    CHECK(shake(*helped, leaf).verified);
    CHECK(shake(*helped, leaf, {&by1}).verified);
    CHECK(shake(*helped, leaf, {&old2, &by1}).verified);
}

CLAIM(a_renewed_anchor_counts_beside_the_one_that_expired) {
    const Made now_valid = issue(bare("CA", true), nullptr);
    const Made before = issue(expired(bare("CA", true)), nullptr, same_key(now_valid));
    const Made leaf = issue(bare("api", false), &now_valid), late = issue(expired(bare("api", false)), &now_valid);
    Draft d;
    d.file("old.pem", before.cert_pem()).file("both.pem", before.cert_pem() + now_valid.cert_pem());
    const auto both = d.policy(anchored("api", "MTLSTrustAnchor both.pem"));
    CHECK(shake(*both, leaf).verified);
    // Blamed is what would have to change, and that is not the anchor that has been replaced.
    CHECK_EQUAL(shake(*both, late).at, "CN=api");
    const Shaken old = shake(*d.policy(anchored("api", "MTLSTrustAnchor old.pem")), leaf);
    CHECK_EQUAL(old.error, X509_V_ERR_CERT_HAS_EXPIRED);
    CHECK_EQUAL(old.at, "CN=CA");
    CHECK_EQUAL(old.depth, 1);
}

CLAIM(an_anchor_outside_of_its_dates_is_none_in_the_handshake) {
    const Made ca = issue(bare("CA", true), nullptr), late = issue(expired(bare("CA", true)), nullptr, same_key(ca));
    const Made leaf = issue(bare("a", false), &ca);
    Draft d;
    d.file("ca.pem", ca.cert_pem()).file("late.pem", late.cert_pem());
    const auto shaken_by = [&](const std::string& until) {
        return shake(*d.policy(anchored("a", "MTLSTrustAnchor ca.pem until=" + until)), leaf).verified;
    };
    CHECK(shaken_by("2199-01-01"));
    CHECK(!shaken_by("2001-01-01"));
    // Of one CA's certificates each has its own dates.
    const std::string one_more = "\nMTLSTrustAnchor late.pem";
    CHECK(shaken_by("2199-01-01" + one_more));
    CHECK(!shaken_by("2001-01-01" + one_more));
}

CLAIM(the_policys_intermediates_are_helpers_and_nothing_more) {
    const Made root = issue(bare("Root", true), nullptr), upper = issue(bare("Upper", true), &root);
    const Made lower = issue(bare("Lower", true), &upper), twin = issue(bare("Lower", true), &upper);
    const Made leaf = issue(bare("api", false), &lower), other = issue(bare("api", false), &twin);
    Draft d;
    d.file("root.pem", root.cert_pem()).file("all.pem", lower.cert_pem() + upper.cert_pem());
    const std::string helpers = "\nMTLSIntermediate all.pem";
    const auto policy = d.policy(anchored("api", "MTLSTrustAnchor root.pem" + helpers));
    for (const auto& sent : std::vector<std::vector<const Made*>>{{}, {&lower}, {&upper}, {&twin}, {&lower, &upper}}) {
        const Shaken got = shake(*policy, leaf, sent);
        CHECK(got.verified && got.by_anchors);
    }
    CHECK(!shake(*policy, other).verified);
    CHECK(shake(*policy, other, {&twin}).verified);
    CHECK(!shake(*d.policy(anchored("api", "MTLSTrustAnchor root.pem")), leaf).verified);
    // Below mod_ssl's own CA, and below none.
    const auto server = d.policy(anchored("api", "MTLSTrustAnchor mod_ssl" + helpers));
    CHECK(!shake(*server, leaf).verified);
    const Shaken own = shake(*server, leaf, {}, {&root});
    CHECK(own.verified && !own.by_anchors);
}

CLAIM(the_certificate_that_failed_comes_back_to_tls) {
    const Made root = issue(bare("Root", true), nullptr), good = issue(bare("Good", true), &root);
    const Made old = issue(expired(bare("Old", true)), &root);
    CertSpec server_only = bare("api", false);
    server_only.eku = "serverAuth";
    Draft d;
    const auto policy = d.file("root.pem", root.cert_pem()).policy(anchored("api", "MTLSTrustAnchor root.pem"));
    const Shaken above = shake(*policy, issue(bare("api", false), &old), {&old});
    CHECK_EQUAL(above.error, X509_V_ERR_CERT_HAS_EXPIRED);
    CHECK_EQUAL(above.at, "CN=Old");
    CHECK_EQUAL(above.depth, 1);
    const Shaken late = shake(*policy, issue(expired(bare("api", false)), &good), {&good});
    CHECK_EQUAL(late.error, X509_V_ERR_CERT_HAS_EXPIRED);
    CHECK_EQUAL(late.at, "CN=api");
    const Shaken purpose = shake(*policy, issue(server_only, &good), {&good});
    CHECK_EQUAL(purpose.error, X509_V_ERR_INVALID_PURPOSE);
    CHECK_EQUAL(purpose.at, "CN=api");
    CHECK_EQUAL(shake(*policy, issue(bare("api", false), &good)).error, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
}

CLAIM(an_end_entity_anchor_stands_for_itself_in_the_handshake) {
    const Made root = issue(bare("Root", true), nullptr);
    const Made device = issue(bare("device", false), nullptr), other = issue(bare("device", false), nullptr);
    const Made issued = issue(bare("issued", false), &root), by_device = issue(bare("x", false), &device);
    Draft d;
    d.file("device.pem", device.cert_pem()).file("issued.pem", issued.cert_pem());
    const auto policy =
        d.policy(anchored("device", "MTLSTrustAnchor device.pem") + anchored("issued", "MTLSTrustAnchor issued.pem"));
    CHECK(shake(*policy, device).by_anchors);
    CHECK(shake(*policy, issued, {&root}).by_anchors);
    CHECK(!shake(*policy, other).verified);
    CHECK(!shake(*policy, by_device).verified);
    CHECK(!shake(*policy, by_device, {&device}).verified);
}

CLAIM(a_chain_of_a_strangers_making_is_not_followed_for_ever) {
    const Made ca = issue(bare("A", true), nullptr);
    Draft d;
    const auto policy = d.file("ca.pem", ca.cert_pem()).policy(anchored("api", "MTLSTrustAnchor ca.pem"));
    // Two names by turns and one key: each certificate signs every second one, so paths double at each step.
    const Made a = issue(bare("X", true), &ca), b = issue(bare("Y", true), &a, same_key(a));
    std::vector<Made> made;
    std::vector<const Made*> sent;
    for (int i = 0; i < 30; ++i) {
        made.push_back(issue(bare(i % 2 == 0 ? "X" : "Y", true), i % 2 == 0 ? &b : &a, same_key(a)));
    }
    for (const Made& id : made) sent.push_back(&id);
    CHECK(!shake(*policy, issue(bare("api", false), &a), sent).verified);
    sent.insert(sent.begin(), &a);
    CHECK(shake(*policy, issue(bare("api", false), &a), sent).verified);
}

CLAIM(a_handshake_verifies_so_many_signatures_and_no_more) {
    const Made anchor = issue(bare("Root", true), nullptr), stranger = issue(bare("High", true), nullptr);
    Draft d;
    const auto policy = d.file("ca.pem", anchor.cert_pem()).policy(anchored("api", "MTLSTrustAnchor ca.pem"));
    // Of `lows` certificates with the key that signed the leaf the last one leads on, and each is asked about 8 others.
    const auto verified = [&](int lows) {
        // New ones, since signatures in the cache cost nothing.
        const Made high = issue(bare("High", true), &anchor), low = issue(bare("Low", true), &high),
                   leaf = issue(bare("api", false), &low);
        std::vector<Made> made;
        for (int i = 1; i < lows; ++i) made.push_back(issue(bare("Low", true), &stranger, same_key(low)));
        for (int i = 1; i < 8; ++i) made.push_back(issue(bare("High", true), &anchor));
        std::vector<const Made*> sent;
        for (const Made& id : made) sent.push_back(&id);
        sent.insert(sent.end(), {&low, &high});
        return shake(*policy, leaf, sent).verified;
    };
    // 1 for the leaf, since its issuers have one key, and 8 for each of them.
    CHECK(verified(7));
    CHECK(!verified(8));
}

namespace {

// Partners whose CAs have one name, as anchors, or as MTLSIntermediates below anchors of one name.
struct Namesakes {
    std::vector<Made> roots, cas;
    Draft d;
    std::shared_ptr<const Policy> policy;

    Namesakes(int count, bool are_intermediates, bool key_identifiers) {
        CertSpec root = bare("Root", true), ca = bare("CA", true);
        root.key_identifiers = ca.key_identifiers = key_identifiers;
        std::string text;
        for (int i = 0; i < count; ++i) {
            const std::string name = "p" + std::to_string(i);
            if (are_intermediates) roots.push_back(issue(root, nullptr));
            cas.push_back(issue(ca, are_intermediates ? &roots.back() : nullptr));
            d.file(name + ".pem", cas.back().cert_pem());
            if (are_intermediates) d.file(name + ".root", roots.back().cert_pem());
            const std::string anchor = "MTLSTrustAnchor " + name;
            text += anchored(name,
                             are_intermediates ? anchor + ".root\nMTLSIntermediate " + name + ".pem" : anchor + ".pem");
        }
        policy = d.policy(text);
    }
    // The partner whose CA is tried last.
    std::size_t last() const {
        const auto key = [](const Made& ca) { return spki_sha256(*ca.cert); };
        const auto found =
            std::max_element(cas.begin(), cas.end(), [&](const Made& a, const Made& b) { return key(a) < key(b); });
        return static_cast<std::size_t>(found - cas.begin());
    }
};

}  // namespace

CLAIM(of_200_cas_with_one_name_each_lets_its_partner_in) {
    for (const bool key_identifiers : {true, false}) {
        for (const bool are_intermediates : {false, true}) {
            const Namesakes all(200, are_intermediates, key_identifiers);
            for (const std::size_t i : {all.last(), std::size_t(0), std::size_t(199)}) {
                const std::string name = "p" + std::to_string(i);
                CertSpec spec = bare(name, false), sub_spec = bare("Sub", true);
                spec.key_identifiers = sub_spec.key_identifiers = key_identifiers;
                const Made leaf = issue(spec, &all.cas[i]);
                CHECK(shake(*all.policy, leaf).verified);
                CHECK_EQUAL(verdict(ask(*all.policy, leaf)), "granted " + name);
                const Made sub = issue(sub_spec, &all.cas[i]), below = issue(spec, &sub);
                CHECK(shake(*all.policy, below, {&sub}).verified);
                CHECK_EQUAL(verdict(ask(*all.policy, below, {&sub})), "granted " + name);
            }
            const Made stranger = issue(bare("CA", true), nullptr), foe = issue(bare("p0", false), &stranger);
            CHECK(!shake(*all.policy, foe).verified);
            CHECK_EQUAL(verdict(ask(*all.policy, foe)), are_intermediates ? "not-verified" : "wrong-issuer");
        }
    }
}

CLAIM(a_second_look_up_of_one_name_counts_against_the_budget_unless_the_key_is_named) {
    // A CA that two CAs of one name have certified: 1 signature for the leaf, and the second look-up.
    for (const int count : {63, 64}) {
        for (const bool key_identifiers : {false, true}) {
            const Namesakes all(count, false, key_identifiers);
            const std::string name = "p" + std::to_string(all.last());
            CertSpec spec = bare("Sub", true), leaf_spec = bare(name, false), stranger_spec = bare("CA", true);
            spec.key_identifiers = leaf_spec.key_identifiers = stranger_spec.key_identifiers = key_identifiers;
            const Made stranger = issue(stranger_spec, nullptr);
            const bool fits = count == 63 || key_identifiers;
            for (const bool in_handshake : {true, false}) {
                const Made sub = issue(spec, &all.cas[all.last()]), other = issue(spec, &stranger, same_key(sub));
                const Made leaf = issue(leaf_spec, &sub);
                const std::vector<const Made*> sent = {&other, &sub};
                if (in_handshake) CHECK_EQUAL(shake(*all.policy, leaf, sent).verified, fits);
                if (!in_handshake)
                    CHECK_EQUAL(verdict(ask(*all.policy, leaf, sent)), fits ? "granted " + name : "not-verified");
            }
        }
    }
}

CLAIM(a_search_among_too_many_certificates_of_one_name_refuses_and_says_what_to_do) {
    const Namesakes all(200, false, false);
    const Made stranger = issue(bare("CA", true), nullptr);
    std::vector<Made> made;
    std::vector<const Made*> sent;
    for (int i = 0; i < 9; ++i) made.push_back(issue(bare("CA", true), &stranger));
    for (const Made& id : made) sent.push_back(&id);
    const Identification who = ask(*all.policy, issue(bare("p7", false), &made[0]), sent);
    CHECK_EQUAL(verdict(who), "not-verified");
    CHECK_CONTAINS(who.detail, "have one name: it has to be sent with its own chain alone, and its CAs need ");
    CHECK(who.claimed.size() == 1 && who.claimed.front()->name == std::string_view("p7"));
    // What the policy's own CA signed is found before.
    CHECK_EQUAL(verdict(ask(*all.policy, issue(bare("p7", false), &all.cas[7]), sent)), "granted p7");
    CHECK(shake(*all.policy, issue(bare("p7", false), &all.cas[7]), sent).verified);
}

CLAIM(the_signatures_of_a_handshake_count_where_its_callback_overruled_nothing) {
    const Made root = issue(bare("Root", true), nullptr), leaf = issue(bare("api", false), &root);
    std::string altered = encode(i2d_X509, *leaf.cert);
    altered.back() = static_cast<char>(altered.back() ^ 1);
    const X509Ptr forged = decode_exactly(altered);
    Draft d;
    const auto policy = d.file("root.pem", root.cert_pem()).policy(anchored("api", "MTLSTrustAnchor root.pem"));
    const auto verify = [&](X509& certificate, bool knows_root, X509_STORE_CTX_verify_cb callback) {
        const X509StorePtr store(X509_STORE_new());
        if (knows_root) X509_STORE_add_cert(store.get(), root.cert.get());
        const X509StoreCtxPtr ctx(X509_STORE_CTX_new());
        X509_STORE_CTX_init(ctx.get(), store.get(), &certificate, nullptr);
        if (callback != nullptr) X509_STORE_CTX_set_verify_cb(ctx.get(), callback);
        const auto given = X509_STORE_CTX_get_verify_cb(ctx.get());
        HandshakeVerdict verdict =
            knows_root ? verify_handshake(ctx.get())
                       : verify_handshake(ctx.get(), policy->cas(), ssl_index(), MissingCrl::kRefuses, now());
        CHECK(X509_STORE_CTX_get_verify_cb(ctx.get()) == given);
        return verdict;
    };
    const auto takes_all = [](int, X509_STORE_CTX* ctx) {
        X509_STORE_CTX_set_error(ctx, X509_V_OK);
        return 1;
    };
    for (const bool knows_root : {true, false}) {
        CHECK_EQUAL(verify(*leaf.cert, knows_root, nullptr).chain.size(), 2U);
        CHECK_EQUAL(verify(*leaf.cert, knows_root, takes_all).chain.size(), 2U);
        CHECK(verify(*forged, knows_root, nullptr).verified != 1);
        const HandshakeVerdict overruled = verify(*forged, knows_root, takes_all);
        CHECK_EQUAL(overruled.verified, 1);
        CHECK_EQUAL(overruled.chain.size(), 0U);
    }
    const Made other = issue(bare("api", false), &root);
    const HandshakeVerdict verdict = verify(*other.cert, true, nullptr);
    CHECK(!signatures().contains(certificate_sha256(*other.cert), spki_sha256(*root.cert)));
    add_signatures(verdict.chain, PresentedCertificate(*other.cert, {}));
    CHECK(signatures().contains(certificate_sha256(*other.cert), spki_sha256(*root.cert)));
    CHECK(!signatures().contains(certificate_sha256(*forged), spki_sha256(*root.cert)));
}

CLAIM(mod_ssls_own_cas_are_asked_with_its_crls_and_without_the_leafs_dates) {
    const Made root = issue(bare("Root", true), nullptr), sub = issue(bare("Sub", true), &root);
    const Made leaf = issue(bare("api", false), &sub), late = issue(expired(bare("api", false)), &sub);
    const Made old = issue(expired(bare("Old", true)), &root), below_old = issue(bare("api", false), &old);
    Draft d;
    d.file("root.pem", root.cert_pem()).file("sub.pem", sub.cert_pem());
    const auto policy = d.policy(anchored("api", "MTLSTrustAnchor root.pem"));
    const auto helped = d.policy(anchored("api", "MTLSTrustAnchor root.pem\nMTLSIntermediate sub.pem"));
    const auto present = [](const Made& who, const std::vector<const Made*>& sent) {
        std::vector<X509Ptr> helpers;
        for (const Made* link : sent) helpers.push_back(share(*link->cert));
        return PresentedCertificate(*who.cert, {std::move(helpers)});
    };
    const auto own_of = [](const std::vector<const Made*>& cas, unsigned long flags, MissingCrl missing,
                           const std::string& crls) {
        OwnStore own{X509StorePtr(X509_STORE_new()), 1, missing};
        for (const Made* ca : cas) X509_STORE_add_cert(own.store.get(), ca->cert.get());
        X509_STORE_set_flags(own.store.get(), flags);
        const DecodedCrls decoded = decode_crls(crls);
        for (const X509CrlPtr& list : decoded.lists) X509_STORE_add_crl(own.store.get(), list.get());
        return own;
    };
    const std::string lists = make_crl(root, {}) + make_crl(sub, {});
    const OwnStore own = own_of({&root}, 0, MissingCrl::kRefuses, lists);
    CHECK(verifies(own, present(leaf, {&sub}), policy->cas()));
    CHECK(!verifies(own, present(leaf, {}), policy->cas()));
    CHECK(verifies(own, present(leaf, {}), helped->cas()));
    CHECK(verifies(own, present(late, {&sub}), policy->cas()));
    CHECK(!verifies(own, present(below_old, {&old}), policy->cas()));
    CHECK(!verifies({}, present(leaf, {&sub}), policy->cas()));
    // Made for servers alone: by the purpose that is asked for.
    CertSpec for_servers = bare("api", false);
    for_servers.eku = "serverAuth";
    const Made server = issue(for_servers, &sub);
    CHECK(!verifies(own, present(server, {&sub}), policy->cas(), X509_PURPOSE_SSL_CLIENT));
    CHECK(verifies(own, present(server, {&sub}), policy->cas(), X509_PURPOSE_SSL_SERVER));
    // An intermediate among them is no anchor, where mod_ssl does not say so.
    CHECK(!verifies(own_of({&sub}, 0, MissingCrl::kRefuses, lists), present(leaf, {}), policy->cas()));
    CHECK(verifies(own_of({&sub}, X509_V_FLAG_PARTIAL_CHAIN, MissingCrl::kRefuses, lists), present(leaf, {}),
                   policy->cas()));
    constexpr unsigned long kChain = X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL;
    CrlSpec spec;
    spec.revoked = {{&sub, 1}};
    const auto asked = [&](MissingCrl missing, const std::string& crls) {
        return verifies(own_of({&root}, kChain, missing, crls), present(leaf, {&sub}), policy->cas());
    };
    CHECK(asked(MissingCrl::kRefuses, lists));
    CHECK(!asked(MissingCrl::kRefuses, make_crl(root, {})));
    CHECK(asked(MissingCrl::kPasses, make_crl(root, {})));
    CHECK(!asked(MissingCrl::kPasses, make_crl(root, spec) + make_crl(sub, {})));
}
