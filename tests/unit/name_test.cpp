#include <random>

#include "claims.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/certificate_facts.hpp"
#include "mtls_authz/certificate/distinguished_name.hpp"
#include "pki.hpp"

using namespace mtls;

namespace {

X509Ptr with_subject(const std::vector<test::Attr>& subject) {
    static const test::Identity ca = test::make_ca("CA");
    test::CertSpec spec;
    spec.subject = subject;
    static EVP_PKEY* const key = test::make_key().release();
    EVP_PKEY_up_ref(key);
    return std::move(test::issue(spec, &ca, EvpPkeyPtr(key)).cert);
}

DistinguishedName name_of(const X509Ptr& cert) { return read_name(*X509_get_subject_name(cert.get())); }

bool matches(const std::string& text, const std::vector<test::Attr>& subject) {
    auto pattern = NamePattern::parse(text);
    test::check(pattern.ok(), text + ": " + (pattern.ok() ? "" : pattern.error()), __FILE__, __LINE__);
    return pattern.value().matches(name_of(with_subject(subject)));
}

const std::vector<test::Attr> kAcme = {{"C", "US", V_ASN1_PRINTABLESTRING}, {"O", "Acme Corp"}, {"CN", "api"}};

}  // namespace

namespace {

std::string der(int tag, const std::string& content) {
    std::string out(1, static_cast<char>(tag));
    if (content.size() > 0x7f) out += '\x82', out += static_cast<char>(content.size() >> 8);
    return out + static_cast<char>(content.size() & 0xff) + content;
}

// Names as bytes, so that they are what a peer would send, however odd.
class RandomNames {
public:
    X509NamePtr name() {
        std::string rdns;
        for (int i = below(4); i > 0; --i) {
            std::string attributes;
            for (int k = below(8) == 0 ? 2 : 1; k > 0; --k) attributes += attribute();
            if (below(20) == 0) attributes.clear();  // a set of none
            rdns += der(0x31, attributes);
        }
        const std::string encoded = der(0x30, rdns);
        const auto* p = bytes_of(encoded).data();
        return X509NamePtr(d2i_X509_NAME(nullptr, &p, static_cast<long>(encoded.size())));
    }

private:
    int below(std::size_t n) { return static_cast<int>(random_() % n); }
    template <std::size_t N>
    std::string one_of(const std::string (&all)[N]) {
        return all[random_() % N];
    }

    std::string attribute() {
        static const std::string kTypes[] = {"\x55\x04\x03", "\x55\x04\x0a",
                                             "\x2a\x83\xff\xff\xff\xff\xff\xff\xff\xff\x7f"};
        return der(0x30, der(0x06, one_of(kTypes)) + value());
    }

    std::string value() {
        static const int kTags[] = {V_ASN1_UTF8STRING,     V_ASN1_PRINTABLESTRING,  V_ASN1_IA5STRING,
                                    V_ASN1_T61STRING,      V_ASN1_BMPSTRING,        V_ASN1_UNIVERSALSTRING,
                                    V_ASN1_NUMERICSTRING,  V_ASN1_BIT_STRING,       V_ASN1_GENERALSTRING,
                                    V_ASN1_VIDEOTEXSTRING, V_ASN1_OBJECT_DESCRIPTOR};
        const int tag = kTags[random_() % std::size(kTags)];
        const auto text = characters();
        std::string bytes;
        for (const char32_t c : text) {
            if (tag == V_ASN1_UTF8STRING) {
                append(bytes, c);
            } else {
                const int width = tag == V_ASN1_BMPSTRING ? 2 : tag == V_ASN1_UNIVERSALSTRING ? 4 : 1;
                for (int i = width - 1; i >= 0; --i) bytes += static_cast<char>(c >> (8 * i));
            }
        }
        if (tag == V_ASN1_BIT_STRING) bytes.insert(bytes.begin(), static_cast<char>(below(3)));
        return der(tag, bytes);
    }

    std::u32string characters() {
        static const std::u32string kBases[] = {U"", U"a", U"b issuing", U"1", U"\u00fc", U"a\u00a0b", U"\u0131"};
        static const char32_t kOdd[] = {' ', ' ',  '\t', '\n', '\v', '\f', '\r',  0,
                                        1,   0x1f, 0x7f, 0x85, 0xa0, 0xdc, 0x2003};
        std::u32string out = kBases[random_() % std::size(kBases)];
        for (char32_t& c : out) {
            if (below(4) == 0 && c >= 'a' && c <= 'z') c -= 'a' - 'A';
            if (below(3) == 0 && c == ' ') c = kOdd[random_() % std::size(kOdd)];
        }
        for (int i = below(3); i > 0; --i) {
            out.insert(random_() % (out.size() + 1), 1, kOdd[random_() % std::size(kOdd)]);
        }
        return out;
    }

