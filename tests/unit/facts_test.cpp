// What a certificate says is read in one way only: values that other readers could take for something else make it
// malformed.

#include <openssl/asn1.h>

#include <functional>

#include "claims.hpp"
#include "der_specimens.hpp"
#include "mtls_authz/base/calendar.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/certificate_facts.hpp"
#include "mtls_authz/certificate/der.hpp"
#include "pki.hpp"

using namespace mtls;
using test::kDirectoryName;
using test::oid;
using test::tlv;
using namespace std::string_literals;

namespace {

const test::Identity& ca() {
    static const test::Identity it = test::make_ca("Facts CA");
    return it;
}

// Of a certificate that has this extension, and no other of those that a selector or the path check reads.
CertificateFacts facts_with(const char* oid, const std::string& value) {
    return read_facts(*test::issue_with_only({{oid, value}}, ca()).cert);
}

bool is_malformed(const char* oid, const std::string& value) { return !facts_with(oid, value).malformed.empty(); }

// An encoding as a tree, so that one element of it can be written in another way.
struct Node {
    int tag = 0;
    std::string content;  // of a primitive one
    std::vector<Node> parts;
    enum class Twist { kNone, kLongLength, kIndefinite, kMore, kConstructed } twist = Twist::kNone;

    std::string written() const {
        std::string inner = content;
        for (const Node& part : parts) inner += part.written();
        switch (twist) {
            case Twist::kNone:
                return tlv(tag, inner);
            case Twist::kLongLength:
                return std::string(1, static_cast<char>(tag)) + "\x82" + static_cast<char>(0) +
                       static_cast<char>(inner.size()) + inner;
            case Twist::kIndefinite:
                return std::string(1, static_cast<char>(tag)) + "\x80" + inner + "\0\0"s;
            case Twist::kMore:
                return tlv(tag, inner + "\5\0"s);
            case Twist::kConstructed:  // X.690 8.7.3: a string in pieces
                return tlv(tag | 0x20, tlv(V_ASN1_OCTET_STRING, inner));
        }
        return {};
    }
};

std::vector<Node> read_tree(const std::string& der) {
    std::vector<Node> out;
    DerReader reader(der);
    while (const auto element = reader.next()) {
        Node node;
        node.tag = element->tag;
        constexpr int kConstructed = 0x20;
        if ((element->tag & kConstructed) != 0) {
            node.parts = read_tree(std::string(element->content));
        } else {
            node.content = element->content;
        }
        out.push_back(std::move(node));
    }
    return out;
}

void for_each_node(Node& node, const std::function<void(Node&)>& tell) {
    tell(node);
    // Names are compared as X509_NAME_cmp() does, however their parts are encoded.
    if (node.tag == kDirectoryName) return;
    for (Node& part : node.parts) for_each_node(part, tell);
}

}  // namespace

CLAIM(an_extension_holds_the_der_of_its_value_and_nothing_else) {
    for (const test::RawExtension& s : test::known_extensions()) {
        const std::string what = s.oid + " " + hex(bytes_of(s.der)) + " ";
        const auto refused = [&](const std::string& value) {
            test::check(is_malformed(s.oid.c_str(), value), what + hex(bytes_of(value)), __FILE__, __LINE__);
            test::check(!is_malformed("1.2.3.4", value), "unknown: " + hex(bytes_of(value)), __FILE__, __LINE__);
        };
        CHECK_EQUAL(what + facts_with(s.oid.c_str(), s.der).malformed, what);
        refused(s.der + '\0');
        refused(s.der + "\5\0"s);
        refused(s.der + s.der);
        refused(s.der.substr(0, s.der.size() - 1));
        refused("");
        // Each element that it is made of, too.
        std::vector<Node> tree = read_tree(s.der);
        CHECK_EQUAL(tree.size(), 1U);
        for_each_node(tree[0], [&](Node& node) {
            const bool is_constructed = (node.tag & 0x20) != 0;
            const auto with = [&](Node::Twist twist) {
                node.twist = twist;
                refused(tree[0].written());
                node.twist = Node::Twist::kNone;
            };
            with(Node::Twist::kLongLength);
            if (is_constructed) with(Node::Twist::kIndefinite);
            if (is_constructed) with(Node::Twist::kMore);
            if (!is_constructed) with(Node::Twist::kConstructed);
        });
    }
    CHECK_CONTAINS(facts_with("2.5.29.37", tlv(0x30, oid("1.2.3.4")) + "\5\0"s).malformed,
                   "extendedKeyUsage has bytes behind its value");
}

