// Paths to anchors, and who a certificate belongs to: each grant beside its nearest refusals.

#include <openssl/core_names.h>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/decoded_certificates.hpp"
#include "mtls_authz/trust/signature_cache.hpp"
#include "mtls_authz/trust/trust.hpp"
#include "policy_draft.hpp"

using namespace mtls;
using namespace test;

namespace {

// `root` issued the CA `sub` and the certificate `pinned`; `sub` issued `leaf`. The draft has files of all but `leaf`.
struct Nested {
    test::Identity root = test::make_ca("Root"), sub = test::make_ca("Sub", &root);
    test::Identity pinned = test::issue(client_spec("box"), &root), leaf = test::issue(client_spec("api"), &sub);
    Draft d;
    Nested() { d.file("root.pem", root.cert_pem()).file("sub.pem", sub.cert_pem()).file("box.pem", pinned.cert_pem()); }
};

}  // namespace

CLAIM(an_identity_counts_only_under_its_partners_anchor) {
    const auto a = test::make_ca("A"), b = test::make_ca("B"), fake = test::make_ca("A");
    Draft d;
    const auto policy = d.file("a.pem", a.cert_pem())
                            .file("b.pem", b.cert_pem())
                            .policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor a.pem") +
                                    partner("bank", "MTLSIdentity CN:bank\nMTLSTrustAnchor b.pem"));
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("api"), &a))), "granted acme");
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("api"), &b))), "wrong-issuer");
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("api"), &fake))), "wrong-issuer");
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("api"), &fake), {&fake})), "wrong-issuer");
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("other"), &fake))), "not-verified");
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("other"), &a))), "unknown-partner");
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("api"), nullptr))), "not-verified");
}

CLAIM(the_same_identity_under_two_cas_is_two_partners) {
    const auto a = test::make_ca("A"), b = test::make_ca("B");
    Draft d;
    const auto policy =
        d.file("a.pem", a.cert_pem())
            .file("b.pem", b.cert_pem())
            .policy(partner("one", "MTLSIdentity CN:api\nMTLSTrustAnchor a.pem") +
                    partner("two", "MTLSIdentity CN:api\nMTLSTrustAnchor b.pem") +
                    partner("three", "MTLSIdentity O:Acme CN:x\nMTLSIdentity CN:y\nMTLSTrustAnchor a.pem") +
                    partner("four", "MTLSIdentity CN:x\nMTLSTrustAnchor a.pem\nMTLSSuspend On"));
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("api"), &a))), "granted one");
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("api"), &b))), "granted two");
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("x"), &a))),
                "ambiguous");  // a suspended partner takes part
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("y"), &a))), "granted three");
}

CLAIM(intermediates_come_from_the_peer_or_from_mtls_intermediate) {
    const auto root = test::make_ca("Root"), sub = test::make_ca("Sub", &root), deep = test::make_ca("Deep", &sub);
    Draft d;
    d.file("root.pem", root.cert_pem())
        .file("sub.pem", sub.cert_pem())
        .file("deep.pem", deep.cert_pem() + sub.cert_pem());
    const auto leaf = test::issue(client_spec("api"), &deep);
    const auto bare = d.policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor root.pem"));
    CHECK_EQUAL(verdict(ask(*bare, leaf)), "not-verified");
    CHECK_EQUAL(verdict(ask(*bare, leaf, {&deep})), "not-verified");
    CHECK_EQUAL(verdict(ask(*bare, leaf, {&deep, &sub})), "granted acme");
    CHECK_EQUAL(verdict(ask(*bare, leaf, {&sub, &root, &deep})), "granted acme");
    const auto helped =
        d.policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor root.pem\nMTLSIntermediate deep.pem"));
    CHECK_EQUAL(verdict(ask(*helped, leaf)), "granted acme");
    // Another partner's helpers find the nearest CA, but do not verify for this one.
    const auto others =
        d.policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor root.pem") +
                 partner("other", "MTLSIdentity CN:other\nMTLSTrustAnchor root.pem\nMTLSIntermediate deep.pem"));
    CHECK_EQUAL(verdict(ask(*others, leaf)), "wrong-issuer");
    const auto intermediate = d.policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor sub.pem"));
    CHECK_EQUAL(verdict(ask(*intermediate, leaf, {&deep})), "granted acme");
}

