// What lines of the logs say.
#include <nlohmann/json.hpp>

#include "log_lines.hpp"
#include "mtls_authz/decide/decision.hpp"
#include "mtls_authz/trust/ca_directory.hpp"
#include "tool.hpp"

using namespace test;
using Json = nlohmann::json;

CLAIM(why_reads_every_line_that_the_module_writes) {
    Bench b;
    for (const mtls::ReasonText& text : mtls::kReasons) {
        const int status = text.reason == mtls::Reason::kGranted ? 0 : 3;
        const mtls::Account a = account(text.reason);
        for (const std::string& line : {denial(a), audit_line(a)}) {
            const std::string said = b.expect(status, {"why", line});
            CHECK_CONTAINS(said, " POST /orders/1: " + std::string(text.word) + "\n  " + std::string(text.sentence));
            CHECK_CONTAINS(said, "subject=CN=api,O=Acm\xc3\xa9  ");
            CHECK_CONTAINS(said, "via=edge-lb  ");
            CHECK_EQUAL(b.expect(status, {"explain", "--log-line", line}), said);
        }
    }
    for (const mtls::HandshakeRefusalText& text : mtls::kHandshakeRefusals) {
        const std::string said = b.expect(3, {"why", handshake(text)});
        CHECK_CONTAINS(said, "refused handshake: " + std::string(text.word) + "\n  " + std::string(text.sentence));
        CHECK_CONTAINS(said, "who: acme (the certificate names it; that is not proved)");
    }
    for (const char* line : {"AH00558: something else", "[ssl:error] AH02008: SSL library error 1 in handshake",
                             "mtls_authz: denied GET \"/\": reason=made-up gate=x:1", "{\"reason\":", "{}"}) {
        b.expect(2, {"why", line});
    }
}

CLAIM(why_knows_a_misdirected_request) {
    Bench b;
    const std::string digest(64, 'a');
    const std::string line =
        "[Thu Nov 26 18:00:00.1 2026] [mtls_authz:error] [pid 1] [client 10.0.0.1:1] mtls_authz: misdirected GET "
        "\"/free/sha256=" +
        digest + ": x\": vhost=off.example:443 subject=\"CN=api\" issuer=\"CN=CA\" sha256=" + digest + ": " +
        mtls::kMisdirectedSentence + ", referer: https://x.example/?sha256=" + digest + ": reason=granted";
    const std::string said = b.expect(3, {"why", line});
    CHECK_CONTAINS(said, "answered with 421 GET /free/sha256=" + digest + ": x: misdirected\n  " +
                             std::string(mtls::kMisdirectedSentence) + "\n");
    CHECK_CONTAINS(said, "if that is meant to pass: MTLSClientCA On\n    in the virtual host off.example:443\n");
    CHECK_CONTAINS(said, " --method GET --path ");
    const Json json = Json::parse(b.expect(3, {"why", "--json", line}));
    CHECK_EQUAL(json["reason"].get<std::string>(), "misdirected");
    CHECK_EQUAL(json["fields"]["subject"].get<std::string>(), "CN=api");
    b.expect(2, {"why", "mtls_authz: generation 1 replaces 2"});
}

