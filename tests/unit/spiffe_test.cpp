// SPIFFE bundles as trust anchors: a partner with one is confined to its trust domain.
#include "bundles.hpp"
#include "mtls_authz/certificate/spiffe_id.hpp"
#include "mtls_authz/load/expectation.hpp"
#include "policy_draft.hpp"

using namespace mtls;
using namespace test;

namespace {

CertSpec svid_spec(const std::vector<std::string>& uris, const std::string& cn = "api") {
    CertSpec spec = client_spec(cn);
    for (const std::string& uri : uris) spec.san.emplace_back(GEN_URI, uri);
    return spec;
}

const std::string kBundle = "\nMTLSTrustAnchor bundle:td.json trust-domain=acme.example";

// What is said of a policy that is refused, or "" where it is taken. `known`: the one in force.
std::string said_of(const Draft& draft, const std::string& text, const Policy* known = nullptr) {
    DiskFiles disk;
    PolicyBuilder builder(draft.folder(), disk);
    if (known != nullptr) builder.reuse(*known);
    std::vector<Diagnostic> errors;
    const auto directives = read_directives(text + "\n", "p.conf", errors);
    for (const Directive& d : directives.value()) builder.add(d);
    if (builder.build() != nullptr) return {};
    std::string out;
    for (const Diagnostic& d : builder.diagnostics()) out += d.str() + "\n";
    return out;
}

}  // namespace

CLAIM(under_a_bundle_only_svids_of_its_trust_domain_count) {
    const auto ca = make_ca("SPIFFE"), sub = make_ca("Sub", &ca);
    Draft d;
    const auto policy =
        d.file("td.json", bundle_of(ca)).policy(partner("acme", "MTLSIdentity any\nMTLSIdentity CN:api" + kBundle));
    const auto asked = [&](const CertSpec& spec, const test::Identity& by) {
        return ask(*policy, issue(spec, &by), {&sub});
    };
    CHECK_EQUAL(verdict(asked(svid_spec({"spiffe://acme.example/ns/a"}), ca)), "granted acme");
    CHECK_EQUAL(verdict(asked(svid_spec({"spiffe://acme.example/a.B-c_9"}), sub)), "granted acme");
    struct Odd {
        std::vector<std::string> uris;
        std::string why;
    };
    for (const Odd& odd : std::vector<Odd>{
             {{}, "it has no URI"},
             {{"spiffe://acme.example/a", "spiffe://acme.example/b"}, "it has 2 URIs"},
             {{"spiffe://acme.example/a", "https://acme.example/"}, "it has 2 URIs"},
             {{"spiffe://other.example/a"}, "'spiffe://other.example/a' is not spiffe://acme.example/ and a path"},
             {{"spiffe://acme.example"}, "is not spiffe://acme.example/ and a path"},
             {{"spiffe://acme.example/"}, "is not"},
             {{"spiffe://acme.example.evil/a"}, "is not"},
             {{"spiffe://acme.example:443/a"}, "is not"},
             {{"spiffe://u@acme.example/a"}, "is not"},
             {{"spiffe://ACME.example/a"}, "is not"},
             {{"SPIFFE://acme.example/a"}, "is not"},
             {{"https://acme.example/a"}, "is not"},
             {{"spiffe://acme.example//a"}, "is not"},
             {{"spiffe://acme.example/a/"}, "is not"},
             {{"spiffe://acme.example/a/../b"}, "is not"},
             {{"spiffe://acme.example/./a"}, "is not"},
             {{"spiffe://acme.example/a%2Fb"}, "is not"},
             {{"spiffe://acme.example/a?b"}, "is not"},
             {{"spiffe://acme.example/a#b"}, "is not"},
             {{"spiffe://acme.example/" + std::string(2048, 'a')}, "is not"}}) {
        const auto who = asked(svid_spec(odd.uris), ca);
        CHECK_EQUAL(verdict(who), "wrong-issuer");
        CHECK_EQUAL(names_of(who.claimed), "acme");
        CHECK_CONTAINS(who.detail, "no X509-SVID of the trust domain acme.example: ");
        CHECK_CONTAINS(who.detail, odd.why);
    }
    CertSpec as_ca = svid_spec({"spiffe://acme.example/a"});
    as_ca.ca = true;
    CHECK_CONTAINS(asked(as_ca, ca).detail, "it is a CA");
    CertSpec signs = svid_spec({"spiffe://acme.example/a"});
    signs.key_usage = "digitalSignature,cRLSign";
    CHECK_CONTAINS(asked(signs, ca).detail, "lets it sign");
    signs.key_usage = "digitalSignature";
    CHECK_EQUAL(verdict(asked(signs, ca)), "granted acme");
    // Names of other types may stand beside.
    CertSpec beside = svid_spec({"spiffe://acme.example/a"});
    beside.san.emplace_back(GEN_DNS, "api.acme.example");
    CHECK_EQUAL(verdict(asked(beside, ca)), "granted acme");
}

