
#include <openssl/pkcs7.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "bundles.hpp"
#include "mtls_authz/base/calendar.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/certificate_facts.hpp"
#include "mtls_authz/decide/gate.hpp"
#include "tool.hpp"

using namespace test;
using Json = nlohmann::json;

namespace {

std::string der_of(const Identity& id) {
    unsigned char* encoded = nullptr;
    const int n = i2d_X509(id.cert.get(), &encoded);
    std::string out(reinterpret_cast<const char*>(encoded), static_cast<std::size_t>(n));
    OPENSSL_free(encoded);
    return out;
}

std::string pkcs7_of(const std::vector<const Identity*>& ids) {
    PKCS7* const bag = PKCS7_new();
    PKCS7_set_type(bag, NID_pkcs7_signed);
    PKCS7_content_new(bag, NID_pkcs7_data);
    for (const Identity* id : ids) PKCS7_add_certificate(bag, id->cert.get());
    unsigned char* encoded = nullptr;
    const int n = i2d_PKCS7(bag, &encoded);
    std::string out(reinterpret_cast<const char*>(encoded), static_cast<std::size_t>(n));
    OPENSSL_free(encoded);
    PKCS7_free(bag);
    return out;
}

// Of standard output: what went to standard error is passed over.
std::vector<Json> lines_of(const std::string& text) {
    std::vector<Json> out;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) {
        if (!line.starts_with("mtls-authz: ")) out.push_back(Json::parse(line));
    }
    return out;
}

std::string partner(const std::string& name, const std::string& lines) {
    return "<MTLSPartner " + name + ">\n" + lines + "\n</MTLSPartner>\n";
}

// For ten years, so that nothing is warned of.
Identity long_lived_ca() {
    CertSpec spec;
    spec.subject = {{"CN", "Acme CA"}};
    spec.ca = true;
    spec.eku = "";
    spec.not_after = 86400L * 3650;
    return issue(spec, nullptr);
}

struct Pki : Bench {
    Identity ca = long_lived_ca(), sub = make_ca("Acme Sub", &ca), other = make_ca("Other CA");
    Identity acme;
    Pki() {
        CertSpec spec;
        spec.subject = {{"C", "US"}, {"O", "Acme"}, {"organizationIdentifier", "VATUS-1"}, {"CN", "api"}};
        spec.san = {{GEN_DNS, "api.acme.example"}, {GEN_URI, "spiffe://acme.example/ns/prod"}};
        acme = issue(spec, &ca);
        file("ca.pem", ca.cert_pem());
        file("other-ca.pem", other.cert_pem());
        file("acme.pem", acme.cert_pem());
        file("acme.conf", partner("acme",
                                  "MTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor ca.pem\nMTLSGroup suppliers\n"
                                  "MTLSGrant read /orders/**\nMTLSGrant POST /orders/ if O:Acme"));
    }
};

}  // namespace

