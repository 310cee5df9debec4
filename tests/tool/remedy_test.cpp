// What would mend what a line of the logs tells: the edit, and the command that shows what it changes.
#include <nlohmann/json.hpp>

#include "log_lines.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/decide/decision.hpp"
#include "tool.hpp"

using namespace test;
using Json = nlohmann::json;

CLAIM(why_names_the_edit_of_the_place_that_decided) {
    Bench b;
    mtls::Account a = account(mtls::Reason::kNotAllowed);
    for (const auto& [directive, edit] :
         {std::pair{"Require mtls-partner x", "acme in Require mtls-partner x\n    in /etc/httpd.conf:12\n"},
          {"Require mtls-group gold", "MTLSGroup gold\n    in <MTLSPartner acme>\n"},
          {"Require mtls-group gold silver",
           "MTLSGroup with one of the names in Require mtls-group gold silver\n    in <MTLSPartner acme>\n"},
          {"Require mtls-grant", "MTLSGrant POST /orders/1\n    in <MTLSPartner acme>\n"},
          {"AuthType MTLS", "acme in a Require line of the section\n    in /etc/httpd.conf:12\n"}}) {
        a.directive = directive;
        const std::string of_one_line = "mtls_authz: " + denial_line(a, "not satisfied");
        for (const std::string& line : {denial(a), audit_line(a), of_one_line}) {
            const std::string said = b.expect(line == of_one_line ? 0 : 3, {"why", line});
            CHECK_CONTAINS(said, std::string("if that is meant to pass: ") + edit);
            CHECK_CONTAINS(said, "directive= does not let it in, and an MTLSAllow does not help there");
        }
    }
    a.directive = "Require mtls-identity CN:foo";
    CHECK_CONTAINS(b.expect(3, {"why", denial(a)}), "no edit of the policy mends it\n");
    a.directive.clear();
    CHECK_CONTAINS(b.expect(3, {"why", denial(a)}),
                   "pass: MTLSAllow partner acme\n    in the gate at /etc/httpd.conf:12\n");
    a.detail = mtls::kDetailByGrant;
    CHECK_CONTAINS(b.expect(3, {"why", denial(a)}), "pass: MTLSGrant POST /orders/1\n    in <MTLSPartner acme>\n");
    a.detail = mtls::kDetailDeny;
    CHECK_CONTAINS(b.expect(3, {"why", denial(a)}),
                   "pass: no MTLSDeny for acme\n    in the gate at /etc/httpd.conf:12\n");
    a = account(mtls::Reason::kRevoked);
    a.detail = "MTLSRevoke at revoked/stop.conf:7: by mistake";
    std::string said = b.expect(3, {"why", denial(a)});
    CHECK_CONTAINS(said, "if that is meant to pass: no MTLSRevoke that fits it\n    in revoked/stop.conf:7;");
    CHECK_CONTAINS(said, "that is not proved");
    a.detail = "by the CRL of \"CN=Acme CA\"";
    said = b.expect(3, {"why", denial(a)});
    CHECK_CONTAINS(said, "no edit of the policy mends it\n  to try another certificate: mtls-authz explain");
    CHECK_CONTAINS(said, "who: acme\n");
}

CLAIM(why_names_no_edit_of_a_line_that_refuses_whom_it_names) {
    Bench b;
    mtls::Account a = account(mtls::Reason::kNotAllowed);
    for (const char* directive : {"Require not mtls-partner globex", "Require NOT\tmtls-group gold"}) {
        a.directive = directive;
        for (const std::string& line : {denial(a), audit_line(a), "mtls_authz: " + denial_line(a, "not satisfied")}) {
            const std::string said = b.shell("\"$0\" why '" + line + "'").text;
            CHECK_CONTAINS(said, "directive= does not name the partner, so it refuses nothing here");
            CHECK_CONTAINS(said, "  no edit of the policy mends it\n");
        }
    }
    a.reason = mtls::Reason::kUnknownPartner;
    CHECK_CONTAINS(b.expect(3, {"why", denial(a)}), "  no edit of the policy mends it\n");
    a.directive = "Require mtls-partner notable";
    CHECK_CONTAINS(b.expect(3, {"why", denial(a)}), "if that is meant to pass: MTLSIdentity");
}

