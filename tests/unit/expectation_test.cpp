// Expectations: what they say of a policy, whatever the time and whoever is suspended.
#include "claims.hpp"
#include "policy_draft.hpp"

using namespace test;

namespace {

struct Setup {
    test::Identity ca = make_ca("Expect CA"), other = make_ca("Other CA"), sub = make_ca("Sub", &ca);
    Draft d;
    std::string policy =
        partner("acme",
                "MTLSIdentity CN:api\nMTLSIdentity CN:twin\nMTLSTrustAnchor ca.pem\nMTLSGrant read /orders/**\n") +
        partner("globex", "MTLSIdentity CN:gw\nMTLSIdentity CN:twin\nMTLSTrustAnchor ca.pem\n");

    Setup() {
        d.file("ca.pem", ca.cert_pem());
        add("api", "api", ca);
        add("nobody", "nobody", ca);
        add("twin", "twin", ca);
        add("foreign", "api", other);
        d.file("deep.pem", issue(client_spec("api"), &sub).cert_pem() + sub.cert_pem());
        d.file("alone.pem", issue(client_spec("api"), &sub).cert_pem());
        CertSpec expired = client_spec("api");
        expired.not_before = -90000;
        expired.not_after = -80000;
        d.file("expired.pem", issue(expired, &ca).cert_pem());
    }
    void add(const std::string& file, const std::string& cn, const test::Identity& issuer) {
        d.file(file + ".pem", issue(client_spec(cn), &issuer).cert_pem());
    }
    // What is wrong with the policy, "" where nothing.
    std::string load(const std::string& lines) {
        std::string folder = d.folder();
        DiskFiles disk;
        PolicyBuilder builder(folder, disk);
        std::vector<Diagnostic> errors;
        const auto directives = read_directives(policy + lines + "\n", "p.conf", errors);
        for (const Directive& directive : directives.value()) builder.add(directive);
        const auto built = builder.build();
        std::string said;
        for (const Diagnostic& found : builder.diagnostics()) said += found.str() + "\n";
        check((built == nullptr) == builder.has_errors(), said, __FILE__, __LINE__);
        return said;
    }
};

}  // namespace

CLAIM(an_expectation_that_holds_is_silent_and_its_opposite_says_why_not) {
    Setup s;
    const struct {
        const char* holds;
        const char* breaks;
        const char* why;
    } rows[] = {
        {"api.pem is acme", "api.pem is globex", "it is acme, by p.conf:2"},
        {"nobody.pem is-refused", "api.pem is-refused", "it is acme, by p.conf:2"},
        {"nobody.pem is-refused unknown-partner", "nobody.pem is acme", "it is refused: unknown-partner"},
        {"foreign.pem is-refused not-verified", "foreign.pem is acme", "it is refused: not-verified"},
        {"twin.pem is-refused ambiguous", "twin.pem is acme", "it is refused: ambiguous; it names acme, globex"},
        {"nobody.pem is-refused", "nobody.pem is-refused ambiguous", "it is refused: unknown-partner"},
        {"deep.pem is acme", "alone.pem is acme", "it is refused: not-verified"},
        {"api.pem is-granted GET /orders/17", "api.pem is-granted POST /orders/17",
         "MTLSGrant at p.conf:5 fits but for the method (read)"},
        {"api.pem is-not-granted GET /other", "api.pem is-not-granted GET /orders/17",
         "MTLSGrant at p.conf:5 grants it"},
        {"nobody.pem is-not-granted GET /orders/17", "nobody.pem is-granted GET /orders/17",
         "it is refused: unknown-partner"},
        {"api.pem is acme", "api.pem is acne", "there is no partner 'acne'"},
    };
    for (const auto& row : rows) {
        check_equal(s.load(std::string("MTLSExpect ") + row.holds), "", row.holds, __FILE__, __LINE__);
        const std::string said = s.load(std::string("MTLSExpect ") + row.breaks);
        CHECK_CONTAINS(said, std::string("error: MTLSExpect ") + row.breaks + ": does not hold: with this policy, ");
        CHECK_CONTAINS(said, row.why);
    }
}