CLAIM(the_nearest_named_ca_decides_alone) {
    const auto root = test::make_ca("Root"), sub = test::make_ca("Sub", &root), below = test::make_ca("Below", &sub);
    Draft d;
    d.file("root.pem", root.cert_pem())
        .file("sub.pem", sub.cert_pem())
        .file("both.pem", root.cert_pem() + sub.cert_pem());
    const auto policy = d.policy(partner("upper", "MTLSIdentity CN:api\nMTLSTrustAnchor root.pem") +
                                 partner("lower", "MTLSIdentity CN:lower\nMTLSTrustAnchor sub.pem") +
                                 partner("wide", "MTLSIdentity CN:wide\nMTLSTrustAnchor both.pem") +
                                 partner("server", "MTLSIdentity CN:srv\nMTLSTrustAnchor mod_ssl"));
    CHECK_CONTAINS(d.said(), "stands below an anchor of upper");
    ServerCas server;
    server.certificates.push_back(share(*root.cert));
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("api"), &sub), {&sub})), "wrong-issuer");
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("api"), &below), {&below, &sub})), "wrong-issuer");
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("lower"), &sub))), "granted lower");
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("wide"), &sub))), "granted wide");
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("api"), &root))), "granted upper");
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("srv"), &root), {}, now(), server)), "wrong-issuer");
    const auto other = test::make_ca("Other");
    server.certificates.push_back(share(*other.cert));
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("srv"), &other), {}, now(), server)), "granted server");
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("srv"), &other))), "not-verified");
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("zzz"), &other), {}, now(), server)), "unknown-partner");
}

CLAIM(a_nearest_ca_that_is_none_of_the_partners_is_named) {
    Nested nested;
    const auto &root = nested.root, &sub = nested.sub, &pinned = nested.pinned, &leaf = nested.leaf;
    Draft& d = nested.d;
    const std::string lower = partner("lower", "MTLSIdentity CN:lower\nMTLSTrustAnchor sub.pem box.pem");
    const auto told = [&](const std::string& upper, const test::Identity& who, const test::Identity& helper) {
        ServerCas server;
        server.certificates.push_back(share(*root.cert));
        const auto policy = d.policy(lower + partner("upper", upper));
        const Identification out = ask(*policy, who, {&helper}, now(), server);
        CHECK_EQUAL(verdict(out), "wrong-issuer");
        return out.detail;
    };
    const std::string nearest = "the nearest CA above it that the policy names (CN=Sub,O=Sub Inc,C=US) is ";
    for (const char* anchor : {"root.pem", "mod_ssl"}) {
        const std::string upper = std::string("\nMTLSTrustAnchor ") + anchor;
        CHECK_EQUAL(told("MTLSIdentity CN:api" + upper, leaf, sub),
                    nearest + "a trust anchor of others, and none of upper");
        CHECK_EQUAL(told("MTLSIdentity CN:box" + upper, pinned, sub),
                    "the certificate itself is a trust anchor of others, and none of upper");
    }
    CHECK_EQUAL(told("MTLSIdentity CN:api anchor=root.pem\nMTLSTrustAnchor root.pem sub.pem", leaf, sub),
                nearest + "an anchor of upper, but not the one of anchor= beside that MTLSIdentity");
}