CLAIM(why_does_not_call_a_line_beside_others_a_denial) {
    Bench b;
    mtls::Account a = account(mtls::Reason::kNotAllowed);
    a.directive = "Require mtls-partner globex";
    const std::string line = "mtls_authz: " + denial_line(a, "not satisfied");
    const std::string said = b.expect(0, {"why", line});
    CHECK(said.starts_with("not satisfied POST /orders/1: not-allowed\n"));
    CHECK_CONTAINS(said, "another line of the section may have let it in");
    CHECK_CONTAINS(said, "if that is meant to pass: acme in Require mtls-partner globex\n");
    CHECK_EQUAL(Json::parse(b.expect(0, {"why", "--json", line}))["kind"].get<std::string>(), "not satisfied");
    b.expect(3, {"why", line, denial(a)});
    CHECK(b.expect(3, {"why", denial(a)}).starts_with("denied POST /orders/1: not-allowed\n"));
}

CLAIM(why_says_which_edit_would_mend_it_and_how_to_see_that) {
    Bench b;
    const Identity ca = make_ca("Acme CA"), leaf = make_client("api", "api.acme.example", ca);
    b.file("ca.pem", ca.cert_pem())
        .file("leaf.pem", leaf.cert_pem())
        .file("p.conf", "# ours\n<MTLSPartner acme>\nMTLSIdentity CN:x\nMTLSTrustAnchor ca.pem\n</MTLSPartner>\n");
    for (const auto& [reason, edit] : std::vector<std::pair<mtls::Reason, const char*>>{
             {mtls::Reason::kUnknownPartner, "MTLSIdentity DNS:api.acme.example\n    in <MTLSPartner acme>"},
             {mtls::Reason::kWrongIssuer, "MTLSTrustAnchor NEW-CA.pem\n    in <MTLSPartner acme>, once the partner"},
             {mtls::Reason::kNotAllowed, "MTLSAllow partner acme\n    in the gate at /etc/httpd.conf:12"},
             {mtls::Reason::kOutsideContract,
              "MTLSValid until=DATE, in the line that is there\n    in <MTLSPartner acme>"},
             {mtls::Reason::kRevocationStale, "a current CRL of the issuer that detail= names\n    in MTLSCRLFile ("},
             {mtls::Reason::kRevocationUnknown, "a current CRL of the issuer that detail= names\n    in MTLSCRLFile ("},
             {mtls::Reason::kWrongNetwork, "MTLSNetwork CIDR\n    in <MTLSPartner acme>, once the partner"},
             {mtls::Reason::kExpired, "no edit of the policy mends it"}}) {
        CHECK_CONTAINS(b.expect(3, {"why", denial(account(reason))}), edit);
    }
    mtls::Account early = account(mtls::Reason::kOutsideContract);
    early.detail = "begins 2028-01-01T00:00:00Z";
    CHECK_CONTAINS(b.expect(3, {"why", denial(early)}), "MTLSValid from=DATE, in the line that is there\n");
    mtls::Account front = account(mtls::Reason::kFrontNotTrusted);
    for (const char* how :
         {"the front itself is refused: ", "the connection's own certificate (edge-lb) is refused: "}) {
        front.detail = std::string("X-Der is a header of the front edge-lb, but ") + how +
                       "suspended, MTLSSuspend at stop.conf:1: breach";
        CHECK_CONTAINS(b.expect(3, {"why", denial(front)}), "pass: no MTLSSuspend for edge-lb\n    in stop.conf:1;");
    }
    front.detail = "X-Der occurs more than once";
    CHECK_CONTAINS(b.expect(3, {"why", denial(front)}), "no edit of the policy mends it\n");
    // Where no certificate helps, none is to be tried.
    for (const mtls::Reason reason : {mtls::Reason::kBadPath, mtls::Reason::kNestedGate, mtls::Reason::kFrontNotTrusted,
                                      mtls::Reason::kPolicyUnavailable}) {
        const std::string said = b.expect(3, {"why", denial(account(reason))});
        CHECK_CONTAINS(said, "no edit of the policy mends it\n");
        CHECK(said.find("explain") == std::string::npos);
    }
    // Of nobody in the policy.
    mtls::Account nobody = account(mtls::Reason::kNotVerified);
    nobody.claimed.clear();
    CHECK_CONTAINS(
        b.expect(3, {"why", denial(nobody)}),
        "pass: mtls-authz suggest CERT.pem --name NAME --anchor CA.pem\n    in a new file of the policy, once");
    mtls::Account foreign = account(mtls::Reason::kWrongIssuer);
    foreign.detail = "the certificate is no X509-SVID of the trust domain acme.example: its URI ...";
    CHECK_CONTAINS(b.expect(3, {"why", denial(foreign)}), "MTLSTrustAnchor bundle:FILE trust-domain=NAME\n    in ");
    // With the policy, places are known; and the command shows what the edit changes.
    const std::string said = b.expect(3, {"why", denial(account(mtls::Reason::kUnknownPartner)), "--policy", "p.conf"});
    CHECK_CONTAINS(said, "in <MTLSPartner acme> at p.conf:2\n");
    CHECK_CONTAINS(said,
                   "mtls-authz explain --policy p.conf --cert CERT.pem --from 10.0.0.1 --method POST --path "
                   "/orders/1\n");
    b.expect(3, {"explain", "--policy", "p.conf", "--cert", "leaf.pem"});
    b.file("p.conf", "<MTLSPartner acme>\nMTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor ca.pem\n</MTLSPartner>\n");
    b.expect(0, {"explain", "--policy", "p.conf", "--cert", "leaf.pem"});
}

