// Words that are no selectors, and what the error says.
#include <openssl/core_names.h>
#include <openssl/rsa.h>
#include <algorithm>
#include <set>

#include "mtls_authz/base/text.hpp"
#include "selectors.hpp"

using namespace mtls;
using namespace test::selectors;

CLAIM(malformed_certificates_say_why) {
    CHECK_CONTAINS(facts_of(san({{GEN_DNS, std::string("a\0b", 3)}})).malformed, "DNS SAN holds NUL");
    CHECK_CONTAINS(facts_of(san({{GEN_URI, "https://h\xc3\xa9/"}})).malformed, "URI SAN");
    test::CertSpec twice = san({{GEN_DNS, "a.example.org"}});
    twice.raw = {{"1.2.3.4", test::der_utf8("a")}, {"1.2.3.4", test::der_utf8("b")}};
    CHECK_CONTAINS(facts_of(twice).malformed, "occurs twice");
    test::CertSpec broken = san({});
    broken.raw = {{"2.5.29.17", "\x30\x7fjunk"}};
    CHECK_CONTAINS(facts_of(broken).malformed, "does not decode");
    test::CertSpec unknown = san({});
    unknown.raw = {{"1.2.3.4", "\x30\x7fjunk"}};
    CHECK_EQUAL(facts_of(unknown).malformed, "");
    test::CertSpec empty;
    empty.subject = {};
    CHECK_EQUAL(facts_of(empty).malformed, "");
    test::CertSpec many = san({});
    for (int i = 0; i < 4096; ++i) many.san.emplace_back(GEN_DNS, "h" + std::to_string(i) + ".acme.example");
    many.subject = {{"O", std::string(60000, 'x')}};
    const auto f = facts_of(many);
    CHECK_EQUAL(f.dns.size(), 4096U);
    yes("DNS:h4095.acme.example", f);
}

CLAIM(mistakes_in_selectors_say_what_would_be_right) {
    const std::pair<const char*, const char*> rows[] = {
        {"", "expected TYPE:VALUE"},
        {"!", "expected TYPE:VALUE"},
        {"DNS", "has no value"},
        {"DNS:", "empty value"},
        {"DSN:x.example.org", "did you mean 'DNS'?"},
        {"emial:a@b.example", "did you mean 'email'?"},
        {"DNS:*", "too wide"},
        {"DNS:*.example", "at least two literal labels"},
        {"DNS:**.com", "at least two literal labels"},
        {"DNS:a.*.example.org", "has '*' inside"},
        {"DNS:api.acme.example.", "ends with a dot"},
        {"DNS:a..b", "empty label"},
        {"DNS:.b", "empty label"},
        {"DNS:*.", "empty label"},
        {"DNS:**.", "empty label"},
        {"DNS:m\xc3\xbcller.example", "A-labels: write it as its DNS record is (xn--...)"},
        {"email:acme.example", "local@domain"},
        {"email:*@example", "at least two literal labels"},
        {"email:a@b@c.example", "two '@'"},
        {"URI:/relative", "absolute URI"},
        {"URI:https://h/a*b", "one whole segment"},
        {"URI:https://h/**/a", "only at the end"},
        {"cert-serial:", "empty value"},
        {"otherName:x", "needs an OID"},
        {"extension:x", "needs an OID"},
        {"extension.nonsense:x", "unknown selector type"},
        {"EKU:clientAuht", "is unknown"},
        {"RID:abc.def", "is unknown"},
        {"UPN:nodomain", "user@domain"},
        {"subject:nonsense", "has no '='"},
        {R"(O:M\C3\BCller)", "stands as it is: O:M\xc3\xbcller"},
        {R"(issuer.O:Acme\, Inc.)", "stands as it is: issuer.O:Acme, Inc."},
    };
    for (const auto& [word, message] : rows) CHECK_CONTAINS(error_of(word), message);
    for (const char* word : {R"(CN:ACME\admin)", R"(CN:ACME\adcc)", R"(CN:ACME\41bc)", R"(CN:a\)", R"(CN:a\\b)"}) {
        test::check(Selector::parse(word).ok(), word, __FILE__, __LINE__);
    }
    CHECK(!Selector::parse("DNS:**.co.uk").value().warnings.empty());
    CHECK(Selector::parse("DNS:**.acme.co.uk").value().warnings.empty());
    CHECK_CONTAINS(Selector::parse("subject:C=US,CN=x").value().warnings.at(0), "reads as if it was in reverse");
    CHECK(!Selector::parse("CN:a*").value().warnings.empty());
}

CLAIM(a_value_with_a_slip_of_the_pen_is_warned_of) {
    const std::pair<const char*, const char*> slips[] = {
        {"CN:globex,", "ends with ','"},
        {"issuer.O:Acme;", "ends with ';'"},
        {"!CN:globex\"", "ends with '\"'"},
        {"CN:globex\u00a0", "a character that cannot be seen"},
        {"CN:\u200bglobex", "a character that cannot be seen"},
        {"subject:CN=globex\u00a0", "a character that cannot be seen"},
        {"CN:${NAME}", "holds ${"},
    };
    for (const auto& [word, message] : slips) {
        const auto parsed = Selector::parse(word);
        test::check(parsed.ok() && parsed.value().warnings.size() == 1, word, __FILE__, __LINE__);
        CHECK_CONTAINS(parsed.value().warnings.front(), message);
    }
    for (const char* word : {"O:Acme, Inc.", "O:OOO \"Acme\"", "O:Acme\u00a0Group", "CN:a$b", "CN:{x}",
                             "UPN:a@acme.example", "O:\u5c71\u7530\u3000\u592a\u90ce"}) {
        test::check(Selector::parse(word).value().warnings.empty(), word, __FILE__, __LINE__);
    }
}

