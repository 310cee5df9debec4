// What all commands do with files that they cannot read, and with SPIFFE bundles.
#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "acme_bench.hpp"
#include "bundles.hpp"
#include "claims.hpp"
#include "pki.hpp"

using namespace test;

CLAIM(what_cannot_be_read_is_a_sentence_and_exit_2) {
    Pki p;
    p.file("huge", std::string(17 << 20, 'x')).file("empty", "").file("nul", std::string("\0\0\0", 3));
    for (const char* file : {"huge", "empty", "nul", ".", "nowhere"}) {
        for (const std::vector<std::string>& args : {std::vector<std::string>{"suggest", file},
                                                     {"explain", "--policy", "acme.conf", "--cert", file},
                                                     {"explain", "--policy", file, "--cert", "acme.pem"}}) {
            CHECK(p.expect(2, args).size() > 10);
        }
    }
    for (const std::vector<std::string>& args : {std::vector<std::string>{},
                                                 {"nonsense"},
                                                 {"facts"},
                                                 {"check"},
                                                 {"explain"},
                                                 {"matrix"},
                                                 {"diff", "acme.conf"},
                                                 {"check", "--loud", "x"}}) {
        CHECK(p.expect(2, args).size() > 10);
    }
    for (const std::string command : {"suggest", "facts", "check", "explain", "matrix", "diff", "why"}) {
        const std::string example = command == "why" ? "mtls-authz why" : "Example: mtls-authz " + command;
        CHECK_CONTAINS(p.expect(0, {command, "--help"}), example);
        CHECK_CONTAINS(p.expect(0, {"help", command}), example);
    }
    CHECK_CONTAINS(p.expect(2, {"explain", "--policy", "acme.conf", "--cert", "acme.pem", "--at", "yesterday"}),
                   "--at: ");
    CHECK_CONTAINS(
        p.expect(2, {"explain", "--policy", "acme.conf", "--cert", "acme.pem", "--method", "get", "--path", "/x"}),
        "--method: ");
    // Whatever the fuzzers have found so far.
    std::vector<std::string> args = {"facts"};
    for (const auto& entry : std::filesystem::recursive_directory_iterator("tests/fuzz/corpus")) {
        if (entry.is_regular_file()) args.push_back(std::filesystem::absolute(entry.path()));
    }
    CHECK(args.size() > 20);
    CHECK_EQUAL(lines_of(p.expect(2, args)).size(), args.size() - 1);
    for (std::size_t i = 1; i < args.size(); ++i) {
        const auto out = p.run({"check", args[i]});
        test::check(out.status == 0 || out.status == 1, args[i] + ": " + out.text, __FILE__, __LINE__);
    }
}

CLAIM(a_spiffe_bundle_works_in_every_command) {
    Pki p;
    p.file("td.json", bundle_of({jwk_of(p.ca), jwk_of(p.other)}));
    const auto facts = lines_of(p.expect(0, {"facts", "td.json"}));
    CHECK_EQUAL(facts.size(), 2U);
    CHECK_EQUAL(facts[0]["sha256"], hex_sha256(p.ca));
    CHECK(facts[1]["is_ca"] == true);
    p.file("empty.json", R"({"keys": []})");
    CHECK_CONTAINS(p.expect(2, {"facts", "empty.json"}), "empty.json: holds no key with");
    CHECK_CONTAINS(p.expect(2, {"explain", "--policy", "acme.conf", "--cert", "td.json"}),
                   "is JSON and no certificate");

    const std::string block = p.expect(0, {"suggest", "acme.pem", "--anchor", "bundle:td.json"});
    CHECK_CONTAINS(block, "    MTLSTrustAnchor bundle:td.json trust-domain=acme.example\n");
    CHECK_CONTAINS(p.expect(0, {"suggest", "acme.pem"}), "bundle:FILE trust-domain=acme.example: with mod_ssl");
    p.file("spiffe.conf", block);
    p.expect(0, {"check", "--strict", "spiffe.conf"});
    CHECK_CONTAINS(p.expect(0, {"explain", "--policy", "spiffe.conf", "--cert", "acme.pem"}), "allow: granted");
    CertSpec foreign;
    foreign.subject = {{"CN", "x"}};
    foreign.san = {{GEN_URI, "spiffe://other.example/ns/prod"}};
    p.file("foreign.pem", issue(foreign, &p.ca).cert_pem());
    p.file("any.conf", partner("acme", "MTLSIdentity any\nMTLSTrustAnchor bundle:td.json trust-domain=acme.example") +
                           partner("other", "MTLSIdentity any\nMTLSTrustAnchor bundle:td.json trust-domain=other"));
    p.expect(0, {"check", "--strict", "any.conf"});
    const std::string said = p.expect(3, {"explain", "--policy", "any.conf", "--cert", "foreign.pem"});
    CHECK_CONTAINS(said, "deny: wrong-issuer");
    CHECK_CONTAINS(said, "the certificate is no X509-SVID of the trust domain");
    p.file("wider.conf", partner("acme", "MTLSIdentity any\nMTLSTrustAnchor ca.pem other-ca.pem") +
                             partner("other", "MTLSIdentity any\nMTLSTrustAnchor bundle:td.json trust-domain=other"));
    CHECK_CONTAINS(p.expect(1, {"diff", "any.conf", "wider.conf"}), "trust-domain=acme.example");
    CHECK_CONTAINS(p.expect(0, {"check", "wider.conf"}), "is ambiguous, and refused");
}