    static void append(std::string& out, char32_t c) {
        if (c < 0x80) {
            out += static_cast<char>(c);
        } else if (c < 0x800) {
            out += static_cast<char>(0xc0 | (c >> 6));
            out += static_cast<char>(0x80 | (c & 0x3f));
        } else {
            out += static_cast<char>(0xe0 | (c >> 12));
            out += static_cast<char>(0x80 | ((c >> 6) & 0x3f));
            out += static_cast<char>(0x80 | (c & 0x3f));
        }
    }

    std::mt19937 random_{7};
};

}  // namespace

CLAIM(names_are_equal_exactly_where_x509_name_cmp_says_so) {
    RandomNames random;
    std::vector<std::pair<X509NamePtr, DistinguishedName>> names;
    std::size_t malformed = 0;
    while (names.size() < 1500) {
        X509NamePtr name = random.name();
        if (!name) continue;  // OpenSSL reads no such name
        DistinguishedName read = read_name(*name);
        malformed += read.malformed.empty() ? 0 : 1;
        names.emplace_back(std::move(name), std::move(read));
    }
    std::size_t equal = 0;
    for (const auto& [a, ours_a] : names) {
        for (const auto& [b, ours_b] : names) {
            const bool theirs = X509_NAME_cmp(a.get(), b.get()) == 0;
            if (theirs != (ours_a.canonical == ours_b.canonical)) {
                test::check(false,
                            hex(bytes_of(encode(i2d_X509_NAME, *a))) + " / " + hex(bytes_of(encode(i2d_X509_NAME, *b))),
                            __FILE__, __LINE__);
            }
            equal += theirs && &a != &b ? 1 : 0;
        }
    }
    CHECK(equal > 1000);
    CHECK(malformed > 100);
}

CLAIM(a_written_name_matches_whatever_the_encoding) {
    CHECK(matches("CN=api,O=Acme Corp,C=US", kAcme));
    CHECK(matches("cn=API, o = acme   corp , C=us", kAcme));
    CHECK(matches("/C=US/O=Acme Corp/CN=api", kAcme));
    CHECK(matches("2.5.4.3=api,organizationName=Acme Corp,C=US", kAcme));
    CHECK(!matches("C=US,O=Acme Corp,CN=api", kAcme));
    CHECK(!matches("CN=api,O=Acme Corp", kAcme));
    CHECK(!matches("CN=api,O=Acme Corp,C=US,C=US", kAcme));
    CHECK(!matches("CN=api+O=Acme Corp,C=US", kAcme));
    CHECK(
        matches("CN=api+O=Acme Corp,C=US", {{"C", "US"}, {"O", "Acme Corp"}, {"CN", "api", V_ASN1_UTF8STRING, true}}));
    CHECK(matches("O=Acme\\, Inc\\2e", {{"O", "Acme, Inc."}}));
    CHECK(matches("O=\\#1", {{"O", "#1"}}));
    CHECK(matches("O=M\xc3\xbcller", {{"O", "M\xfcller", V_ASN1_T61STRING}}));
    CHECK(!matches("O=m\xc3\x9cller", {{"O", "M\xc3\xbcller"}}));  // no folding beyond ASCII
    CHECK(matches("O=#0c0441636d65", {{"O", "Acme"}}));
    CHECK(!matches("O=#0c0441636d65", {{"O", "Acme", V_ASN1_PRINTABLESTRING}}));
    CHECK(matches("/O=a/b/CN=x", {{"O", "a/b"}, {"CN", "x"}}));
    // What openssl x509 prints with -nameopt oneline, RFC2253,use_quote and compat.
    CHECK(matches("CN = api, O = \"M\\C3\\BCller, \\\"S\\\"\"", {{"O", "M\xc3\xbcller, \"S\""}, {"CN", "api"}}));
    CHECK(matches("/O=M\\xC3\\xBCller/CN=api", {{"O", "M\xc3\xbcller"}, {"CN", "api"}}));
}

