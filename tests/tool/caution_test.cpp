// What a line that `why` offers would open beside the denied request, and where it offers none for that.
#include <nlohmann/json.hpp>

#include "log_lines.hpp"
#include "mtls_authz/decide/partner_paths.hpp"
#include "tool.hpp"

using namespace test;
using Json = nlohmann::json;

namespace {

// A policy of acme, and of more, and what `why` says of denials by it.
struct Advised {
    Bench b;
    mtls::Account a = account(mtls::Reason::kNotAllowed);

    Advised() { b.file("ca.pem", make_ca("Acme CA").cert_pem()); }
    void policy(const std::string& lines, const std::string& more = "") {
        b.file("p.conf",
               "<MTLSPartner acme>\nMTLSIdentity CN:x\nMTLSTrustAnchor ca.pem\n" + lines + "\n</MTLSPartner>\n" + more);
    }
    std::string why() { return b.expect(3, {"why", denial(a), "--policy", "p.conf"}); }
    std::string of_grant(const std::string& method, const std::string& path) {
        a.method = method;
        a.path = path;
        a.detail = mtls::kDetailByGrant;
        return why();
    }
    void offers(const std::string& said, const std::string& line, const std::string& caution) {
        CHECK_CONTAINS(said, "if that is meant to pass: " + line);
        CHECK_CONTAINS(said, "    but " + caution);
    }
    void offers_none(const std::string& said, const std::string& why) {
        CHECK_CONTAINS(said, "  no line is offered: " + why);
        CHECK(said.find("if that is meant") == std::string::npos);
    }
};

}  // namespace

CLAIM(why_offers_no_grant_without_what_keeps_another_one_from_the_certificate) {
    Advised d;
    const std::string decide = ", and not to this one: decide whether that is meant; an MTLSGrant without that would";
    d.policy("MTLSGrant POST /orders/* if OU:ops\nMTLSGrant GET,POST /devices/%{cert:CN}/**",
             "MTLSGrant POST /partners/%{partner}/**\n");
    d.offers_none(
        d.of_grant("POST", "/orders/1"),
        "MTLSGrant POST /orders/* if OU:ops at p.conf:4 gives this path to other certificates of acme" + decide);
    d.offers_none(d.of_grant("POST", "/devices/d2/x"), "MTLSGrant GET,POST /devices/%{cert:CN}/** at p.conf:5 gives");
    d.offers_none(d.of_grant("HEAD", "/devices/d2/"), "MTLSGrant GET,POST /devices/%{cert:CN}/** at p.conf:5 gives");
    d.offers_none(
        d.of_grant("POST", "/partners/globex/x"),
        "MTLSGrant POST /partners/%{partner}/** at p.conf:7 gives this path to the partner globex, which there "
        "is not, and not to acme: decide");
    // The nearest that no line is about.
    const std::string opens = "it lets in every certificate of acme there\n";
    d.offers(d.of_grant("GET", "/orders/1"), "MTLSGrant GET /orders/1\n", opens);
    d.offers(d.of_grant("POST", "/orders/1/x"), "MTLSGrant POST /orders/1/x\n", opens);
    d.offers(d.of_grant("DELETE", "/devices/d2/x"), "MTLSGrant DELETE /devices/d2/x\n", opens);
    d.offers(d.of_grant("POST", "/devices/d2"), "MTLSGrant POST /devices/d2\n", opens);
    d.offers(d.of_grant("GET", "/partners/globex/x"), "MTLSGrant GET /partners/globex/x\n", opens);
    const Json json = Json::parse(d.b.expect(3, {"why", "--json", denial(d.a), "--policy", "p.conf"}));
    CHECK_CONTAINS(json["caution"].get<std::string>(), "it lets in every certificate of acme there");
    // Without the policy it cannot be seen.
    const std::string unseen = d.b.expect(3, {"why", denial(d.a)});
    CHECK_CONTAINS(unseen, "this one was left out on purpose (--policy and --live look)");
    CHECK_CONTAINS(unseen, "; and never for a front (MTLSFront), all of whose clients it would let in\n");
}