CLAIM(the_reason_of_a_denial_speaks_of_the_trust_domain_only_under_its_own_bundle) {
    const auto ca = make_ca("SPIFFE"), other = make_ca("Other");
    Draft d;
    const auto policy = d.file("td.json", bundle_of(ca))
                            .file("other.pem", other.cert_pem())
                            .policy(partner("acme", "MTLSIdentity CN:api" + kBundle) +
                                    partner("bank", "MTLSIdentity CN:bank\nMTLSTrustAnchor other.pem"));
    const auto who = ask(*policy, issue(client_spec("api"), &other));
    CHECK_EQUAL(verdict(who), "wrong-issuer");
    CHECK_CONTAINS(who.detail, "is a trust anchor of others, and none of acme");
    CHECK(who.detail.find("SPIFFE") == std::string::npos);
    CHECK_EQUAL(verdict(ask(*policy, issue(client_spec("bank"), &other))), "granted bank");
    // A SPIFFE ID says nothing under a CA outside of the bundle.
    CHECK_EQUAL(verdict(ask(*policy, issue(svid_spec({"spiffe://acme.example/a"}), &other))), "wrong-issuer");
}

CLAIM(a_ca_may_issue_for_the_trust_domains_whose_bundles_have_it) {
    const auto ca = make_ca("Shared");
    Draft d;
    d.file("td.json", bundle_of(ca)).file("two.json", bundle_of(ca, 9)).file("ca.pem", ca.cert_pem());
    const auto policy = d.policy(partner("acme", "MTLSIdentity any" + kBundle) +
                                 partner("two", "MTLSIdentity any\nMTLSTrustAnchor bundle:two.json trust-domain=two"));
    CHECK_EQUAL(verdict(ask(*policy, issue(svid_spec({"spiffe://acme.example/a"}), &ca))), "granted acme");
    CHECK_EQUAL(verdict(ask(*policy, issue(svid_spec({"spiffe://two/a"}), &ca))), "granted two");
    CHECK_EQUAL(verdict(ask(*policy, issue(svid_spec({"spiffe://three/a"}), &ca))), "wrong-issuer");
    // Two files of one content are two bundles, and a partner may have several.
    const auto both = d.file("copy.json", bundle_of(ca))
                          .policy(partner("acme",
                                          "MTLSIdentity URI:spiffe://acme.example/a anchor=bundle:td.json\n"
                                          "MTLSIdentity URI:spiffe://two/a" +
                                              kBundle + "\nMTLSTrustAnchor bundle:copy.json trust-domain=two"));
    CHECK_EQUAL(verdict(ask(*both, issue(svid_spec({"spiffe://acme.example/a"}), &ca))), "granted acme");
    CHECK_EQUAL(verdict(ask(*both, issue(svid_spec({"spiffe://two/a"}), &ca))), "granted acme");
    CHECK_EQUAL(verdict(ask(*both, issue(svid_spec({"spiffe://two/b"}), &ca))), "unknown-partner");
    // Another partner that names the CA itself decides about all of its certificates, as ever.
    const auto plain = d.policy(partner("acme", "MTLSIdentity any" + kBundle) +
                                partner("plain", "MTLSIdentity CN:plain\nMTLSTrustAnchor ca.pem"));
    CHECK_EQUAL(verdict(ask(*plain, issue(client_spec("plain"), &ca))), "granted plain");
    CHECK_EQUAL(verdict(ask(*plain, issue(svid_spec({"spiffe://acme.example/a"}, "plain"), &ca))), "ambiguous");
}