CLAIM(what_is_no_name_says_what_is_wrong) {
    const std::pair<const char*, const char*> rows[] = {
        {"api", "has no '='"},
        {"CM=api", "did you mean 'CN'?"},
        {"CN=a\"b", "write \\\""},
        {"CN=a;O=b", "write \\;"},
        {"CN=a\\", "a backslash at the end"},
        {"CN=a\\x", "a backslash before 'x'"},
        {"CN=\"a\\x\"", "a backslash before 'x'"},
        {"CN=\"a\\", "a backslash at the end"},
        {"/CN=a\\xFF", "not UTF-8"},
        {"CN=#zz", "hex of a full DER value"},
        {"CN=#0c05ab", "not one whole DER value"},
        {"/CN", "is no TYPE=value"},
        {"CN=a\x01", "control characters"},
    };
    for (const auto& [text, message] : rows) {
        const auto parsed = NamePattern::parse(text);
        test::check(!parsed.ok(), text, __FILE__, __LINE__);
        CHECK_CONTAINS(parsed.error(), message);
    }
}

CLAIM(a_reversed_name_is_noticed_and_corrected) {
    CHECK_EQUAL(NamePattern::parse("C=US, O=Acme\\, Inc, CN=api").value().reversed_suggestion().value_or(""),
                "CN=api,O=Acme\\, Inc,C=US");
    CHECK(!NamePattern::parse("CN=api,O=Acme,C=US").value().reversed_suggestion());
    CHECK(!NamePattern::parse("/C=US/CN=api").value().reversed_suggestion());
    CHECK(!NamePattern::parse("DC=example,DC=com").value().reversed_suggestion());
    for (const char* reversed :
         {"O=Root,CN=Root CA", "C=DE,ST=Berlin", "C=DE,CN=a,serialNumber=1", "DC=example,OU=x", "OU=x,CN=y"}) {
        test::check(NamePattern::parse(reversed).value().reversed_suggestion().has_value(), reversed, __FILE__,
                    __LINE__);
    }
    for (const char* right : {"CN=Root CA,O=Root", "ST=Berlin,C=DE", "serialNumber=1,CN=a,C=DE",
                              "O=Acme,C=US,serialNumber=1", "CN=x,OU=y,DC=acme,DC=example", "CN=x,emailAddress=a@b",
                              "emailAddress=a@b,CN=x", "O=x,INN=1", "/CN=x/O=y/C=DE"}) {
        test::check(!NamePattern::parse(right).value().reversed_suggestion().has_value(), right, __FILE__, __LINE__);
    }
}

CLAIM(rfc4514_text_reads_back_to_the_same_name) {
    for (const std::vector<test::Attr>& subject :
         {kAcme, std::vector<test::Attr>{{"O", " a, b+c\"<>;\\ "}, {"CN", "#x"}, {"OU", "y", V_ASN1_UTF8STRING, true}},
          std::vector<test::Attr>{{"0.9.2342.19200300.100.1.44", "u"},
                                  {"UID", "v"},
                                  {"sha1", "w"},
                                  {"1.2.643.3.131.1.1", "12", V_ASN1_NUMERICSTRING}},
          std::vector<test::Attr>{{"x500UniqueIdentifier", std::string("\0\x01", 2), V_ASN1_BIT_STRING}}}) {
        const DistinguishedName name = name_of(with_subject(subject));
        CHECK_EQUAL(name.malformed, "");
        const auto read = NamePattern::parse(name.text());
        test::check(read.ok() && read.value().matches(name), name.text(), __FILE__, __LINE__);
    }
}

CLAIM(names_with_control_or_invalid_bytes_are_malformed) {
    const std::vector<test::Attr> bad[] = {
        {{"CN", std::string("a\0b", 3)}},
        {{"CN", "a\nb"}},
        {{"CN", "a\x7f"}},
        {{"CN", "\xc2\x85"}},
        {{"CN", "\xff", V_ASN1_IA5STRING}},
        {{"CN", "\xfc", V_ASN1_PRINTABLESTRING}},

        {{"CN", "1a", V_ASN1_NUMERICSTRING}},
        {{"CN", "\x85", V_ASN1_T61STRING}},
    };
    for (const auto& subject : bad)
        test::check(!name_of(with_subject(subject)).malformed.empty(), hex(bytes_of(subject[0].value)), __FILE__,
                    __LINE__);
    for (const auto& subject :
         {std::vector<test::Attr>{{"CN", "a@*&b", V_ASN1_PRINTABLESTRING}}, {{"CN", "M\xc3\xbcller"}}, {}}) {
        CHECK_EQUAL(name_of(with_subject(subject)).malformed, "");
    }
}