CLAIM(why_keeps_the_conditions_of_the_grant_that_another_method_is_added_to) {
    Advised d;
    d.a.reason = mtls::Reason::kMethodNotGranted;
    d.policy("MTLSGrant GET /orders/* if OU:ops\nMTLSGrant DELETE /orders/* if OU:boss\nMTLSGrant * /all/*",
             "MTLSGrant read /orders/**\n");
    const auto of = [&](const std::string& method, const std::string& grant) {
        d.a.method = method;
        d.a.grant = grant;
        return d.why();
    };
    d.offers(of("POST", "p.conf:4"),
             "MTLSGrant POST /orders/1 if OU:ops, beside the line that is there\n    in p.conf:4\n",
             "it lets in every certificate of acme that fits the if there\n");
    d.offers_none(of("DELETE", "p.conf:4"),
                  "MTLSGrant DELETE /orders/* if OU:boss at p.conf:5 gives this path to other");
    // A line for all partners stays as it is.
    d.offers(of("POST", "p.conf:8"), "MTLSGrant POST /orders/1\n    in <MTLSPartner acme> at p.conf:1\n",
             "it lets in every certificate of acme there\n");
    // The grant has the method: the gate has not.
    d.a.path = "/all/1";
    d.offers(of("POST", "p.conf:6"), "methods= with POST\n    in the gate at /etc/httpd.conf:12\n",
             "it limits the grants of all partners there; the grant at p.conf:6 has the method\n");
}

CLAIM(why_says_what_else_a_line_of_a_gate_opens) {
    Advised d;
    d.policy("MTLSGroup silver\nMTLSGroup gold if OU:ops");
    d.offers(d.why(), "MTLSAllow partner acme\n    in the gate at /etc/httpd.conf:12\n",
             "it opens all that that section covers, folders of others too; for /orders/1 alone write a <Location "
             "/orders/1> behind it, with all lines of that section and MTLSAllow partner acme methods=POST\n");
    d.a.reason = mtls::Reason::kMethodNotGranted;
    d.offers(
        d.why(), "methods= with POST\n",
        "it lets in all whom that line names, at all that its section covers; for acme alone, and where the line is "
        "no by-grant, write MTLSAllow partner acme methods=POST beside it\n");
    d.a.reason = mtls::Reason::kNotAllowed;
    d.a.detail = mtls::kDetailDeny;
    d.offers(d.why(), "no MTLSDeny for acme\n", "take out this name alone; where the line names a group");
    d.a.detail.clear();
    d.a.directive = "Require mtls-partner globex";
    d.offers(d.why(), "acme in Require mtls-partner globex\n", "it opens all that that section covers");
    d.a.directive = "Require mtls-group bronze";
    d.offers(d.why(), "MTLSGroup bronze\n", "every gate that names the group lets in all its certificates then");
    d.a.directive = "Require mtls-group gold";
    d.offers_none(d.why(),
                  "MTLSGroup gold if OU:ops of acme is for other certificates of it, and not for this one: decide "
                  "whether that is meant; an MTLSGroup without that would");
}

CLAIM(why_lets_no_front_in_for_itself_that_the_policy_names) {
    Advised d;
    d.policy("MTLSFront header=X-Der format=der");
    for (const mtls::Reason reason : {mtls::Reason::kNotAllowed, mtls::Reason::kMethodNotGranted}) {
        for (const char* directive : {"", "Require mtls-partner globex", "Require mtls-group gold", "AuthType MTLS"}) {
            d.a.reason = reason;
            d.a.directive = directive;
            d.offers_none(d.why(), "acme is a front: let in for itself, it lets in every client of its own; decide");
        }
    }
    // The suspension of a client that sends the front's header is none of the front's.
    d.a = account(mtls::Reason::kFrontNotTrusted);
    const std::string is_header = "X-Der is a header of the front acme, but ",
                      refused = " is refused: suspended, MTLSSuspend at stop.conf:1: breach";
    for (const char* who : {"the front itself", "the connection's own certificate (acme)"}) {
        d.a.detail = is_header + who + refused;
        CHECK_CONTAINS(d.why(), "pass: no MTLSSuspend for acme\n    in stop.conf:1;");
    }
    d.a.detail = is_header + "the connection's own certificate (globex)" + refused;
    CHECK_CONTAINS(d.why(), "no edit of the policy mends it\n");
}