CLAIM(a_bundle_outside_of_its_dates_does_not_exist) {
    const auto ca = make_ca("SPIFFE");
    Draft d;
    d.file("td.json", bundle_of(ca));
    const auto leaf = issue(svid_spec({"spiffe://acme.example/a"}), &ca);
    CHECK_EQUAL(verdict(ask(*d.policy(partner("acme", "MTLSIdentity any" + kBundle + " until=2099-01-01")), leaf)),
                "granted acme");
    CHECK_EQUAL(verdict(ask(*d.policy(partner("acme", "MTLSIdentity any" + kBundle + " until=2020-01-01")), leaf)),
                "not-verified");
    CHECK_EQUAL(verdict(ask(*d.policy(partner("acme", "MTLSIdentity any" + kBundle + " from=2099-01-01")), leaf)),
                "not-verified");
}

CLAIM(what_is_wrong_with_a_bundle_line_is_said) {
    const auto ca = make_ca("SPIFFE");
    Draft d;
    d.file("td.json", bundle_of(ca)).file("ca.pem", ca.cert_pem()).file("empty.json", R"({"keys": []})");
    const auto lines = [&](const std::string& text) { return said_of(d, partner("acme", text)); };
    const std::string any = "MTLSIdentity any\nMTLSTrustAnchor ";
    CHECK_EQUAL(lines(any + "bundle:td.json trust-domain=acme.example"), "");
    CHECK_EQUAL(lines(any + "Trust-Domain=acme.example until=2099-01-01 bundle:td.json"), "");
    CHECK_CONTAINS(lines(any + "bundle:td.json"), "'bundle:td.json' needs trust-domain=NAME beside it");
    CHECK_CONTAINS(lines(any + "ca.pem trust-domain=acme.example"), "bundle:FILE trust-domain=NAME");
    CHECK_CONTAINS(lines(any + "trust-domain=acme.example"), "bundle:FILE trust-domain=NAME");
    CHECK_CONTAINS(lines(any + "bundle:td.json ca.pem trust-domain=a"), "a line of its own");
    CHECK_CONTAINS(lines(any + "bundle:td.json bundle:td.json trust-domain=a"), "a line of its own");
    CHECK_CONTAINS(lines(any + "bundle:td.json trust-domain=a trust-domain=b"), "'trust-domain=b' is given twice");
    CHECK_CONTAINS(lines(any + "bundle:td.json trust-domain="), "'' is no name of a trust domain");
    CHECK_CONTAINS(lines(any + "bundle:td.json trust-domain=Acme.Example"), "(did you mean 'acme.example'?)");
    CHECK_CONTAINS(lines(any + "bundle:td.json trust-domain=spiffe://acme.example"), "(did you mean 'acme.example'?)");
    CHECK_CONTAINS(lines(any + "bundle:td.json trust-domain=acme.example:443"), "lower-case letters, digits");
    CHECK_CONTAINS(lines(any + "bundle:td.json trust-domain=a from=2099-01-01 until=2098-01-01"), "is later than");
    CHECK_CONTAINS(lines(any + "bundle:none.json trust-domain=a"), "cannot read");
    CHECK_CONTAINS(lines(any + "bundle:empty.json trust-domain=a"), "empty.json' holds no key with");
    CHECK_CONTAINS(lines(any + "bundle:ca.pem trust-domain=a"), "ca.pem' is not JSON");
    CHECK_CONTAINS(lines(any + "td.json"), "bundle:FILE trust-domain=NAME");
    CHECK_CONTAINS(said_of(d, "MTLSTrustAnchor bundle:td.json trust-domain=a\n" + partner("acme", "MTLSIdentity CN:a")),
                   "a SPIFFE bundle belongs inside <MTLSPartner NAME>");
    // CAs outside of the bundle could issue SPIFFE IDs of its trust domain.
    CHECK_CONTAINS(lines(any + "bundle:td.json trust-domain=a\nMTLSTrustAnchor ca.pem"), "no other anchors can stand");
    CHECK_CONTAINS(lines("MTLSIdentity CN:a\nMTLSTrustAnchor mod_ssl" + kBundle), "no other anchors can stand");
}

