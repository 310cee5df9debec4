// Which path leads from a certificate to a CA: names, keys, renewals and cross-certificates.
#include <openssl/x509.h>

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cas.hpp"
#include "claims.hpp"
#include "mtls_authz/trust/trust.hpp"
#include "policy_draft.hpp"

using namespace mtls;
using namespace test;

namespace {

// A certificate of the same CA (its name and its key) by another issuer.
test::Identity cross(const test::Identity& ca, const std::string& cn, const test::Identity& issuer) {
    return test::issue(ca_spec(cn), &issuer, key_of(ca));
}

// acme has the root, bee the CA `I` below it, carol another root.
struct Nested {
    test::Identity root = test::issue(ca_spec("Shared Root"), nullptr);
    test::Identity other_root = test::issue(ca_spec("Second Root"), nullptr);
    test::Identity issuing = test::issue(ca_spec("B Issuing"), &root);
    Draft draft;
    std::shared_ptr<const Policy> policy;

    Nested() {
        draft.file("root.pem", root.cert_pem()).file("other.pem", other_root.cert_pem());
        draft.file("issuing.pem", issuing.cert_pem());
        policy = draft.policy(partner("acme", "MTLSIdentity CN:acme\nMTLSTrustAnchor root.pem") +
                              partner("bee", "MTLSIdentity CN:bee\nMTLSTrustAnchor issuing.pem") +
                              partner("carol", "MTLSIdentity CN:carol\nMTLSTrustAnchor other.pem"));
    }
    Identification ask_for(const std::string& cn, const test::Identity& ca,
                           std::vector<const test::Identity*> sent) const {
        return ask(*policy, test::issue(client_spec(cn), &ca), sent);
    }
    std::string who(const std::string& cn, const test::Identity& ca,
                    const std::vector<const test::Identity*>& more = {}) const {
        std::vector<const test::Identity*> sent = {&ca};
        sent.insert(sent.end(), more.begin(), more.end());
        return verdict(ask_for(cn, ca, sent));
    }
};

}  // namespace

CLAIM(the_nearest_ca_is_found_however_a_certificate_below_spells_its_issuer) {
    const Nested n;
    const std::vector<test::Attr> spellings[] = {
        {{"CN", "B Issuing"}},
        {{"CN", "b  issuing "}},
        {{"CN", "B\tIssuing"}},
        {{"CN", "B Issuing\n"}},
        {{"CN", "\vB Issuing", V_ASN1_IA5STRING}},
        {{"CN", "B\fIssuing", V_ASN1_T61STRING}},
        {{"CN", std::string("\0B\0\t\0I\0s\0s\0u\0i\0n\0g", 18), V_ASN1_BMPSTRING}},
    };
    for (const auto& spelled : spellings) {
        CertSpec spec = ca_spec("J");
        spec.issuer_name = spelled;
        spec.key_identifiers = false;
        const auto below = test::issue(spec, &n.issuing);
        CHECK_EQUAL(n.who("acme", below, {&n.issuing}), "wrong-issuer");
        CHECK_EQUAL(n.who("acme", below), "wrong-issuer");
        const bool is_malformed = !read_facts(*below.cert).malformed.empty();
        CHECK_EQUAL(n.who("bee", below, {&n.issuing}), is_malformed ? "wrong-issuer" : "granted bee");
    }
    const auto free = test::issue(ca_spec("R Issuing"), &n.root);
    CHECK_EQUAL(n.who("acme", free), "granted acme");
    CHECK_EQUAL(n.who("bee", free), "wrong-issuer");
}

CLAIM(a_malformed_intermediate_makes_no_path) {
    const Nested n;
    const auto odd = test::issue(ca_spec("x\x01y"), &n.root), below = test::issue(ca_spec("Below"), &odd);
    CHECK_EQUAL(n.who("acme", below, {&odd}), "wrong-issuer");
    CHECK_CONTAINS(n.ask_for("acme", below, {&below, &odd}).detail, "malformed: issuer: CN holds NUL, control");
    CHECK_EQUAL(n.who("acme", odd), "malformed-certificate");  // the leaf has that name, too
    CertSpec twice = ca_spec("Twice");
    twice.raw = {{"1.2.3.4", "\x05"}, {"1.2.3.4", "\x05"}};
    CHECK_EQUAL(n.who("acme", test::issue(twice, &n.root)), "wrong-issuer");
    twice.raw.pop_back();
    CHECK_EQUAL(n.who("acme", test::issue(twice, &n.root)), "granted acme");
}