CLAIM(a_type_is_one_that_stands_in_names_and_other_words_say_what_to_use) {
    const std::pair<const char*, const char*> rows[] = {
        {"sha1:00", "use sha256:"},
        {"SHA512:00", "use sha256:"},
        {"!md5:00", "use sha256:"},
        {"fingerprint:00", "use sha256:"},
        {"serial:0a", "cert-serial:"},
        {"keyUsage:x", "it is an extension: extension.2.5.29.15"},
        {"extendedKeyUsage:x", "EKU:"},
        {"clientAuth:x", "use EKU:clientAuth"},
        {"subjectAltName:x", "DNS:"},
        {"dnsName:x", "DNS:"},
        {"host:x", "DNS:"},
        {"distinguishedName:x", "subject:"},
        {"RSA:x", "spki-sha256:"},
        {"RSA:3072", "key:RSA>=3072"},
        {"ML-DSA-65:x", "asked for with key:"},
        {"keyType:EC", "asked for with key:"},
        {"rsaEncryption:x", "spki-sha256:"},
        {"challengePassword:x", "no attribute of a name"},
        {"issuer.sha1:x", "use sha256:"},
        {"subject:sha1=x,CN=y", "use sha256:"},
        {"subject:keyUsage=x", "it is an extension"},
        {"EKU:keyUsage", "names no purpose"},
        {"EKU:CN", "names no purpose"},
        {"cert-policy:CN", "names no certificate policy"},
        {"extension.keyUsage:digitalSignature", "holds no text"},
        {"cert-serial:00000000000000000000725026301842309862170128390112", "reads like a decimal number"},
        {"cert-serial:12345678901234567890", "reads like a decimal number"},
        {"cert-serial:7f0192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b", "more than 40 hex digits"},
        {R"(email:"a"@b@acme.example)", "two '@'"},
        {R"(email:"a"b@acme.example@x)", "two '@'"},
        {R"(email:"a@b.example@acme.example)", "quotes that do not enclose the local part"},
        {R"(email:a\"b@acme.example)", "a '\\' outside of quotes"},
    };
    for (const auto& [word, message] : rows) CHECK_CONTAINS(error_of(word), message);
    Arena arena;
    CHECK(!FieldName::parse("sha1", arena).ok());
    for (const char* word : {"O:x",
                             "2.5.4.10:x",
                             "organizationName:x",
                             "issuer.O:x",
                             "INN:1",
                             "OGRN:1",
                             "jurisdictionC:DE",
                             "uid:x",
                             "businessCategory:x",
                             "E:a@b.example",
                             "subject:S=x,street=y,userId=z",
                             "EKU:clientAuth",
                             "EKU:anyExtendedKeyUsage",
                             "EKU:msSmartcardLogin",
                             "EKU:1.2.3",
                             "cert-policy:anyPolicy",
                             "cert-policy:1.2.3",
                             "extension.1.2.3:text",
                             "extension.keyUsage",
                             "cert-serial:1234567890123456789",
                             "cert-serial:0x12345678901234567890",
                             "cert-serial:12:34:56:78:90:12:34:56:78:90:12",
                             "cert-serial:0x007f0192a3b4c5d6e7f8091a2b3c4d5e6f708192a3",
                             "cert-serial:1234567890123456789a",
                             R"(email:"a@b"@acme.example)"}) {
        const auto parsed = Selector::parse(word);
        test::check(parsed.ok(), parsed.ok() ? "" : parsed.error(), __FILE__, __LINE__);
    }
    CHECK_EQUAL(Selector::parse("uid:x").value().selector().text(), "UID:x");
    CHECK_EQUAL(Selector::parse("2.5.4.97:x").value().selector().text(), "organizationIdentifier:x");
    CHECK_EQUAL(Selector::parse("1.2.3.4:x").value().selector().text(), "1.2.3.4:x");
}

CLAIM(the_text_of_a_numeric_string_fits_it_and_other_digits_do_not) {
    test::CertSpec spec;
    spec.subject = {{"CN", "tax"}, {"1.2.643.3.131.1.1", "0077 06228218", V_ASN1_NUMERICSTRING}};
    spec.san = {{GEN_DNS, "x"}};
    const auto f = facts_of(spec);
    for (const char* word :
         {"INN:0077 06228218", "1.2.643.3.131.1.1: 0077  06228218", "subject:INN=0077 06228218,CN=tax",
          "INN:#120d30303737203036323238323138", "subject:INN=#120d30303737203036323238323138,CN=tax"}) {
        yes(word, f);
        no("!" + std::string(word), f);
        test::check(ask(word, f, Repeats::kAnyCounts) == Answer::kYes, word, __FILE__, __LINE__);
    }
    for (const char* word :
         {"INN:0077 06228219", "INN:007706228218", "subject:INN=0077 06228219,CN=tax",
          "INN:#0c0d30303737203036323238323138", "subject:INN=#0c0d30303737203036323238323138,CN=tax"}) {
        no(word, f);
        yes("!" + std::string(word), f);
    }
    yes("subject:" + f.subject.text(), f);
    spec.subject[1].tag = V_ASN1_PRINTABLESTRING;
    const auto printable = facts_of(spec);
    yes("INN:0077 06228218", printable);
    no("INN:#120d30303737203036323238323138", printable);
    no("subject:INN=#120d30303737203036323238323138,CN=tax", printable);
    // As names of CAs they are two, as OpenSSL has it.
    CHECK(printable.subject.canonical != f.subject.canonical);
    CHECK_EQUAL(printable.subject.by_text(), f.subject.by_text());
}
