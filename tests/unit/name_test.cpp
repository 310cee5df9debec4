#include <random>

#include "claims.hpp"
#include "mtls_authz/certificate_facts.hpp"
#include "mtls_authz/distinguished_name.hpp"
#include "mtls_authz/text.hpp"
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

CLAIM(names_are_equal_exactly_where_x509_name_cmp_says_so) {
    std::mt19937 random(7);
    const auto pick = [&](auto&&... options) {
        const std::vector<std::common_type_t<std::decay_t<decltype(options)>...>> all = {options...};
        return all[random() % all.size()];
    };
    std::vector<X509Ptr> certs;
    for (int i = 0; i < 220; ++i) {
        std::vector<test::Attr> subject;
        const int count = static_cast<int>(random() % 3) + 1;
        for (int k = 0; k < count; ++k) {
            test::Attr a;
            a.type = pick("CN", "O", "OU");
            a.tag = pick(V_ASN1_UTF8STRING, V_ASN1_PRINTABLESTRING, V_ASN1_BMPSTRING, V_ASN1_NUMERICSTRING,
                         V_ASN1_IA5STRING);
            const std::string text = a.tag == V_ASN1_NUMERICSTRING
                                         ? std::string(pick("1", "1 ", "12"))
                                         : std::string(pick("a", "A", " a", "a  b", "A B", "a b ", "1", ""));
            a.value = text;
            if (a.tag == V_ASN1_BMPSTRING) {
                a.value.clear();
                for (const char c : text) a.value += std::string(1, '\0') + c;
            }
            a.joined = k > 0 && random() % 3 == 0;
            subject.push_back(a);
        }
        certs.push_back(with_subject(subject));
    }
    int equal = 0;
    for (const X509Ptr& a : certs) {
        for (const X509Ptr& b : certs) {
            const bool theirs = X509_NAME_cmp(X509_get_subject_name(a.get()), X509_get_subject_name(b.get())) == 0;
            const bool ours = name_of(a).canonical == name_of(b).canonical;
            test::check(theirs == ours, name_of(a).text() + " / " + name_of(b).text(), __FILE__, __LINE__);
            equal += theirs && &a != &b ? 1 : 0;
        }
    }
    CHECK(equal > 100);
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
}

CLAIM(what_is_no_name_says_what_is_wrong) {
    const std::pair<const char*, const char*> rows[] = {
        {"api", "has no '='"},
        {"CM=api", "did you mean 'CN'?"},
        {"CN=a\"b", "write \\\""},
        {"CN=a;O=b", "write \\;"},
        {"CN=a\\", "a backslash at the end"},
        {"CN=a\\x", "a backslash before 'x'"},
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