CLAIM(a_ca_that_its_issuer_renewed_speaks_for_nobody_else) {
    const Nested n;
    const auto rekeyed = test::issue(ca_spec("B Issuing"), &n.root);
    CHECK_EQUAL(n.who("acme", rekeyed), "wrong-issuer");
    CHECK_EQUAL(n.who("bee", rekeyed), "wrong-issuer");
    CHECK_CONTAINS(n.ask_for("acme", rekeyed, {&rekeyed}).detail, "\"CN=B Issuing\" under another key or name");
    const auto deeper = test::issue(ca_spec("Deeper"), &rekeyed);
    CHECK_EQUAL(n.who("acme", deeper, {&rekeyed}), "wrong-issuer");
    // The same key under another name is the same CA, too.
    const auto renamed = cross(n.issuing, "B Issuing G2", n.root);
    CHECK_EQUAL(n.who("acme", renamed), "wrong-issuer");
    // Of another root it is another CA.
    const auto elsewhere = test::issue(ca_spec("B Issuing"), &n.other_root);
    CHECK_EQUAL(n.who("carol", elsewhere), "granted carol");
    CHECK_EQUAL(n.who("acme", test::issue(ca_spec("R Issuing"), &n.root)), "granted acme");
    // A new certificate of the same name and key is the CA that is named.
    const auto again = cross(n.issuing, "B Issuing", n.root);
    CHECK_EQUAL(n.who("bee", again), "granted bee");
    CHECK_EQUAL(n.who("acme", again), "wrong-issuer");
}

CLAIM(a_named_cas_own_certificate_is_no_client_of_the_ca_above) {
    CertSpec sub_spec = ca_spec(""), bought_spec = ca_spec("");
    sub_spec.subject = {{"O", "Acme"}, {"CN", "Subsidiary CA"}};
    bought_spec.subject = {{"O", "Acme"}, {"CN", "Bought CA"}};
    sub_spec.key_usage = bought_spec.key_usage = "digitalSignature,keyCertSign,cRLSign";
    const auto root = test::issue(ca_spec("Group Root"), nullptr), sub = test::issue(sub_spec, &root);
    const auto bought = test::issue(bought_spec, nullptr);
    const auto crossed = test::issue(bought_spec, &root, key_of(bought)), rekeyed = test::issue(sub_spec, &root);
    CertSpec renamed_spec = sub_spec;
    renamed_spec.subject = {{"O", "Acme"}, {"CN", "Subsidiary CA G2"}};
    const auto renamed = test::issue(renamed_spec, &root, key_of(sub));
    CertSpec no_issuer = bought_spec;  // OpenSSL does not call it a CA, but the root did
    no_issuer.key_usage = "digitalSignature";
    const auto crossed_to_sign = test::issue(no_issuer, &root, key_of(bought));
    const auto free = test::issue(renamed_spec, &root);
    Draft d;
    d.file("root.pem", root.cert_pem()).file("sub.pem", sub.cert_pem()).file("bought.pem", bought.cert_pem());
    const auto with = [&](const std::string& anchor, const std::string& dates) {
        return d.policy(partner("headquarters", "MTLSIdentity O:Acme\nMTLSTrustAnchor " + anchor) +
                        partner("subsidiary", "MTLSIdentity any\nMTLSTrustAnchor sub.pem" + dates) +
                        partner("bought", "MTLSIdentity any\nMTLSTrustAnchor bought.pem") +
                        "MTLSSuspend subsidiary bought\n");
    };
    ServerCas server;
    server.certificates.push_back(share(*root.cert));
    for (const std::string anchor : {"root.pem", "mod_ssl"}) {
        const auto policy = with(anchor, "");
        const std::string refused = anchor == "mod_ssl" ? "not-verified" : "wrong-issuer";
        for (const test::Identity* ca : {&sub, &crossed, &crossed_to_sign}) {
            const auto answer = ask(*policy, *ca, {}, now(), server);
            CHECK_EQUAL(verdict(answer), refused);
            CHECK_CONTAINS(answer.detail, "the certificate itself is a CA's, and a trust anchor of the policy");
        }
        for (const test::Identity* ca : {&rekeyed, &renamed}) {
            const auto answer = ask(*policy, *ca, {}, now(), server);
            CHECK_EQUAL(verdict(answer), refused);
            CHECK_CONTAINS(answer.detail, "CN=Subsidiary CA,O=Acme\" under another key or name");
        }
        // What the root issued to others, CA or not, and under a name that a CA has, is its own.
        CertSpec namesake = client_spec("x");
        namesake.subject = sub_spec.subject;
        for (const test::Identity& other : {test::issue(client_spec("x"), &root), test::issue(namesake, &root),
                                            test::issue(namesake, &root, key_of(sub)), test::copy_of(free)}) {
            CHECK_EQUAL(verdict(ask(*policy, other, {}, now(), server)), "granted headquarters");
        }
        const auto ended = with(anchor, " until=2020-01-01");
        CHECK_EQUAL(verdict(ask(*ended, sub, {}, now(), server)), "granted headquarters");
    }
    // Of a certificate that issued itself, its partner may be the client.
    const auto renewed = test::issue(bought_spec, nullptr, key_of(bought));
    const auto own = d.file("renewed.pem", renewed.cert_pem())
                         .policy(partner("bought", "MTLSIdentity any\nMTLSTrustAnchor bought.pem renewed.pem"));
    CHECK_EQUAL(verdict(ask(*own, bought)), "granted bought");
    CHECK_EQUAL(verdict(ask(*own, renewed)), "granted bought");
}

