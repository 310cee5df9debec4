// CRLs as files hold them: PEM or DER, several in one file, perhaps broken.
#include <openssl/evp.h>

#include <algorithm>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/certificate_file.hpp"
#include "mtls_authz/certificate/der.hpp"
#include "mtls_authz/certificate/distinguished_name.hpp"
#include "mtls_authz/trust/crl.hpp"

namespace mtls {

namespace {

// From the first base64 of a certificate or CRL on; empty if there is none.
std::string_view base64_in(std::string_view text) {
    constexpr std::string_view kPemBegin = "-----BEGIN X509 CRL-----";
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.size(), text.find_first_of("\r\n", at));
        if (begins_base64(text.substr(at, end - at))) return text.substr(at);
        at = end + 1;
    }
    return text.starts_with(kPemBegin) ? text.substr(kPemBegin.size()) : std::string_view();
}

}  // namespace

DecodedCrls decode_crls(const std::string& content) {
    FileObjects found = read_objects(content);
    DecodedCrls out{std::move(found.lists), {}, {}};
    if (out.lists.empty() && found.faults.empty()) out.fault = describe_no_crl(found, content);
    for (FileObjects::Fault& fault : found.faults) {
        if (out.fault.empty()) out.fault = std::move(fault.what);
        std::string issuer = issuer_of_broken_crl(fault.part);
        if (!issuer.empty()) out.broken.push_back(std::move(issuer));
    }
    return out;
}

std::string issuer_of_broken_crl(std::string_view content) {
    const ErrorQueueGuard errors;
    constexpr std::size_t kMostBytes = 64UL << 10;  // the issuer comes before the entries
    content = content.substr(0, kMostBytes);
    std::string der(content);
    if (const std::string_view encoded = base64_in(content); !encoded.empty()) {
        std::string base64;
        for (const char c : encoded.substr(0, encoded.find('-'))) {
            if (is_alnum(c) || c == '+' || c == '/') base64 += c;
        }
        base64.resize(base64.size() / 4 * 4);
        der.assign(base64.size() / 4 * 3, '\0');
        const int n = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(der.data()), bytes_of(base64).data(),
                                      static_cast<int>(base64.size()));
        der.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    }
    // The headers of CertificateList and TBSCertList, whose lengths may be wrong.
    std::string_view rest = der;
    for (int level = 0; level < 2; ++level) {
        if (rest.size() < 2 || static_cast<std::uint8_t>(rest[0]) != kDerSequence) return {};
        const auto length = static_cast<std::uint8_t>(rest[1]);
        rest.remove_prefix(std::min<std::size_t>(rest.size(), length < 0x80 ? 2U : 2U + (length & 0x7fU)));
    }
    // The issuer: the first element that is a name, after version and signature.
    DerReader reader(rest);
    for (int i = 0; i < 3; ++i) {
        const auto element = reader.next();
        if (!element) return {};
        const auto* p = bytes_of(element->encoding).data();
        const X509NamePtr name(d2i_X509_NAME(nullptr, &p, static_cast<long>(element->encoding.size())));
        if (name && X509_NAME_entry_count(name.get()) > 0) return read_name(*name).canonical;
    }
    return {};
}

}  // namespace mtls
