// Ownership of OpenSSL's types: own by X509Ptr, borrow by const X509&. OpenSSL's error queue stays as it was.
#pragma once

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <vector>

namespace mtls {

template <auto Free>
struct FreeWith {
    template <class T>
    void operator()(T* p) const noexcept {
        Free(p);
    }
};

using X509Ptr = std::unique_ptr<X509, FreeWith<X509_free>>;
using X509CrlPtr = std::unique_ptr<X509_CRL, FreeWith<X509_CRL_free>>;
using X509NamePtr = std::unique_ptr<X509_NAME, FreeWith<X509_NAME_free>>;
using X509StorePtr = std::unique_ptr<X509_STORE, FreeWith<X509_STORE_free>>;
using X509StoreCtxPtr = std::unique_ptr<X509_STORE_CTX, FreeWith<X509_STORE_CTX_free>>;
using EvpPkeyPtr = std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>>;
using BignumPtr = std::unique_ptr<BIGNUM, FreeWith<BN_free>>;
using BioPtr = std::unique_ptr<BIO, FreeWith<BIO_free_all>>;
using Asn1StringPtr = std::unique_ptr<ASN1_STRING, FreeWith<ASN1_STRING_free>>;
using Asn1ObjectPtr = std::unique_ptr<ASN1_OBJECT, FreeWith<ASN1_OBJECT_free>>;

// The DER encoding by one of OpenSSL's i2d_ functions; empty on failure.
template <class T>
std::string encode(int (*i2d)(const T*, unsigned char**), const T& value) {
    unsigned char* encoded = nullptr;
    const int length = i2d(&value, &encoded);
    if (length <= 0) return {};
    std::string out(reinterpret_cast<const char*>(encoded), static_cast<std::size_t>(length));
    OPENSSL_free(encoded);
    return out;
}

// The content of an ASN.1 string, borrowed from it.
inline std::string_view octets_of(const ASN1_STRING& value) {
    return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(&value)),
            static_cast<std::size_t>(ASN1_STRING_length(&value))};
}

// Decodes one certificate at the front of `der` and removes it there; null, with `der` as it was, if there is none.
inline X509Ptr take_x509(std::string_view& der) {
    const auto* const begin = reinterpret_cast<const unsigned char*>(der.data());
    const auto* next = begin;
    X509Ptr out(d2i_X509(nullptr, &next, static_cast<long>(der.size())));
    if (out) der.remove_prefix(static_cast<std::size_t>(next - begin));
    return out;
}

// The certificates of a stack that keeps them; none if it is null.
inline std::vector<X509*> certificates_of(STACK_OF(X509) * stack) {
    std::vector<X509*> out;
    for (int i = 0; i < sk_X509_num(stack); ++i) out.push_back(sk_X509_value(stack, i));
    return out;
}

// A stack that borrows its certificates: freeing the stack does not free them.
inline void free_borrowed_stack(STACK_OF(X509) * stack) { sk_X509_free(stack); }
using BorrowedX509Stack = std::unique_ptr<STACK_OF(X509), FreeWith<free_borrowed_stack>>;
inline BorrowedX509Stack stack_of(const std::vector<X509*>& certificates) {
    BorrowedX509Stack stack(sk_X509_new_null());
    if (!stack) throw std::bad_alloc();
    for (X509* certificate : certificates) {
        if (sk_X509_push(stack.get(), certificate) == 0) throw std::bad_alloc();
    }
    return stack;
}

inline X509Ptr share(X509& certificate) {
    X509_up_ref(&certificate);
    return X509Ptr(&certificate);
}

// Whether a certificate has the name of this CA as its issuer (RFC 5280 6.1.3 (a) (4)); its key is not asked.
inline bool names_as_issuer(const X509& certificate, const X509& ca) {
    return X509_NAME_cmp(X509_get_issuer_name(&certificate), X509_get_subject_name(&ca)) == 0;
}

// Removes the errors that were added to OpenSSL's per-thread error queue during its life, so that the next caller of
// SSL_get_error() in this thread is not misled.
class ErrorQueueGuard {
public:
    ErrorQueueGuard() { ERR_set_mark(); }
    ~ErrorQueueGuard() { ERR_pop_to_mark(); }
    ErrorQueueGuard(const ErrorQueueGuard&) = delete;
    ErrorQueueGuard& operator=(const ErrorQueueGuard&) = delete;
};

}  // namespace mtls