CLAIM(why_reads_what_a_refused_handshake_needs) {
    Bench b;
    const auto line = [](mtls::HandshakeRefusal reason, const std::string& clause) {
        return handshake(mtls::text_of(reason)) + clause;
    };
    using mtls::HandshakeRefusal;
    std::string said = b.expect(3, {"why", line(HandshakeRefusal::kTooDeep, "; this path needs SSLVerifyDepth 3")});
    CHECK_CONTAINS(said, "raise it; this path needs SSLVerifyDepth 3\n");
    CHECK_CONTAINS(said, "if that is meant to pass: SSLVerifyDepth 3\n    in the virtual host x:443");
    said = b.expect(3, {"why", line(HandshakeRefusal::kUnknownCa,
                                    "; the policy has the CA \"CN=A\" above it, and this virtual host has not: here "
                                    "MTLSClientCA On would let it in")});
    CHECK_CONTAINS(said, "if that is meant to pass: MTLSClientCA On\n    in the virtual host x:443");
    const std::string missing = "; missing is \"CN=I\", which issued \"CN=api\"";
    said = b.expect(
        3, {"why", line(HandshakeRefusal::kUnknownCa, missing + ", and the client sent its own certificate alone")});
    CHECK_CONTAINS(said, "if that is meant to pass: MTLSIntermediate ISSUER.pem where its issuer is an intermediate (");
    CHECK_CONTAINS(said,
                   "or MTLSTrustAnchor ISSUER.pem where it is a new CA that the partner has confirmed\n    in <MTLS");
    said = b.expect(3, {"why", line(HandshakeRefusal::kUnknownCa, missing)});
    CHECK_CONTAINS(said,
                   "MTLSTrustAnchor CA.pem\n    in <MTLSPartner acme>, once the partner has confirmed its new CA");
    std::string none = line(HandshakeRefusal::kUnknownCa, "");
    none.resize(none.find(": no path") + 2);
    said = b.expect(3, {"why", none + mtls::kNoPolicyInForce});
    CHECK_CONTAINS(said, "unknown-ca\n  " + std::string(mtls::kNoPolicyInForce) + "\n");
    CHECK_CONTAINS(said, "pass: a policy that can be read\n    in the policy files; the errors since");
    std::string nameless = line(HandshakeRefusal::kUnknownCa, missing);
    nameless.erase(nameless.find("claimed=acme "), 13);
    CHECK_CONTAINS(b.expect(3, {"why", nameless}), "pass: mtls-authz suggest CERT.pem --name NAME --anchor CA.pem\n");
    // Names that a client chose are no advice.
    const std::string forged = "MTLSClientCA On would let it in";
    said = b.expect(3, {"why", line(HandshakeRefusal::kUnknownCa, "; missing is \"CN=" + forged + "\", which")});
    CHECK_CONTAINS(said, "if that is meant to pass: MTLSTrustAnchor CA.pem");
    std::string in_subject = line(HandshakeRefusal::kUnknownCa, "");
    const std::string sentence(mtls::text_of(HandshakeRefusal::kUnknownCa).sentence), mark = "subject=\"CN=api";
    in_subject.insert(in_subject.find(mark) + mark.size(), " sha256=aa: " + sentence + "; " + forged + ": ");
    CHECK_CONTAINS(b.expect(3, {"why", in_subject}), "if that is meant to pass: MTLSTrustAnchor CA.pem");
}

CLAIM(a_denial_of_a_gate_in_log_only_is_said_to_be_none) {
    Bench b;
    mtls::Account a = account(mtls::Reason::kNotAllowed);
    a.outcome = mtls::Outcome::kWouldDeny;
    CHECK_CONTAINS(b.expect(3, {"why", audit_line(a)}), "would be denied POST /orders/1: not-allowed\n");
    CHECK_CONTAINS(b.expect(3, {"why", "mtls_authz: " + denial_line(a, "would-deny")}), "would be denied POST ");
}

CLAIM(a_line_says_nothing_that_a_client_put_into_it) {
    Bench b;
    mtls::Account a = account(mtls::Reason::kExpired);
    a.path = "/x\": reason=granted partner=evil sha256=00 \x1b[31m";
    auto certificate = std::make_shared<mtls::CertificateText>(*a.certificate);
    certificate->subject = "CN=y\" reason=granted: z";
    a.certificate = certificate;
    const std::string said = b.expect(3, {"why", denial(a)});
    CHECK_CONTAINS(said, ": expired\n");
    CHECK_CONTAINS(said, "who: acme (the certificate names it; that is not proved)");
    CHECK_CONTAINS(said, "subject=CN=y\" reason=granted: z  ");
    CHECK(said.find('\x1b') == std::string::npos);
    const Json json = Json::parse(b.expect(3, {"why", "--json", denial(a)}));
    CHECK_EQUAL(json["path"], a.path);
    CHECK_EQUAL(json["fields"]["sha256"], certificate->sha256);
    CHECK(!json["fields"].contains("partner"));
}