CLAIM(the_warning_of_an_anchor_below_anothers_says_what_its_dates_do) {
    Nested nested;
    const auto &sub = nested.sub, &pinned = nested.pinned, &leaf = nested.leaf;
    Draft& d = nested.d;
    const std::string upper = partner("upper", "MTLSIdentity O:Acme\nMTLSTrustAnchor root.pem");
    const auto with = [&](const std::string& anchor, const std::string& more = "") {
        return d.policy(upper + partner("lower", "MTLSIdentity any\nMTLSTrustAnchor " + anchor + more));
    };
    const auto always = with("sub.pem");
    CHECK_CONTAINS(d.said(),
                   "the CA \"CN=Sub,O=Sub Inc,C=US\" stands below an anchor of upper (p.conf:1): "
                   "certificates under it can be lower's, never upper's\n");
    CHECK_EQUAL(verdict(ask(*always, leaf, {&sub})), "granted lower");
    const std::string advice =
        "never upper's, between from= and until= alone: outside of these dates the anchor does not exist, and upper's "
        "decides. To end trust, use MTLSSuspend, MTLSValid until= of lower or MTLSRevoke instead\n";
    for (const std::string dates : {" until=2020-01-01", " from=2090-01-01"}) {
        const auto ended = with("sub.pem" + dates);
        CHECK_CONTAINS(d.said(), "certificates under it can be lower's, " + advice);
        CHECK_EQUAL(verdict(ask(*ended, leaf, {&sub})), "granted upper");
    }
    const auto box = with("box.pem until=2020-01-01");
    CHECK_CONTAINS(d.said(),
                   "the certificate \"CN=box,O=Acme\" stands below an anchor of upper (p.conf:1): it can be "
                   "lower's, " +
                       advice);
    CHECK_EQUAL(verdict(ask(*box, pinned)), "granted upper");
    // What the warning advises.
    CHECK_EQUAL(verdict(ask(*with("sub.pem", "\nMTLSValid until=2020-01-01"), leaf, {&sub})), "outside-contract lower");
    CHECK_EQUAL(verdict(ask(*with("sub.pem", "\nMTLSSuspend On"), leaf, {&sub})), "suspended lower");
    const auto revoked =
        d.policy(upper + partner("lower", "MTLSIdentity any\nMTLSTrustAnchor sub.pem until=2020-01-01") +
                 "MTLSRevoke sha256:" + test::hex_sha256(sub) + "\n");
    CHECK_EQUAL(verdict(ask(*revoked, leaf, {&sub})), "revoked");
}

CLAIM(an_anchor_of_one_line_does_not_serve_another) {
    const auto a = test::make_ca("A"), b = test::make_ca("B");
    Draft d;
    const auto policy =
        d.file("a.pem", a.cert_pem())
            .file("b.pem", b.cert_pem())
            .policy(
                partner("acme", "MTLSIdentity CN:api anchor=a.pem\nMTLSIdentity CN:free\nMTLSTrustAnchor a.pem b.pem"));
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("api"), &a))), "granted acme");
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("api"), &b))), "wrong-issuer");
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("free"), &b))), "granted acme");
}

CLAIM(identity_any_takes_what_its_own_anchor_issued) {
    const auto a = test::make_ca("A"), b = test::make_ca("B");
    Draft d;
    const auto policy = d.file("a.pem", a.cert_pem())
                            .file("b.pem", b.cert_pem())
                            .policy(partner("all-of-a", "MTLSIdentity any\nMTLSTrustAnchor a.pem") +
                                    partner("bank", "MTLSIdentity CN:bank\nMTLSTrustAnchor b.pem"));
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("x"), &a))), "granted all-of-a");
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("x"), &b))), "unknown-partner");
    test::CertSpec server_only = client_spec("x");
    server_only.eku = "serverAuth";
    CHECK_EQUAL(verdict(ask(*policy, test::issue(server_only, &a))), "wrong-issuer");
}

CLAIM(an_end_entity_anchor_stands_for_itself_and_issues_nothing) {
    const auto self = test::issue(client_spec("device"), nullptr);
    test::CertSpec v1 = client_spec("old");
    v1.version = 0;
    const auto old = test::issue(v1, nullptr);
    Draft d;
    const auto policy =
        d.file("self.pem", self.cert_pem())
            .file("old.pem", old.cert_pem())
            .policy(partner("device", "MTLSIdentity any\nMTLSTrustAnchor self.pem") +
                    partner("old", "MTLSIdentity CN:child CN:child\nMTLSIdentity CN:old\nMTLSTrustAnchor old.pem"));
    CHECK_EQUAL(verdict(ask(*policy, self)), "granted device");
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("x"), &self), {&self})), "not-verified");
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("child"), &old), {&old})), "not-verified");
    CHECK_EQUAL(verdict(ask(*policy, self, {}, now() + 90000)), "expired");
    const auto past = d.policy(partner("device", "MTLSIdentity any\nMTLSTrustAnchor self.pem until=2001-01-01"));
    CHECK_EQUAL(verdict(ask(*past, self)), "not-verified");
    // The same key and name in another certificate is not the anchor.
    EVP_PKEY_up_ref(self.key.get());
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("device"), nullptr, EvpPkeyPtr(self.key.get())))),
                "not-verified");
}

