// The command check: errors and warnings.
#include <nlohmann/json.hpp>
#include <string>

#include "acme_bench.hpp"
#include "claims.hpp"
#include "pki.hpp"

using namespace test;
using Json = nlohmann::json;

CLAIM(check_lists_all_errors_and_warnings_at_once) {
    Pki p;
    CertSpec soon;
    soon.subject = {{"CN", "Soon CA"}};
    soon.ca = true;
    soon.eku = "";
    soon.not_after = 86400 * 10;
    p.file("soon.pem", issue(soon, nullptr).cert_pem());
    soon.subject = {{"CN", "Late CA"}};
    soon.not_before = -90000;
    soon.not_after = -80000;
    p.file("late.pem", issue(soon, nullptr).cert_pem());
    p.file("bad.conf", "MTLSIdentity CN:x\n" + partner("a", "MTLSIdentity DSN:x\nMTLSTrustAnchor nowhere.pem"));
    const std::string errors = p.expect(1, {"check", "bad.conf", "acme.conf"});
    CHECK_CONTAINS(errors, "bad.conf:1: error: MTLSIdentity belongs inside <MTLSPartner NAME>\n");
    CHECK_CONTAINS(errors, "bad.conf:3: error: MTLSIdentity: ");
    CHECK_CONTAINS(errors, "bad.conf:4: error: MTLSTrustAnchor: cannot read");
    p.file(
        "odd.conf",
        partner("a", "MTLSIdentity CN:x CN:y\nMTLSIdentity \"subject:C=US,O=Acme,CN=x\"\nMTLSTrustAnchor soon.pem") +
            partner("b",
                    "MTLSIdentity O:Acme\nMTLSTrustAnchor late.pem ca.pem\nMTLSGrant read /a/**\nMTLSGrant GET /a/b") +
            partner("c", "MTLSIdentity O:Acme OU:x\nMTLSTrustAnchor ca.pem") +
            partner("d", "MTLSIdentity any\nMTLSTrustAnchor ca.pem"));
    const std::string warnings = p.expect(0, {"check", "odd.conf"});
    for (const char* part :
         {"odd.conf:2: warning: MTLSIdentity of a can never fit: no certificate has both CN:x and CN:y", "in reverse",
          "expires on", "expired on", "odd.conf:10: warning: MTLSGrant GET /a/b: covered by the one at odd.conf:9",
          "odd.conf:13: warning: MTLSIdentity of c is covered by that of d at odd.conf:17",
          "is ambiguous, and refused"}) {
        CHECK_CONTAINS(warnings, part);
    }
    p.file("leaf.conf", partner("a", "MTLSIdentity CN:x\nMTLSTrustAnchor acme.pem") + "MTLSSuspend On\n");
    const std::string leaf = p.expect(0, {"check", "leaf.conf"});
    CHECK_CONTAINS(leaf, "leaf.conf:3: warning: MTLSTrustAnchor acme.pem: ");
    CHECK_CONTAINS(leaf, "is no CA: it alone is let in, and nothing that its CA issues after it");
    CHECK_CONTAINS(leaf, "there is no partner 'On' (outside of <MTLSPartner>, it names partners)");
    CHECK_CONTAINS(p.shell("echo nonsense | \"$0\" check -").text, "standard input:1: error: unknown directive");
    CHECK_CONTAINS(p.expect(1, {"check", "--strict", "odd.conf"}),
                   "odd.conf:2: error: MTLSIdentity of a can never fit");
    const Json json = Json::parse(p.expect(1, {"check", "--json", "bad.conf"}));
    CHECK(json["ok"] == false && json["generation"].is_null());
    CHECK_EQUAL(json["findings"][0]["file"], "bad.conf");
    CHECK_EQUAL(json["findings"][0]["line"], 1);
    CHECK_CONTAINS(p.expect(0, {"check", "acme.conf"}), "1 partner(s)");
    CHECK(p.expect(0, {"check", "acme.conf"}).find("warning") == std::string::npos);
    CHECK_CONTAINS(p.expect(2, {"check", "nowhere.conf"}), "nowhere.conf: error: cannot be read: No such file");
    CHECK_EQUAL(p.shell("\"$0\" check nowhere.conf 2> /dev/null").text, "");
    CHECK_CONTAINS(p.expect(2, {"check", "nowhere/*.conf"}), "nowhere/*.conf: error: cannot be read: ");
    // What would be slow.
    std::string pins, usages;
    const std::string key(64, 'a');
    for (int i = 0; i < 101; ++i) {
        const std::string name = "p" + std::to_string(i);
        pins += partner(name, "MTLSIdentity issuer.spki-sha256:" + key + "\nMTLSTrustAnchor ca.pem");
        usages += partner(name, "MTLSIdentity EKU:clientAuth !OU:x" + std::to_string(i) + "\nMTLSTrustAnchor ca.pem");
    }
    p.file("pins.conf", pins).file("usages.conf", usages);
    CHECK_CONTAINS(p.expect(0, {"check", "pins.conf"}), "pins.conf:2: warning: 101 MTLSIdentity lines, like this one");
    CHECK_CONTAINS(p.expect(0, {"check", "usages.conf"}), "usages.conf:2: warning: 101 MTLSIdentity lines share");
}