CLAIM(an_expectation_speaks_of_networks_where_it_names_an_address) {
    Setup s;
    s.policy = partner("acme",
                       "MTLSIdentity CN:api\nMTLSTrustAnchor ca.pem\nMTLSNetwork 198.51.100.0/25\n"
                       "MTLSGrant read /orders/**\n");
    for (const char* line :
         {"is acme", "is-granted GET /orders/17", "is-granted GET /orders/17 from 198.51.100.7",
          "is-granted GET /orders/17 from ::ffff:198.51.100.7", "is-not-granted GET /orders/17 from 198.51.100.128",
          "is-not-granted GET /other from 198.51.100.7", "is-not-granted GET /orders/17 from ::1"}) {
        check_equal(s.load(std::string("MTLSExpect api.pem ") + line), "", line, __FILE__, __LINE__);
    }
    CHECK_CONTAINS(s.load("MTLSExpect api.pem is-granted GET /orders/17 from 198.51.100.128"),
                   "is-granted GET /orders/17 from 198.51.100.128: does not hold: with this policy, it is acme, by "
                   "p.conf:2, but 198.51.100.128 is not in 198.51.100.0/25");
    CHECK_CONTAINS(s.load("MTLSExpect api.pem is-not-granted GET /orders/17 from 198.51.100.7"), "does not hold");
}

CLAIM(time_and_emergencies_break_no_expectation) {
    Setup s;
    CHECK_EQUAL(s.load("MTLSExpect expired.pem is acme"), "");
    CHECK_EQUAL(s.load("MTLSExpect api.pem is acme\nMTLSSuspend acme\nMTLSRevoke CN:api\nMTLSCRL required"), "");
    s.policy = partner(
        "acme",
        "MTLSIdentity CN:api\nMTLSTrustAnchor ca.pem until=2001-01-01\nMTLSValid until=2002-01-01\nMTLSSuspend On");
    CHECK_EQUAL(s.load("MTLSExpect api.pem is acme"), "");
    CHECK_CONTAINS(s.load("MTLSExpect nobody.pem is acme"), "unknown-partner");
}

CLAIM(what_depends_on_mod_ssl_is_not_decided) {
    Setup s;
    s.policy = partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor mod_ssl") +
               partner("globex", "MTLSIdentity CN:gw\nMTLSTrustAnchor other.pem");
    s.d.file("other.pem", s.other.cert_pem());
    for (const char* line : {"api.pem is acme", "api.pem is-refused", "api.pem is globex"}) {
        const std::string said = s.load(std::string("MTLSExpect ") + line);
        CHECK_CONTAINS(said, "warning: ");
        CHECK_CONTAINS(said, "not decidable here");
    }
    s.add("gw", "gw", s.other);
    CHECK_EQUAL(s.load("MTLSExpect gw.pem is globex"), "");
    CHECK_CONTAINS(s.load("MTLSExpect gw.pem is acme"), "does not hold");
}

CLAIM(an_expectation_that_cannot_be_read_is_an_error) {
    Setup s;
    s.d.file("garbage.pem", "garbage\n");
    const std::pair<const char*, const char*> rows[] = {
        {"", "expected CERT is NAME"},
        {"api.pem", "expected CERT is NAME"},
        {"api.pem is", "expected CERT is NAME"},
        {"api.pem is acme globex", "expected CERT is NAME"},
        {"api.pem are acme", "expected CERT is NAME"},
        {"api.pem is-grantd GET /x", "did you mean 'is-granted'?"},
        {"api.pem is-refused expired", "dates, revocation and suspension are left out"},
        {"api.pem is-refused ambigous", "did you mean 'ambiguous'?"},
        {"api.pem is-granted get /x", "is no method"},
        {"api.pem is-granted GET x", "is no path"},
        {"api.pem is-granted GET /x/../y", "is no path"},
        {"api.pem is-granted GET /x/*", "holds a wildcard"},
        {"api.pem is-granted GET", "expected CERT is NAME"},
        {"api.pem is-granted GET /x from", "expected CERT is NAME"},
        {"api.pem is-granted GET /x at 198.51.100.7", "expected CERT is NAME"},
        {"api.pem is-granted GET /x from 198.51.100.0/24", "is no IP address"},
        {"api.pem is acme from 198.51.100.7", "expected CERT is NAME"},
        {"nowhere.pem is acme", "cannot read"},
        {"garbage.pem is acme", "holds no PEM certificate"},
    };
    for (const auto& [line, message] : rows) CHECK_CONTAINS(s.load(std::string("MTLSExpect ") + line), message);
}
