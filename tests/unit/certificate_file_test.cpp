// Files of certificates.
#include <openssl/pem.h>

#include "claims.hpp"
#include "mtls_authz/certificate/certificate_file.hpp"
#include "pki.hpp"

namespace {

// With trust settings, as `openssl x509 -addtrust` and `-addreject` write them; 0: none.
std::string with_settings(const test::Identity& who, int trusted, int rejected) {
    const mtls::X509Ptr certificate(X509_dup(who.cert.get()));
    if (trusted != 0) X509_add1_trust_object(certificate.get(), OBJ_nid2obj(trusted));
    if (rejected != 0) X509_add1_reject_object(certificate.get(), OBJ_nid2obj(rejected));
    const mtls::BioPtr out(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509_AUX(out.get(), certificate.get());
    char* text = nullptr;
    const long size = BIO_get_mem_data(out.get(), &text);
    return {text, static_cast<std::size_t>(size)};
}

}  // namespace

CLAIM(trust_settings_that_exclude_clients_make_a_file_no_anchor) {
    const test::Identity ca = test::make_ca("Acme CA");
    for (const int trusted : {0, NID_client_auth, NID_anyExtendedKeyUsage}) {
        CHECK(mtls::decode_certificates(with_settings(ca, trusted, NID_server_auth)).ok());
    }
    CHECK(!mtls::decode_certificates(with_settings(ca, NID_server_auth, 0)).ok());
    for (const int rejected : {NID_client_auth, NID_anyExtendedKeyUsage}) {
        CHECK(!mtls::decode_certificates(with_settings(ca, 0, rejected)).ok());
        CHECK(!mtls::decode_certificates(with_settings(ca, NID_client_auth, rejected)).ok());
    }
}