CLAIM(what_the_path_forbids_is_wrong_issuer_with_the_detail) {
    const auto root = test::make_ca("Root");
    Draft d;
    const auto policy =
        d.file("root.pem", root.cert_pem()).policy(partner("acme", "MTLSIdentity O:Acme\nMTLSTrustAnchor root.pem"));
    const auto refused = [&](const test::Identity& who, const std::vector<const test::Identity*>& sent,
                             const std::string& detail, std::int64_t at = now()) {
        const auto answer = ask(*policy, who, sent, at);
        CHECK_EQUAL(verdict(answer), "wrong-issuer");
        CHECK_EQUAL(answer.claimed.size(), 1U);
        CHECK_CONTAINS(answer.detail, detail);
    };
    test::CertSpec no_eku = client_spec("x");
    no_eku.eku = "";
    CHECK_EQUAL(verdict(ask(*policy, test::issue(no_eku, &root))), "granted acme");
    test::CertSpec server_only = client_spec("x");
    server_only.eku = "serverAuth";
    refused(test::issue(server_only, &root), {}, "purpose");
    test::CertSpec sha1 = client_spec("x");
    sha1.digest = "SHA1";
    refused(test::issue(sha1, &root), {}, "weak");
    test::CertSpec brief;
    brief.subject = {{"CN", "Brief Sub"}};
    brief.ca = true;
    brief.not_after = 600;
    const auto brief_sub = test::issue(brief, &root);
    const auto leaf = test::issue(client_spec("x"), &brief_sub);
    CHECK_EQUAL(verdict(ask(*policy, leaf, {&brief_sub})), "granted acme");
    refused(leaf, {&brief_sub}, "expired", now() + 700);
    test::CertSpec constrained;
    constrained.subject = {{"CN", "Constrained Sub"}};
    constrained.ca = true;
    constrained.name_constraints = "permitted;DNS:other.example";
    const auto narrow = test::issue(constrained, &root);
    test::CertSpec outside = client_spec("x");
    outside.san = {{GEN_DNS, "api.acme.example"}};
    refused(test::issue(outside, &narrow), {&narrow}, "permitted subtree");
    test::CertSpec no_sign;
    no_sign.subject = {{"CN", "No Sign"}};
    no_sign.ca = true;
    no_sign.key_usage = "critical,digitalSignature";
    const auto unsigned_sub = test::issue(no_sign, &root);
    CHECK(ask(*policy, test::issue(client_spec("x"), &unsigned_sub), {&unsigned_sub}).reason != Reason::kGranted);
    // A leaf that plays CA.
    const auto leaf_ca = test::issue(client_spec("leaf"), &root);
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("x"), &leaf_ca), {&leaf_ca})), "not-verified");
}

