
#include <openssl/core_names.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <set>

#include "claims.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/rules/selector.hpp"
#include "mtls_authz/rules/selector_index.hpp"
#include "pki.hpp"

using namespace mtls;

namespace {

const test::Identity& ca() {
    static const test::Identity it = test::make_ca("Selector CA");
    return it;
}

CertificateFacts facts_of(const test::CertSpec& spec) { return read_facts(*test::issue(spec, &ca()).cert); }

WrittenConditions conditions(const std::vector<std::string>& words) {
    WrittenConditions out;
    for (const std::string& word : words) out.add(Selector::parse(word).value());
    return out;
}

Answer ask(const std::string& word, const CertificateFacts& facts, Repeats repeats = Repeats::kMustBeSingle) {
    auto parsed = Selector::parse(word);
    test::check(parsed.ok(), parsed.ok() ? "" : parsed.error(), __FILE__, __LINE__);
    const PathFacts path{{}, facts.policies};  // the leaf's CA may assert any
    const Selector selector = parsed.value().selector();
    const Answer answer = selector.test(facts, &path, repeats);
    // Whatever matches has to be found through the index too, or it would be missed with many partners.
    SelectorIndexBuilder builder(repeats);
    const WrittenConditions line = conditions({word});
    builder.add(7, line.view());
    Arena arena;
    const SelectorIndex index = builder.finish(arena);
    const auto found = index.candidates(facts, {});
    const bool counts = answer == Answer::kYes || (answer == Answer::kCannotTell && repeats == Repeats::kAnyCounts);
    test::check(!counts || found == std::vector<std::uint32_t>{7}, "not in the index: " + word, __FILE__, __LINE__);
    return answer;
}

void yes(const std::string& word, const CertificateFacts& facts) {
    test::check(ask(word, facts) == Answer::kYes, word, __FILE__, __LINE__);
}
void no(const std::string& word, const CertificateFacts& facts) {
    test::check(ask(word, facts) == Answer::kNo, word, __FILE__, __LINE__);
}
void unsure(const std::string& word, const CertificateFacts& facts) {
    test::check(ask(word, facts) == Answer::kCannotTell, word, __FILE__, __LINE__);
}

std::string error_of(const std::string& word) {
    const auto parsed = Selector::parse(word);
    test::check(!parsed.ok(), "accepted: " + word, __FILE__, __LINE__);
    return parsed.error();
}

test::CertSpec san(std::vector<std::pair<int, std::string>> names) {
    test::CertSpec spec;
    spec.subject = {{"CN", "x"}};
    spec.san = std::move(names);
    return spec;
}

}  // namespace

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
    CHECK(ask("CN:evil", f, Repeats::kAnyCounts) == Answer::kYes);
    CHECK(ask("CN:other", f, Repeats::kAnyCounts) == Answer::kNo);
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
        {GEN_URI, "https://acme.example/test/a?x", "URI:https://acme.example/test/a", Answer::kNo},
        {GEN_DNS, "api.acme.example", "DNS:*.acme.example", Answer::kYes},
        {GEN_DNS, "api.acme.example.", "DNS:*.acme.example", Answer::kCannotTell},
        {GEN_DNS, "api.acme.example.", "DNS:**.acme.example", Answer::kCannotTell},
        {GEN_DNS, "api.acme.example.", "DNS:api.acme.example", Answer::kCannotTell},
        {GEN_DNS, "api.other.example.", "DNS:*.acme.example", Answer::kNo},
        {GEN_EMAIL, "a@acme.example", "email:*@acme.example", Answer::kYes},
        {GEN_EMAIL, "a@b@acme.example", "email:*@acme.example", Answer::kCannotTell},
        {GEN_EMAIL, "a@acme.example@b", "email:*@acme.example", Answer::kCannotTell},
        {GEN_EMAIL, "a@b@acme.example", "email:b@acme.example", Answer::kCannotTell},
        {GEN_EMAIL, "\"a@b\"@acme.example", "email:*@acme.example", Answer::kYes},
        {GEN_EMAIL, "\"a@acme.example\"@b", "email:*@acme.example", Answer::kNo},
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

namespace {

CertificateFacts facts_with_key(mtls::EvpPkeyPtr key, const std::string& claimed_algorithm = "") {
    test::CertSpec spec = san({});
    spec.key_algorithm = claimed_algorithm;
    return read_facts(*test::issue(spec, &ca(), std::move(key)).cert);
}

EvpPkeyPtr rsa_pss_key() {
    const std::unique_ptr<EVP_PKEY_CTX, FreeWith<EVP_PKEY_CTX_free>> making(
        EVP_PKEY_CTX_new_from_name(nullptr, "RSA-PSS", nullptr));
    EVP_PKEY* key = nullptr;
    EVP_PKEY_keygen_init(making.get());
    EVP_PKEY_generate(making.get(), &key);
    return EvpPkeyPtr(key);
}

std::string error_about_key(const std::string& value) { return error_of("key:" + value); }

}  // namespace

