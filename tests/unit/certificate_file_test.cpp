// Files of certificates.
#include "claims.hpp"
#include "mtls_authz/certificate/certificate_file.hpp"
#include "pki.hpp"

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
