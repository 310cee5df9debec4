#include "der_specimens.hpp"

#include <stdexcept>

namespace test {

using namespace std::string_literals;

std::string tlv(int tag, const std::string& content) {
    std::string out(1, static_cast<char>(tag));
    if (content.size() > 0xff) throw std::runtime_error("tlv: too long");
    if (content.size() >= 0x80) out += '\x81';
    return out + static_cast<char>(content.size()) + content;
}

std::string oid(const char* dotted) {
    const mtls::Asn1ObjectPtr object(OBJ_txt2obj(dotted, 1));
    return mtls::encode(i2d_ASN1_OBJECT, *object);
}

std::vector<RawExtension> known_extensions() {
    const std::string name = tlv(0x30, tlv(0x31, tlv(0x30, oid("2.5.4.3") + der_utf8("x"))));
    const std::string psd2 =
        tlv(0x30, tlv(0x30, tlv(0x30, oid("0.4.0.19495.1.3") + der_utf8("PSP_AI"))) + der_utf8("A") + der_utf8("B"));
    const std::string uri = tlv(0x86, "http://a.example/crl");
    return {
        {"2.5.29.17", tlv(0x30, tlv(0x82, "a.example") + tlv(0x81, "a@b.example") + uri + tlv(0x87, "\1\2\3\4") +
                                    tlv(0x88, "\x2a\x03") + tlv(kDirectoryName, name) +
                                    tlv(0xa0, oid("1.3.6.1.4.1.311.20.2.3") + tlv(0xa0, der_utf8("a@b"))))},
        {"2.5.29.37", tlv(0x30, oid("1.3.6.1.5.5.7.3.2") + oid("1.2.3.4"))},
        {"2.5.29.15", "\x03\x02\x07\x80"s},
        {"2.5.29.19", tlv(0x30, "\1\1\xff\2\1\3"s)},
        {"2.5.29.32",
         tlv(0x30, tlv(0x30, oid("1.2.3.4")) +
                       tlv(0x30, oid("1.2.3.5") +
                                     tlv(0x30, tlv(0x30, oid("1.3.6.1.5.5.7.2.1") + tlv(0x16, "http://a.example")))))},
        {"2.5.29.35", tlv(0x30, tlv(0x80, "12345678"))},
        {"2.5.29.14", tlv(0x04, "12345678")},
        {"2.5.29.31", tlv(0x30, tlv(0x30, tlv(0xa0, tlv(0xa0, uri)) + "\x81\2\6\x40"s))},
        {"2.5.29.30", tlv(0x30, tlv(0xa0, tlv(0x30, tlv(0x82, "a.example"))))},
        {"2.5.29.36", tlv(0x30, "\x80\1\0"s)},
        {"2.5.29.33", tlv(0x30, tlv(0x30, oid("1.2.3.4") + oid("1.2.3.5")))},
        {"2.5.29.54", "\2\1\0"s},
        {"2.5.29.56", "\5\0"s},
        {"1.3.6.1.5.5.7.1.3", tlv(0x30, tlv(0x30, oid("0.4.0.1862.1.6") + tlv(0x30, oid("0.4.0.1862.1.6.2"))) +
                                            tlv(0x30, oid("0.4.0.19495.2") + psd2))},
    };
}

Identity issue_with_only(std::vector<RawExtension> extensions, const Identity& issuer) {
    CertSpec spec;
    spec.subject = {{"CN", "x"}};
    spec.raw = std::move(extensions);
    Identity out = issue(spec, &issuer);
    X509* const cert = out.cert.get();
    const int others = X509_get_ext_count(cert) - static_cast<int>(spec.raw.size());
    for (int i = others - 1; i >= 0; --i) X509_EXTENSION_free(X509_delete_ext(cert, i));
    return out;
}

}  // namespace test
