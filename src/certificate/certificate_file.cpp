#include "mtls_authz/certificate/certificate_file.hpp"

#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/pkcs7.h>

#include <algorithm>
#include <new>
#include <string_view>

#include "mtls_authz/base/text.hpp"

namespace mtls {

namespace {

using Pkcs7Ptr = std::unique_ptr<PKCS7, FreeWith<PKCS7_free>>;
using Pkcs12Ptr = std::unique_ptr<PKCS12, FreeWith<PKCS12_free>>;
using RequestPtr = std::unique_ptr<X509_REQ, FreeWith<X509_REQ_free>>;
using CrlPtr = std::unique_ptr<X509_CRL, FreeWith<X509_CRL_free>>;

const char* const kPkcs12 =
    "is PKCS#12 (.p12, .pfx), with a private key beside the certificates: openssl pkcs12 -in FILE -nokeys -out "
    "FILE.pem";
const char* const kRequest =
    "is a certificate request (.csr), from which a CA makes a certificate: ask for that certificate";
const char* const kKey = "holds a private key and no certificate: keep it secret, and ask for the certificate";
const char* const kCrl = "is a CRL and no certificate: MTLSCRLFile takes it";
const char* const kJson =
    "is JSON and no certificate: a SPIFFE bundle is an anchor as MTLSTrustAnchor bundle:FILE trust-domain=NAME";
const char* const kNone =
    "holds no PEM certificate, nor DER or PKCS#7: expected one or more blocks of -----BEGIN CERTIFICATE-----, as "
    "openssl x509 prints it";
const char* const kBroken =
    "holds a certificate that cannot be read: expected one or more blocks of -----BEGIN CERTIFICATE-----, each whole";

struct Decoded {
    std::vector<X509Ptr> certificates;
    std::string fault;              // stops the decoding
    const char* instead = nullptr;  // an object found instead of a certificate
};

const unsigned char* bytes_at(std::string_view der) { return reinterpret_cast<const unsigned char*>(der.data()); }

// Decodes one value that must span all of `der`.
template <class Ptr, class Type>
Ptr decode_whole(Type* (*d2i)(Type**, const unsigned char**, long), std::string_view der) {
    const auto* p = bytes_at(der);
    const auto* const end = p + der.size();
    Ptr value(d2i(nullptr, &p, static_cast<long>(der.size())));
    if (p != end) value.reset();
    return value;
}

bool take_bag(const Pkcs7Ptr& bag, Decoded& out) {
    if (!bag) return false;
    if (bag->d.ptr == nullptr) return false;  // RFC 2315 7: the content is optional
    const STACK_OF(X509)* certificates = nullptr;
    if (PKCS7_type_is_signed(bag.get())) certificates = bag->d.sign->cert;
    if (PKCS7_type_is_signedAndEnveloped(bag.get())) certificates = bag->d.signed_and_enveloped->cert;
    for (int i = 0; i < sk_X509_num(certificates); ++i) {
        out.certificates.push_back(share(*sk_X509_value(certificates, i)));
    }
    return true;
}

bool names_client_use(const STACK_OF(ASN1_OBJECT) * uses) {
    for (int i = 0; i < sk_ASN1_OBJECT_num(uses); ++i) {
        const int nid = OBJ_obj2nid(sk_ASN1_OBJECT_value(uses, i));
        if (nid == NID_client_auth || nid == NID_anyExtendedKeyUsage) return true;
    }
    return false;
}

// The issuer did not sign the trust settings: they are dropped, unless this would permit more than they do.
bool take_trusted(std::string_view der, Decoded& out) {
    const auto with_settings = decode_whole<X509Ptr>(d2i_X509_AUX, der);
    if (!with_settings) return false;
    const STACK_OF(ASN1_OBJECT)* const trusted = X509_get0_trust_objects(with_settings.get());
    const STACK_OF(ASN1_OBJECT)* const rejected = X509_get0_reject_objects(with_settings.get());
    if (names_client_use(rejected) || (sk_ASN1_OBJECT_num(trusted) > 0 && !names_client_use(trusted))) {
        out.fault =
            "holds a TRUSTED CERTIFICATE whose trust settings exclude client certificates; where it is to be trusted "
            "for these: openssl x509 -in FILE -out FILE.pem";
        return true;
    }
    out.certificates.push_back(decode_whole<X509Ptr>(d2i_X509, encode(i2d_X509, *with_settings)));
    return true;
}

bool take_block(std::string_view kind, std::string_view der, Wrapping wrapping, Decoded& out) {
    if (kind == PEM_STRING_X509 || kind == PEM_STRING_X509_OLD) {
        out.certificates.push_back(decode_whole<X509Ptr>(d2i_X509, der));
        return out.certificates.back() != nullptr;
    }
    if (wrapping == Wrapping::kPlainPem) return true;
    if (kind == PEM_STRING_X509_TRUSTED) return take_trusted(der, out);
    if (kind == PEM_STRING_PKCS7 || kind == PEM_STRING_CMS)
        return take_bag(decode_whole<Pkcs7Ptr>(d2i_PKCS7, der), out);
    if (kind == PEM_STRING_X509_REQ || kind == PEM_STRING_X509_REQ_OLD) out.instead = kRequest;
    if (kind.ends_with("PRIVATE KEY")) out.instead = kKey;
    if (kind == PEM_STRING_X509_CRL) out.instead = kCrl;
    return true;
}

void take_pem(const std::string& content, Wrapping wrapping, Decoded& out) {
    const BioPtr bio(BIO_new_mem_buf(content.data(), static_cast<int>(content.size())));
    while (out.fault.empty()) {
        char* name = nullptr;
        char* header = nullptr;
        unsigned char* data = nullptr;
        long length = 0;
        if (PEM_read_bio(bio.get(), &name, &header, &data, &length) != 1) {
            const unsigned long last = ERR_peek_last_error();
            const bool at_end = ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
            if (!at_end) out.fault = kBroken;
            return;
        }
        const std::string kind(name);
        const std::string der(reinterpret_cast<const char*>(data), static_cast<std::size_t>(length));
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_free(data);
        if (!take_block(kind, der, wrapping, out)) out.fault = kBroken;
    }
}

// Concatenated, as `cat` writes several files.
void take_der(std::string_view der, Decoded& out) {
    while (!der.empty()) {
        X509Ptr certificate = take_x509(der);
        if (!certificate) break;
        out.certificates.push_back(std::move(certificate));
    }
    if (der.empty()) return;
    if (!out.certificates.empty()) {
        out.fault = kBroken;
    } else if (!take_bag(decode_whole<Pkcs7Ptr>(d2i_PKCS7, der), out)) {
        if (decode_whole<Pkcs12Ptr>(d2i_PKCS12, der)) out.instead = kPkcs12;
        if (decode_whole<RequestPtr>(d2i_X509_REQ, der)) out.instead = kRequest;
        if (decode_whole<CrlPtr>(d2i_X509_CRL, der)) out.instead = kCrl;
        const auto* p = bytes_at(der);
        if (EvpPkeyPtr(d2i_AutoPrivateKey(nullptr, &p, static_cast<long>(der.size())))) out.instead = kKey;
    }
}

}  // namespace

Result<std::vector<X509Ptr>> decode_certificates(const std::string& content, Wrapping wrapping) {
    const ErrorQueueGuard errors;
    Decoded out;
    if (wrapping == Wrapping::kPlainPem || content.find("-----BEGIN ") != std::string::npos) {
        take_pem(content, wrapping, out);
    } else {
        take_der(content, out);
    }
    if (!out.fault.empty()) return Error{std::move(out.fault)};
    if (trim(content).starts_with('{')) out.instead = kJson;
    if (out.certificates.empty()) return Error{out.instead != nullptr ? out.instead : kNone};
    return std::move(out.certificates);
}

std::string encode_certificates(const std::vector<X509Ptr>& certificates) {
    const BioPtr out(BIO_new(BIO_s_mem()));
    for (const X509Ptr& certificate : certificates) {
        if (!out || PEM_write_bio_X509(out.get(), certificate.get()) != 1) throw std::bad_alloc();
    }
    char* text = nullptr;
    const long size = out ? BIO_get_mem_data(out.get(), &text) : 0;
    return {text, static_cast<std::size_t>(std::max(0L, size))};
}

std::string describe_no_crl(const std::string& content) {
    const ErrorQueueGuard errors;
    if (decode_certificates(content).ok()) {
        return "is a certificate and no CRL: MTLSTrustAnchor and MTLSIntermediate take certificates";
    }
    Decoded out;
    if (content.find("-----BEGIN ") != std::string::npos) {
        take_pem(content, Wrapping::kAny, out);
    } else {
        take_der(content, out);
    }
    if (out.instead == kKey) return "holds a private key and no CRL: keep it secret, and ask the CA for its CRL";
    if (out.instead == kRequest) return "is a certificate request (.csr) and no CRL: ask the CA for its CRL";
    if (out.instead == kPkcs12) return "is PKCS#12 (.p12, .pfx) and no CRL: ask the CA for its CRL";
    return trim(content).starts_with('<') ? "holds no CRL, but a web page (an error page?)" : "";
}

}  // namespace mtls
