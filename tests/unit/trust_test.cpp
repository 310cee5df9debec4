// Paths to anchors, and who a certificate belongs to: each grant beside its nearest refusals.
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "claims.hpp"
#include "mtls_authz/policy_builder.hpp"
#include "mtls_authz/policy_source.hpp"
#include "mtls_authz/session_chain.hpp"
#include "mtls_authz/text.hpp"
#include "pki.hpp"

using namespace mtls;

namespace {

// A policy from text, with files made for it.
class Draft {
public:
    Draft() {
        std::string name = "/tmp/mtls-unit-XXXXXX";
        folder_ = mkdtemp(name.data());
    }
    ~Draft() { std::filesystem::remove_all(folder_); }

    Draft& file(const std::string& name, const std::string& content) {
        std::ofstream(folder_ + "/" + name) << content;
        return *this;
    }
    std::unique_ptr<const Policy> policy(const std::string& text) {
        PolicyBuilder builder(folder_);
        std::vector<Diagnostic> errors;
        auto directives = read_directives(text, "p.conf", errors);
        test::check(directives.ok(), directives.ok() ? "" : directives.error(), __FILE__, __LINE__);
        for (const Directive& d : directives.value()) builder.add(d);
        auto policy = builder.build();
        said_.clear();
        for (const Diagnostic& d : builder.diagnostics()) said_ += d.str() + "\n";
        test::check(policy != nullptr, said_, __FILE__, __LINE__);
        return policy;
    }
    const std::string& said() const { return said_; }

private:
    std::string folder_;
    std::string said_;
};

std::int64_t now() { return std::time(nullptr); }

Identification ask(const Policy& policy, const test::Identity& who, const std::vector<const test::Identity*>& sent = {},
                   std::int64_t at = now(), const ServerCas& server = {}, const Refusals& refusals = {},
                   const CrlSet& crls = {}) {
    PresentedCertificate presented;
    presented.leaf = share(*who.cert);
    presented.facts = read_facts(*who.cert);
    std::vector<X509*> chain;
    for (const test::Identity* link : sent) chain.push_back(link->cert.get());
    presented.helpers = useful_helpers(*who.cert, chain);
    return policy.identify(presented, {server, refusals, crls, at});
}

std::string verdict(const Identification& who) {
    return std::string(word_of(who.reason)) + (who.partner != nullptr ? " " + who.partner->name : "");
}

std::string partner(const std::string& name, const std::string& lines) {
    return "<MTLSPartner " + name + ">\n" + lines + "\n</MTLSPartner>\n";
}

test::CertSpec client_spec(const std::string& cn) {
    test::CertSpec spec;
    spec.subject = {{"O", "Acme"}, {"CN", cn}};
    return spec;
}

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
    CHECK_EQUAL(answer.attributes.size(), 0U);  // a field that occurs twice is not copied
    CHECK_EQUAL(ask(*policy, test::issue(client_spec("bad"), &root)).groups.size(), 1U);
    CHECK_EQUAL(ask(*policy, test::issue(client_spec("fine"), &root)).attributes.front().second, "fine");
}