CLAIM(dates_of_certificate_anchor_and_contract_decide_at_their_second) {
    const auto root = test::make_ca("Root");
    Draft d;
    const auto policy =
        d.file("root.pem", root.cert_pem())
            .policy(partner("acme",
                            "MTLSIdentity CN:api\nMTLSTrustAnchor root.pem until=2040-01-01\nMTLSValid from=2020-01-01 "
                            "until=2030-06-30") +
                    partner("late", "MTLSIdentity CN:late\nMTLSTrustAnchor root.pem from=2039-01-01"));
    const auto leaf = test::issue(client_spec("api"), &root);
    const CertificateFacts facts = read_facts(*leaf.cert);
    CHECK_EQUAL(verdict(ask(*policy, leaf, {}, facts.not_before)), "granted acme");
    CHECK_EQUAL(verdict(ask(*policy, leaf, {}, facts.not_before - 1)), "not-yet-valid");
    CHECK_EQUAL(verdict(ask(*policy, leaf, {}, facts.not_after)), "granted acme");
    CHECK_EQUAL(verdict(ask(*policy, leaf, {}, facts.not_after + 1)), "expired");
    const auto answer = ask(*policy, leaf);
    CHECK_EQUAL(answer.valid_from, facts.not_before);
    CHECK_EQUAL(answer.valid_until, facts.not_after);
    CHECK_EQUAL(ask(*policy, leaf, {}, facts.not_after + 1).valid_from, facts.not_after + 1);
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("late"), &root))), "wrong-issuer");
    const auto ended =
        d.policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor root.pem\nMTLSValid until=2020-01-01"));
    CHECK_EQUAL(verdict(ask(*ended, leaf)), "outside-contract acme");
    const auto gone = d.policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor root.pem until=2020-01-01"));
    CHECK_EQUAL(verdict(ask(*gone, leaf)), "not-verified");
    const auto suspended = d.policy("MTLSSuspend acme \"note=invoice open\"\n" +
                                    partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor root.pem"));
    CHECK_EQUAL(verdict(ask(*suspended, leaf)), "suspended acme");
}

CLAIM(a_key_on_the_path_can_be_asked_for) {
    const auto root = test::make_ca("Root"), one = test::make_ca("One", &root), two = test::make_ca("Two", &root);
    Draft d;
    const std::string key = "issuer.spki-sha256:" + [&] {
        std::string out;
        for (const char c : spki_sha256(*one.cert)) {
            char digits[3];
            std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned char>(c));
            out += digits;
        }
        return out;
    }();
    const auto policy =
        d.file("root.pem", root.cert_pem())
            .policy(partner("acme", "MTLSIdentity CN:api " + key + "\nMTLSTrustAnchor root.pem") +
                    partner("grouped", "MTLSIdentity CN:g\nMTLSTrustAnchor root.pem\nMTLSGroup vip if " + key));
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("api"), &one), {&one})), "granted acme");
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("api"), &two), {&two})), "unknown-partner");
    CHECK_EQUAL(ask(*policy, test::issue(client_spec("g"), &one), {&one}).groups.size(), 1U);
    CHECK_EQUAL(ask(*policy, test::issue(client_spec("g"), &two), {&two}).groups.size(), 0U);
}

CLAIM(a_key_on_the_path_in_another_encoding_cannot_be_told) {
    const auto root = test::make_ca("Root");
    test::CertSpec spec, of_leaf = client_spec("api");
    spec.subject = {{"CN", "Sub"}};
    spec.ca = true;
    spec.key_identifiers = of_leaf.key_identifiers = false;  // hashes of the key as it is encoded
    const auto ca = test::issue(spec, &root);
    EvpPkeyPtr compressed(EVP_PKEY_dup(ca.key.get()));
    CHECK(EVP_PKEY_set_utf8_string_param(compressed.get(), OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, "compressed") ==
          1);
    const auto same = test::issue(spec, &root, std::move(compressed)), other = test::issue(spec, &root);
    const auto leaf = test::issue(of_leaf, &ca), of_other = test::issue(of_leaf, &other);
    const std::string key = "issuer.spki-sha256:" + hex(bytes_of(spki_sha256(*ca.cert)));
    Draft d;
    d.file("root.pem", root.cert_pem());
    const auto policy = [&](const std::string& selectors) {
        return d.policy(partner("acme", "MTLSIdentity CN:api" + selectors +
                                            "\nMTLSTrustAnchor root.pem\nMTLSGroup old if " + key +
                                            "\nMTLSGroup new if CN:api !" + key));
    };
    const auto any = policy(""), by_key = policy(" " + key), but_key = policy(" !" + key);
    const auto groups = [&](const test::Identity& who, const test::Identity& sent) {
        const auto found = ask(*any, who, {&sent});
        return std::to_string(found.groups.size()) + " " + std::to_string(found.denied_groups.size());
    };
    CHECK_EQUAL(groups(leaf, ca), "1 1");
    CHECK_EQUAL(groups(leaf, same), "0 2");
    CHECK_EQUAL(groups(of_other, other), "1 1");
    CHECK_EQUAL(verdict(ask(*by_key, leaf, {&ca})), "granted acme");
    CHECK_EQUAL(verdict(ask(*by_key, leaf, {&same})), "unknown-partner");
    CHECK_EQUAL(verdict(ask(*but_key, leaf, {&ca})), "unknown-partner");
    CHECK_EQUAL(verdict(ask(*but_key, leaf, {&same})), "unknown-partner");
    CHECK_EQUAL(verdict(ask(*but_key, of_other, {&other})), "granted acme");
}

