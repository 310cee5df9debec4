// What is told to logs, pages, backends and clients: the right words, and nothing that bites.
#include <openssl/x509_vfy.h>

#include <nlohmann/json.hpp>
#include <random>

#include "claims.hpp"
#include "exposition.hpp"
#include "mtls_authz/base/json_writer.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/policy/forwarding.hpp"
#include "mtls_authz/tell/account.hpp"
#include "mtls_authz/tell/html.hpp"
#include "mtls_authz/tell/negotiation.hpp"
#include "mtls_authz/tell/problem.hpp"
#include "mtls_authz/tell/status_report.hpp"
#include "mtls_authz/trust/handshake_refusal.hpp"

using namespace mtls;

namespace {

std::string all_bytes() {
    std::string out;
    for (int i = 0; i < 256; ++i) out += static_cast<char>(i);
    return out;
}

Account hostile_account() {
    Account a;
    std::string long_text;
    for (int i = 0; i < 40; ++i) long_text += all_bytes();
    a.time = 1795000000123456;
    a.detail = a.claimed = a.rule = a.matched = a.grant = a.gate = a.vhost = a.client = a.method = a.path = long_text;
    a.request_id = a.tls = a.issuer_spki = long_text;
    auto certificate = std::make_shared<CertificateText>();
    certificate->subject = certificate->san = certificate->issuer = certificate->serial = long_text;
    certificate->sha256 = long_text;
    a.certificate = std::move(certificate);
    a.duration = 5;
    return a;
}

}  // namespace

CLAIM(an_audit_line_is_one_ascii_line_of_json_whatever_is_in_it) {
    const std::string line = audit_line(hostile_account());
    CHECK(line.size() <= kMostAuditBytes);
    CHECK_EQUAL(line.find('\n'), line.size() - 1);
    for (const char c : line.substr(0, line.size() - 1)) CHECK(c >= 0x20 && c < 0x7f);
    const auto json = nlohmann::json::parse(line);
    CHECK_EQUAL(json["time"].get<std::string>(), "2026-11-18T11:06:40.123456Z");
    CHECK(json["subject"].get<std::string>().ends_with("..."));
    // Where all fits, nothing is lost.
    Account small;
    small.path = "/\xc3\xbc\"\\\n";
    CHECK_EQUAL(nlohmann::json::parse(audit_line(small))["path"].get<std::string>(), small.path);
}

CLAIM(a_denial_line_is_one_ascii_line_whatever_is_in_it) {
    const std::string line = denial_line(hostile_account(), "denied");
    for (const char c : line) CHECK(c >= 0x20 && c < 0x7f);
    CHECK_CONTAINS(line, ": the decision failed");
}

CLAIM(a_place_in_a_file_with_blanks_is_quoted_in_a_denial_line) {
    Account a;
    a.rule = "/etc/my sites/p.conf:3";
    a.gate = "sites/p.conf:4";
    const std::string line = denial_line(a, "denied");
    CHECK_CONTAINS(line, " rule=\"/etc/my sites/p.conf:3\" gate=sites/p.conf:4");
}

CLAIM(html_keeps_letters_and_shows_what_would_deceive) {
    const std::pair<std::string, std::string> rows[] = {
        {"<a href=\"x\" b='y'>&amp;", "&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;amp;"},
        {"M\xc3\xbcller \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x94\x91",
         "M\xc3\xbcller \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x94\x91"},
        {"a\xe2\x80\xae"
         "b",
         "a\\u{202e}b"},  // turns the direction of writing
        {"a\xe2\x80\x8b"
         "b",
         "a\\u{200b}b"},  // has no width
        {std::string("\0\n\x1b\x7f", 4), "\\u{0}\\u{a}\\u{1b}\\u{7f}"},
        {"\xc2\x9b", "\\u{9b}"},              // a terminal's escape
        {"\xff\xc3", "\\xff\\xc3"},           // not UTF-8
        {"\xc0\xbc", "\\xc0\\xbc"},           // an overlong <
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"},  // a surrogate
    };
    for (const auto& [text, expected] : rows) CHECK_EQUAL(html_escape(text), expected);
}

