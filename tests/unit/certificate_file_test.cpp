// Files of certificates and of CRLs.
#include <algorithm>

#include "claims.hpp"
#include "mtls_authz/certificate/certificate_file.hpp"
#include "mtls_authz/certificate/distinguished_name.hpp"
#include "mtls_authz/trust/crl.hpp"
#include "pki.hpp"

namespace {

using mtls::decode_certificates;
using mtls::decode_crls;

std::string replaced(std::string text, const std::string& from, const std::string& to) {
    for (std::size_t at = text.find(from); at != text.npos; at = text.find(from, at + to.size())) {
        text.replace(at, from.size(), to);
    }
    return text;
}

std::string each_line_behind(const std::string& mark, const std::string& pem) {
    const std::string body = pem.substr(0, pem.size() - 1);
    return mark + replaced(body, "\n", "\n" + mark) + "\n";
}

// A PEM block in forms that OpenSSL does not find, each beside a good one in a file.
std::vector<std::string> hidden(const std::string& pem, const std::string& label) {
    const std::string begin = "-----BEGIN " + label + "-----", end = "-----END " + label + "-----";
    return {
        pem.substr(1),
        replaced(pem, "-----BEGIN", "----BEGIN"),
        replaced(pem, begin, begin.substr(0, begin.size() - 1)),
        replaced(pem, "BEGIN", "begin"),
        replaced(replaced(pem, "BEGIN", "Begin"), "END", "End"),
        replaced(pem, "BEGIN", "BEGN"),
        replaced(pem, begin, ""),
        replaced(replaced(pem, begin, ""), end, ""),
        replaced(pem, "-----", "\u2013\u2013\u2013"),
        replaced(pem, begin, "BEGIN " + label + " -----"),
        replaced(pem, end, ""),
        replaced(pem, end, "-----END-----"),
        replaced(pem, "\n", "\r"),
        "# text\r" + replaced(pem, "\n", "\r"),
        replaced(pem, label, "CERT"),
        replaced(pem, label, "CRL"),
        replaced(pem, label, "CETIFICATE"),
        replaced(pem, label, label == "CERTIFICATE" ? "X509 CRL" : "CERTIFICATE"),
        each_line_behind("  ", pem),
        each_line_behind("\t", pem),
        each_line_behind("> ", pem),
        "# text, and no newline " + pem,
        "key: " + pem,
        begin + "\n" + pem,
        std::string("text") + '\0' + "\n",
        "M\xfcller\n",
    };
}

// Explanatory text, as tools write it (RFC 7468 2).
const std::vector<std::string> kTexts = {
    "",
    "\n",
    " \r\n\t\n",
    "# Acme's CA, M\u00fcller & S\u00f6hne -- begin and end of the contract: see crl.txt\n",
    "Bag Attributes\n    localKeyID: 54 69 6D 65 20 31 36 38\n    friendlyName: acme-ca\nKey Attributes: <No "
    "Attributes>\n",
    "Certificate:\n    Data:\n        Version: 3 (0x2)\n            X509v3 CRL Distribution Points: \n                "
    "URI:http://crl.example/a.crl\n    Signature Value:\n        4d:49:49:\n",
    " 0 s:CN = acme\n   i:CN = acme\n---\nServer certificate\n",
    "0 s:CN = acme\n",
    "subject=CN = acme\n=== end ===\n",
    "# sha256\nb5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c\n",
};

std::string der_of(const std::string& crl) { return mtls::encode(i2d_X509_CRL, *decode_crls(crl).lists.front()); }

}  // namespace

CLAIM(trust_settings_that_exclude_clients_make_a_file_no_anchor) {
    const test::Identity ca = test::make_ca("Acme CA");
    for (const int trusted : {0, NID_client_auth, NID_anyExtendedKeyUsage}) {
        CHECK(mtls::decode_certificates(test::trusted_pem_of(ca, trusted, NID_server_auth)).ok());
    }
    CHECK(!mtls::decode_certificates(test::trusted_pem_of(ca, NID_server_auth, 0)).ok());
    for (const int rejected : {NID_client_auth, NID_anyExtendedKeyUsage}) {
        CHECK(!mtls::decode_certificates(test::trusted_pem_of(ca, 0, rejected)).ok());
        CHECK(!mtls::decode_certificates(test::trusted_pem_of(ca, NID_client_auth, rejected)).ok());
    }
}