CLAIM(why_names_a_grant_of_the_folder_for_a_recursive_method) {
    Bench b;
    mtls::Account a = account(mtls::Reason::kNotAllowed);
    a.method = "PROPFIND";
    for (const char* path : {"/files/", "/files/x"}) {
        a.path = path;
        a.detail = std::string(mtls::kActsBelow) + ": grant";
        CHECK_CONTAINS(b.expect(3, {"why", denial(a)}), "pass: MTLSGrant PROPFIND /files/**\n");
        a.detail = mtls::kDetailByGrant;
        CHECK_CONTAINS(b.expect(3, {"why", denial(a)}), "pass: MTLSGrant PROPFIND " + std::string(path) + "\n");
    }
}

CLAIM(why_names_no_edit_that_lets_a_front_in_for_itself) {
    Bench b;
    mtls::Account a = account(mtls::Reason::kNotAllowed);
    a.claimed = "edge-lb";
    a.via.clear();
    CHECK_CONTAINS(b.expect(3, {"why", denial(a)}), "if that is meant to pass: MTLSAllow partner edge-lb");
    a.detail = "the front edge-lb" + std::string(mtls::kSentNone);
    for (const mtls::Reason reason : {mtls::Reason::kNotAllowed, mtls::Reason::kMethodNotGranted}) {
        a.reason = reason;
        for (const std::string& line : {denial(a), audit_line(a)}) {
            const std::string said = b.expect(3, {"why", line});
            CHECK_CONTAINS(said, "never let the front in for itself");
            CHECK_CONTAINS(said, "  no edit of the policy mends it\n");
            CHECK(said.find("MTLSAllow") == std::string::npos);
        }
    }
}

CLAIM(why_names_the_line_that_suspends) {
    Bench b;
    mtls::Account a = account(mtls::Reason::kSuspended);
    const std::string comment = "; leave a comment in a revocation file that would be empty\n";
    CHECK_CONTAINS(b.expect(3, {"why", denial(a)}),
                   "no MTLSSuspend for acme\n    in <MTLSPartner acme>, or in the revocation file" + comment);
    CHECK_CONTAINS(denial(a), "an empty or deleted one goes on refusing");
    a.detail = "MTLSSuspend at /etc/mtls/revoked/stop.conf:17: breach, see https://x.example/1: 2";
    for (const std::string& line : {denial(a), audit_line(a)})
        CHECK_CONTAINS(b.expect(3, {"why", line}),
                       "no MTLSSuspend for acme\n    in /etc/mtls/revoked/stop.conf:17" + comment);
    a.detail = "MTLSSuspend at p.conf:3";
    CHECK_CONTAINS(b.expect(3, {"why", denial(a)}), "no MTLSSuspend for acme\n    in p.conf:3" + comment);
    a = account(mtls::Reason::kRevoked);
    a.detail = "MTLSRevoke at revoked/stop.conf:7";
    CHECK_CONTAINS(b.expect(3, {"why", denial(a)}), "no MTLSRevoke that fits it\n    in revoked/stop.conf:7" + comment);
}

CLAIM(why_names_the_file_that_refuses_in_the_command) {
    Bench b;
    b.file("ca.pem", make_ca("Acme CA").cert_pem());
    const std::string partner = "<MTLSPartner acme>\nMTLSIdentity CN:x\nMTLSTrustAnchor ca.pem\n";
    b.file("p.conf", partner + "</MTLSPartner>\n").file("own.conf", partner + "MTLSSuspend On\n</MTLSPartner>\n");
    mtls::Account a = account(mtls::Reason::kSuspended);
    a.detail = "MTLSSuspend at /etc/mtls/revoked/stop.conf:17: breach";
    CHECK_CONTAINS(b.expect(3, {"why", denial(a), "--policy", "p.conf"}),
                   "explain --policy p.conf --revocations /etc/mtls/revoked/stop.conf --cert CERT.pem");
    a.detail = "MTLSSuspend at own.conf:4";
    CHECK(b.expect(3, {"why", denial(a), "--policy", "own.conf"}).find("--revocations") == std::string::npos);
}