CLAIM(facts_are_the_cores_in_whatever_wrapping) {
    Pki p;
    p.file("acme.der", der_of(p.acme))
        .file("both.p7b", pkcs7_of({&p.acme, &p.ca}))
        .file("bad", "bad")
        .file("empty", "");
    const std::string said = p.expect(2, {"facts", "acme.pem", "acme.der", "both.p7b", "bad", "empty", "nowhere", "."});
    for (const char* part : {"mtls-authz: bad: holds no PEM certificate", "mtls-authz: nowhere: No such file",
                             "mtls-authz: .: is not a regular file"}) {
        CHECK_CONTAINS(said, part);
    }
    const auto lines = lines_of(said);
    CHECK_EQUAL(lines.size(), 6U);
    p.expect(0, {"facts", "acme.pem", "both.p7b"});
    const Json& pem = lines[0];
    const mtls::CertificateFacts facts = mtls::read_facts(*p.acme.cert);
    CHECK_EQUAL(pem["file"], "acme.pem");
    CHECK_EQUAL(
        pem["subject"].dump(),
        R"([{"name":"C","oid":"2.5.4.6","value":"US"},{"name":"O","oid":"2.5.4.10","value":"Acme"},)"
        R"({"name":"organizationIdentifier","oid":"2.5.4.97","value":"VATUS-1"},{"name":"CN","oid":"2.5.4.3","value":"api"}])");
    CHECK_EQUAL(pem["serial"], facts.serial);
    CHECK_EQUAL(pem["sha256"], hex_sha256(p.acme));
    CHECK_EQUAL(pem["key"].dump(), R"({"algorithm":"EC","bits":256,"curve":"P-256"})");
    CHECK_EQUAL(pem["not_after"], mtls::format_time(facts.not_after));
    CHECK_EQUAL(pem["dns"].dump(), R"(["api.acme.example"])");
    CHECK_EQUAL(pem["uri"].dump(), R"(["spiffe://acme.example/ns/prod"])");
    CHECK_EQUAL(pem["eku"].dump(), R"(["1.3.6.1.5.5.7.3.2"])");
    CHECK(pem["malformed"].is_null() && pem["is_ca"] == false);
    CHECK_EQUAL(lines[1]["sha256"], pem["sha256"]);
    CHECK_EQUAL(lines[2]["sha256"], pem["sha256"]);
    CHECK(lines[3]["is_ca"] == true);
    for (std::size_t i = 4; i < 6; ++i) CHECK(lines[i]["malformed"].is_string() && lines[i]["dns"].is_null());
}

CLAIM(facts_stay_valid_json_whatever_the_certificate_holds) {
    Pki p;
    const std::vector<std::vector<Attr>> subjects = {
        {{"CN", std::string("a\0b", 3)}},
        {{"CN", "\xff\xfe", V_ASN1_T61STRING}},
        {{"CN", "quote \" back \\ \x1b[31m"}},
        {{"1.2.3.4", "odd"}},
    };
    std::vector<std::string> args = {"facts"};
    for (std::size_t i = 0; i < subjects.size(); ++i) {
        CertSpec spec;
        spec.subject = subjects[i];
        spec.san = {{GEN_DNS, "\xc3\x28.example"}, {GEN_URI, "javascript:\n"}, {GEN_IPADD, "abc"}};
        p.file(std::to_string(i), issue(spec, &p.ca).cert_pem());
        args.push_back(std::to_string(i));
    }
    const auto lines = lines_of(p.expect(0, args));
    CHECK_EQUAL(lines.size(), subjects.size());
    for (const Json& line : lines) CHECK(line["malformed"].is_string());
    CHECK_EQUAL(lines[0]["ip"].dump(), R"(["#616263"])");
}

CLAIM(a_suggestion_passes_check_and_accepts_its_certificate) {
    Pki p;
    const std::string block = p.expect(0, {"suggest", "acme.pem", "--anchor", "ca.pem"});
    CHECK_CONTAINS(block,
                   "<MTLSPartner acme>\n    # stays at renewal; says exactly which service it is\n"
                   "    MTLSIdentity URI:spiffe://acme.example/ns/prod\n");
    for (const char* other : {"#MTLSIdentity DNS:api.acme.example\n", "#MTLSIdentity organizationIdentifier:VATUS-1\n",
                              "#MTLSIdentity CN:api\n",
                              "breaks at its renewal\n    #MTLSIdentity sha256:", "    MTLSTrustAnchor ca.pem\n"}) {
        CHECK_CONTAINS(block, other);
    }
    p.file("new.conf", block);
    p.expect(0, {"check", "new.conf"});
    CHECK_CONTAINS(p.expect(0, {"explain", "--policy", "new.conf", "--cert", "acme.pem"}), "allow: granted");
    // Each alternative that is commented out would do as well.
    std::istringstream lines(block);
    for (std::string line; std::getline(lines, line);) {
        const std::size_t at = line.find("#MTLSIdentity ");
        if (at == std::string::npos) continue;
        p.file("one.conf", partner("acme", line.substr(at + 1) + "\nMTLSTrustAnchor ca.pem"));
        CHECK_CONTAINS(p.expect(0, {"explain", "--policy", "one.conf", "--cert", "acme.pem"}), "allow: granted");
    }
    // The wrong CA is said; no CA at all still reads.
    CHECK_CONTAINS(p.expect(1, {"suggest", "acme.pem", "--anchor", "other-ca.pem"}),
                   "would refuse the certificate: not-verified");
    p.file("loose.conf", p.expect(0, {"suggest", "acme.pem", "--name", "other-name"}));
    p.expect(0, {"check", "loose.conf"});
    // Names that somebody chose for us stay inside of their words.
    CertSpec hostile;
    hostile.subject = {{"O", "x\" </MTLSPartner> ${HOME} #"}, {"CN", "a b\\"}};
    const Identity odd = issue(hostile, &p.ca);
    p.file("odd.pem", odd.cert_pem());
    p.file("odd.conf", p.expect(0, {"suggest", "odd.pem", "--anchor", "ca.pem"}));
    CHECK_CONTAINS(p.expect(0, {"explain", "--policy", "odd.conf", "--cert", "odd.pem"}), "allow: granted");
    CHECK_CONTAINS(p.expect(2, {"suggest", "acme.pem", "--name", "a b"}), "cannot be a partner's name");
}

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

CLAIM(a_certificate_made_for_servers_is_suggested_and_explained_with_its_purpose) {
    Pki p;
    CertSpec spec;
    spec.subject = {{"CN", "web"}};
    spec.san = {{GEN_DNS, "web.acme.example"}};
    spec.eku = "serverAuth";
    p.file("web.pem", issue(spec, &p.ca).cert_pem());
    const std::string block = p.expect(0, {"suggest", "web.pem", "--anchor", "ca.pem"});
    CHECK_CONTAINS(block, "    MTLSPurpose serverAuth\n</MTLSPartner>\n");
    CHECK(p.expect(0, {"suggest", "acme.pem", "--anchor", "ca.pem"}).find("MTLSPurpose") == std::string::npos);
    p.file("web.conf", block);
    CHECK_CONTAINS(p.expect(0, {"explain", "--policy", "web.conf", "--cert", "web.pem"}),
                   "purpose: made for servers alone; MTLSPurpose serverAuth lets it in\n");
    CHECK_CONTAINS(p.expect(0, {"check", "web.conf"}), "warning: MTLSPurpose serverAuth of web without an end");
    p.file("not.conf", partner("web", "MTLSIdentity DNS:web.acme.example\nMTLSTrustAnchor ca.pem"));
    CHECK_CONTAINS(p.expect(3, {"explain", "--policy", "not.conf", "--cert", "web.pem"}), "deny: wrong-issuer");
    CHECK_CONTAINS(p.expect(1, {"diff", "not.conf", "web.conf"}), "web gains: MTLSPurpose serverAuth\n");
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

CLAIM(a_short_lived_leaf_is_shown_and_explained) {
    Pki p;
    CertSpec spec;
    spec.subject = {{"CN", "brief"}};
    spec.raw = {{"2.5.29.56", std::string("\5\0", 2)}};
    p.file("brief.pem", issue(spec, &p.ca).cert_pem());
    const std::string block = partner("brief", "MTLSIdentity CN:brief\nMTLSTrustAnchor ca.pem");
    p.file("p.conf", "MTLSCRL required\n" + block).file("q.conf", "MTLSCRL required\nMTLSShortLived 0\n" + block);
    CHECK_CONTAINS(p.expect(0, {"explain", "--policy", "p.conf", "--cert", "brief.pem"}),
                   "CRLs: none is needed for this leaf, since it has noRevAvail and is short-lived (MTLSShortLived)\n");
    CHECK_CONTAINS(p.expect(3, {"explain", "--policy", "q.conf", "--cert", "brief.pem"}),
                   "lives longer than MTLSShortLived allows");
    CHECK_CONTAINS(p.expect(0, {"facts", "--json", "brief.pem"}), "\"no_rev_avail\":true");
    CHECK_CONTAINS(p.expect(0, {"facts", "--json", "acme.pem"}), "\"no_rev_avail\":false");
}

CLAIM(explain_and_matrix_show_what_a_grant_takes_from_the_certificate) {
    Pki p;
    p.file("devices.conf",
           partner("devices", "MTLSIdentity any\nMTLSTrustAnchor ca.pem\nMTLSGrant PUT /devices/%{cert:CN}/**"));
    CertSpec twice;
    twice.subject = {{"CN", "17"}, {"CN", "18"}};
    p.file("twice.pem", issue(twice, &p.ca).cert_pem());
    const auto explain = [&](int status, const std::string& cert, const std::string& path) {
        return p.expect(status,
                        {"explain", "--policy", "devices.conf", "--cert", cert, "--method", "PUT", "--path", path});
    };
    CHECK_CONTAINS(explain(0, "acme.pem", "/devices/api/x"),
                   "grant: MTLSGrant PUT /devices/%{cert:CN}/** at devices.conf:4 (of this certificate: api)\n");
    CHECK_CONTAINS(explain(3, "acme.pem", "/devices/18/x"),
                   "it has MTLSGrant PUT /devices/%{cert:CN}/** at devices.conf:4 (of this certificate: api)\n");
    CHECK_CONTAINS(
        explain(3, "twice.pem", "/devices/18/x"),
        "MTLSGrant PUT /devices/%{cert:CN}/** at devices.conf:4 is none for this certificate: CN does not occur "
        "once in the certificate\n");
    CHECK_CONTAINS(p.expect(0, {"matrix", "--policy", "devices.conf"}), "/devices/%{cert:CN}/**");
}

CLAIM(explain_asks_networks_where_it_is_told_the_clients_address) {
    Pki p;
    p.file("net.conf", partner("acme",
                               "MTLSIdentity CN:api\nMTLSTrustAnchor ca.pem\nMTLSNetwork 198.51.100.0/25\n"
                               "MTLSGrant read /orders/**"));
    const auto explain = [&](int status, const std::vector<std::string>& more) {
        std::vector<std::string> args = {"explain", "--policy", "net.conf", "--cert", "acme.pem"};
        args.insert(args.end(), more.begin(), more.end());
        return p.expect(status, args);
    };
    const std::string without = explain(0, {"--path", "/orders/1"});
    CHECK_CONTAINS(without, "network: not asked, it is let in from 198.51.100.0/25 alone\n");
    CHECK_CONTAINS(without, "the client's address (--from)");
    const std::string inside = explain(0, {"--path", "/orders/1", "--from", "198.51.100.7"});
    CHECK_CONTAINS(inside, "network: 198.51.100.7 is in 198.51.100.0/25\n");
    CHECK(inside.find("--from") == std::string::npos);
    CHECK_CONTAINS(explain(3, {"--from", "198.51.100.128"}),
                   "deny: wrong-network (198.51.100.128 is not in 198.51.100.0/25)\n");
    CHECK_CONTAINS(explain(3, {"--path", "/other", "--from", "198.51.100.7"}), "deny: not-allowed");
    CHECK_CONTAINS(explain(2, {"--from", "198.51.100.0/25"}), "is no IP address");
    p.file("wide.conf", partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor ca.pem\nMTLSGrant read /orders/**"));
    CHECK_CONTAINS(p.expect(1, {"diff", "net.conf", "wide.conf"}),
                   "acme is no longer limited by: MTLSNetwork 198.51.100.0/25\n");
}

CLAIM(explain_says_which_step_decided_and_what_to_change) {
    Pki p;
    const auto explain = [&](int status, const std::string& cert, const std::vector<std::string>& more = {}) {
        std::vector<std::string> args = {"explain", "--policy", "acme.conf", "--cert", cert};
        args.insert(args.end(), more.begin(), more.end());
        return p.expect(status, args);
    };
    std::string text = explain(0, "acme.pem", {"--path", "/orders/1"});
    for (const char* part : {"allow: granted by MTLSAllow by-grant; other gates were not asked\n",
                             "identity: acme, by MTLSIdentity DNS:api.acme.example at acme.conf:2\n", "path: verified",
                             "groups: suppliers\n", "grant: MTLSGrant read /orders/** at acme.conf:5\n"}) {
        CHECK_CONTAINS(text, part);
    }
    CHECK_CONTAINS(explain(3, "acme.pem", {"--path", "/orders/1", "--method", "POST"}), "deny: method-not-granted");
    CHECK_CONTAINS(explain(0, "acme.pem", {"--path", "/orders/", "--method", "POST"}),
                   "grant: MTLSGrant POST /orders/ if O:Acme at acme.conf:6");
    CHECK_CONTAINS(explain(3, "acme.pem", {"--path", "/other"}), "deny: not-allowed");
    CHECK_CONTAINS(explain(3, "acme.pem", {"--path", "/orders/..;/x"}), "deny: bad-path");
    CHECK_CONTAINS(explain(3, "acme.pem", {"--at", "2001-01-01"}), "deny: not-yet-valid");
    CHECK_CONTAINS(explain(3, "acme.pem", {"--at", "2101-01-01"}), "deny: expired");
    p.file("near.pem", make_client("x", "api.acme.exampel", p.ca).cert_pem());
    text = explain(3, "near.pem");
    CHECK_CONTAINS(text, "deny: unknown-partner");
    CHECK_CONTAINS(text,
                   "acme (acme.conf:2) nearly fits: DNS:api.acme.example does not, the certificate has "
                   "api.acme.exampel (a slip of the pen?)");
    // Not where the value is there, and the selector cannot tell.
    CertSpec twice;
    twice.subject = {{"UID", "1"}, {"CN", "a"}, {"CN", "b"}, {"O", "Two"}, {"O", "One"}};
    p.file("twice.pem", issue(twice, &p.ca).cert_pem());
    const auto explain_for = [&](int status, const std::string& identity) {
        p.file("one.conf",
               "<MTLSPartner one>\nMTLSIdentity " + identity + "\nMTLSTrustAnchor ca.pem\n</MTLSPartner>\n");
        return p.expect(status, {"explain", "--policy", "one.conf", "--cert", "twice.pem"});
    };
    for (const char* identity : {"CN:b", "O:One CN:b", "UID:1 !CN:c"}) {
        text = explain_for(3, identity);
        CHECK_CONTAINS(text,
                       "CN occurs twice: the selector cannot tell which one counts; subject: compares the whole name");
        CHECK(text.find("slip of the pen") == std::string::npos);
    }
    for (const char* identity : {"O:One", "UID:1 !O:Three", "subject:O=One,O=Two,CN=b,CN=a,UID=1"}) {
        CHECK_CONTAINS(explain_for(0, identity), "allow: granted");
    }
    CHECK_CONTAINS(explain_for(3, "UID:1 !O:Two"), "!O:Two does not, the certificate has Two, One");
    CHECK_CONTAINS(explain_for(3, "O:On"), "(a slip of the pen?)");
    p.file("foreign.pem", make_client("x", "api.acme.example", p.other).cert_pem());
    text = explain(3, "foreign.pem");
    CHECK_CONTAINS(text, "deny: not-verified");
    CHECK_CONTAINS(text, "acme trusts ca.pem: the certificate has no valid path to these");
    // Intermediates, in the file or beside it.
    const Identity deep = make_client("x", "api.acme.example", p.sub);
    p.file("deep.pem", deep.cert_pem())
        .file("sub.pem", p.sub.cert_pem())
        .file("chain.pem", deep.cert_pem() + p.sub.cert_pem());
    CHECK_CONTAINS(explain(3, "deep.pem"), "deny: not-verified");
    CHECK_CONTAINS(explain(0, "deep.pem", {"--intermediates", "sub.pem"}), "allow: granted");
    CHECK_CONTAINS(explain(0, "chain.pem"), "allow: granted");
    // mod_ssl's CAs have to be given.
    p.file("by-server.conf", partner("acme", "MTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor mod_ssl"));
    CHECK_CONTAINS(p.expect(3, {"explain", "--policy", "by-server.conf", "--cert", "acme.pem"}), "--server-ca");
    CHECK_CONTAINS(
        p.expect(0, {"explain", "--policy", "by-server.conf", "--cert", "acme.pem", "--server-ca", "ca.pem"}),
        "allow: granted");
    const Json json = Json::parse(explain(3, "near.pem", {"--json"}));
    CHECK_EQUAL(json["decision"], "deny");
    CHECK_EQUAL(json["reason"], "unknown-partner");
    CHECK(json["partner"].is_null());
    CHECK_CONTAINS(
        p.expect(
            3, {"explain", "--log-line",
                "[error] mtls_authz: denied GET \"/x\": reason=wrong-issuer claimed=acme sha256=ab: the certificate"}),
        "sha256=ab  the certificate: MTLSRevoke sha256: takes it out");
    CHECK_CONTAINS(p.expect(2, {"explain", "--log-line", "AH00558: something else"}), "no reason in it");
}

CLAIM(matrix_and_diff_tell_who_may_what) {
    Pki p;
    p.file("all.conf", partner("b", "MTLSIdentity CN:<b>\nMTLSTrustAnchor ca.pem\nMTLSSuspend On") +
                           "MTLSGrant * /p/%{partner}/**\nMTLSRevoke CN:gone\n");
    const std::string text = p.expect(0, {"matrix", "--policy", "acme.conf", "all.conf"});
    for (const char* part : {"acme     /orders/**  read", "acme     /orders/    POST     acme.conf:6  if O:Acme",
                             "acme     /p/acme/**", "b        /p/b/**"}) {
        CHECK_CONTAINS(text, part);
    }
    CHECK_CONTAINS(p.expect(0, {"matrix", "--csv", "--policy", "acme.conf"}),
                   "partner,path,methods,condition,rule\r\n\"acme\",\"/orders/**\",\"read\",\"\",\"acme.conf:5\"\r\n");
    const std::string page = p.expect(0, {"matrix", "--html", "--policy", "acme.conf", "all.conf"});
    for (const char* part : {"<h2>acme</h2>", "<code>CN:&lt;b&gt;</code>", "suspended", "/p/%{partner}/**",
                             "MTLSRevoke", "Content-Security-Policy"}) {
        if (std::string(part) != "MTLSRevoke") CHECK_CONTAINS(page, part);
    }
    CHECK_CONTAINS(page, "<h2>Revoked</h2>\n<div><code>CN:gone</code></div>");
    CHECK(page.find("http://") == std::string::npos && page.find("<script") == std::string::npos);

    p.file("new.conf", partner("acme",
                               "MTLSIdentity DNS:other.acme.example\nMTLSTrustAnchor ca.pem\nMTLSGroup "
                               "suppliers\nMTLSGrant read /orders/**") +
                           partner("globex", "MTLSIdentity CN:gw\nMTLSTrustAnchor other-ca.pem"));
    p.file("certs/a/acme.pem", p.acme.cert_pem());
    const std::string diff = p.expect(1, {"diff", "acme.conf", "new.conf", "--certs", "certs"});
    for (const char* part :
         {"acme gains: MTLSIdentity DNS:other.acme.example\n", "acme loses: MTLSIdentity DNS:api.acme.example\n",
          "acme loses: MTLSGrant POST /orders/ if O:Acme\n", "globex is new\n", "globex gains: MTLSIdentity CN:gw\n",
          "certs/a/acme.pem: was acme, is unknown-partner\n"}) {
        CHECK_CONTAINS(diff, part);
    }
    CHECK_EQUAL(p.expect(0, {"diff", "acme.conf", "acme.conf", "--certs", "certs"}), "");
    CHECK_CONTAINS(p.expect(2, {"diff", "acme.conf", "nowhere.conf"}), "No such file");
}

CLAIM(the_matrix_page_begins_with_partners_by_paths) {
    Pki p;
    const auto with = [](const std::string& name, const std::string& lines) {
        return partner(name, "MTLSIdentity CN:" + name + "\nMTLSTrustAnchor ca.pem\n" + lines);
    };
    p.file("few.conf", with("a",
                            "MTLSGrant read /orders/**\nMTLSGrant POST /orders/** if O:Acme\n"
                            "MTLSGrant PUT /only if O:Acme\nMTLSGrant * /partners/a/**") +
                           with("b", "MTLSGrant GET,POST /partners/b/**") + with("c", ""));
    const std::string few = p.expect(0, {"matrix", "--html", "--policy", "few.conf"});
    CHECK_CONTAINS(few,
                   "<th scope=\"col\">Partner</th><th scope=\"col\">/only</th><th "
                   "scope=\"col\">/orders<wbr>/**</th><th "
                   "scope=\"col\">/partners<wbr>/%{partner}<wbr>/**</th></tr>");
    CHECK_CONTAINS(few,
                   "<a href=\"#p-a\">a</a></th><td><span class=\"some\" title=\"for some certificates\">PUT "
                   "if</span></td><td>POST, read</td><td>all</td></tr>");
    CHECK_CONTAINS(few, "<a href=\"#p-b\">b</a></th><td></td><td></td><td>GET,POST</td></tr>");
    CHECK_CONTAINS(few, "<a href=\"#p-c\">c</a></th><td></td><td></td><td></td></tr>");
    CHECK_CONTAINS(few, "<section id=\"p-c\">");
    std::string lines;
    for (int i = 0; i < 30; ++i) lines += "MTLSGrant read /orders/" + std::to_string(i) + "/**\n";
    p.file("many.conf", with("a", lines + "MTLSGrant * /other"));
    const std::string many = p.expect(0, {"matrix", "--html", "--policy", "many.conf"});
    CHECK_CONTAINS(many, "<th scope=\"col\">/orders<wbr>/...</th><th scope=\"col\">/other</th></tr>");
    p.file("none.conf", with("a", ""));
    CHECK(p.expect(0, {"matrix", "--html", "--policy", "none.conf"}).find("by path") == std::string::npos);
}

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
