// CRLs as files hold them: PEM or DER, several in one file, perhaps broken.
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/certificate_facts.hpp"
#include "mtls_authz/certificate/certificate_file.hpp"
#include "mtls_authz/certificate/der.hpp"
#include "mtls_authz/trust/crl.hpp"

namespace mtls {

namespace {

constexpr std::string_view kPemBegin = "-----BEGIN X509 CRL-----";

}  // namespace

DecodedCrls decode_crls(const std::string& content) {
    const ErrorQueueGuard errors;
    DecodedCrls out;
    const auto* der = bytes_of(content).data();
    X509CrlPtr single(d2i_X509_CRL(nullptr, &der, static_cast<long>(content.size())));
    if (single && der == bytes_of(content).data() + content.size()) {
        out.lists.push_back(std::move(single));
        return out;
    }
    const auto broken = [&out](std::string_view part) {
        std::string issuer = issuer_of_broken_crl(part);
        if (!issuer.empty()) out.broken.push_back(std::move(issuer));
    };
    std::size_t begin = content.find(kPemBegin);
    if (begin == std::string::npos) {
        out.fault = describe_no_crl(content);
        if (out.fault.empty()) out.fault = "holds no CRL, neither PEM nor DER";
        broken(content);
    }
    while (begin != std::string::npos) {
        const std::size_t next = content.find(kPemBegin, begin + kPemBegin.size());
        const std::string_view part = std::string_view(content).substr(begin, next - begin);
        const BioPtr bio(BIO_new_mem_buf(part.data(), static_cast<int>(part.size())));
        char no_password[] = "";
        X509CrlPtr crl(PEM_read_bio_X509_CRL(bio.get(), nullptr, nullptr, no_password));
        if (crl) {
            out.lists.push_back(std::move(crl));
        } else {
            out.fault = "holds a CRL that cannot be read";
            broken(part);
        }
        begin = next;
    }
    return out;
}

std::string issuer_of_broken_crl(std::string_view content) {
    const ErrorQueueGuard errors;
    std::string der(content);
    if (const std::size_t begin = content.find(kPemBegin); begin != std::string::npos) {
        std::string base64;
        for (const char c : content.substr(begin + kPemBegin.size())) {
            if (is_alnum(c) || c == '+' || c == '/') base64 += c;
            if (c == '-') break;
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