CLAIM(selectors_that_can_never_hold_under_a_bundle_are_errors) {
    const auto ca = make_ca("SPIFFE");
    Draft d;
    d.file("td.json", bundle_of(ca));
    const auto lines = [&](const std::string& text) { return said_of(d, partner("acme", text + kBundle)); };
    CHECK_EQUAL(lines("MTLSIdentity URI:spiffe://acme.example/ns/*/sa/api"), "");
    CHECK_EQUAL(lines("MTLSIdentity URI:SPIFFE://ACME.example/**"), "");
    CHECK_EQUAL(lines("MTLSIdentity CN:a !URI:spiffe://other.example/a"), "");
    CHECK_CONTAINS(lines("MTLSIdentity URI:spiffe://other.example/**"),
                   "MTLSIdentity of acme: 'URI:spiffe://other.example/**' can never hold");
    CHECK_CONTAINS(lines("MTLSIdentity URI:spiffe://acme.example.evil/**"), "can never hold");
    CHECK_CONTAINS(lines("MTLSIdentity CN:a URI:https://acme.example/**"), "its trust domain (acme.example)");
    CHECK_CONTAINS(lines("MTLSIdentity any\nMTLSGroup g if URI:spiffe://other.example/a"), "MTLSGroup of acme");
    CHECK_CONTAINS(lines("MTLSIdentity any\nMTLSGrant GET /x if URI:spiffe://other.example/a"), "MTLSGrant of acme");
    const std::string two = "\nMTLSTrustAnchor bundle:./td.json trust-domain=two";
    CHECK_EQUAL(lines("MTLSIdentity URI:spiffe://two/**" + two), "");
    CHECK_CONTAINS(lines("MTLSIdentity URI:spiffe://two/** anchor=bundle:td.json" + two), "can never hold");
    CHECK_EQUAL(lines("MTLSIdentity URI:spiffe://two/** anchor=bundle:./td.json" + two), "");
}