CLAIM(why_finds_request_ids_and_reads_whole_logs) {
    Bench b;
    mtls::Account other = account(mtls::Reason::kRevoked);
    other.request_id = "Zx-1_q2";
    other.path = "/by/Zx-1_q";
    b.file("error.log", "[core:notice] AH00094: Command line\n" + denial(account(mtls::Reason::kExpired)) + "\n" +
                            denial(other) + "\n")
        .file("audit.log", audit_line(account(mtls::Reason::kSuspended)))
        .file("foreign.log", "nothing of ours\n");
    const std::string both = b.expect(3, {"why", "--log", "error.log", "Zx-1_q", "--log", "audit.log"});
    CHECK_CONTAINS(both, ": expired\n");
    CHECK_CONTAINS(both, ": suspended\n");
    CHECK(both.find(": revoked") == std::string::npos);
    CHECK_CONTAINS(b.expect(2, {"why", "Zx-1_q"}), "name the logs that have it with --log");
    CHECK_CONTAINS(b.expect(2, {"why", "nope", "--log", "error.log"}),
                   "no line of the module there has request_id=nope; the "
                   "error log leaves out repeats");
    CHECK_CONTAINS(b.expect(2, {"why", "nope", "--log", "gone.log"}), "gone.log: No such file");
    // What has no end is no log; a pipe is one.
    for (const std::vector<std::string>& id : {std::vector<std::string>{}, {"nope"}}) {
        for (const char* const log : {"/dev/full", "/dev/zero"}) {
            std::vector<std::string> words = {"why", "--log", log};
            words.insert(words.end(), id.begin(), id.end());
            CHECK_CONTAINS(b.expect(2, words), std::string(log) + ": is no file and no pipe");
        }
    }
    CHECK_CONTAINS(b.shell("cat error.log | \"$0\" why --log /dev/stdin Zx-1_q").text, ": expired\n");
    for (const char* script :
         {"\"$0\" why < error.log", "\"$0\" why - < error.log", "\"$0\" explain --log-line - < error.log"}) {
        const auto all = b.shell(script);
        CHECK_EQUAL(all.status, 3);
        CHECK_CONTAINS(all.text, ": expired\n");
        CHECK_CONTAINS(all.text, ": revoked\n");
    }
    CHECK_EQUAL(b.shell("\"$0\" why < foreign.log").status, 2);
}

CLAIM(why_undoes_what_httpd_and_others_do_to_a_line) {
    Bench b;
    mtls::Account a = account(mtls::Reason::kExpired);
    auto certificate = std::make_shared<mtls::CertificateText>(*a.certificate);
    certificate->subject = "CN=a\"b\\c,O=Caf\xc3\xa9";
    a.certificate = certificate;
    a.path = "/x\\\" reason=granted";
    const std::string plain = denial(a);
    const auto escaped = [](const std::string& text, const std::string& which) {
        std::string out;
        for (const char c : text) {
            if (which.find(c) != std::string::npos) out += '\\';
            out += c;
        }
        return out;
    };
    const std::string said = b.expect(3, {"why", plain});
    CHECK_CONTAINS(said, "subject=CN=a\"b\\c,O=Caf\xc3\xa9  ");
    // httpd's error log doubles each backslash; what ships it as JSON quotes it once more.
    const std::string by_httpd = escaped(plain, "\\");
    for (const std::string& line : {by_httpd, escaped(plain, "\""), escaped(by_httpd, "\"\\")})
        CHECK_EQUAL(b.expect(3, {"why", line}), said);
    // A collector of logs wraps the line as it is.
    for (const char* key : {"log", "MESSAGE", "message", "msg"}) {
        CHECK_EQUAL(b.expect(3, {"why", Json({{key, plain + "\n"}, {"stream", "stderr"}}).dump()}), said);
        CHECK_EQUAL(b.expect(3, {"why", Json({{"ts", 1}, {key, audit_line(a)}}).dump()}),
                    b.expect(3, {"why", audit_line(a)}));
    }
    for (const char* line : {"{\"log\":1}", "{\"log\":\"x\"}", "{\"log\":\"{\\\"log\\\":1}\"}", "{\"log\":\"\"}"})
        b.expect(2, {"why", line});
}

CLAIM(why_says_who_an_unknown_certificate_nearly_is) {
    Bench b;
    b.file("ca.pem", make_ca("Acme CA").cert_pem());
    const std::string policy =
        "<MTLSPartner acme>\nMTLSIdentity DNS:api-2025.acme.example\nMTLSTrustAnchor ca.pem\n</MTLSPartner>\n";
    b.file("p.conf", policy);
    mtls::Account a = account(mtls::Reason::kUnknownPartner);
    a.claimed.clear();
    auto certificate = std::make_shared<mtls::CertificateText>(*a.certificate);
    a.certificate = certificate;
    certificate->san = "DNS:b.example,DNS:api-2026.acme.example";
    const auto why = [&] { return b.expect(3, {"why", denial(a), "--policy", "p.conf"}); };
    const std::string said = why();
    CHECK_CONTAINS(
        said,
        "who: unknown: no partner's MTLSIdentity fits; acme (p.conf:2) nearly fits: DNS:api-2025.acme.example "
        "does not, the certificate has b.example, api-2026.acme.example (a slip of the pen?)\n");
    CHECK_CONTAINS(said, "in <MTLSPartner acme> at p.conf:1\n");
    // One of two attributes is as it was.
    b.file("p.conf", policy +
                         "<MTLSPartner globex>\nMTLSIdentity CN:gateway O:Globex\nMTLSTrustAnchor ca.pem\n"
                         "</MTLSPartner>\n");
    *certificate = {};
    certificate->sha256 = std::string(64, 'b');
    certificate->subject = "CN=new,O=Globex";
    CHECK_CONTAINS(why(), "; globex (p.conf:6) nearly fits: CN:gateway does not, the certificate has new\n");
    CHECK_CONTAINS(b.expect(3, {"why", audit_line(a), "--policy", "p.conf"}), "in <MTLSPartner globex> at p.conf:5\n");
    // A subject that resembles no identity of the policy.
    certificate->subject = "CN=other";
    CHECK_CONTAINS(why(), "who: unknown: no partner's MTLSIdentity fits\n");
}