CLAIM(why_writes_methods_as_lines_of_the_policy_do) {
    Bench b;
    mtls::Account a = account(mtls::Reason::kMethodNotGranted);
    for (const auto& [method, written] : {std::pair{"POST", "POST"}, {"HEAD", "GET"}, {"FOO", "write"}}) {
        const std::string word = written;
        const std::string note = word == "write" ? " (write: all methods that write, FOO among them)\n" : "\n";
        a.method = method;
        a.grant.clear();
        CHECK_CONTAINS(b.expect(3, {"why", denial(a)}), "methods= with " + word + note);
        a.grant = "p.conf:4";
        CHECK_CONTAINS(b.expect(3, {"why", denial(a)}),
                       "MTLSGrant " + word + " /orders/1, beside the line that is there" + note);
    }
    // A line for GET does not let `get` in.
    a.method = "get";
    a.detail = "some applications read 'get' as GET: clients have to write it so";
    for (const char* grant : {"", "p.conf:4"}) {
        a.grant = grant;
        CHECK_CONTAINS(b.expect(3, {"why", denial(a)}), "no edit of the policy mends it\n");
    }
    a.reason = mtls::Reason::kNotAllowed;
    CHECK_CONTAINS(b.expect(3, {"why", denial(a)}), "no edit of the policy mends it\n");
    a.detail = mtls::kDetailByGrant;
    CHECK_CONTAINS(b.expect(3, {"why", denial(a)}), "no edit of the policy mends it\n");
    a.detail.clear();
    CHECK_CONTAINS(b.expect(3, {"why", denial(a)}), "pass: MTLSAllow partner acme\n");
    a.reason = mtls::Reason::kMethodNotGranted;
    a.method = "TRACE";
    CHECK_CONTAINS(b.expect(3, {"why", denial(a)}), "no edit of the policy mends it\n");
    CHECK(b.expect(3, {"why", denial(a)}).find("to try another") == std::string::npos);
}

CLAIM(no_edit_is_a_wildcard_that_the_denied_client_wrote) {
    Bench b;
    mtls::Account a = account(mtls::Reason::kNotAllowed);
    const auto edit = [&] {
        return Json::parse(b.expect(3, {"why", "--json", denial(a)}))["edit"]["line"].get<std::string>();
    };
    for (const auto& [path, written] : std::vector<std::pair<std::string, std::string>>{{"/acme/x", "/acme/x"},
                                                                                        {"/acme/a b", "\"/acme/a b\""},
                                                                                        {"/acme/", "/acme/"},
                                                                                        {"/acme/*", "PATH"},
                                                                                        {"/acme/**", "PATH"},
                                                                                        {"/acme/*/x", "PATH"},
                                                                                        {"/acme/%{partner}", "PATH"},
                                                                                        {"/acme/%{cert:CN}", "PATH"},
                                                                                        {"/acme/%x", "PATH"},
                                                                                        {"/acme/a;b", "PATH"},
                                                                                        {"/acme/${HOME}", "PATH"},
                                                                                        {"/acme/\xe2\x80\xaex", "PATH"},
                                                                                        {"/acme/long...", "PATH"}}) {
        a = account(mtls::Reason::kNotAllowed);
        a.path = path;
        a.detail = mtls::kDetailByGrant;
        CHECK_EQUAL(edit(), "MTLSGrant POST " + written);
        a.reason = mtls::Reason::kMethodNotGranted;
        a.grant = "p.conf:4";
        CHECK_EQUAL(edit(), "MTLSGrant POST " + written + ", beside the line that is there");
    }
    a = account(mtls::Reason::kUnknownPartner);
    const auto with = [&](const std::string& san, const std::string& subject) {
        auto certificate = std::make_shared<mtls::CertificateText>(*a.certificate);
        certificate->san = san;
        certificate->subject = subject;
        a.certificate = certificate;
        return edit();
    };
    const std::string whole = "MTLSIdentity subject:CN=api,O=Acme";
    CHECK_EQUAL(with("DNS:api.acme.example", "CN=api,O=Acme"), "MTLSIdentity DNS:api.acme.example");
    CHECK_EQUAL(with("DNS:*.acme.example", "CN=api,O=Acme"), whole);
    CHECK_EQUAL(with("URI:https://api.acme.example/**", "CN=api,O=Acme"), whole);
    CHECK_EQUAL(with("email:*@acme.example", "CN=api,O=Acme"), whole);
    CHECK_EQUAL(with("DNS:b_c..d", "CN=api,O=Acme"), whole);
    CHECK_EQUAL(with("", "CN=api,O=Acme"), whole);
    CHECK_EQUAL(with("DNS:*.acme.example", "CN=${HOME},O=Acme"), "MTLSIdentity SELECTOR...");
    CHECK_EQUAL(with("DNS:*.acme.example", ""), "MTLSIdentity SELECTOR...");
}

