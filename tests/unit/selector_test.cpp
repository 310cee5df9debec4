// Which certificates a selector fits: each yes beside its nearest no.
#include <openssl/core_names.h>
#include <openssl/rsa.h>
#include <algorithm>
#include <set>

#include "mtls_authz/base/text.hpp"
#include "selectors.hpp"

using namespace mtls;
using namespace test::selectors;

CLAIM(dns_selectors_compare_whole_labels) {
    const auto f =
        facts_of(san({{GEN_DNS, "API.acme.example"}, {GEN_DNS, "a.b.acme.example"}, {GEN_DNS, "*.wild.example"}}));
    yes("DNS:api.ACME.example", f);
    yes("dns:*.acme.example", f);
    yes("DNS:**.acme.example", f);
    yes("DNS:*.b.acme.example", f);
    no("DNS:acme.example", f);
    no("DNS:*.cme.example", f);
    no("DNS:x.wild.example", f);
    no("!DNS:*.acme.example", f);
    yes("!DNS:other.example", f);
    const auto evil = facts_of(san({{GEN_DNS, "evil-acme.example"},
                                    {GEN_DNS, "api.acme.example.evil.org"},
                                    {GEN_DNS, ".acme.example"},
                                    {GEN_DNS, "a..acme.example"}}));
    const auto with_dot = facts_of(san({{GEN_DNS, "api.acme.example."}}));
    for (const char* word : {"DNS:*.acme.example", "DNS:**.acme.example", "DNS:api.acme.example"}) {
        no(word, evil);
        unsure(word, with_dot);
    }
    no("DNS:x", facts_of(san({})));
}

CLAIM(email_selectors_keep_the_local_part_exact) {
    const auto f = facts_of(san({{GEN_EMAIL, "Api@ACME.example"}}));
    yes("email:Api@acme.example", f);
    yes("email:*@acme.example", f);
    no("email:api@acme.example", f);
    no("email:*@cme.example", f);
    unsure("email:*@acme.example", facts_of(san({{GEN_EMAIL, "evil@evil.org@acme.example"}})));
    yes("email:*@acme.example", facts_of(san({{GEN_EMAIL, "\"a@b\"@acme.example"}})));
    test::CertSpec spec = san({});
    spec.subject.push_back({"emailAddress", "api@acme.example", V_ASN1_IA5STRING});
    no("email:api@acme.example", facts_of(spec));
}

CLAIM(uri_selectors_compare_segments_and_never_decode) {
    const auto f = facts_of(san({{GEN_URI, "https://Host.example/a/b/c?q"}, {GEN_URI, "urn:x:Y"}}));
    yes("URI:HTTPS://host.example/a/b/c?q", f);
    no("URI:https://host.example/A/b/c?q", f);
    yes("URI:https://host.example/a/*/c?q", f);
    unsure("URI:https://host.example/a/*/c", f);
    unsure("URI:https://host.example/a/**", f);  // a query is not part of the path
    no("URI:https://host.example/a/*", f);
    yes("URI:URN:x:Y", f);
    const auto g = facts_of(san({{GEN_URI, "https://h.example/a/b/c"}}));
    yes("URI:https://h.example/a/**", g);
    yes("URI:https://h.example/**", g);
    no("URI:https://h.example/a/b/c/**", g);
    no("URI:https://h.exampl/**", g);
    for (const char* devious : {"https://h.example/a/../c", "https://h.example/a/%2e%2e/c", "https://h.example/a/b%2Fc",
                                "https://h.example/a/b%5cc", "https://u@h.example/a/b", "https://h.example/a/b#f",
                                "https://h.example/a/b/"}) {
        unsure("URI:https://h.example/a/**", facts_of(san({{GEN_URI, devious}})));
        unsure("URI:https://h.example/**", facts_of(san({{GEN_URI, devious}})));
    }
    no("URI:https://h.example/a/**", facts_of(san({{GEN_URI, "https://h.example/a//"}})));
}