CLAIM(why_takes_nothing_from_a_line_that_is_cut) {
    Bench b;
    mtls::Account a = account(mtls::Reason::kUnknownPartner);
    a.claimed.clear();
    const std::string line = denial(a);
    for (const char* at : {"DNS:b.ex", "Acm", "sha256="}) {
        const std::string said = b.expect(3, {"why", line.substr(0, line.find(at) + 3)});
        CHECK_CONTAINS(said, "who: unknown: the line has no certificate (is it cut?)");
        CHECK(said.find("MTLSIdentity \"") == std::string::npos);
    }
}

CLAIM(why_says_the_same_once_and_counts_the_rest) {
    Bench b;
    mtls::Account other = account(mtls::Reason::kExpired);
    other.request_id = "Other";
    other.path = "/orders/2";
    mtls::Account foreign = account(mtls::Reason::kExpired);
    foreign.claimed = "globex";
    const std::string line = denial(account(mtls::Reason::kExpired));
    b.file("error.log", line + "\n" + line + "\n" + denial(other) + "\n" + denial(foreign) + "\n");
    for (const std::string& said :
         {b.shell("\"$0\" why < error.log").text, b.expect(3, {"why", "--log", "error.log"})}) {
        CHECK_CONTAINS(said, "POST /orders/1: expired\n");
        CHECK(said.find("/orders/2") == std::string::npos);
        CHECK_CONTAINS(said, "who: globex ");
        CHECK_CONTAINS(said, "\n2 lines more say the same\n");
    }
    CHECK_CONTAINS(b.expect(3, {"why", line, line}), "\n1 line more says the same\n");
    // For machines, each line.
    const std::string json = b.shell("\"$0\" why --json < error.log").text;
    CHECK_EQUAL(std::count(json.begin(), json.end(), '\n'), 4);
    CHECK_CONTAINS(b.expect(2, {"why", line, "--log", "error.log"}), "--log is for request ids");
}

CLAIM(a_front_that_is_believed_is_proved) {
    Bench b;
    mtls::Account a = account(mtls::Reason::kFrontNotTrusted);
    CHECK(b.expect(3, {"why", denial(a)}).find("not proved") == std::string::npos);
    a.via.clear();
    CHECK_CONTAINS(b.expect(3, {"why", denial(a)}), "that is not proved");
}

CLAIM(a_weak_key_or_a_missing_purpose_is_not_called_a_foreign_issuer) {
    Bench b;
    for (const auto& [detail, advice] : std::vector<std::pair<const char*, const char*>>{
             {"EE certificate key too weak", "too weak, or does not hold"},
             {"CA signature digest algorithm too weak (CN=Acme CA)", "too weak, or does not hold"},
             {"unsuitable certificate purpose", "clientAuth among its extendedKeyUsage"},
             {"certificate has expired (CN=Acme CA)", "has expired (detail= names it)"},
             {"permitted subtree violation", "breaks a limit that a CA above it sets"}}) {
        mtls::Account a = account(mtls::Reason::kWrongIssuer);
        a.detail = detail;
        const std::string line = denial(a);
        CHECK_CONTAINS(line, advice);
        CHECK(line.find("somebody else has a certificate") == std::string::npos);
        CHECK_CONTAINS(b.expect(3, {"why", line}), advice);
    }
    for (const mtls::Reason reason : {mtls::Reason::kWrongIssuer, mtls::Reason::kNotVerified}) {
        mtls::Account invalid = account(reason);
        invalid.detail = "OpenSSL cannot use it: " + std::string(mtls::kUnusableExtension);
        const std::string said = b.expect(3, {"why", denial(invalid)});
        CHECK_CONTAINS(said, "does not have the form that RFC 5280 gives it");
        CHECK(said.find("MTLSTrustAnchor") == std::string::npos);
    }
    mtls::Account a = account(mtls::Reason::kWrongIssuer);
    a.detail = "no certificate at hand leads to this partner's trust anchor";
    CHECK_CONTAINS(denial(a), "somebody else has a certificate with this partner's name");
}