CLAIM(why_takes_the_address_and_the_issuers_owner_along) {
    Bench b;
    const Identity ca = make_ca("Acme CA"), leaf = make_client("api", "api.acme.example", ca);
    b.file("ca.pem", ca.cert_pem()).file("leaf.pem", leaf.cert_pem());
    b.file("p.conf", "<MTLSPartner acme>\nMTLSIdentity CN:x\nMTLSTrustAnchor ca.pem\n</MTLSPartner>\n");
    mtls::Account a = account(mtls::Reason::kUnknownPartner);
    a.claimed.clear();
    a.issuer_spki = mtls::hex(mtls::bytes_of(mtls::spki_sha256(*ca.cert)));
    const std::string policy = "--policy";
    const auto command = [](const std::string& from) { return "--cert CERT.pem --from " + from + " --method POST "; };
    for (const char* address : {"192.0.2.7", "2001:db8::7"}) {
        const std::string line = "[client " + std::string(address) + ":4711] mtls_authz: " + denial_line(a, "denied");
        CHECK_CONTAINS(b.expect(3, {"why", line, policy, "p.conf"}), command(address));
    }
    a.client = "192.0.2.9";
    const std::string said = b.expect(3, {"why", audit_line(a), policy, "p.conf"});
    CHECK_CONTAINS(said, command("192.0.2.9"));
    CHECK_CONTAINS(said, "in <MTLSPartner acme> at p.conf:1\n");
    // What comes after --policy may be the line.
    CHECK_EQUAL(b.expect(3, {"why", policy, "p.conf", audit_line(a)}), said);
    // A path that looks like httpd's own words is none.
    a.path = "/[client 10.0.0.1:1] ";
    CHECK(b.expect(3, {"why", denial_line(a, "mtls_authz: denied"), policy, "p.conf"}).find("--from") ==
          std::string::npos);
    // Two partners under one CA: neither is named.
    b.file("p.conf",
           "<MTLSPartner acme>\nMTLSIdentity CN:x\nMTLSTrustAnchor ca.pem\n</MTLSPartner>\n"
           "<MTLSPartner globex>\nMTLSIdentity CN:y\nMTLSTrustAnchor ca.pem\n</MTLSPartner>\n");
    CHECK_CONTAINS(b.expect(3, {"why", audit_line(a), policy, "p.conf"}), "in <MTLSPartner NAME>\n");
}

CLAIM(why_says_which_folder_paths_in_the_policy_begin_at) {
    Bench b;
    b.file("root/p.conf", "<MTLSPartner acme>\nMTLSIdentity CN:x\nMTLSTrustAnchor ca.pem\n</MTLSPartner>\n")
        .file("root/ca.pem", make_ca("Acme CA").cert_pem());
    const std::string line = denial(account(mtls::Reason::kUnknownPartner));
    CHECK_CONTAINS(b.expect(2, {"why", line, "--policy", "root/p.conf"}),
                   "begin at --root DIR, the server's ServerRoot");
    CHECK_CONTAINS(b.expect(3, {"why", line, "--policy", "root/p.conf", "--root", "root"}),
                   "mtls-authz explain --policy root/p.conf --root root --cert CERT.pem");
    b.file("root/p.conf", "<MTLSPartner acme>\nMTLSIdentity CN:x\nMTLSTrustAnchor gone.pem\n</MTLSPartner>\n");
    const std::string gone = b.expect(1, {"check", "--root", "root", "root/p.conf"});
    CHECK_CONTAINS(gone, "gone.pem': No such file");
    CHECK(gone.find("--root DIR") == std::string::npos);
}