CLAIM(why_offers_no_trust_anchor_where_another_cause_refuses_the_path) {
    Advised d;
    d.policy("");
    for (const mtls::Reason reason : {mtls::Reason::kWrongIssuer, mtls::Reason::kNotVerified}) {
        d.a = account(reason);
        d.a.detail = "certificate has expired (CN=Acme CA)";
        CHECK_CONTAINS(d.why(), "pass: MTLSTrustAnchor or MTLSIntermediate with the new certificate of the CA that");
        for (const char* detail : {"EE certificate key too weak", "permitted subtree violation",
                                   "the client sent 40 intermediates, more than this server takes"}) {
            d.a.detail = detail;
            const std::string said = d.why();
            CHECK_CONTAINS(said, "no edit of the policy mends it\n");
            CHECK(said.find("meant to pass") == std::string::npos);
        }
        d.a.detail = "unsuitable certificate purpose";
        d.offers_none(d.why(), "where the certificate was made for servers alone, MTLSPurpose serverAuth until=DATE");
        d.a.detail =
            "the nearest CA above it that the policy names (CN=B)" + std::string(mtls::kAnchorOfOthers) + "acme";
        d.offers_none(d.why(), "the CA is that of others, who could make this partner's certificates");
        d.a.detail.clear();
        CHECK_CONTAINS(d.why(),
                       "CA.pem\n    in <MTLSPartner acme> at p.conf:1, once the partner has confirmed its new");
    }
    // An anchor that has ended, or begins later.
    const Identity ca = make_ca("Old CA");
    d.b.file("old.pem", ca.cert_pem());
    d.a = account(mtls::Reason::kWrongIssuer);
    d.a.issuer_spki = mtls::hex(mtls::bytes_of(mtls::spki_sha256(*ca.cert)));
    for (const char* window : {"until=2025-01-01", "from=2099-01-01"}) {
        d.policy(std::string("MTLSTrustAnchor old.pem ") + window);
        d.offers_none(d.why(), "MTLSTrustAnchor at p.conf:4 has this CA, and ");
    }
    d.policy("MTLSTrustAnchor old.pem");
    CHECK_CONTAINS(d.why(), "pass: MTLSTrustAnchor NEW-CA.pem");
}

CLAIM(why_offers_to_waive_the_purpose_only_of_certificates_made_for_servers) {
    Bench b;
    const auto& text = mtls::text_of(mtls::HandshakeRefusal::kWrongPurpose);
    CHECK_CONTAINS(b.expect(3, {"why", handshake(text)}), "no edit of the policy mends it\n");
    const std::string said =
        b.expect(3, {"why", handshake(text) + "; " + mtls::kMadeForServers + ", as public CAs do"});
    CHECK_CONTAINS(said, "pass: MTLSPurpose serverAuth until=DATE\n    in <MTLSPartner acme>\n    but it lets in all");
    const auto& crl = mtls::text_of(mtls::HandshakeRefusal::kCrlUnavailable);
    CHECK_CONTAINS(
        b.expect(3, {"why", handshake(crl)}),
        "pass: a current CRL of the CA that issued CN=api\n    in SSLCARevocationFile or SSLCARevocationPath of "
        "the virtual host x:443, before a restart\n");
}

CLAIM(why_says_that_live_cas_and_an_identity_are_for_more_than_one_request) {
    Bench b;
    const auto& text = mtls::text_of(mtls::HandshakeRefusal::kUnknownCa);
    const std::string said = b.expect(3, {"why", handshake(text) + "; here " + mtls::kWithClientCa});
    CHECK_CONTAINS(
        said, "pass: MTLSClientCA On\n    in the virtual host x:443\n    but the handshake lets in the CAs of all");
    CHECK_CONTAINS(b.expect(3, {"why", denial(account(mtls::Reason::kUnknownPartner))}),
                   "in <MTLSPartner acme>\n    but all that this partner may do, the certificate may do then\n");
}

CLAIM(explain_names_the_grants_that_other_certificates_have) {
    Bench b;
    const Identity ca = make_ca("Acme CA");
    b.file("ca.pem", ca.cert_pem()).file("leaf.pem", make_client("api", "api.acme.example", ca).cert_pem());
    b.file("p.conf",
           "<MTLSPartner acme>\nMTLSIdentity DNS:api.acme.example\nMTLSTrustAnchor ca.pem\n"
           "MTLSGrant GET /orders/* if OU:ops\nMTLSGrant GET /in if CN:api\n</MTLSPartner>\n");
    const auto ask = [&](int status, const std::string& path) {
        return b.expect(status, {"explain", "--policy", "p.conf", "--cert", "leaf.pem", "--path", path});
    };
    CHECK_CONTAINS(
        ask(3, "/orders/1"),
        "MTLSGrant GET /orders/* if OU:ops at p.conf:4 is none for this certificate: it does not fit if OU:ops");
    CHECK_CONTAINS(ask(0, "/in"), "allow: granted");
}