CLAIM(spiffe_ids_stand_alone_in_a_leaf_that_signs_nothing) {
    yes("URI:spiffe://acme.example/ns/*/api", facts_of(san({{GEN_URI, "spiffe://acme.example/ns/prod/api"}})));
    unsure("URI:spiffe://acme.example/a",
           facts_of(san({{GEN_URI, "spiffe://acme.example/a"}, {GEN_URI, "spiffe://evil.example/a"}})));
    unsure("!URI:spiffe://acme.example/b", facts_of(san({{GEN_URI, "spiffe://acme.example/a"}, {GEN_URI, "urn:x"}})));
    test::CertSpec spec = san({{GEN_URI, "spiffe://acme.example/a"}});
    spec.ca = true;
    unsure("URI:spiffe://acme.example/a", facts_of(spec));
    spec.ca = false;
    for (const char* const usage : {"digitalSignature,keyCertSign", "cRLSign"}) {
        spec.key_usage = usage;
        unsure("URI:spiffe://acme.example/a", facts_of(spec));
    }
    CHECK_CONTAINS(error_of("URI:spiffe://acme.example:8443/a"), "SPIFFE ID");
    CHECK_CONTAINS(error_of("URI:spiffe://*/a"), "authority");
}

CLAIM(ip_selectors_compare_addresses_not_text) {
    const auto f = facts_of(san({{GEN_IPADD, std::string("\xcb\x00\x71\x07", 4)},
                                 {GEN_IPADD, std::string("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16)}}));
    yes("IP:203.0.113.7", f);
    yes("IP:203.0.113.0/24", f);
    yes("IP:0.0.0.0/0", f);
    no("IP:203.0.113.8", f);
    yes("IP:2001:db8::1", f);
    yes("IP:2001:DB8:0::/33", f);
    no("IP:::ffff:203.0.113.7", f);
    CHECK_CONTAINS(error_of("IP:203.0.113.7/24"), "did you mean 203.0.113.0/24?");
    CHECK_CONTAINS(error_of("IP:203.0.113.0/33"), "0 to 32");
    CHECK_CONTAINS(error_of("IP:localhost"), "no IP address");
    CHECK(!facts_of(san({{GEN_IPADD, "abc"}})).malformed.empty());
}

CLAIM(attributes_must_be_single_to_say_yes) {
    test::CertSpec spec = san({});
    spec.subject = {{"O", "Acme"}, {"CN", "api"}, {"CN", "evil"},
                    {"OU", "a"},   {"OU", "b"},   {"organizationIdentifier", "PSDUS-1"}};
    const auto f = facts_of(spec);
    unsure("CN:api", f);
    unsure("CN:other", f);
    unsure("!CN:other", f);
    CHECK(ask("CN:other", f, Repeats::kAnyCounts) == Answer::kNo);
    CHECK(ask("!CN:other", f, Repeats::kAnyCounts) == Answer::kYes);
    // Nor is repeating one a way out of a refusal.
    for (const char* const selector : {"CN:api", "!CN:api", "CN:evil", "!CN:evil"}) {
        CHECK(ask(selector, f, Repeats::kAnyCounts) == Answer::kCannotTell);
    }
    test::CertSpec same = san({});
    same.subject = {{"CN", "api"}, {"CN", "API"}};
    CHECK(ask("CN:api", facts_of(same), Repeats::kAnyCounts) == Answer::kYes);
    CHECK(ask("!CN:api", facts_of(same), Repeats::kAnyCounts) == Answer::kNo);
    yes("OU:b", f);
    yes("o:ACME", f);
    yes("2.5.4.10:Acme", f);
    yes("organizationIdentifier:PSDUS-1", f);
    yes("issuer.CN:Selector CA", f);
    no("issuer.CN:Other", f);
    no("L:x", f);
    yes("!L:x", f);
    yes("O:#0c0441636d65", f);
    yes("subject:/O=Acme/CN=api/CN=evil/OU=a/OU=b/organizationIdentifier=PSDUS-1", f);
}

CLAIM(o_ou_and_dc_may_repeat_and_any_one_may_match) {
    test::CertSpec spec = san({});
    spec.subject = {{"DC", "example", V_ASN1_IA5STRING},
                    {"DC", "acme", V_ASN1_IA5STRING},
                    {"O", "first"},
                    {"O", "second"},
                    {"OU", "a"},
                    {"OU", "b", V_ASN1_UTF8STRING, true},
                    {"CN", "x"}};
    const auto f = facts_of(spec);
    for (const char* fits : {"O:first", "O:second", "2.5.4.10:second", "OU:a", "OU:b", "DC:acme", "DC:example"}) {
        yes(fits, f);
        no(std::string("!") + fits, f);
    }
    for (const char* other : {"O:third", "OU:first", "DC:a"}) {
        no(other, f);
        yes(std::string("!") + other, f);
    }
    // All others cannot tell, and say so.
    for (const char* type : {"CN", "UID", "L", "ST", "C", "SN", "GN", "serialNumber", "organizationIdentifier", "title",
                             "emailAddress", "street"}) {
        spec.subject = {{type, "aa"}, {"O", "x"}, {type, "bb"}};
        const auto twice = facts_of(spec);
        for (const char* value : {":aa", ":bb", ":cc"}) {
            unsure(type + std::string(value), twice);
            unsure("!" + (type + std::string(value)), twice);
        }
        CHECK_EQUAL(
            Selector::parse(type + std::string(":aa")).value().selector().why_unclear(twice),
            type + std::string(" occurs twice: the selector cannot tell which one counts; subject: compares the "
                               "whole name"));
    }
}

CLAIM(a_name_that_only_some_readers_take_for_one_that_fits_cannot_be_told) {
    struct Row {
        int type;
        const char* value;
        const char* selector;
        Answer expected;
    };
    const Row rows[] = {
        {GEN_URI, "https://acme.example/test/a", "URI:https://acme.example/test/**", Answer::kYes},
        {GEN_URI, "https://acme.example/test/a%2fb", "URI:https://acme.example/test/**", Answer::kCannotTell},
        {GEN_URI, "https://acme.example/test/a%2fb", "URI:https://acme.example/test/*", Answer::kCannotTell},
        {GEN_URI, "https://acme.example/test%2fa", "URI:https://acme.example/test/**", Answer::kCannotTell},
        {GEN_URI, "https://acme.example/%74est/a", "URI:https://acme.example/test/**", Answer::kCannotTell},
        {GEN_URI, "https://acme.example/x/../test/a", "URI:https://acme.example/test/**", Answer::kCannotTell},
        {GEN_URI, "https://acme.example/test/../x", "URI:https://acme.example/test/**", Answer::kCannotTell},
        {GEN_URI, "https://acme.example//test/a", "URI:https://acme.example/test/**", Answer::kCannotTell},
        {GEN_URI, "https://acme.example/test/a#x", "URI:https://acme.example/test/**", Answer::kCannotTell},
        {GEN_URI, "https://acme.example/test/a?x", "URI:https://acme.example/test/**", Answer::kCannotTell},
        {GEN_URI, "https://u@acme.example/test/a", "URI:https://acme.example/test/**", Answer::kCannotTell},
        {GEN_URI, "https://acme.example:443/test/a", "URI:https://acme.example/test/**", Answer::kCannotTell},
        {GEN_URI, "https://acme.example./test/a", "URI:https://acme.example/test/**", Answer::kCannotTell},
        {GEN_URI, "https://acme.example:8443/test/a", "URI:https://acme.example/test/**", Answer::kNo},
        {GEN_URI, "https://acme.example/other?test/a", "URI:https://acme.example/test/**", Answer::kNo},
        {GEN_URI, "https://acme.example/x%2fy", "URI:https://acme.example/test/**", Answer::kNo},
        {GEN_URI, "https://u@other.example/test/a", "URI:https://acme.example/test/**", Answer::kNo},
        {GEN_URI, "HTTPS://ACME.example/test/a", "URI:https://acme.example/test/a", Answer::kYes},
        {GEN_URI, "https://acme.example:443/test/a", "URI:https://acme.example/test/a", Answer::kCannotTell},
        {GEN_URI, "https://acme.example./test/a", "URI:https://acme.example/test/a", Answer::kCannotTell},
        {GEN_URI, "https://u@acme.example/test/a", "URI:https://acme.example/test/a", Answer::kCannotTell},
        {GEN_URI, "https://acme.example/./test/a", "URI:https://acme.example/test/a", Answer::kCannotTell},
        {GEN_URI, "https://acme.example/test/%61", "URI:https://acme.example/test/a", Answer::kCannotTell},
        {GEN_URI, "https://acme.example/test%2Fa", "URI:https://acme.example/test/a", Answer::kCannotTell},
        {GEN_URI, "https://acme.example/test/a/", "URI:https://acme.example/test/a", Answer::kCannotTell},
        {GEN_URI, "https://acme.example/test/a?x", "URI:https://acme.example/test/a", Answer::kCannotTell},
        {GEN_URI, "https://acme.example/test/a#x", "URI:https://acme.example/test/a", Answer::kCannotTell},
        {GEN_URI, "https://acme.example:8443/test/a", "URI:https://acme.example/test/a", Answer::kNo},
        {GEN_URI, "https://u@acme.example/test/b", "URI:https://acme.example/test/a", Answer::kNo},
        {GEN_URI, "https://acme.example/test/a%2Fb", "URI:https://acme.example/test/a", Answer::kNo},
        {GEN_URI, "https://u@acme.example/test/a", "URI:https://u@acme.example/test/a", Answer::kYes},
        {GEN_URI, "https://acme.example/test/%61", "URI:https://acme.example/test/%61", Answer::kYes},
        {GEN_DNS, "api.acme.example", "DNS:*.acme.example", Answer::kYes},
        {GEN_DNS, "api.acme.example.", "DNS:*.acme.example", Answer::kCannotTell},
        {GEN_DNS, "api.acme.example.", "DNS:**.acme.example", Answer::kCannotTell},
        {GEN_DNS, "api.acme.example.", "DNS:api.acme.example", Answer::kCannotTell},
        {GEN_DNS, "api.other.example.", "DNS:*.acme.example", Answer::kNo},
        {GEN_EMAIL, "a@acme.example", "email:*@acme.example", Answer::kYes},
        {GEN_EMAIL, "a@b@acme.example", "email:*@acme.example", Answer::kCannotTell},
        {GEN_EMAIL, "a@acme.example@b", "email:*@acme.example", Answer::kCannotTell},
        {GEN_EMAIL, "a@b@acme.example", "email:b@acme.example", Answer::kCannotTell},
        {GEN_EMAIL, "a@acme.example", "email:a@acme.example", Answer::kYes},
        {GEN_EMAIL, "a@acme.example.", "email:a@acme.example", Answer::kCannotTell},
        {GEN_EMAIL, "a@acme.example.", "email:*@acme.example", Answer::kCannotTell},
        {GEN_EMAIL, "b@a@acme.example.", "email:a@acme.example", Answer::kCannotTell},
        {GEN_EMAIL, "A@acme.example.", "email:a@acme.example", Answer::kNo},
        {GEN_EMAIL, "a@other.example.", "email:*@acme.example", Answer::kNo},
        {GEN_EMAIL, "\"a@b\"@acme.example", "email:*@acme.example", Answer::kYes},
        {GEN_EMAIL, "\"a@acme.example\"@b", "email:*@acme.example", Answer::kNo},
        {GEN_EMAIL, "\"a\\\"@b\"@acme.example", "email:*@acme.example", Answer::kYes},
        // A quote that is never closed, one that does not enclose the local part, and an escape outside of quotes.
        {GEN_EMAIL, "\"a@b.example@acme.example", "email:*@acme.example", Answer::kCannotTell},
        {GEN_EMAIL, "\"a@b.example@acme.example", "email:*@b.example", Answer::kCannotTell},
        {GEN_EMAIL, "\"a@b.example@acme.example", "email:*@c.example", Answer::kNo},
        {GEN_EMAIL, "\"a@acme.example", "email:*@acme.example", Answer::kCannotTell},
        {GEN_EMAIL, "\"a\\\"@acme.example", "email:*@acme.example", Answer::kCannotTell},
        {GEN_EMAIL, "a\\\"b@acme.example@globex.example", "email:*@globex.example", Answer::kCannotTell},
        {GEN_EMAIL, "a\\\"b@acme.example@globex.example", "email:*@acme.example", Answer::kCannotTell},
        {GEN_EMAIL, "a\\@acme.example", "email:*@acme.example", Answer::kCannotTell},
        {GEN_EMAIL, "a\"@b.example\"@acme.example", "email:*@acme.example", Answer::kCannotTell},
        {GEN_EMAIL, "\"a\"b@acme.example.", "email:*@acme.example", Answer::kCannotTell},
    };
    for (const Row& row : rows) {
        const auto facts = facts_of(san({{row.type, row.value}}));
        const std::string what = std::string(row.value) + " " + row.selector;
        test::check(ask(row.selector, facts) == row.expected, what, __FILE__, __LINE__);
        // Whatever refuses has to find it in the index, too.
        test::check(ask(row.selector, facts, Repeats::kAnyCounts) == row.expected, what, __FILE__, __LINE__);
        const Answer negated = row.expected == Answer::kYes  ? Answer::kNo
                               : row.expected == Answer::kNo ? Answer::kYes
                                                             : Answer::kCannotTell;
        test::check(ask(std::string("!") + row.selector, facts) == negated, "!" + what, __FILE__, __LINE__);
    }
    const auto odd = facts_of(san({{GEN_URI, "https://u@acme.example/test/a"}}));
    CHECK_CONTAINS(Selector::parse("URI:https://acme.example/**").value().selector().why_unclear(odd),
                   "some readers take it for one that fits");
}

CLAIM(selectors_that_no_certificate_has_both_contradict_each_other) {
    const auto contradict = [](const char* a, const char* b) {
        const auto parsed = Selector::parse(a), other = Selector::parse(b);
        const Selector one = parsed.value().selector(), two = other.value().selector();
        CHECK_EQUAL(one.contradicts(two), two.contradicts(one));
        return one.contradicts(two);
    };
    const std::pair<const char*, const char*> contradictions[] = {
        {"subject:CN=a", "CN:b"},
        {"subject:CN=a", "!CN:A"},
        {"subject:CN=a", "O:a"},
        {"issuer:CN=a", "issuer.CN:b"},
        {"UPN:a@b.example", "!UPN:A@B.example"},
        {"extension.1.2.3", "!extension.1.2.3"},
        {"extension.1.2.3:a", "!extension.1.2.3"},
        {"DNS:a.b.example", "!DNS:*.b.example"},
        {"DNS:A.b.example", "!DNS:a.b.example"},
        {"email:u@a.example", "!email:*@a.example"},
        {"URI:https://a.example/x", "!URI:https://a.example/**"},
        {"IP:10.0.0.1", "!IP:10.0.0.0/8"},
    };
    for (const auto& [a, b] : contradictions) test::check(contradict(a, b), std::string(a) + b, __FILE__, __LINE__);
    const std::pair<const char*, const char*> possible[] = {
        {"subject:CN=a,O=b", "O:B"},
        {"subject:CN=a", "!CN:b"},
        {"subject:CN=a,CN=b", "CN:b"},
        {"subject:CN=a", "issuer.CN:b"},
        {"subject:CN=a", "CN:#0c0161"},
        {"subject:CN=#0c0161", "CN:a"},
        {"subject:C=DE,O=c d", "O:C  D"},
        {"extension.1.2.3", "!extension.1.2.3:a"},
        {"extension.1.2.3", "!extension.1.2.4"},
        {"DNS:*.b.example", "!DNS:a.b.example"},
        {"DNS:*.b.example", "!DNS:x.b.example"},
        {"DNS:a.b.example", "DNS:*.c.example"},
        {"DNS:a.b.example", "!DNS:*.c.example"},
        {"email:u@a.example", "!email:U@a.example"},
        {"URI:https://a.example/x", "!URI:https://a.example/x/**"},
        {"IP:10.0.0.0/8", "!IP:10.0.0.0/9"},
        {"IP:10.0.0.1", "!IP:11.0.0.0/8"},
    };
    for (const auto& [a, b] : possible) test::check(!contradict(a, b), std::string(a) + b, __FILE__, __LINE__);
}

CLAIM(a_principal_name_in_another_string_type_cannot_be_told) {
    test::CertSpec spec = san({});
    spec.extensions = {{NID_subject_alt_name, "otherName:1.3.6.1.4.1.311.20.2.3;IA5STRING:a@acme.example"}};
    unsure("UPN:a@acme.example", facts_of(spec));
    unsure("!UPN:a@acme.example", facts_of(spec));
    no("UPN:b@acme.example", facts_of(spec));
    spec.extensions = {{NID_subject_alt_name, "otherName:1.3.6.1.4.1.311.20.2.3;UTF8:a@acme.example"}};
    yes("UPN:a@acme.example", facts_of(spec));
}

CLAIM(a_text_that_spells_an_encoding_is_not_taken_for_it) {
    test::CertSpec spec = san({});
    spec.extensions = {{NID_subject_alt_name, "otherName:1.2.3.4;UTF8:#040141"}};
    no("otherName.1.2.3.4:#040141", facts_of(spec));
    yes("otherName.1.2.3.4:#0c0723303430313431", facts_of(spec));
    spec.extensions = {{NID_subject_alt_name, "otherName:1.2.3.4;OCTETSTRING:A"}};
    yes("otherName.1.2.3.4:#040141", facts_of(spec));
}

CLAIM(pins_and_serials_compare_in_any_spelling) {
    const test::Identity id = test::make_client("x", "x.example.org", ca());
    const auto f = read_facts(*id.cert);
    const std::string digest = test::hex_sha256(id);
    std::string colons;
    for (std::size_t i = 0; i < digest.size(); i += 2) colons += (i ? ":" : "") + digest.substr(i, 2);
    yes("sha256:" + digest, f);
    yes("SHA256:" + colons, f);
    no("sha256:" + std::string(64, '0'), f);
    yes("spki-sha256:" + hex(bytes_of(f.spki_sha256)), f);
    yes("cert-serial:" + f.serial, f);
    yes("cert-serial:0x00" + f.serial, f);
    no("cert-serial:1", f);
    CHECK_CONTAINS(error_of("sha256:abc"), "64 hex digits");
    CHECK_CONTAINS(error_of("cert-serial:12g"), "no hexadecimal digit");
    unsigned char base64[64];
    EVP_EncodeBlock(base64, bytes_of(f.spki_sha256).data(), 32);
    yes("spki-sha256:" + std::string(reinterpret_cast<char*>(base64)), f);
}

CLAIM(usages_policies_and_roles_must_be_present) {
    test::CertSpec spec = san({});
    spec.eku = "clientAuth,1.2.3.4";
    const std::string psd2(
        "\x30\x3c"
        "\x30\x13\x06\x06\x04\x00\x8e\x46\x01\x06\x30\x09\x06\x07\x04\x00\x8e\x46\x01\x06\x02"
        "\x30\x25\x06\x06\x04\x00\x81\x98\x27\x02\x30\x1b\x30\x13\x30\x11\x06\x07\x04\x00\x81\x98\x27\x01\x03\x0c\x06PS"
        "P_AI"
        "\x0c\x01"
        "A\x0c\x01"
        "B",
        62);
    spec.raw = {{"1.3.6.1.5.5.7.1.3", psd2}, {"1.2.3.5", test::der_utf8("hello")}};
    const auto f = facts_of(spec);
    CHECK_EQUAL(f.malformed, "");
    yes("EKU:clientAuth", f);
    yes("EKU:1.2.3.4", f);
    no("EKU:anyExtendedKeyUsage", f);
    yes("qcRole:PSP_AI", f);
    no("qcRole:PSP_PI", f);
    yes("qcType:eseal", f);
    yes("extension.1.2.3.5:hello", f);
    yes("extension.1.2.3.5", f);
    no("extension.1.2.3.6", f);
    no("extension.1.2.3.5:other", f);
    CHECK_CONTAINS(error_of("qcRole:PSP_IA"), "did you mean 'PSP_AI'?");
    spec.raw = {{"1.3.6.1.5.5.7.1.3", "\x30\x05junk"}};
    CHECK(!facts_of(spec).malformed.empty());
}