CLAIM(metrics_with_hostile_names_are_still_an_exposition) {
    StatusReport report;
    report.generation = all_bytes();
    report.anchors = {{"acme", all_bytes(), 1}, {"acme", all_bytes() + " #2", 2}};
    report.crls = {{"", "\"} 1\nforged 1", 3}};
    const test::Exposition all = test::read_exposition(prometheus_text(report));
    CHECK_EQUAL(all.fault, "");
    CHECK_EQUAL(all.value("forged"), -1);
    CHECK_EQUAL(all.sum("mtls_authz_anchor_not_after_timestamp_seconds"), 3);
    // The checker objects to what it should.
    for (const char* bad : {"a 1\n", "# HELP a b\n# TYPE a counter\na 1\n", "# HELP a b\n# TYPE a gauge\na 1\na 1\n",
                            "# HELP a b\n# TYPE a gauge\na{b=\"c\n\"} 1\n",
                            "# HELP a b\n# TYPE a gauge\na{b=\"\\x\"} 1\n", "# HELP a b\n# TYPE a gauge\na 1"}) {
        CHECK(!test::read_exposition(bad).fault.empty());
    }
}

CLAIM(a_partner_named_other_shares_the_series_of_all_others) {
    StatusReport report;
    StatusReport::PartnerStatus partner;
    partner.name = "other";
    partner.counts = {3, 0, 0};
    report.partners.push_back(partner);
    report.other_partners = {4, 0, 0};
    const test::Exposition all = test::read_exposition(prometheus_text(report));
    CHECK_EQUAL(all.fault, "");
    CHECK_EQUAL(all.value("mtls_authz_partner_decisions_total{partner=\"other\",decision=\"allow\"}"), 7);
}