CLAIM(values_that_der_knows_in_another_form_are_malformed_but_for_a_default_that_is_written_out) {
    CHECK(!is_malformed("2.5.29.19", "\x30\0"s));
    CHECK(!is_malformed("2.5.29.19", tlv(0x30, "\1\1\0"s)));  // many issuers write cA FALSE
    CHECK(!facts_with("2.5.29.19", tlv(0x30, "\1\1\0"s)).is_ca);
    CHECK(is_malformed("2.5.29.19", tlv(0x30, "\1\1\1"s)));            // a BOOLEAN that is not 0xFF
    CHECK(is_malformed("2.5.29.15", "\x03\x02\x07\xff"s));             // unused bits that are set
    CHECK(is_malformed("2.5.29.54", "\2\2\0\1"s));                     // a padded INTEGER
    CHECK(is_malformed("2.5.29.37", tlv(0x30, "\6\4\x80\x2a\3\4"s)));  // a padded OBJECT IDENTIFIER
    CHECK(is_malformed("1.3.6.1.5.5.7.1.3", tlv(0x30, tlv(0x30, "\6\4\x80\x2a\3\4"s))));
    CHECK(is_malformed("2.5.29.56", "\4\0"s));
    // A statement that no selector reads holds one value, or none.
    const auto statement = [](const std::string& info) { return tlv(0x30, tlv(0x30, oid("0.4.0.1862.1.1") + info)); };
    for (const std::string& info : {""s, "\5\0"s}) CHECK(!is_malformed("1.3.6.1.5.5.7.1.3", statement(info)));
    for (const std::string& info : {"\0"s, "\5\0\5\0"s}) CHECK(is_malformed("1.3.6.1.5.5.7.1.3", statement(info)));
    // An arc of more than 64 bits is none the worse.
    CHECK(
        !is_malformed("1.3.6.1.5.5.7.1.3", tlv(0x30, tlv(0x30, oid("2.25.329800735698586629295641978511506172918")))));
    // A list of nothing is a list.
    for (const char* oid : {"2.5.29.17", "2.5.29.37", "1.3.6.1.5.5.7.1.3"}) CHECK(!is_malformed(oid, "\x30\0"s));
}

CLAIM(general_names_that_no_selector_reads_must_decode_and_no_more) {
    const std::string party = tlv(0xa1, test::der_utf8("party"));
    CHECK(!is_malformed("2.5.29.17", tlv(0x30, tlv(0xa5, party) + tlv(0x82, "a.example"))));
    CHECK(!is_malformed("2.5.29.17", tlv(0x30, tlv(0xa3, tlv(0x30, "")) + tlv(0x82, "a.example"))));
    CHECK(is_malformed("2.5.29.17", tlv(0x30, tlv(0xa5, party.substr(0, 5)) + tlv(0x82, "a.example"))));
    CHECK(is_malformed("2.5.29.17", tlv(0x30, tlv(0x89, "a"))));  // no such choice
    CHECK_EQUAL(facts_with("2.5.29.17", tlv(0x30, tlv(0xa5, party) + tlv(0x82, "a.example"))).dns.size(), 1U);
}

CLAIM(two_extensions_of_one_type_are_malformed_whatever_they_say) {
    for (const test::RawExtension& s : test::known_extensions()) {
        test::CertSpec spec;
        spec.subject = {{"CN", "x"}};
        spec.raw = {{s.oid, s.der}, {s.oid, s.der}};
        CHECK_CONTAINS(read_facts(*test::issue(spec, &ca()).cert).malformed, "occurs twice");
    }
}