CLAIM(a_session_carries_intermediates_for_its_leaf_alone) {
    const auto root = test::make_ca("Root"), sub = test::make_ca("Sub", &root), other = test::make_ca("Other");
    const auto leaf = test::issue(client_spec("a"), &sub), stranger = test::issue(client_spec("b"), &sub);
    const auto helpers = useful_helpers(*leaf.cert, {root.cert.get(), other.cert.get(), sub.cert.get()});
    CHECK_EQUAL(helpers.size(), 1U);
    const std::string data = encode_helpers(*leaf.cert, helpers);
    CHECK_EQUAL(decode_helpers(data, *leaf.cert).size(), 1U);
    CHECK_EQUAL(decode_helpers(data, *stranger.cert).size(), 0U);
    for (std::size_t n = 0; n < data.size(); ++n) {
        CHECK(decode_helpers(std::string_view(data).substr(0, n), *leaf.cert).empty());
    }
    std::vector<test::Identity> tower;
    tower.push_back(test::make_ca("T0"));
    for (int i = 1; i < 9; ++i) tower.push_back(test::make_ca("T" + std::to_string(i), &tower.back()));
    std::vector<X509*> chain;
    for (const auto& ca : tower) chain.push_back(ca.cert.get());
    CHECK_EQUAL(useful_helpers(*test::issue(client_spec("t"), &tower[5]).cert, chain).size(), 5U);
    // Six do not fit, so none count: neither now nor when the session is resumed.
    CHECK_EQUAL(useful_helpers(*test::issue(client_spec("t"), &tower[6]).cert, chain).size(), 0U);
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

CLAIM(a_revocation_refuses_whoever_it_fits_and_nobody_else) {
    const auto root = test::make_ca("Root"), sub = test::make_ca("Sub", &root), server_ca = test::make_ca("Server CA");
    const auto leaf = test::issue(client_spec("api"), &root), deep = test::issue(client_spec("api"), &sub);
    const auto digest = [](const std::string& raw) { return hex(bytes_of(raw)); };
    Draft d;
    d.file("root.pem", root.cert_pem());
    const auto with = [&](const std::string& revoke) {
        return d.policy(partner("acme", "MTLSIdentity O:Acme\nMTLSTrustAnchor root.pem") + "MTLSRevoke " + revoke +
                        "\n");
    };
    const std::string serial = read_facts(*leaf.cert).serial;
    const std::string issuer = "\"issuer:CN=Root,O=Root Inc,C=US\" ";
    struct Row {
        std::string revoke;
        bool leaf, deep;
    };
    const Row rows[] = {
        {"sha256:" + test::hex_sha256(leaf), true, false},
        {"spki-sha256:" + digest(spki_sha256(*leaf.cert)), true, false},
        {issuer + "cert-serial:" + serial, true, false},
        {issuer + "cert-serial:01", false, false},
        {"issuer.spki-sha256:" + digest(spki_sha256(*root.cert)) + " cert-serial:" + serial, true, false},
        {"issuer.spki-sha256:" + digest(spki_sha256(*root.cert)), true, true},
        {"issuer.spki-sha256:" + digest(spki_sha256(*sub.cert)), false, true},
        {"sha256:" + test::hex_sha256(sub), false, true},
        {"spki-sha256:" + digest(spki_sha256(*root.cert)), true, true},
        {"CN:api", true, true},
        {"CN:other", false, false},
        {"O:Acme !CN:api", false, false},
    };
    for (const Row& row : rows) {
        const auto policy = with(row.revoke);
        test::check_equal(verdict(ask(*policy, leaf)), row.leaf ? "revoked" : "granted acme", row.revoke, __FILE__,
                          __LINE__);
        test::check_equal(verdict(ask(*policy, deep, {&sub})), row.deep ? "revoked" : "granted acme", row.revoke,
                          __FILE__, __LINE__);
    }
    // A repeated attribute does not escape it.
    test::CertSpec twice = client_spec("good");
    twice.subject.push_back({"CN", "bad"});
    CHECK_EQUAL(verdict(ask(*with("CN:bad"), test::issue(twice, &root))), "revoked");
    CHECK_EQUAL(verdict(ask(*with("CN:worse"), test::issue(twice, &root))), "granted acme");
    // A CA that only mod_ssl knows.
    ServerCas server;
    server.certificates.push_back(share(*server_ca.cert));
    const auto other = with("issuer.spki-sha256:" + digest(spki_sha256(*server_ca.cert)));
    CHECK_EQUAL(verdict(ask(*other, test::issue(client_spec("x"), &server_ca), {}, now(), server)), "revoked");
    const auto answer = ask(*with("CN:api \"note=stolen laptop\""), leaf);
    CHECK_CONTAINS(answer.detail, "MTLSRevoke at p.conf:5: stolen laptop");
    CHECK_EQUAL(answer.claimed.size(), 1U);
}

CLAIM(a_revocation_that_would_refuse_nobody_is_an_error) {
    const std::pair<const char*, const char*> rows[] = {
        {"", "expected SELECTOR..."},
        {"!CN:x", "without '!'"},
        {"cert-serial:0a", "says nothing without its issuer"},
        {"cert-serial:0a !issuer:CN=x", "says nothing without its issuer"},
        {"subject:C=US,O=Acme,CN=api", "reads as if it was in reverse"},
        {"CN:a*", "no wildcards"},
        {"DSN:x", "did you mean 'DNS'?"},
    };
    for (const auto& [args, message] : rows) {
        const auto parsed = Revocation::parse({"MTLSRevoke", args, {"p.conf", 1}, false, {}});
        test::check(!parsed.ok(), args, __FILE__, __LINE__);
        CHECK_CONTAINS(parsed.error(), message);
    }
}

CLAIM(a_changed_anchor_file_counts_after_two_equal_looks_and_a_bad_one_never) {
    const auto a = test::make_ca("A"), b = test::make_ca("B");
    std::string folder = "/tmp/mtls-source-XXXXXX";
    CHECK(mkdtemp(folder.data()) != nullptr);
    const auto write = [&](const std::string& content) { std::ofstream(folder + "/ca.pem") << content; };
    write(a.cert_pem());
    PolicySource source(folder);
    CHECK_EQUAL(source.add({"MTLSPartner",
                            "acme",
                            {"p.conf", 1},
                            true,
                            {{"MTLSIdentity", "CN:api", {"p.conf", 2}, false, {}},
                             {"MTLSTrustAnchor", "ca.pem", {"p.conf", 3}, false, {}}}}),
                "");
    std::vector<Diagnostic> said;
    const auto first = source.build(said);
    CHECK(first != nullptr);
    for (int i = 0; i < 3; ++i) CHECK(source.look(said) == nullptr);
    // Broken, half written or gone: reported once, the old one stays.
    const std::string pem = b.cert_pem();
    std::size_t expected = 0;
    for (const std::string& bad : {std::string("garbage"), pem.substr(0, pem.size() / 2), std::string()}) {
        write(bad);
        for (int i = 0; i < 4; ++i) CHECK(source.look(said) == nullptr);
        CHECK_EQUAL(said.size(), ++expected);
    }
    std::filesystem::remove(folder + "/ca.pem");
    for (int i = 0; i < 4; ++i) CHECK(source.look(said) == nullptr);
    CHECK_EQUAL(said.size(), ++expected);
    write(pem);
    CHECK(source.look(said) == nullptr);
    CHECK(source.is_waiting());
    const auto second = source.look(said);
    CHECK(second != nullptr);
    CHECK(second->generation() != first->generation());
    CHECK_EQUAL(verdict(ask(*second, test::issue(client_spec("api"), &b))), "granted acme");
    CHECK_EQUAL(verdict(ask(*second, test::issue(client_spec("api"), &a))), "not-verified");
    CHECK(source.look(said) == nullptr);
    // A content that changes at each look never counts.
    for (int i = 0; i < 5; ++i) {
        write((i % 2 == 0 ? a : b).cert_pem() + "\n# " + std::to_string(i) + "\n");
        CHECK(source.look(said) == nullptr);
    }
    std::filesystem::remove_all(folder);
}

CLAIM(crls_are_asked_for_every_certificate_below_the_anchor) {
    const auto root = test::make_ca("Root"), sub = test::make_ca("Sub", &root), other = test::make_ca("Other");
    const auto signer = test::make_ca("Signer", &root), alien = test::make_ca("Signer", &other);
    test::CertSpec pointing = client_spec("pointing");
    pointing.crl_issuer = &signer;
    const auto deep = test::issue(client_spec("deep"), &sub), pointed = test::issue(pointing, &root),
               plain = test::issue(client_spec("x"), &root);
    Draft d;
    d.file("root.pem", root.cert_pem()).file("signer.pem", signer.cert_pem()).file("alien.pem", alien.cert_pem());
    const auto make = [&](const std::string& lines) {
        return d.policy(partner("acme", "MTLSIdentity O:Acme\nMTLSTrustAnchor root.pem\n" + lines));
    };
    const auto set_of = [](const std::vector<std::string>& lists) {
        CrlSet set;
        for (const std::string& pem : lists) {
            auto decoded = decode_crls(pem);
            for (X509CrlPtr& list : decoded.value()) set.add(Crl::read(std::move(list)).value(), {});
        }
        return set;
    };
    const auto verdict_of = [&](const Policy& policy, const test::Identity& who, const CrlSet& crls,
                                std::int64_t at = now()) {
        return std::string(word_of(ask(policy, who, {&sub}, at, {}, {}, crls).reason));
    };
    const auto lax = make(""), strict = make("MTLSCRL required\nMTLSCRLStale grace=1");
    test::CrlSpec by_root, by_sub;
    by_root.next_update = 100;
    const auto both = set_of({test::make_crl(root, by_root), test::make_crl(sub, by_sub)});
    CHECK_EQUAL(verdict_of(*strict, deep, both), "granted");
    CHECK_EQUAL(verdict_of(*strict, deep, set_of({test::make_crl(root, by_root)})), "revocation-unknown");
    CHECK_EQUAL(verdict_of(*strict, deep, set_of({test::make_crl(sub, by_sub)})), "revocation-unknown");
    CHECK_EQUAL(verdict_of(*lax, deep, set_of({})), "granted");
    // Stale for the default, forgiven for an hour by the partner's own rule.
    CHECK_EQUAL(verdict_of(*lax, plain, both, now() + 200), "revocation-stale");
    CHECK_EQUAL(verdict_of(*strict, plain, both, now() + 200), "granted");
    CHECK_EQUAL(verdict_of(*strict, plain, both, now() + 3800), "revocation-stale");
    const auto answer = ask(*lax, plain, {}, now(), {}, {}, both);
    CHECK(answer.valid_until <= now() + 101 && answer.valid_until >= now() + 90);
    by_root.revoked = {{&sub, 2}};
    CHECK_EQUAL(verdict_of(*lax, deep, set_of({test::make_crl(root, by_root)})), "revoked");
    CHECK_EQUAL(verdict_of(*lax, plain, set_of({test::make_crl(root, by_root)})), "granted");
    // An indirect list counts by a signer under the same anchor alone.
    test::CrlSpec indirect;
    indirect.idp = "indirectCRL:TRUE";
    indirect.revoked = {{&pointed, 1}};
    indirect.entry_issuer = &root;
    const auto with_signer = make("MTLSIntermediate signer.pem"), with_alien = make("MTLSIntermediate alien.pem");
    CHECK_EQUAL(verdict_of(*with_signer, pointed, set_of({test::make_crl(signer, indirect)})), "revoked");
    CHECK_EQUAL(verdict_of(*lax, pointed, set_of({test::make_crl(signer, indirect)})), "granted");
    CHECK_EQUAL(verdict_of(*with_alien, pointed, set_of({test::make_crl(alien, indirect)})), "granted");
}