CLAIM(the_other_form_of_a_pinned_certificate_is_no_client_of_the_ca_above) {
    const auto root = test::issue(ca_spec("Group Root"), nullptr);
    const auto pinned = test::issue(client_spec("box"), &root), other = test::issue(client_spec("box"), &root);
    Draft d;
    d.file("root.pem", root.cert_pem()).file("pinned.pem", pinned.cert_pem());
    ServerCas server;
    server.certificates.push_back(share(*root.cert));
    for (const std::string anchor : {"root.pem", "mod_ssl"}) {
        const auto policy = d.policy(partner("headquarters", "MTLSIdentity O:Acme\nMTLSTrustAnchor " + anchor) +
                                     partner("box", "MTLSIdentity any\nMTLSTrustAnchor pinned.pem"));
        const auto answer = ask(*policy, test::twin_of(pinned, root), {}, now(), server);
        CHECK_EQUAL(verdict(answer), anchor == "mod_ssl" ? "not-verified" : "wrong-issuer");
        CHECK_CONTAINS(answer.detail, "the other form of its ECDSA signature");
        CHECK_EQUAL(verdict(ask(*policy, pinned, {}, now(), server)), "granted box");
        CHECK_EQUAL(verdict(ask(*policy, test::twin_of(other, root), {}, now(), server)), "granted headquarters");
        CHECK_EQUAL(verdict(ask(*policy, other, {}, now(), server)), "granted headquarters");
    }
}

CLAIM(a_renewed_ca_is_recognised_below_a_new_key_of_its_root) {
    const Nested n;
    // RFC 4210 4.4: the root's old key certifies the new one, which issues from now on.
    const auto new_root = test::issue(ca_spec("Shared Root"), &n.root);
    CHECK_EQUAL(n.who("acme", test::issue(ca_spec("Other Issuing"), &new_root), {&new_root}), "granted acme");
    CHECK_EQUAL(n.who("acme", new_root), "granted acme");
    const auto below_new = test::issue(ca_spec("B Issuing"), &new_root);
    CHECK_EQUAL(n.who("acme", below_new, {&new_root}), "wrong-issuer");
}