CLAIM(strings_hold_what_their_type_allows) {
    struct Row {
        int tag;
        std::string bytes;
        const char* text;  // nullptr: malformed
    };
    const Row rows[] = {
        {V_ASN1_UTF8STRING,
         "Stra\xc3\x9f"
         "e",
         "Stra\xc3\x9f"
         "e"},
        {V_ASN1_UTF8STRING, "\xf0\x9f\x8d\xba", "\xf0\x9f\x8d\xba"},
        {V_ASN1_UTF8STRING, "\xc1\x81", nullptr},          // overlong
        {V_ASN1_UTF8STRING, "\xed\xa0\x80", nullptr},      // a surrogate
        {V_ASN1_UTF8STRING, "\xf4\x90\x80\x80", nullptr},  // above U+10FFFF
        {V_ASN1_UTF8STRING, "a\xc3", nullptr},
        {V_ASN1_UTF8STRING, "a\xc2\x85", nullptr},  // C1
        {V_ASN1_PRINTABLESTRING, "a*b@c.example_&", "a*b@c.example_&"},
        {V_ASN1_PRINTABLESTRING, "a\xe9", nullptr},
        {V_ASN1_IA5STRING, "a@b~", "a@b~"},
        {V_ASN1_IA5STRING, "a\x80", nullptr},
        {V_ASN1_VISIBLESTRING, "a b", "a b"},
        {V_ASN1_VISIBLESTRING, "a\xa0", nullptr},
        {V_ASN1_NUMERICSTRING, "12 34", "12 34"},
        {V_ASN1_NUMERICSTRING, "12-34", nullptr},
        {V_ASN1_T61STRING, "caf\xe9", "caf\xc3\xa9"},
        {V_ASN1_T61STRING, "a\x85", nullptr},
        {V_ASN1_BMPSTRING, "\0a\x01\x7e"s, "a\xc5\xbe"},
        {V_ASN1_BMPSTRING, "\0ab"s, nullptr},
        {V_ASN1_BMPSTRING, "\xd8\x00\xdc\x00"s, nullptr},
        {V_ASN1_BMPSTRING, "\0\0"s, nullptr},
        {V_ASN1_UNIVERSALSTRING, "\0\0\0a"s, "a"},
        {V_ASN1_UNIVERSALSTRING, "\0\0a"s, nullptr},
        {V_ASN1_UNIVERSALSTRING, "\0\x11\0\0"s, nullptr},
        {V_ASN1_UNIVERSALSTRING, "\0\0\xd8\0"s, nullptr},
        {V_ASN1_UNIVERSALSTRING, "\0\0\0\0"s, nullptr},
    };
    const auto in_a_directory_name = [](int tag, const std::string& bytes) {
        const std::string name = tlv(0x30, tlv(0x31, tlv(0x30, oid("2.5.4.3") + tlv(tag, bytes))));
        return facts_with("2.5.29.17", tlv(0x30, tlv(kDirectoryName, name)));
    };
    const auto check_row = [&](const Row& row) {
        const std::string what = std::to_string(row.tag) + " " + hex(bytes_of(row.bytes)) + " ";
        const auto text = asn1_text(row.tag, row.bytes);
        CHECK_EQUAL(what + text.value_or("-"), what + (row.text != nullptr ? row.text : "-"));
        if (row.tag == V_ASN1_VISIBLESTRING) return;  // OpenSSL decodes no such name
        const CertificateFacts facts = in_a_directory_name(row.tag, row.bytes);
        test::check(facts.malformed.empty() == (row.text != nullptr), what + facts.malformed, __FILE__, __LINE__);
        if (row.text != nullptr) CHECK_EQUAL(facts.dir_name.at(0).attributes.at(0).text, row.text);
    };
    for (const Row& row : rows) check_row(row);
    // NUL, C0 and DEL, in each of the types of one byte a character.
    for (const int tag : {V_ASN1_UTF8STRING, V_ASN1_PRINTABLESTRING, V_ASN1_IA5STRING, V_ASN1_VISIBLESTRING,
                          V_ASN1_NUMERICSTRING, V_ASN1_T61STRING}) {
        for (const char c : "\0\t\n\x1f\x7f"s) check_row({tag, "1"s + c + "2", nullptr});
    }
}

CLAIM(alternative_names_hold_no_control_bytes_and_addresses_have_their_length) {
    for (const int tag : {0x81, 0x82, 0x86}) {
        for (const char c : "\0\n\x7f\x80\xe9"s) CHECK(is_malformed("2.5.29.17", tlv(0x30, tlv(tag, "a"s + c + "b"))));
        CHECK(!is_malformed("2.5.29.17", tlv(0x30, tlv(tag, ""))));  // fits nothing
    }
    for (const std::size_t size : {0U, 1U, 3U, 5U, 8U, 15U, 17U, 32U}) {
        CHECK(is_malformed("2.5.29.17", tlv(0x30, tlv(0x87, std::string(size, '\1')))));
    }
    for (const std::size_t size : {4U, 16U}) {
        CHECK(!is_malformed("2.5.29.17", tlv(0x30, tlv(0x87, std::string(size, '\1')))));
    }
    const auto upn = [](const std::string& value) {
        return tlv(0x30, tlv(0xa0, oid("1.3.6.1.4.1.311.20.2.3") + tlv(0xa0, value)));
    };
    CHECK(is_malformed("2.5.29.17", upn(tlv(V_ASN1_UTF8STRING, "a\0@b"s))));
    CHECK(facts_with("2.5.29.17", upn(tlv(V_ASN1_IA5STRING, "a@b"))).upn.empty());
}

