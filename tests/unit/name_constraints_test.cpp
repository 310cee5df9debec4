// Names that selectors and name constraints (RFC 5280 4.2.1.10) could read differently: none passes by a constraint.
#include <string>

#include "cas.hpp"
#include "mtls_authz/trust/trust.hpp"
#include "policy_draft.hpp"

using namespace mtls;
using namespace test;

namespace {

test::Identity constrained_ca(const char* constraints, const test::Identity& root) {
    CertSpec spec = ca_spec("Sub");
    spec.name_constraints = constraints;
    return issue(spec, &root);
}

}  // namespace

CLAIM(a_uri_passes_by_no_name_constraint) {
    const auto root = test::make_ca("Root");
    Draft d;
    const auto policy = d.file("root.pem", root.cert_pem())
                            .policy(partner("acme",
                                            "MTLSIdentity URI:https://acme.example/**\n"
                                            "MTLSIdentity URI:spiffe://acme.example/**\n"
                                            "MTLSTrustAnchor root.pem"));
    const auto below = [&](const char* constraints, const std::string& uri) {
        const auto sub = constrained_ca(constraints, root);
        test::CertSpec leaf = client_spec("x");
        leaf.san = {{GEN_URI, uri}};
        return ask(*policy, test::issue(leaf, &sub), {&sub});
    };
    for (const std::string scheme : {"https", "spiffe"}) {
        for (const std::string path : {"/a.evil.example:x", "/a:b", "/a.evil.example:"}) {
            const std::string uri = scheme + "://acme.example" + path;
            CHECK_EQUAL(verdict(below("", uri)), "granted acme");
            const auto permitted = below("permitted;URI:.evil.example", uri);
            CHECK_EQUAL(verdict(permitted), "wrong-issuer");
            CHECK_CONTAINS(permitted.detail, "name constraints");
            CHECK_EQUAL(verdict(below("excluded;URI:acme.example", uri)), "wrong-issuer");
        }
        const std::string plain = scheme + "://acme.example/a";
        CHECK_EQUAL(verdict(below("permitted;URI:acme.example", plain)), "granted acme");
        CHECK_EQUAL(verdict(below("excluded;URI:acme.example", plain)), "wrong-issuer");
        CHECK_EQUAL(verdict(below("permitted;URI:.evil.example", plain)), "wrong-issuer");
    }
}

CLAIM(a_name_that_readers_compare_differently_passes_by_no_name_constraint) {
    const auto root = test::make_ca("Root");
    Draft d;
    const auto policy =
        d.file("root.pem", root.cert_pem()).policy(partner("acme", "MTLSIdentity any\nMTLSTrustAnchor root.pem"));
    const auto below = [&](const char* constraints, const test::CertSpec& leaf) {
        const auto sub = constrained_ca(constraints, root);
        return verdict(ask(*policy, test::issue(leaf, &sub), {&sub}));
    };
    constexpr const char* kExcluded = "excluded;DNS:evil.example";
    test::CertSpec plain = client_spec("x"), numeric = plain;
    plain.subject.push_back({"serialNumber", "123", V_ASN1_PRINTABLESTRING});
    numeric.subject.push_back({"serialNumber", "123", V_ASN1_NUMERICSTRING});
    CHECK_EQUAL(below(kExcluded, plain), "granted acme");
    CHECK_EQUAL(below("", numeric), "granted acme");
    CHECK_EQUAL(below(kExcluded, numeric), "wrong-issuer");
    const std::pair<int, const char*> names[] = {{GEN_DNS, "a.evil.example"},
                                                 {GEN_EMAIL, "a@evil.example"},
                                                 {GEN_URI, "https://evil.example/x"},
                                                 {GEN_URI, "https://evil%2eexample/x"}};
    for (const auto& [type, name] : names) {
        const bool is_uri = type == GEN_URI;
        std::string with_dot = name;
        if (with_dot.find('%') == std::string::npos)
            with_dot.insert(is_uri ? with_dot.size() - 2 : with_dot.size(), ".");
        test::CertSpec leaf = client_spec("x");
        leaf.san = {{type, with_dot}};
        CHECK_EQUAL(below(kExcluded, leaf), "wrong-issuer");
        CHECK_EQUAL(below("", leaf), "granted acme");
    }
}

CLAIM(a_subject_that_a_selector_takes_for_a_host_or_mailbox_passes_by_no_name_constraint) {
    const auto root = test::make_ca("Root");
    Draft d;
    const auto policy = d.file("root.pem", root.cert_pem())
                            .policy(partner("globex",
                                            "MTLSIdentity CN:api.globex.example\nMTLSIdentity E:ops@globex.example\n"
                                            "MTLSTrustAnchor root.pem") +
                                    partner("acme",
                                            "MTLSIdentity \"CN:Acme Client 7\"\nMTLSIdentity CN:api.acme.example\n"
                                            "MTLSIdentity E:ops@acme.example\nMTLSTrustAnchor root.pem"));
    const auto below = [&](const char* constraints, const test::Attr& name, const char* san = nullptr) {
        const auto sub = constrained_ca(constraints, root);
        CertSpec leaf;
        leaf.subject = {{"O", "Any"}, name};
        if (san != nullptr) leaf.san = {{GEN_DNS, san}};
        return ask(*policy, test::issue(leaf, &sub), {&sub});
    };
    const auto cn = [](const char* text) { return test::Attr{"CN", text}; };
    const auto email = [](const char* text) { return test::Attr{"emailAddress", text, V_ASN1_IA5STRING}; };
    for (const char* constraints : {"permitted;DNS:acme.example", "excluded;DNS:globex.example"}) {
        for (const char* name : {"api.globex.example ", " api.globex.example", "api.globex.example\n"}) {
            const auto answer = below(constraints, cn(name));
            CHECK(answer.partner == nullptr);
            if (answer.reason == Reason::kWrongIssuer) CHECK_CONTAINS(answer.detail, "begins or ends with a blank");
        }
        CHECK_EQUAL(verdict(below(constraints, cn("api.globex.example"))), "wrong-issuer");
        CHECK_EQUAL(verdict(below(constraints, cn("API.Globex.Example"), "x.acme.example")), "wrong-issuer");
        CHECK_EQUAL(verdict(below(constraints, cn("api.acme.example"), "x.acme.example")), "granted acme");
        CHECK_EQUAL(verdict(below(constraints, cn("Acme Client 7"), "x.acme.example")), "granted acme");
        CHECK_EQUAL(verdict(below(constraints, cn("Acme Client 7"))), "granted acme");
    }
    CHECK_EQUAL(verdict(below("", cn("api.globex.example "))), "granted globex");
    CHECK_EQUAL(verdict(below("", cn("api.globex.example"), "x.acme.example")), "granted globex");
    for (const char* constraints :
         {"permitted;email:acme.example", "excluded;email:globex.example", "excluded;email:Ops@globex.example"}) {
        for (const char* name :
             {"ops@globex.example", "OPS@globex.example", "ops@globex.example ", "ops@globex.example."})
            CHECK(below(constraints, email(name)).partner == nullptr);
        CHECK_EQUAL(verdict(below(constraints, email("Ops@Acme.example"))), "granted acme");
    }
    CHECK_EQUAL(verdict(below("excluded;email:dev@globex.example", email("OPS@globex.example"))), "granted globex");
    CHECK_CONTAINS(below("excluded;email:Ops@globex.example", email("ops@globex.example")).detail,
                   "excludes the mailbox");
    CHECK_EQUAL(verdict(below("", email("ops@globex.example "))), "granted globex");
}