CLAIM(groups_for_denials_count_what_cannot_be_told) {
    const auto root = test::make_ca("Root");
    Draft d;
    const auto policy =
        d.file("root.pem", root.cert_pem())
            .policy(partner(
                "acme",
                "MTLSIdentity O:Acme\nMTLSTrustAnchor root.pem\nMTLSGroup banned if CN:bad\nMTLSAttribute cn cert:CN"));
    test::CertSpec twice = client_spec("bad");
    twice.subject.push_back({"CN", "good"});
    const auto answer = ask(*policy, test::issue(twice, &root));
    CHECK_EQUAL(verdict(answer), "granted acme");
    CHECK_EQUAL(answer.groups.size(), 0U);
    CHECK_EQUAL(answer.denied_groups.size(), 1U);
    CHECK_EQUAL(answer.variables.size(), 0U);  // a field that occurs twice is not copied
    CHECK_EQUAL(ask(*policy, test::issue(client_spec("bad"), &root)).groups.size(), 1U);
    CHECK_EQUAL(ask(*policy, test::issue(client_spec("fine"), &root)).variables.front().second, "fine");
}

CLAIM(the_policy_reads_back_from_its_own_rendering) {
    const auto root = test::make_ca("Root");
    Draft d;
    d.file("root.pem", root.cert_pem()).file("a b.pem", root.cert_pem());
    const std::string text = "MTLSTrustAnchor \"a b.pem\"\n" +
                             partner("z",
                                     "MTLSIdentity \"subject:CN=a\\\\, b,O=x\" !OU:none\nMTLSGroup g h if "
                                     "DNS:*.acme.example\nMTLSAttribute n \"v w\"") +
                             partner("a",
                                     "MTLSIdentity any\nMTLSTrustAnchor root.pem from=2020-01-01\nMTLSIntermediate "
                                     "root.pem\nMTLSValid until=2030-01-01\n"
                                     "MTLSSuspend On");
    const auto first = d.policy(text);
    const auto second = d.policy(first->render());
    CHECK_EQUAL(second->render(), first->render());
    CHECK_EQUAL(second->generation(), first->generation());
    d.file("root.pem", test::make_ca("Root").cert_pem());
    CHECK(d.policy(text)->generation() != first->generation());
}

CLAIM(a_certificate_that_is_an_anchor_is_its_own_path_whatever_is_sent_with_it) {
    const auto ca = test::make_ca("Issuing CA");
    const auto leaf = test::issue(client_spec("api"), &ca);
    Draft d;
    const auto policy = d.file("leaf.pem", leaf.cert_pem())
                            .file("ca.pem", ca.cert_pem())
                            .policy(partner("acme",
                                            "MTLSIdentity CN:api\nMTLSTrustAnchor leaf.pem\nMTLSIntermediate ca.pem\n"
                                            "MTLSCRL required"));
    CHECK_EQUAL(verdict(ask(*policy, leaf)), "granted acme");
    CHECK_EQUAL(verdict(ask(*policy, leaf, {&ca})), "granted acme");
    CHECK(ask(*policy, leaf, {&ca}).path.ca_keys.empty());
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("api"), &ca), {&ca})), "not-verified");
}

