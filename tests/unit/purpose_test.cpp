// Certificates made for servers: whose they may be, and until when.
#include "claims.hpp"
#include "mtls_authz/decide/identification.hpp"
#include "policy_draft.hpp"

using namespace test;

namespace {

using Made = test::Identity;

CertSpec with_eku(const std::string& cn, const std::string& eku) {
    CertSpec spec = client_spec(cn);
    spec.eku = eku;
    return spec;
}

Made make_sub(const std::string& cn, const Made& root, const std::string& eku) {
    CertSpec spec;
    spec.subject = {{"CN", cn}};
    spec.ca = true;
    spec.eku = "";
    if (!eku.empty()) spec.extensions = {{NID_ext_key_usage, eku}};
    return issue(spec, &root);
}

std::string errors_of(const std::string& text, const std::string& folder) {
    DiskFiles disk;
    PolicyBuilder builder(folder, disk);
    std::vector<Diagnostic> errors;
    const auto directives = read_directives(text, "p.conf", errors);
    for (const Directive& directive : directives.value()) builder.add(directive);
    const auto policy = builder.build();
    std::string said;
    for (const Diagnostic& found : builder.diagnostics()) said += found.str() + "\n";
    check((policy == nullptr) == builder.has_errors(), said, __FILE__, __LINE__);
    return said;
}

}  // namespace

CLAIM(certificates_made_for_servers_count_for_the_partner_that_takes_them) {
    const auto root = make_ca("Root");
    const auto plain = make_sub("Plain", root, ""), servers = make_sub("Servers", root, "serverAuth"),
               clients = make_sub("Clients", root, "clientAuth"), any = make_sub("Any", root, "anyExtendedKeyUsage"),
               code = make_sub("Code", root, "codeSigning");
    Draft d;
    d.file("root.pem", root.cert_pem());
    const auto policy =
        d.policy(partner("acme", "MTLSIdentity CN:acme\nMTLSTrustAnchor root.pem\nMTLSPurpose serverAuth") +
                 partner("globex", "MTLSIdentity CN:globex\nMTLSTrustAnchor root.pem\nMTLSPurpose clientAuth") +
                 partner("initech", "MTLSIdentity CN:initech\nMTLSTrustAnchor root.pem"));
    struct Row {
        const char* eku;
        const Made& sub;
        bool for_clients, for_servers;
    };
    const Row rows[] = {
        {"clientAuth", plain, true, false},
        {"clientAuth,serverAuth", plain, true, true},
        {"", plain, true, true},
        {"serverAuth", plain, false, true},
        {"serverAuth", servers, false, true},
        {"", servers, false, true},
        {"clientAuth,serverAuth", servers, false, true},
        {"serverAuth,codeSigning", servers, false, true},
        {"clientAuth", servers, false, false},
        {"serverAuth", clients, false, false},
        {"clientAuth", clients, true, false},
        {"anyExtendedKeyUsage", plain, false, false},
        {"anyExtendedKeyUsage", servers, false, false},
        {"codeSigning", plain, false, false},
        {"emailProtection", servers, false, false},
        {"msSGC", plain, false, false},
        {"nsSGC", servers, false, false},
        {"serverAuth", any, false, false},
        {"serverAuth", code, false, false},
        {"clientAuth", any, false, false},
    };
    const ServerCas server;
    for (const Row& row : rows) {
        for (const char* name : {"acme", "globex", "initech"}) {
            const auto leaf = issue(with_eku(name, row.eku), &row.sub);
            const Identification who = ask(*policy, leaf, {&row.sub});
            const bool waives = std::string(name) == "acme";
            const bool counts = row.for_clients || (waives && row.for_servers);
            const std::string what =
                std::string(name) + " " + row.eku + " below " + read_facts(*row.sub.cert).subject.text();
            check_equal(verdict(who), counts ? std::string("granted ") + name : "wrong-issuer", what, __FILE__,
                        __LINE__);
            check_equal(who.is_purpose_waived, counts && !row.for_clients, what, __FILE__, __LINE__);
            const PresentedCertificate presented(*leaf.cert, useful_helpers(*leaf.cert, {row.sub.cert.get()}));
            check_equal(waives_purpose_of(*policy, presented, server, now()), who.is_purpose_waived, what, __FILE__,
                        __LINE__);
        }
        CHECK(!ask(*policy, issue(with_eku("stranger", row.eku), &row.sub), {&row.sub}).is_purpose_waived);
    }
    // Keys that do not sign, and an extension that occurs twice.
    CertSpec exchange = with_eku("acme", "serverAuth");
    exchange.key_usage = "critical,keyEncipherment";
    CHECK_EQUAL(verdict(ask(*policy, issue(exchange, &root))), "wrong-issuer");
    exchange.key_usage = "critical,digitalSignature";
    CHECK_EQUAL(verdict(ask(*policy, issue(exchange, &root))), "granted acme");
    CertSpec twice = with_eku("acme", "serverAuth");
    twice.raw = {{"2.5.29.37", "\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x02"}};
    CHECK_EQUAL(verdict(ask(*policy, issue(twice, &root))), "malformed-certificate");
    CHECK(!waives_purpose_of(*policy, PresentedCertificate(*issue(twice, &root).cert, {}), server, now()));
    // The wrong CA stays the wrong CA.
    const auto other = make_ca("Other");
    CHECK_EQUAL(verdict(ask(*policy, issue(with_eku("acme", "serverAuth"), &other))), "not-verified");
}