CLAIM(a_uri_with_more_readings_than_are_compared_is_malformed) {
    const auto uri = [](const std::string& path) { return tlv(0x30, tlv(0x86, "https://acme.example" + path)); };
    CHECK(!is_malformed("2.5.29.17", uri("/%253b%5c%2f\\//a%3bb")));
    CHECK(is_malformed("2.5.29.17", uri("/./..\\//%255c.%3b")));
}

namespace {

// A certificate with these dates, as they are.
test::Identity dated(int type, const std::string& before, const std::string& after) {
    test::CertSpec spec;
    spec.subject = {{"CN", "x"}};
    test::Identity id = test::issue(spec, &ca());
    const auto set = [type](ASN1_TIME* time, const std::string& text) {
        ASN1_STRING_set(time, text.data(), static_cast<int>(text.size()));
        time->type = text.size() == 13 ? V_ASN1_UTCTIME : type;
    };
    set(X509_getm_notBefore(id.cert.get()), before);
    set(X509_getm_notAfter(id.cert.get()), after);
    return id;
}

}  // namespace

CLAIM(dates_are_printed_as_rfc_3339_and_read_again_from_year_0_to_year_9999) {
    for (const std::string raw : {"00000101000000Z", "00010101000001Z", "00040229120000Z", "09991231235959Z",
                                  "19491231235959Z", "20200229120000Z", "20500101000000Z", "99991231235959Z"}) {
        const auto facts = read_facts(*dated(V_ASN1_GENERALIZEDTIME, raw, raw).cert);
        CHECK_EQUAL(facts.malformed, "");
        const std::string text = format_time(facts.not_before);
        CHECK_EQUAL(text, raw.substr(0, 4) + "-" + raw.substr(4, 2) + "-" + raw.substr(6, 2) + "T" + raw.substr(8, 2) +
                              ":" + raw.substr(10, 2) + ":" + raw.substr(12, 2) + "Z");
        CHECK_EQUAL(parse_date(text, DateEdge::kFrom).value(), facts.not_before);
        CHECK_EQUAL(facts.not_after, facts.not_before);
    }
    // Two digits are years from 1950 to 2049.
    CHECK_EQUAL(format_time(read_facts(*dated(0, "500101000000Z", "491231235959Z").cert).not_before),
                "1950-01-01T00:00:00Z");
    CHECK_EQUAL(format_time(read_facts(*dated(0, "500101000000Z", "491231235959Z").cert).not_after),
                "2049-12-31T23:59:59Z");
    // What no four digits can write is no date: neither as a limit nor by an offset.
    CHECK(!parse_date("0000-01-01T00:00:00+00:01", DateEdge::kFrom).ok());
    CHECK(!parse_date("9999-12-31T23:59:59-00:01", DateEdge::kFrom).ok());
    CHECK(parse_date("9999-12-31", DateEdge::kUntil).ok());
    for (const std::int64_t beyond : {INT64_MIN, std::int64_t{-62167219201}, std::int64_t{253402300800}, INT64_MAX}) {
        CHECK_EQUAL(format_time(beyond), "unknown");
    }
}

CLAIM(a_date_in_another_form_than_rfc_5280s_makes_a_certificate_malformed) {
    const std::string good = "20200229120000Z";
    for (const char* odd : {"20200229120000.5Z", "20200229120000+0100", "202002291200Z", "20200230120000Z",
                            "20200229120060Z", "20201329120000Z", "20200229240000Z", "20200229120000", ""}) {
        for (const bool first : {true, false}) {
            const auto facts = read_facts(*dated(V_ASN1_GENERALIZEDTIME, first ? odd : good, first ? good : odd).cert);
            test::check(!facts.malformed.empty(), odd, __FILE__, __LINE__);
            // Whatever the clock says, it is not valid.
            CHECK(facts.not_before > facts.not_after || facts.not_after == INT64_MIN || facts.not_before == INT64_MAX);
        }
    }
    for (const char* odd : {"2002291200Z", "200229120000+0100", "200230120000Z"}) {
        CHECK(!read_facts(*dated(V_ASN1_UTCTIME, odd, "491231235959Z").cert).malformed.empty());
    }
}