CLAIM(keys_are_told_by_algorithm_size_and_curve) {
    const auto rsa = facts_with_key(EvpPkeyPtr(EVP_RSA_gen(2048)));
    const auto p256 = facts_with_key(EvpPkeyPtr(EVP_EC_gen("P-256")));
    const auto p384 = facts_with_key(EvpPkeyPtr(EVP_EC_gen("P-384")));
    const auto brainpool = facts_with_key(EvpPkeyPtr(EVP_EC_gen("brainpoolP256r1")));
    const auto ed25519 = facts_with_key(EvpPkeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")));
    const auto ed448 = facts_with_key(EvpPkeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED448")));
    // OpenSSL 3.0 cannot make these: the OID is what counts.
    const auto ml_dsa = facts_with_key({}, "2.16.840.1.101.3.4.3.18");
    const auto slh_dsa = facts_with_key({}, "2.16.840.1.101.3.4.3.20");
    const auto rsa_pss = facts_with_key(rsa_pss_key());
    const auto other = facts_with_key({}, "1.2.3.4");
    struct Row {
        const CertificateFacts& facts;
        const char* text;
        std::vector<const char*> fitting;
    };
    const Row rows[] = {
        {rsa,
         "RSA:2048",
         {"RSA", "rsa", "RSA>=2048", "RSA>=1024", "1.2.840.113549.1.1.1", "1.2.840.113549.1.1.1>=2048"}},
        {rsa_pss,
         "RSA-PSS:2048",
         {"RSA", "rsa", "RSA>=2048", "RSA>=1024", "1.2.840.113549.1.1.1", "1.2.840.113549.1.1.1>=2048", "RSA-PSS",
          "RSA-PSS>=2048"}},
        {p256, "EC:P-256", {"EC", "EC:P-256", "ec:prime256v1", "EC:secp256r1", "EC:1.2.840.10045.3.1.7"}},
        {p384, "EC:P-384", {"EC", "EC:secp384r1"}},
        {brainpool, "EC:brainpoolP256r1", {"EC", "EC:BrainpoolP256r1"}},
        {ed25519, "Ed25519", {"Ed25519", "ED25519", "1.3.101.112"}},
        {ed448, "Ed448", {"Ed448"}},
        {ml_dsa, "ML-DSA-65", {"ML-DSA", "ml-dsa-65"}},
        {slh_dsa, "SLH-DSA-SHA2-128s", {"SLH-DSA", "SLH-DSA-SHA2", "SLH-DSA-SHA2-128s"}},
        {other, "1.2.3.4", {"1.2.3.4"}},
    };
    std::set<std::string> all = {"RSA>=2049", "RSA>=3072",     "EC:P-521",          "DSA",   "ML-DSA-44",
                                 "ML-DSA-87", "SLH-DSA-SHAKE", "SLH-DSA-SHA2-128f", "1.2.3", "1.2.3.4.5"};
    for (const Row& row : rows) all.insert(row.fitting.begin(), row.fitting.end());
    Arena arena;
    for (const Row& row : rows) {
        CHECK_EQUAL(row.facts.key.text(), row.text);
        for (const std::string& value : all) {
            const bool fits =
                std::any_of(row.fitting.begin(), row.fitting.end(), [&](const char* f) { return value == f; });
            (fits ? yes : no)("key:" + value, row.facts);
            (fits ? no : yes)("!key:" + value, row.facts);
        }
        CHECK_EQUAL(FieldName::parse("key", arena).value().value(row.facts, {}).value_or(""), row.text);
    }
}

CLAIM(a_key_selector_cannot_tell_a_size_or_curve_that_the_certificate_does_not_say) {
    EvpPkeyPtr key(EVP_EC_gen("P-256"));
    EVP_PKEY_set_utf8_string_param(key.get(), OSSL_PKEY_PARAM_EC_ENCODING, "explicit");
    const auto spelled_out = facts_with_key(std::move(key));
    yes("key:EC", spelled_out);
    for (const char* word : {"key:EC:P-256", "!key:EC:P-256", "key:EC:P-384"}) {
        unsure(word, spelled_out);
        CHECK(ask(word, spelled_out, Repeats::kAnyCounts) == Answer::kCannotTell);
        CHECK_CONTAINS(Selector::parse(word).value().selector().why_unclear(spelled_out), "does not name the curve");
    }
    const auto broken = facts_with_key(EvpPkeyPtr(EVP_EC_gen("P-256")), "1.2.840.113549.1.1.1");
    yes("key:RSA", broken);
    for (const char* word : {"key:RSA>=2048", "!key:RSA>=2048"}) unsure(word, broken);
}

CLAIM(a_wrong_kind_of_key_says_what_would_be_right) {
    const std::pair<const char*, const char*> rows[] = {
        {"RSB", "did you mean 'RSA'?"},
        {"RSA3072", "did you mean 'RSA>=3072'?"},
        {"RSA-3072", "did you mean 'RSA>=3072'?"},
        {"RSA:3072", "did you mean 'RSA>=3072'?"},
        {"RSA=3072", "did you mean 'RSA>=3072'?"},
        {"RSA>3072", "did you mean 'RSA>=3072'?"},
        {"RSA<3072", "!key:RSA>=3072"},
        {"RSA<=3072", "!key:RSA>=3072"},
        {"RSA>=", "no size of a key"},
        {"RSA>=0", "no size of a key"},
        {"RSA>=-1", "no size of a key"},
        {"RSA>=3k", "no size of a key"},
        {"RSA>=99999999999999999999", "no size of a key"},
        {"P-256", "did you mean 'EC:P-256'?"},
        {"prime256v1", "did you mean 'EC:P-256'?"},
        {"ECDSA", "did you mean 'EC'?"},
        {"ECDSA:P-256", "did you mean 'EC:P-256'?"},
        {"EC:P-255", "names no curve"},
        {"EC:", "names no curve"},
        {"EC>=256", "names no curve"},
        {"EC:Ed25519", "names no curve"},
        {"Ed25519>=256", "without size or curve"},
        {"ML-DSA:65", "without size or curve"},
        {"ML-DSA-66", "did you mean 'ML-DSA-65'?"},
        {"MLDSA65", "did you mean 'ML-DSA-65'?"},
        {"Dilithium", "did you mean 'ML-DSA'?"},
        {"SLH", "expected RSA, RSA>=3072, EC"},
        {"9.9", "is no kind of key"},
        {"quantum", "expected RSA, RSA>=3072, EC"},
    };
    for (const auto& [value, said] : rows) CHECK_CONTAINS(error_about_key(value), said);
}

CLAIM(keys_that_no_certificate_has_both_contradict_each_other) {
    const auto contradict = [](const char* a, const char* b) {
        const auto parsed = Selector::parse(a), other = Selector::parse(b);
        const Selector one = parsed.value().selector(), two = other.value().selector();
        CHECK_EQUAL(one.contradicts(two), two.contradicts(one));
        return one.contradicts(two);
    };
    for (const auto& [a, b] : {std::pair("key:RSA", "key:EC"),
                               {"key:EC:P-256", "key:EC:P-384"},
                               {"key:RSA", "!key:RSA"},
                               {"key:RSA-PSS", "!key:RSA"},
                               {"key:RSA>=4096", "!key:RSA>=3072"},
                               {"key:EC:P-256", "!key:EC"},
                               {"key:ML-DSA-65", "key:ML-DSA-44"}}) {
        CHECK(contradict(a, b));
    }
    for (const auto& [a, b] : {std::pair("key:RSA", "!key:RSA>=3072"),
                               {"key:RSA", "key:RSA-PSS"},
                               {"key:EC", "!key:EC:P-256"},
                               {"key:RSA>=2048", "key:RSA>=3072"},
                               {"!key:RSA", "!key:EC"},
                               {"key:RSA", "CN:RSA"},
                               {"key:ML-DSA", "key:ML-DSA-44"}}) {
        CHECK(!contradict(a, b));
    }
}

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
    };
    for (const auto& [word, message] : rows) CHECK_CONTAINS(error_of(word), message);
    CHECK(!Selector::parse("DNS:**.co.uk").value().warnings.empty());
    CHECK(Selector::parse("DNS:**.acme.co.uk").value().warnings.empty());
    CHECK(Selector::parse("subject:C=US,CN=x").value().reversed_name);
    CHECK(!Selector::parse("CN:a*").value().warnings.empty());
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

CLAIM(a_certificate_of_thousands_of_names_asks_for_no_more_keys_than_it_has_labels) {
    constexpr std::size_t kNames = 4096, kLabels = 20;
    CertificateFacts facts;
    for (std::size_t i = 0; i < kNames; ++i) {
        std::string name = "n" + std::to_string(i);
        for (std::size_t label = 1; label < kLabels; ++label) name += ".l" + std::to_string((i * label) % 7);
        facts.dns.push_back(name);
    }
    const IndexKeys keys(KeyedHash::random());
    const auto asked = keys.of(facts, {}, [](IndexKey) { return true; });
    CHECK(asked.size() > kNames);
    CHECK(asked.size() <= kNames * (kLabels + 1) + 20);

    // Among as many wildcards, those alone are tried that fit.
    SelectorIndexBuilder builder(Repeats::kMustBeSingle);
    for (std::uint32_t i = 0; i < 20000; ++i) {
        const auto line = conditions({"DNS:**.p" + std::to_string(i) + ".example"});
        builder.add(i, line.view());
    }
    Arena arena;
    const SelectorIndex index = builder.finish(arena);
    CHECK(index.candidates(facts, {}).empty());
    facts.dns.emplace_back("api.eu.p777.example");
    facts.dns.emplace_back("p778.example");
    CHECK(index.candidates(facts, {}) == std::vector<std::uint32_t>{777});
}

CLAIM(a_uri_is_found_among_patterns_that_share_their_beginning_by_all_its_segments) {
    SelectorIndexBuilder builder(Repeats::kMustBeSingle);
    for (std::uint32_t i = 0; i < 20000; ++i) {
        const std::string word = "URI:https://a.example/*/tenants/" + std::to_string(i) + (i % 2 == 0 ? "/*" : "/**");
        const auto line = conditions({word});
        builder.add(i, line.view());
    }
    Arena arena;
    const SelectorIndex index = builder.finish(arena);
    CertificateFacts facts;
    facts.uri = {"https://a.example/v1/tenants/77/users/3", "https://a.example/v1/tenants/78/users/3",
                 "https://a.example/v2/tenants/80/x", "https://a.example/tenants/82/x",
                 "https://b.example/v1/tenants/84/x"};
    CHECK(index.candidates(facts, {}) == (std::vector<std::uint32_t>{77, 80}));
}

CLAIM(nobody_can_tell_which_names_meet_in_the_index_of_another_process) {
    const auto parsed = Selector::parse("DNS:api.acme.example");
    const Selector selector = parsed.value().selector();
    CHECK(IndexKeys(KeyedHash::random()).of(selector)->key != IndexKeys(KeyedHash::random()).of(selector)->key);
    // SipHash-1-3 of the bytes 0, 1, 2, ... under the key 00 01 ... 0f.
    const KeyedHash hash(0x0706050403020100, 0x0f0e0d0c0b0a0908);
    std::string text;
    for (const std::uint64_t expected : {0xabac0158050fc4dcULL, 0xc9f49bf37d57ca93ULL, 0x82cb9b024dc7d44dULL}) {
        CHECK_EQUAL(hash(text), expected);
        text += static_cast<char>(text.size());
    }
}

CLAIM(a_line_is_found_by_the_selector_that_the_fewest_share) {
    SelectorIndexBuilder builder(Repeats::kMustBeSingle);
    for (std::uint32_t i = 0; i < 1000; ++i) {
        const auto line = conditions({"O:Acme", "RID:1.2.3." + std::to_string(i)});
        builder.add(i, line.view());
    }
    Arena arena;
    const SelectorIndex index = builder.finish(arena);
    CHECK_EQUAL(index.longest().size(), 1U);
    test::CertSpec spec;
    spec.subject = {{"O", "Acme"}};
    CertificateFacts facts = facts_of(spec);
    CHECK(index.candidates(facts, {}).empty());
    facts.rid = {"1.2.3.4"};
    CHECK(index.candidates(facts, {}) == std::vector<std::uint32_t>{4});
}

namespace {

// One of each field and form, and spellings that are not the compared form.
const std::vector<std::string>& words() {
    static const std::vector<std::string> all = {
        "subject:CN=api,O=Acme Corp",
        "issuer:/C=US/CN=Selector CA",
        "dirName:O=Acme",
        "subject:INN=#120d30303737203036323238323138,CN=tax",
        "CN:api",
        "O:Acme  Corp",
        "UID:#0c0161",
        "1.2.3.4:x",
        "issuer.CN:Selector CA",
        "DNS:api.acme.example",
        "!DNS:API.acme.example",
        "DNS:*.acme.example",
        "DNS:**.Acme.example",
        "email:Api@ACME.example",
        "email:*@acme.example",
        "URI:HTTPS://acme.example/a",
        "URI:https://acme.example/*/b/**",
        "URI:spiffe://acme.example/api",
        "IP:203.0.113.0/24",
        "IP:2001:db8::1",
        "UPN:api@acme.example",
        "otherName.1.2.3:text",
        "RID:1.2.3",
        "cert-serial:0A:3F",
        "sha256:" + std::string(64, 'a'),
        "spki-sha256:" + std::string(64, 'B'),
        "issuer.spki-sha256:" + std::string(64, 'c'),
        "EKU:clientAuth",
        "cert-policy:1.2.3",
        "key:RSA>=3072",
        "key:EC:P-256",
        "qcRole:PSP_AI",
        "qcType:esign",
        "extension.1.2.3",
        "extension.1.2.3:text",
    };
    return all;
}

// All that is asked of a selector, whatever it holds.
void ask_all(const Selector& selector, const CertificateFacts& facts) {
    const PathFacts path{{"key"}, facts.policies};
    for (const Repeats repeats : {Repeats::kMustBeSingle, Repeats::kAnyCounts}) selector.test(facts, &path, repeats);
    selector.test(facts, nullptr, Repeats::kMustBeSingle);
    selector.actual_values(facts);
    selector.why_unclear(facts);
    selector.contradicts(selector);
    CHECK(!selector.text().empty());
}

CertificateFacts facts_of_all() {
    test::CertSpec spec = san({{GEN_DNS, "api.acme.example"},
                               {GEN_EMAIL, "Api@acme.example"},
                               {GEN_URI, "https://acme.example/a/b/c"},
                               {GEN_IPADD, std::string("\xcb\x00\x71\x07", 4)}});
    spec.subject = {{"CN", "api"}, {"O", "Acme Corp"}, {"CN", "api"}};
    return facts_of(spec);
}

// In memory of just that size, so that whatever is read beyond it is found.
struct Alone {
    explicit Alone(std::string_view bytes) : size(bytes.size()), memory(new char[bytes.size()]) {
        std::copy(bytes.begin(), bytes.end(), memory.get());
    }
    std::string_view view() const { return {memory.get(), size}; }
    bool counts() const { return Conditions(view()).is_inside(Bounds({memory.get(), size})); }

    std::size_t size;
    std::unique_ptr<char[]> memory;
};

}  // namespace

CLAIM(a_selector_reads_back_from_its_record_and_its_text_makes_the_same_record) {
    std::string all;
    for (const std::string& word : words()) {
        const auto parsed = Selector::parse(word);
        const std::string text(parsed.value().selector().text());
        CHECK_EQUAL(text, word);
        CHECK_EQUAL(Selector::parse(text).value().record, parsed.value().record);
        all += parsed.value().record;
    }
    // Wherever they lie.
    const Alone there(all);
    CHECK(there.counts());
    std::vector<std::string> read;
    for (const Selector& selector : Conditions(there.view())) read.emplace_back(selector.text());
    CHECK(read == words());
}

CLAIM(a_record_takes_eight_bytes_beside_the_text_of_a_name) {
    for (const char* word : {"CN:device-17", "UID:device-17", "DNS:api.acme.example", "DNS:*.acme.example",
                             "email:api@acme.example", "URI:spiffe://acme.example/ns/prod/api", "cert-serial:0a3f"}) {
        const std::size_t size = Selector::parse(word).value().record.size();
        test::check(size <= std::string_view(word).size() + 8, word + (" " + std::to_string(size)), __FILE__, __LINE__);
    }
}

CLAIM(a_damaged_record_is_refused_or_reads_nothing_but_itself) {
    const CertificateFacts facts = facts_of_all();
    std::size_t refused = 0, read = 0;
    const auto ask_it = [&](const std::string& bytes) {
        const Alone there(bytes);
        if (!there.counts()) return ++refused;
        for (const Selector& selector : Conditions(there.view())) ask_all(selector, facts);
        return ++read;
    };
    for (const std::string& word : words()) {
        const std::string whole = Selector::parse(word).value().record;
        CHECK_EQUAL(ask_it(whole), read);
        for (std::size_t i = 0; i < whole.size(); ++i) {
            for (const int flip : {0x01, 0x02, 0x08, 0x20, 0x40, 0x80, 0xff}) {
                std::string changed = whole;
                changed[i] = static_cast<char>(changed[i] ^ flip);
                ask_it(changed);
            }
            const Alone cut(std::string_view(whole).substr(0, i));
            test::check(i == 0 || !cut.counts(), "cut off: " + word, __FILE__, __LINE__);
        }
    }
    CHECK(refused > 500);
    CHECK(read > 5000);
    // A length of more than there is, however it is written.
    for (const std::string& size : {std::string("\x7f"), std::string(9, '\xff') + "\x01", std::string(20, '\xff')}) {
        CHECK(!Alone(std::string("\x06\x00", 2) + size + std::string("\0\0DNS:x", 7)).counts());
    }
}