CLAIM(a_ca_may_certify_a_new_key_of_its_own) {
    const auto old_ca = test::issue(ca_spec("Root"), nullptr), new_ca = test::issue(ca_spec("Root"), nullptr);
    const auto new_with_old = cross(new_ca, "Root", old_ca), old_with_new = cross(old_ca, "Root", new_ca);
    Draft d;
    d.file("old.pem", old_ca.cert_pem()).file("new.pem", new_ca.cert_pem());
    const auto by_old = d.policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor old.pem"));
    const auto by_new = d.policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor new.pem"));
    const auto of_old = test::issue(client_spec("api"), &old_ca), of_new = test::issue(client_spec("api"), &new_ca);
    CHECK_EQUAL(verdict(ask(*by_old, of_new, {&new_with_old})), "granted acme");
    CHECK_EQUAL(verdict(ask(*by_old, of_new)), "wrong-issuer");
    CHECK_EQUAL(verdict(ask(*by_new, of_old, {&old_with_new})), "granted acme");
    CHECK_EQUAL(verdict(ask(*by_new, of_old, {&new_with_old})), "wrong-issuer");
    // Without key identifiers OpenSSL would take the anchor for the issuer, by its name.
    CertSpec bare = client_spec("api");
    bare.key_identifiers = false;
    CHECK_EQUAL(verdict(ask(*by_old, test::issue(bare, &new_ca), {&new_with_old})), "granted acme");
}

CLAIM(of_cas_with_one_name_or_one_key_each_stands_for_its_own_partner) {
    const auto one = test::issue(ca_spec("CA"), nullptr), two = test::issue(ca_spec("CA"), nullptr);
    const auto alias = test::issue(ca_spec("Alias"), nullptr, key_of(one));
    Draft d;
    d.file("one.pem", one.cert_pem()).file("two.pem", two.cert_pem()).file("alias.pem", alias.cert_pem());
    const auto policy = d.policy(partner("one", "MTLSIdentity CN:api\nMTLSTrustAnchor one.pem") +
                                 partner("two", "MTLSIdentity CN:api\nMTLSTrustAnchor two.pem") +
                                 partner("alias", "MTLSIdentity CN:api\nMTLSTrustAnchor alias.pem"));
    for (const bool identifiers : {true, false}) {
        CertSpec spec = client_spec("api");
        spec.key_identifiers = identifiers;
        CHECK_EQUAL(verdict(ask(*policy, test::issue(spec, &one))), "granted one");
        CHECK_EQUAL(verdict(ask(*policy, test::issue(spec, &two))), "granted two");
        CHECK_EQUAL(verdict(ask(*policy, test::issue(spec, &alias))), "granted alias");
    }
}

CLAIM(an_anchors_key_under_another_name_that_its_own_issuer_did_not_give_it_is_another_ca) {
    const auto root = test::issue(ca_spec("Root"), nullptr), anchor = test::issue(ca_spec("Anchor"), nullptr);
    const auto sub = test::issue(ca_spec("Sub"), &root, key_of(anchor));
    Draft d;
    d.file("root.pem", root.cert_pem()).file("anchor.pem", anchor.cert_pem());
    const auto policy = d.policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor root.pem") +
                                 partner("other", "MTLSIdentity CN:other\nMTLSTrustAnchor anchor.pem"));
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("api"), &sub), {&sub})), "granted acme");
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("api"), &anchor), {&sub})), "wrong-issuer");
}

CLAIM(of_intermediates_with_one_name_the_one_that_signed_is_taken) {
    const auto root = test::issue(ca_spec("Root"), nullptr);
    CertSpec spec = ca_spec("Issuing");
    spec.key_identifiers = false;
    const auto one = test::issue(spec, &root), two = test::issue(spec, &root), three = test::issue(spec, &root);
    const auto stranger = test::issue(spec, nullptr);
    CertSpec client = client_spec("api");
    client.key_identifiers = false;
    const auto leaf = test::issue(client, &one), none = test::issue(client, &stranger);
    Draft d;
    d.file("root.pem", root.cert_pem());
    const auto sent = d.policy(partner("acme", "MTLSIdentity any\nMTLSTrustAnchor root.pem"));
    const std::vector<const test::Identity*> orders[] = {
        {&one, &two, &three}, {&two, &one, &three}, {&three, &two, &one}};
    for (const auto& order : orders) {
        CHECK_EQUAL(verdict(ask(*sent, leaf, order)), "granted acme");
        CHECK_EQUAL(verdict(ask(*sent, none, order)), "not-verified");
        std::string pem;
        for (const test::Identity* ca : order) pem += ca->cert_pem();
        const auto kept =
            d.file("sub.pem", pem)
                .policy(partner("acme", "MTLSIdentity any\nMTLSTrustAnchor root.pem\nMTLSIntermediate sub.pem"));
        CHECK_EQUAL(verdict(ask(*kept, leaf)), "granted acme");
        CHECK_EQUAL(verdict(ask(*kept, none)), "not-verified");
    }
}