CLAIM(a_browser_gets_html_and_a_machine_does_not) {
    const struct {
        const char* accept;
        bool html;
    } rows[] = {{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true},
                {"text/html", true},
                {"text/*", true},
                {"text/html, */*", true},
                {"application/json;q=0.5, text/html;q=0.6", true},
                {"", false},
                {"*/*", false},
                {"application/json", false},
                {"text/html;q=0", false},
                {"text/html;q=0.5, application/json", false},
                {"application/problem+json, text/html;q=0.9", false},
                {"text/html;q=x", false},
                {"TEXT/HTML ; q=1.0", true}};
    for (const auto& row : rows) {
        CHECK_EQUAL(std::string(row.accept) +
                        (prefers_html(row.accept, {"application/problem+json", "application/json"}) ? " html" : ""),
                    std::string(row.accept) + (row.html ? " html" : ""));
    }
    CHECK(!prefers_html("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                        {"text/plain"}));
}

CLAIM(strangers_are_not_told_who_the_partners_are) {
    for (const ReasonText& text : kReasons) {
        const bool hidden = text.reason == Reason::kWrongIssuer || text.reason == Reason::kAmbiguous ||
                            text.reason == Reason::kNotVerified;
        CHECK(outside_reason(text.reason) == (hidden ? Reason::kUnknownPartner : text.reason));
        Problem problem;
        problem.reason = text.reason;
        const auto json = nlohmann::json::parse(problem_json(problem));
        CHECK_EQUAL(json["reason"].get<std::string>(), word_of(outside_reason(text.reason)));
        CHECK(problem_page(problem).find(std::string(text.sentence)) == std::string::npos);
    }
}

CLAIM(every_spelling_that_a_backend_may_confuse_has_one_key) {
    for (const char* name : {"Client-Cert", "client_cert", "CLIENT.CERT", "Client Cert", "C-l-i-e-n-t-Cert"}) {
        CHECK_EQUAL(header_key(name), "clientcert");
    }
    CHECK_EQUAL(header_key("Client-Cert-Chain"), "clientcertchain");
    const auto is_hidden = [](std::string_view option) { return has_header_key(option, "xpartner"); };
    CHECK_EQUAL(without_options("close, X-Partner , upgrade,x_partner", is_hidden), "close, upgrade");
    CHECK_EQUAL(without_options("X-Partner", is_hidden), "");
    CHECK_EQUAL(without_options("close;X-Partner x\tX_Partner", is_hidden), "close, x");
    // What is no token could hide a name from one reader and show it to another.
    CHECK_EQUAL(without_options("\"a, X-Partner\", \"b, close", is_hidden), "close");
    for (const char* clean : {"close", "keep-alive, Upgrade", "", " close ,TE", ",", "X-Partners"})
        CHECK(are_options_without(clean, is_hidden));
    for (const char* unclean :
         {"close, X-Partner", "x_partner", "close;TE", "\"close\"", "close\tX-Partner", "TE, X.Partner "})
        CHECK(!are_options_without(unclean, is_hidden));
}

CLAIM(openssls_verification_errors_have_the_words_that_operators_search_for) {
    const std::pair<int, HandshakeRefusal> rows[] = {
        {X509_V_ERR_CERT_HAS_EXPIRED, HandshakeRefusal::kExpired},
        {X509_V_ERR_CERT_NOT_YET_VALID, HandshakeRefusal::kNotYetValid},
        {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, HandshakeRefusal::kUnknownCa},
        {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, HandshakeRefusal::kUnknownCa},
        {X509_V_ERR_CERT_REVOKED, HandshakeRefusal::kRevoked},
        {X509_V_ERR_CRL_HAS_EXPIRED, HandshakeRefusal::kCrlUnavailable},
        {X509_V_ERR_UNABLE_TO_GET_CRL, HandshakeRefusal::kCrlUnavailable},
        {X509_V_ERR_INVALID_PURPOSE, HandshakeRefusal::kWrongPurpose},
        {X509_V_ERR_INVALID_CA, HandshakeRefusal::kWrongPurpose},
        {X509_V_ERR_PATH_LENGTH_EXCEEDED, HandshakeRefusal::kConstraint},
        {X509_V_ERR_PERMITTED_VIOLATION, HandshakeRefusal::kConstraint},
        {X509_V_ERR_EXCLUDED_VIOLATION, HandshakeRefusal::kConstraint},
        {X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION, HandshakeRefusal::kConstraint},
        {X509_V_ERR_CERT_SIGNATURE_FAILURE, HandshakeRefusal::kBadSignature},
        {X509_V_ERR_UNSUPPORTED_SIGNATURE_ALGORITHM, HandshakeRefusal::kUnknownAlgorithm},
        {X509_V_ERR_CA_MD_TOO_WEAK, HandshakeRefusal::kBadSignature},
        {X509_V_ERR_NO_EXPLICIT_POLICY, HandshakeRefusal::kConstraint},
        {X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD, HandshakeRefusal::kMalformed},
        {X509_V_ERR_EC_KEY_EXPLICIT_PARAMS, HandshakeRefusal::kMalformed},
        {X509_V_ERR_CERT_CHAIN_TOO_LONG, HandshakeRefusal::kTooDeep},
        {X509_V_ERR_UNSPECIFIED, HandshakeRefusal::kTooDeep},  // what SSLVerifyDepth leaves
        {-1, HandshakeRefusal::kCrlUnavailable},               // what mod_ssl makes of an expired CRL
        {X509_V_ERR_APPLICATION_VERIFICATION, HandshakeRefusal::kOther}};
    for (const auto& [error, refusal] : rows) CHECK(handshake_refusal_of(error, nullptr) == refusal);
    for (const HandshakeRefusalText& text : kHandshakeRefusals) CHECK(&text_of(text.refusal) == &text);
}

// By the library that reads JSON in the tool: what it would have written of the same bytes.
CLAIM(json_is_written_as_a_library_writes_it_whatever_the_bytes) {
    std::mt19937 random(7);
    const std::string_view pieces[] = {"a",
                                       "\"",
                                       "\\",
                                       "/",
                                       "\x01",
                                       "\n",
                                       "\x7f",
                                       "\xc3\xbc",
                                       "\xe2\x82\xac",
                                       "\xf0\x9f\x94\x92",
                                       "\xf0\x9f",
                                       "\xe2\x82",
                                       "\xc3",
                                       "\xed\xa0\x80",
                                       "\xc0\xaf",
                                       "\xf4\x90\x80\x80",
                                       "\x80",
                                       "\xff",
                                       "\xef\xbf\xbd"};
    for (int round = 0; round < 20000; ++round) {
        std::string text;
        for (std::size_t i = random() % 30; i > 0; --i) {
            if (random() % 3 == 0) {
                text += static_cast<char>(random() % 256);
            } else {
                text += pieces[random() % std::size(pieces)];
            }
        }
        JsonWriter json;
        json.value(text);
        const std::string written = std::move(json).text();
        const std::string expected = nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
        test::check_equal(written, expected, hex(bytes_of(text)), __FILE__, __LINE__);
    }
}

CLAIM(json_is_indented_and_nested_as_a_library_does_it) {
    const nlohmann::ordered_json expected = {{"a", {1, -2, 18446744073709551615U}},
                                             {"b", nlohmann::ordered_json::object()},
                                             {"c", nlohmann::ordered_json::array()},
                                             {"d", {{"e", true}, {"f", nullptr}, {"g", "h"}}}};
    for (const int indent : {0, 1, 2}) {
        JsonWriter json(static_cast<std::size_t>(indent));
        json.begin_object().key("a").begin_array().value(1).value(-2).value(UINT64_MAX).end_array();
        json.key("b").begin_object().end_object().key("c").begin_array().end_array();
        json.key("d").begin_object().member("e", true).member_or_null("f", "").member_or_null("g", "h").end_object();
        json.end_object();
        CHECK_EQUAL(std::move(json).text(), expected.dump(indent == 0 ? -1 : indent));
    }
}