CLAIM(a_certificate_beside_others_in_a_file_is_read_or_the_file_is_refused) {
    const test::Identity acme = test::make_ca("Acme CA"), globex = test::make_ca("Globex CA");
    const std::string good = acme.cert_pem(), other = globex.cert_pem();
    const std::string der = mtls::encode(i2d_X509, *globex.cert);
    for (const std::string& content :
         {good + der, der + good, good + "\n" + der + "\r\n" + good, der + der + good, der + "\n" + der,
          good.substr(0, good.size() - 1) + der, good.substr(0, good.size() - 1) + other, "\xEF\xBB\xBF" + good + other,
          replaced(good + other, "\n", "\r\n"), good + "# old:\n" + der, good + each_line_behind("# ", other) + other,
          good + replaced(other, "CERTIFICATE-----\n", "CERTIFICATE----- \n")}) {
        const auto read = decode_certificates(content);
        CHECK(read.ok());
        CHECK(read.value().size() >= 2U);
    }
    for (const std::string& text : kTexts) {
        const auto read = decode_certificates(text + good + text + other + text);
        CHECK_EQUAL(read.ok() ? "" : read.error(), "");
        CHECK_EQUAL(read.value().size(), 2U);
    }
    for (const std::string& content : hidden(other, "CERTIFICATE")) {
        for (const std::string& file : {good + content, content + "\n" + good}) {
            const auto read = decode_certificates(file);
            CHECK(!read.ok());
            CHECK_CONTAINS(read.error(), "line ");
        }
    }
    CHECK_CONTAINS(decode_certificates(good + "\n" + other.substr(1)).error(),
                   "holds '----BEGIN CERTIFICATE-----' at line " +
                       std::to_string(std::count(good.begin(), good.end(), '\n') + 2) +
                       ", which is no begin or end of a PEM block but reads like one");
    CHECK(!decode_certificates(good + der.substr(0, der.size() - 1)).ok());
    // Two certificates in one block, where OpenSSL takes the first for a header or stops at a dash.
    const std::string begin = "-----BEGIN CERTIFICATE-----\n", end = "-----END CERTIFICATE-----\n";
    for (const std::string between : {"\n", "-\n", "-----\n"}) {
        CHECK(!decode_certificates(replaced(good, end, between) + replaced(other, begin, "")).ok());
    }
    CHECK(decode_certificates(replaced(good, begin, begin + "X-Note: b\n\n")).ok());
}

CLAIM(a_crl_beside_others_in_a_file_is_read_or_its_issuer_is_named) {
    const test::Identity acme = test::make_ca("Acme CA"), globex = test::make_ca("Globex CA");
    const std::string good = test::make_crl(acme, {}), other = test::make_crl(globex, {});
    const std::string issuer = mtls::read_name(*X509_get_subject_name(globex.cert.get())).canonical;
    const std::string der = der_of(other);
    for (const std::string& content :
         {good + der, der + good, good + "\n" + der, der_of(good) + der, der_of(good) + "\n" + der,
          good.substr(0, good.size() - 1) + der, good.substr(0, good.size() - 1) + other,
          good + "# new:\n" + der + "\n", acme.cert_pem() + good + other}) {
        const mtls::DecodedCrls read = decode_crls(content);
        CHECK_EQUAL(read.fault, "");
        CHECK_EQUAL(read.lists.size(), 2U);
    }
    for (const std::string& blank : {"\n", " ", "\r\n\n"}) CHECK_EQUAL(decode_crls(der + blank).fault, "");
    for (const std::string& text : kTexts) {
        const mtls::DecodedCrls read = decode_crls(text + good + text + other + text);
        CHECK_EQUAL(read.fault, "");
        CHECK_EQUAL(read.lists.size(), 2U);
    }
    for (const std::string& content : hidden(other, "X509 CRL")) {
        for (const std::string& file : {good + content, content + "\n" + good}) {
            const mtls::DecodedCrls read = decode_crls(file);
            CHECK_CONTAINS(read.fault, "line ");
            CHECK(!read.lists.empty());
            const bool is_list = content.find("MI") != content.npos && read.lists.size() == 1;
            CHECK_EQUAL(read.broken.empty() ? "" : read.broken.front(), is_list ? issuer : "");
        }
    }
    for (const std::string& cut : {der.substr(0, der.size() - 1), der_of(good) + der.substr(0, der.size() - 1)}) {
        CHECK_CONTAINS(decode_crls(cut).fault, "holds bytes at line ");
        CHECK_EQUAL(decode_crls(cut).broken.front(), issuer);
    }
}