CLAIM(a_bundle_never_goes_back_while_a_policy_is_in_force) {
    const auto ca = make_ca("SPIFFE"), next = make_ca("Next");
    Draft d;
    const std::string text = partner("acme", "MTLSIdentity any" + kBundle);
    const auto in_force = d.file("td.json", bundle_of(ca, 7)).policy(text);
    const auto after = [&](const std::string& content, const std::string& policy) {
        d.file("td.json", content).file("other.json", content);
        return said_of(d, policy, in_force.get());
    };
    CHECK_EQUAL(after(bundle_of(ca, 7), text), "");
    CHECK_EQUAL(after(bundle_of(next, 8), text), "");
    CHECK_CONTAINS(after(bundle_of(ca, 6), text), "has the spiffe_sequence 6, which is lower than the 7 in force");
    CHECK_CONTAINS(after(R"({"keys": [)" + jwk_of(ca) + "]}", text), "has no spiffe_sequence");
    // Nor by another file for the same trust domain; of another one the number says nothing.
    CHECK_CONTAINS(after(bundle_of(ca, 6), partner("acme",
                                                   "MTLSIdentity any\nMTLSTrustAnchor bundle:other.json "
                                                   "trust-domain=acme.example")),
                   "lower than the 7 in force");
    CHECK_EQUAL(
        after(bundle_of(ca, 6), partner("acme", "MTLSIdentity any\nMTLSTrustAnchor bundle:td.json trust-domain=other")),
        "");
    // Two files of one trust domain each keep their own number.
    const std::string both = text + partner("two",
                                            "MTLSIdentity URI:spiffe://acme.example/two\nMTLSTrustAnchor "
                                            "bundle:two.json trust-domain=acme.example");
    const auto two = d.file("td.json", bundle_of(ca, 7)).file("two.json", bundle_of(ca, 3)).policy(both);
    CHECK_EQUAL(said_of(d, both, two.get()), "");
    d.file("two.json", bundle_of(ca, 2));
    CHECK_CONTAINS(said_of(d, both, two.get()), "has the spiffe_sequence 2, which is lower than the 3 in force");
    // Where there was none, any number is a later one.
    const auto bare = d.file("td.json", R"({"keys": [)" + jwk_of(ca) + "]}").policy(text);
    d.file("td.json", bundle_of(ca, 0));
    CHECK_EQUAL(said_of(d, text, bare.get()), "");
}

CLAIM(a_policy_with_a_bundle_is_rendered_and_numbered_by_what_it_holds) {
    const auto ca = make_ca("SPIFFE"), next = make_ca("Next");
    Draft d;
    const std::string lines = "MTLSIdentity URI:spiffe://acme.example/a anchor=bundle:td.json" + kBundle;
    const auto policy = d.file("td.json", bundle_of(ca, 7)).policy(partner("acme", lines + " until=2099-01-01"));
    CHECK_CONTAINS(policy->render(),
                   "MTLSTrustAnchor bundle:td.json trust-domain=acme.example until=2099-01-01T23:59:59Z\n");
    CHECK_EQUAL(d.policy(policy->render())->generation(), policy->generation());
    const auto generation = [&](const std::string& bundle, const std::string& domain) {
        return std::string(
            d.file("td.json", bundle)
                .policy(partner("acme", "MTLSIdentity any\nMTLSTrustAnchor bundle:td.json trust-domain=" + domain))
                ->generation());
    };
    const std::string first = generation(bundle_of(ca, 7), "acme.example");
    CHECK_EQUAL(generation(bundle_of(ca, 7) + "\n", "acme.example"), first);
    CHECK(generation(bundle_of(ca, 8), "acme.example") != first);
    CHECK(generation(bundle_of(next, 7), "acme.example") != first);
    CHECK(generation(bundle_of(ca, 7), "other.example") != first);
    const auto files = policy->files();
    CHECK(std::any_of(files.begin(), files.end(),
                      [&](const PolicyFile& file) { return file.name == d.folder() + "/td.json"; }));
}

CLAIM(expectations_hold_under_a_bundle) {
    const auto ca = make_ca("SPIFFE");
    Draft d;
    d.file("td.json", bundle_of(ca))
        .file("svid.pem", issue(svid_spec({"spiffe://acme.example/a"}), &ca).cert_pem())
        .file("other.pem", issue(svid_spec({"spiffe://other.example/a"}), &ca).cert_pem());
    const std::string acme = partner("acme", "MTLSIdentity any\nMTLSGrant GET /x" + kBundle);
    CHECK_EQUAL(said_of(d, acme + "MTLSExpect svid.pem is acme\nMTLSExpect svid.pem is-granted GET /x\n"
                                  "MTLSExpect other.pem is-refused wrong-issuer"),
                "");
    CHECK_CONTAINS(said_of(d, acme + "MTLSExpect other.pem is acme"), "no X509-SVID of the trust domain acme.example");
}