CLAIM(a_waived_purpose_ends_at_its_second) {
    CertSpec ca;
    ca.subject = {{"CN", "Root"}};
    ca.ca = true;
    ca.not_after = 20 * std::int64_t{366} * 86400;
    const auto root = issue(ca, nullptr);
    Draft d;
    const auto policy = d.file("root.pem", root.cert_pem())
                            .policy(partner("acme",
                                            "MTLSIdentity CN:acme\nMTLSTrustAnchor root.pem\n"
                                            "MTLSPurpose serverAuth until=2031-05-31"));
    CHECK_CONTAINS(d.said(), "warning: MTLSPurpose serverAuth of acme, until 2031-05-31T23:59:59Z: certificates that");
    CHECK_CONTAINS(policy->render(), "    MTLSPurpose serverAuth until=2031-05-31T23:59:59Z\n");
    CertSpec spec = with_eku("acme", "serverAuth");
    spec.not_after = 20 * std::int64_t{366} * 86400;
    const auto leaf = issue(spec, &root);
    const std::int64_t last = parse_date("2031-05-31", DateEdge::kUntil).value();
    CHECK_EQUAL(verdict(ask(*policy, leaf)), "granted acme");
    const Identification at_last = ask(*policy, leaf, {}, last);
    CHECK_EQUAL(verdict(at_last), "granted acme");
    CHECK_EQUAL(at_last.valid_until, last);
    CHECK_EQUAL(verdict(ask(*policy, leaf, {}, last + 1)), "wrong-issuer");
    // One that is made for clients goes on.
    CertSpec client = with_eku("acme", "clientAuth");
    client.not_after = ca.not_after;
    CHECK_EQUAL(verdict(ask(*policy, issue(client, &root), {}, last + 1)), "granted acme");
    CHECK_CONTAINS(errors_of(partner("acme",
                                     "MTLSIdentity CN:acme\nMTLSTrustAnchor root.pem\nMTLSPurpose serverAuth "
                                     "until=2020-01-01"),
                             d.folder()),
                   "has ended on 2020-01-01T23:59:59Z");
}

CLAIM(a_purpose_that_cannot_be_meant_is_an_error) {
    const auto root = make_ca("Root");
    Draft d;
    d.file("root.pem", root.cert_pem());
    const std::pair<const char*, const char*> rows[] = {
        {"MTLSPurpose", "expected clientAuth, or serverAuth [until=DATE]"},
        {"MTLSPurpose serverauht", "did you mean 'serverAuth'?"},
        {"MTLSPurpose any", "other purposes never count"},
        {"MTLSPurpose codeSigning", "other purposes never count"},
        {"MTLSPurpose clientAuth until=2030-01-01", "takes no dates"},
        {"MTLSPurpose serverAuth from=2030-01-01", "expected serverAuth [until=DATE]"},
        {"MTLSPurpose serverAuth until=soon", "is not a date"},
        {"MTLSPurpose serverAuth\nMTLSPurpose clientAuth", "already given at p.conf:4"},
        {"MTLSPurpose clientAuth\nMTLSPurpose serverAuth", "already given at p.conf:4"},
    };
    for (const auto& [line, said] : rows) {
        CHECK_CONTAINS(
            errors_of(partner("acme", std::string("MTLSIdentity CN:x\nMTLSTrustAnchor root.pem\n") + line), d.folder()),
            said);
    }
}

CLAIM(any_certificate_for_servers_of_a_public_ca_is_no_partner) {
    const auto root = make_ca("Public Root"), own = make_ca("Own Root"), sub = make_ca("Public Sub", &root);
    CertSpec forum;
    forum.subject = {{"CN", "Forum CA"}};
    forum.ca = true;
    forum.eku = "";
    forum.extensions = {{NID_certificate_policies, "2.23.140.1.2.1"}};
    Draft d;
    d.file("root.pem", root.cert_pem())
        .file("own.pem", own.cert_pem())
        .file("sub.pem", sub.cert_pem())
        .file("forum.pem", issue(forum, &own).cert_pem());
    setenv("SSL_CERT_FILE", (d.folder() + "/root.pem").c_str(), 1);
    const auto said = [&](const std::string& anchor, const std::string& lines) {
        return errors_of(partner("acme", lines + "\nMTLSTrustAnchor " + anchor), d.folder());
    };
    const std::string kAny = "MTLSIdentity any\nMTLSPurpose serverAuth";
    CHECK_CONTAINS(said("root.pem", kAny),
                   "p.conf:2: error: MTLSIdentity any of acme with MTLSPurpose serverAuth (p.conf:3)");
    CHECK_CONTAINS(said("root.pem", kAny), "since this system trusts it");
    CHECK_CONTAINS(said("sub.pem", kAny), "since this system trusts the CA that issued it");
    CHECK_CONTAINS(said("forum.pem", kAny), "since it bears the CA/Browser Forum's policy 2.23.140.1.2.1");
    for (const auto& [anchor, lines] : {std::pair<const char*, std::string>("own.pem", kAny),
                                        {"root.pem", "MTLSIdentity any"},
                                        {"root.pem", "MTLSIdentity DNS:api.acme.example\nMTLSPurpose serverAuth"}}) {
        CHECK(said(anchor, lines).find("error") == std::string::npos);
    }
    unsetenv("SSL_CERT_FILE");
}