CLAIM(another_path_is_tried_where_the_first_does_not_hold) {
    const auto root = test::issue(ca_spec("Root"), nullptr), other = test::issue(ca_spec("Other"), nullptr);
    const auto bridge = test::issue(ca_spec("Bridge"), &root);
    const auto issuing = test::issue(ca_spec("Issuing"), nullptr);
    const auto by_root = cross(issuing, "Issuing", root), by_other = cross(issuing, "Issuing", other);
    CertSpec narrow_spec = ca_spec("Issuing");
    narrow_spec.name_constraints = "permitted;DNS:other.example";
    const auto narrow = test::issue(narrow_spec, &bridge, key_of(issuing));
    CertSpec client = client_spec("api");
    client.san = {{GEN_DNS, "api.acme.example"}};
    const auto leaf = test::issue(client, &issuing);
    Draft d;
    d.file("root.pem", root.cert_pem()).file("bridge.pem", bridge.cert_pem());
    const auto policy = d.policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor root.pem"));
    CHECK_EQUAL(verdict(ask(*policy, leaf, {&by_other, &by_root})), "granted acme");
    CHECK_EQUAL(verdict(ask(*policy, leaf, {&by_root, &by_other})), "granted acme");
    CHECK_EQUAL(verdict(ask(*policy, leaf, {&by_other})), "not-verified");
    CHECK_EQUAL(verdict(ask(*policy, leaf, {&narrow, &bridge})), "wrong-issuer");
    CHECK_CONTAINS(ask(*policy, leaf, {&narrow, &bridge}).detail, "permitted subtree");
    // Two of one CA, one with constraints that the leaf breaks: in either order.
    const auto nearer = d.policy(partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor bridge.pem"));
    const auto wide = cross(issuing, "Issuing", bridge);
    CHECK_EQUAL(verdict(ask(*nearer, leaf, {&narrow, &wide})), "granted acme");
    CHECK_EQUAL(verdict(ask(*nearer, leaf, {&wide, &narrow})), "granted acme");
    // A loop leads nowhere, and ends.
    const auto a = test::issue(ca_spec("A"), nullptr), b = test::issue(ca_spec("B"), nullptr);
    const auto a_by_b = cross(a, "A", b), b_by_a = cross(b, "B", a);
    CHECK_EQUAL(verdict(ask(*policy, test::issue(client_spec("api"), &a), {&a_by_b, &b_by_a})), "not-verified");
}

CLAIM(a_remembered_path_is_the_answer_to_its_own_question_alone) {
    const auto r1 = test::issue(ca_spec("Root"), nullptr), r2 = test::issue(ca_spec("Root"), nullptr);
    const auto by1 = test::issue(ca_spec("Mid"), &r1);
    const auto by2 = test::issue(ca_spec("Mid"), &r2, key_of(by1));
    const auto leaf = test::issue(client_spec("api"), &by1);
    std::deque<std::string> digests;
    const auto link = [&](const test::Identity& id) {
        return Link(id.cert.get(), digests.emplace_back(certificate_sha256(*id.cert)));
    };
    const auto asked = [&](std::vector<Link> trusted) {
        return PathQuestion{link(leaf), std::move(trusted), {link(by1), link(by2)}, 1, now()};
    };
    // What one policy objects to is not kept from another.
    PathQuestion question = asked({link(r1), link(r2)});
    X509* first = nullptr;
    question.objection = [&first](const PathAnswer& path) {
        if (first == nullptr) first = path.chain.back().get();
        return std::string(path.chain.back().get() == first ? "not this one" : "");
    };
    const PathAnswer other = verify_path(question);
    CHECK(other.ok && other.chain.back().get() != first);
    question.objection = {};
    CHECK_EQUAL(X509_cmp(verify_path(question).chain.back().get(), first), 0);
    // A certificate without a digest is like no other.
    const auto stranger = test::issue(ca_spec("Root"), nullptr);
    const auto without_digest = [](const test::Identity& id) { return Link(id.cert.get()); };
    CHECK(verify_path(asked({without_digest(r1)})).ok);
    CHECK(!verify_path(asked({without_digest(stranger)})).ok);
}