CLAIM(a_path_that_was_verified_once_vouches_for_no_other_bytes) {
    const auto a = test::make_ca("A");
    Draft d;
    const auto policy =
        d.file("a.pem", a.cert_pem()).policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor a.pem"));
    const auto good = test::issue(client_spec("api"), &a);
    for (int i = 0; i < 2; ++i) CHECK_EQUAL(verdict(ask(*policy, good)), "granted acme");
    // The same certificate but for one bit of its signature, and one by another key of the same name.
    std::string der = mtls::encode(i2d_X509, *good.cert);
    der.back() = static_cast<char>(der.back() ^ 1);
    std::string_view altered = der;
    test::Identity forged;
    forged.cert = mtls::take_x509(altered);
    CHECK(forged.cert != nullptr);
    const auto other = test::make_ca("A");
    for (int i = 0; i < 2; ++i) {
        CHECK_EQUAL(verdict(ask(*policy, forged)), "wrong-issuer");
        CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("api"), &other))), "wrong-issuer");
        CHECK_EQUAL(verdict(ask(*policy, good)), "granted acme");
    }
    // Dates are asked every time.
    CHECK_EQUAL(verdict(ask(*policy, good, {}, now() + 2 * 86400)), "expired");
}

CLAIM(what_is_remembered_is_of_one_certificate_and_one_key) {
    SignatureCache cache;
    const std::string certificate(32, 'c'), key(32, 'k'), other(32, 'o');
    cache.insert(certificate, key);
    CHECK(cache.contains(certificate, key));
    CHECK(!cache.contains(certificate, other));
    CHECK(!cache.contains(other, key));
    cache.insert("", key);
    cache.insert(certificate, "");
    CHECK(!cache.contains("", key));
    CHECK(!cache.contains(certificate, ""));
    // Of two digests that begin alike each has its own certificate.
    const auto one = test::make_ca("One"), two = test::make_ca("Two");
    const auto decoded = std::make_unique<DecodedCertificates>(4096);
    const std::string begin(31, 'd');
    for (int i = 0; i < 2; ++i) {
        const X509Ptr first = decoded->get(begin + "1", encode(i2d_X509, *one.cert));
        const X509Ptr second = decoded->get(begin + "2", encode(i2d_X509, *two.cert));
        CHECK_EQUAL(X509_cmp(first.get(), one.cert.get()), 0);
        CHECK_EQUAL(X509_cmp(second.get(), two.cert.get()), 0);
    }
}

CLAIM(the_handshake_announces_the_anchors_that_exist_now_within_its_limit) {
    const auto root = test::make_ca("Root"), old = test::make_ca("Old");
    Draft d;
    const auto policy = d.file("root.pem", root.cert_pem())
                            .file("old.pem", old.cert_pem())
                            .policy(partner("acme", "MTLSIdentity any\nMTLSTrustAnchor root.pem") +
                                    partner("bee", "MTLSIdentity any\nMTLSTrustAnchor old.pem until=2001-01-01"));
    const auto names = policy->cas().announced_names(16384, now());
    CHECK(names.has_value());
    CHECK_EQUAL(names->size(), 1U);
    CHECK_EQUAL(std::string(names->front()), encode(i2d_X509_NAME, *X509_get_subject_name(root.cert.get())));
    CHECK_EQUAL(policy->cas().announced_names(16384, 978307200)->size(), 2U);
    const std::size_t exactly = names->front().size() + 2;
    CHECK(policy->cas().announced_names(exactly, now()).has_value());
    CHECK(!policy->cas().announced_names(exactly - 1, now()).has_value());
}

CLAIM(the_lists_that_mod_ssl_was_given_count_for_its_own_cas) {
    const auto ca = test::make_ca("Server CA");
    const auto good = test::issue(client_spec("api"), &ca), bad = test::issue(client_spec("api"), &ca);
    Draft d;
    const auto policy = d.policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor mod_ssl"));
    ServerCas server;
    server.certificates.push_back(share(*ca.cert));
    const auto lists = std::make_shared<CrlSet>();
    for (X509CrlPtr& list : decode_crls(test::make_crl(ca, {.revoked = {{&bad, 1}}})).lists) {
        lists->add(
            Crl::read(std::move(list)).value(), [](const std::string&) { return std::vector<X509Ptr>(); }, now());
    }
    CHECK_EQUAL(verdict(ask(*policy, bad, {}, now(), server)), "granted acme");
    server.crls = lists;
    CHECK_EQUAL(verdict(ask(*policy, bad, {}, now(), server)), "revoked acme");
    CHECK_EQUAL(verdict(ask(*policy, good, {}, now(), server)), "granted acme");
}