CLAIM(check_without_a_root_says_so_and_makes_no_folder_of_it) {
    Bench b;
    b.file("p.conf", partner("acme", "MTLSIdentity CN:x\nMTLSTrustAnchor mtls/a.pem mtls/b.pem"));
    const std::string said = b.expect(1, {"check", "p.conf"});
    CHECK_CONTAINS(said, "mtls/a.pem': No such file or directory; relative paths in policies begin at --root DIR");
    CHECK(said.find("mkdir") == std::string::npos);
    CHECK_EQUAL(said.find("--root"), said.rfind("--root"));
    CHECK_CONTAINS(b.expect(1, {"check", "--root", b.folder(), "p.conf"}), "mkdir -p");
}

CLAIM(partners_under_a_public_ca_are_named_before_it_hits_them) {
    Pki p;
    const auto with_store = [&](const std::string& args) { return p.shell("SSL_CERT_FILE=ca.pem \"$0\" " + args); };
    const std::string block = partner("acme", "MTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor ca.pem");
    p.file("p.conf", block);
    const auto said = with_store("check p.conf");
    CHECK_EQUAL(said.status, 0);
    CHECK_CONTAINS(said.text, "p.conf:3: warning: MTLSTrustAnchor ca.pem of acme: the CA ");
    CHECK_CONTAINS(said.text, "is public, since this system trusts it");
    CHECK_CONTAINS(said.text, "all from 2027-03-15 on");
    CHECK(p.run({"check", "p.conf"}).text.find("public") == std::string::npos);
    p.file("waived.conf", partner("acme",
                                  "MTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor ca.pem\nMTLSPurpose "
                                  "serverAuth until=2099-01-01"));
    CHECK(with_store("check waived.conf").text.find("public") == std::string::npos);
    CHECK_CONTAINS(p.expect(0, {"check", "--warn-days", "40000", "waived.conf"}),
                   "MTLSPurpose serverAuth of acme ends on 2099-01-01T23:59:59Z: by then the partner needs");
    CHECK(p.expect(0, {"check", "waived.conf"}).find("by then the partner needs") == std::string::npos);
    const std::string suggested = with_store("suggest acme.pem --anchor ca.pem").text;
    CHECK_CONTAINS(suggested, "    # A public CA's, since this system trusts the CA that issued it. Its successor");
    CHECK_CONTAINS(suggested, "    #MTLSPurpose serverAuth until=DATE\n</MTLSPartner>\n");
    CHECK(p.expect(0, {"suggest", "acme.pem", "--anchor", "ca.pem"}).find("public") == std::string::npos);
}
