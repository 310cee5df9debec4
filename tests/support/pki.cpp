
#include "pki.hpp"

#include <openssl/conf.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include <cstdio>
#include <ctime>
#include <stdexcept>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/certificate_facts.hpp"

namespace test {

namespace {

void require(bool ok, const char* what) {
    if (ok) return;
    ERR_print_errors_fp(stderr);
    throw std::runtime_error(std::string("pki: ") + what);
}

std::string bio_text(const mtls::BioPtr& bio) {
    char* data = nullptr;
    const long n = BIO_get_mem_data(bio.get(), &data);
    return {data, static_cast<std::size_t>(n)};
}

void fill_name(X509_NAME* name, const std::vector<Attr>& attributes) {
    for (const Attr& a : attributes) {
        const mtls::Asn1ObjectPtr object(OBJ_txt2obj(a.type.c_str(), 0));
        require(object != nullptr, "attribute type");
        X509_NAME_ENTRY* entry = X509_NAME_ENTRY_create_by_OBJ(nullptr, object.get(), V_ASN1_OCTET_STRING,
                                                               reinterpret_cast<const unsigned char*>(a.value.data()),
                                                               static_cast<int>(a.value.size()));
        require(entry != nullptr, "attribute");
        // Bypasses OpenSSL's checks of size and alphabet: tests need certificates that it would not make.
        ASN1_STRING* const data = X509_NAME_ENTRY_get_data(entry);
        ASN1_STRING_set(data, a.value.data(), static_cast<int>(a.value.size()));
        data->type = a.tag;
        require(X509_NAME_add_entry(name, entry, -1, a.joined ? -1 : 0) == 1, "add attribute");
        X509_NAME_ENTRY_free(entry);
    }
}

void add_extension(X509* cert, X509* issuer, int nid, const std::string& value) {
    if (value.empty()) return;
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, cert, nullptr, nullptr, 0);
    // OpenSSL needs a configuration for certificate policies, which may refer to its sections.
    CONF* const sections = NCONF_new(nullptr);
    X509V3_set_nconf(&ctx, sections);
    X509_EXTENSION* const extension = X509V3_EXT_nconf_nid(sections, &ctx, nid, value.c_str());
    NCONF_free(sections);
    require(extension != nullptr, value.c_str());
    X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
}

void add_san(X509* cert, const std::vector<std::pair<int, std::string>>& san) {
    if (san.empty()) return;
    GENERAL_NAMES* const names = GENERAL_NAMES_new();
    for (const auto& [type, bytes] : san) {
        GENERAL_NAME* const name = GENERAL_NAME_new();
        ASN1_STRING* const value =
            type == GEN_IPADD ? static_cast<ASN1_STRING*>(ASN1_OCTET_STRING_new()) : ASN1_IA5STRING_new();
        ASN1_STRING_set(value, bytes.data(), static_cast<int>(bytes.size()));
        GENERAL_NAME_set0_value(name, type, value);
        sk_GENERAL_NAME_push(names, name);
    }
    require(X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, X509V3_ADD_APPEND) == 1, "san");
    GENERAL_NAMES_free(names);
}

GENERAL_NAMES* directory_name_of(const Identity& id) {
    GENERAL_NAMES* const names = GENERAL_NAMES_new();
    GENERAL_NAME* const name = GENERAL_NAME_new();
    GENERAL_NAME_set0_value(name, GEN_DIRNAME, X509_NAME_dup(X509_get_subject_name(id.cert.get())));
    sk_GENERAL_NAME_push(names, name);
    return names;
}

void add_crl_issuer(X509* cert, const Identity& crl_issuer) {
    CRL_DIST_POINTS* const points = CRL_DIST_POINTS_new();
    DIST_POINT* const point = DIST_POINT_new();
    point->CRLissuer = directory_name_of(crl_issuer);
    sk_DIST_POINT_push(points, point);
    X509_add1_ext_i2d(cert, NID_crl_distribution_points, points, 0, X509V3_ADD_APPEND);
    CRL_DIST_POINTS_free(points);
}

using ExtensionPtr = std::unique_ptr<X509_EXTENSION, mtls::FreeWith<X509_EXTENSION_free>>;

ExtensionPtr raw_extension(const RawExtension& raw, bool critical) {
    const mtls::Asn1ObjectPtr object(OBJ_txt2obj(raw.oid.c_str(), 1));
    ASN1_OCTET_STRING* const data = ASN1_OCTET_STRING_new();
    ASN1_OCTET_STRING_set(data, reinterpret_cast<const unsigned char*>(raw.der.data()),
                          static_cast<int>(raw.der.size()));
    ExtensionPtr extension(X509_EXTENSION_create_by_OBJ(nullptr, object.get(), critical ? 1 : 0, data));
    ASN1_OCTET_STRING_free(data);
    return extension;
}

void claim_signature(X509* cert, const std::string& oid) {
    const X509_ALGOR* outer = nullptr;
    X509_get0_signature(nullptr, &outer, cert);
    for (const X509_ALGOR* algorithm : {outer, X509_get0_tbs_sigalg(cert)}) {
        X509_ALGOR_set0(const_cast<X509_ALGOR*>(algorithm), OBJ_txt2obj(oid.c_str(), 1), V_ASN1_UNDEF, nullptr);
    }
    unsigned char* tbs = nullptr;
    require(i2d_re_X509_tbs(cert, &tbs) > 0, "encode again");
    OPENSSL_free(tbs);
}

}  // namespace

std::string Identity::cert_pem() const {
    const mtls::BioPtr bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509(bio.get(), cert.get());
    return bio_text(bio);
}

std::string Identity::key_pem() const {
    const mtls::BioPtr bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    return bio_text(bio);
}

std::string trusted_pem_of(const Identity& who, int trusted, int rejected) {
    const mtls::X509Ptr certificate(X509_dup(who.cert.get()));
    if (trusted != 0) X509_add1_trust_object(certificate.get(), OBJ_nid2obj(trusted));
    if (rejected != 0) X509_add1_reject_object(certificate.get(), OBJ_nid2obj(rejected));
    const mtls::BioPtr bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509_AUX(bio.get(), certificate.get());
    return bio_text(bio);
}

mtls::EvpPkeyPtr make_key() {
    mtls::EvpPkeyPtr key(EVP_EC_gen("P-256"));
    require(key != nullptr, "key");
    return key;
}

Identity issue(const CertSpec& spec, const Identity* issuer, mtls::EvpPkeyPtr key) {
    Identity out;
    out.key = key ? std::move(key) : make_key();
    out.cert.reset(X509_new());
    X509* const cert = out.cert.get();
    X509* const issuer_cert = issuer != nullptr ? issuer->cert.get() : cert;
    X509_set_version(cert, spec.version);
    unsigned char serial[12];
    RAND_bytes(serial, sizeof serial);
    serial[0] = static_cast<unsigned char>((serial[0] & 0x7f) | 0x40);
    BIGNUM* number = BN_bin2bn(serial, sizeof serial, nullptr);
    if (!spec.serial.empty()) BN_hex2bn(&number, spec.serial.c_str());
    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));
    BN_free(number);
    const std::time_t now = std::time(nullptr);
    set_time(X509_getm_notBefore(cert), now, spec.not_before);
    set_time(X509_getm_notAfter(cert), now, spec.not_after);
    const mtls::X509NamePtr name(X509_NAME_new());
    fill_name(name.get(), spec.subject);
    require(X509_set_subject_name(cert, name.get()) == 1, "subject (OpenSSL takes no invalid UTF8String)");
    X509_set_issuer_name(cert, issuer != nullptr ? X509_get_subject_name(issuer_cert) : name.get());
    if (!spec.issuer_name.empty()) {
        const mtls::X509NamePtr other(X509_NAME_new());
        fill_name(other.get(), spec.issuer_name);
        X509_set_issuer_name(cert, other.get());
    }
    X509_set_pubkey(cert, out.key.get());
    if (!spec.key_algorithm.empty()) {
        auto* const bits = static_cast<unsigned char*>(OPENSSL_zalloc(1));
        X509_PUBKEY_set0_param(X509_get_X509_PUBKEY(cert), OBJ_txt2obj(spec.key_algorithm.c_str(), 1), V_ASN1_UNDEF,
                               nullptr, bits, 1);
    }
    if (spec.version == 2) {
        if (spec.basic_constraints) {
            const std::string length = spec.path_length < 0 ? "" : ",pathlen:" + std::to_string(spec.path_length);
            add_extension(cert, issuer_cert, NID_basic_constraints,
                          spec.ca ? "critical,CA:TRUE" + length : "critical,CA:FALSE");
        }
        add_extension(cert, issuer_cert, NID_key_usage,
                      !spec.key_usage.empty() ? spec.key_usage
                      : spec.ca               ? "critical,keyCertSign,cRLSign"
                                              : "critical,digitalSignature");
        if (!spec.ca) add_extension(cert, issuer_cert, NID_ext_key_usage, spec.eku);
        add_extension(cert, issuer_cert, NID_name_constraints, spec.name_constraints);
        add_extension(cert, issuer_cert, NID_crl_distribution_points, spec.crl_points);
        if (spec.crl_issuer != nullptr) add_crl_issuer(cert, *spec.crl_issuer);
        for (const auto& [nid, value] : spec.extensions) add_extension(cert, issuer_cert, nid, value);
        if (spec.key_identifiers) add_extension(cert, issuer_cert, NID_subject_key_identifier, "hash");
        if (spec.key_identifiers && issuer != nullptr && X509_get0_subject_key_id(issuer_cert) != nullptr) {
            add_extension(cert, issuer_cert, NID_authority_key_identifier, "keyid:always");
        }
        add_san(cert, spec.san);
        for (const RawExtension& raw : spec.raw) X509_add_ext(cert, raw_extension(raw, false).get(), -1);
    }
    EVP_PKEY* const signing = issuer != nullptr ? issuer->key.get() : out.key.get();
    require(X509_sign(cert, signing, EVP_get_digestbyname(spec.digest)) > 0, "sign");
    if (!spec.signature_algorithm.empty()) claim_signature(cert, spec.signature_algorithm);
    // Re-reads the encoding, so that tests use what a peer would decode.
    const std::string der = mtls::encode(i2d_X509, *cert);
    std::string_view encoded = der;
    mtls::X509Ptr parsed = mtls::take_x509(encoded);
    require(parsed != nullptr, "read back");
    out.cert = std::move(parsed);
    return out;
}

Identity make_ca(const std::string& cn, const Identity* issuer, mtls::EvpPkeyPtr key) {
    CertSpec spec;
    spec.subject = {{"C", "US", V_ASN1_PRINTABLESTRING}, {"O", cn + " Inc"}, {"CN", cn}};
    spec.ca = true;
    spec.not_after = 10 * 86400;
    return issue(spec, issuer, std::move(key));
}

Identity make_client(const std::string& cn, const std::string& dns, const Identity& ca) {
    CertSpec spec;
    spec.subject = {{"C", "US", V_ASN1_PRINTABLESTRING}, {"O", cn + " Org"}, {"CN", cn}};
    spec.san = {{GEN_DNS, dns}};
    return issue(spec, &ca);
}

Identity copy_of(const Identity& other) {
    Identity out;
    out.cert = mtls::share(*other.cert);
    EVP_PKEY_up_ref(other.key.get());
    out.key.reset(other.key.get());
    return out;
}

Identity twin_of(const Identity& who, const Identity& issuer) {
    Identity twin{mtls::X509Ptr(X509_dup(who.cert.get())), {}};
    const ASN1_BIT_STRING* bits = nullptr;
    X509_get0_signature(&bits, nullptr, twin.cert.get());
    const unsigned char* p = ASN1_STRING_get0_data(bits);
    ECDSA_SIG* const form = d2i_ECDSA_SIG(nullptr, &p, ASN1_STRING_length(bits));
    BIGNUM* order = nullptr;
    EVP_PKEY_get_bn_param(issuer.key.get(), OSSL_PKEY_PARAM_EC_ORDER, &order);
    BIGNUM* const r = BN_dup(ECDSA_SIG_get0_r(form));
    BN_sub(order, order, ECDSA_SIG_get0_s(form));
    ECDSA_SIG_set0(form, r, order);
    unsigned char* encoded = nullptr;
    const int length = i2d_ECDSA_SIG(form, &encoded);
    ASN1_STRING_set(const_cast<ASN1_BIT_STRING*>(bits), encoded, length);
    OPENSSL_free(encoded);
    ECDSA_SIG_free(form);
    require(X509_verify(twin.cert.get(), issuer.key.get()) == 1, "twin");
    require(hex_sha256(twin) != hex_sha256(who), "the twin is another");
    return twin;
}

namespace {

void add_integer(X509_CRL* crl, int nid, long value, bool critical) {
    ASN1_INTEGER* const number = ASN1_INTEGER_new();
    ASN1_INTEGER_set(number, value);
    X509_CRL_add1_ext_i2d(crl, nid, number, critical ? 1 : 0, X509V3_ADD_APPEND);
    ASN1_INTEGER_free(number);
}

void add_revoked(X509_CRL* crl, const X509& certificate, long reason, const Identity* issuer) {
    X509_REVOKED* const entry = X509_REVOKED_new();
    X509_REVOKED_set_serialNumber(entry, const_cast<ASN1_INTEGER*>(X509_get0_serialNumber(&certificate)));
    ASN1_TIME* const when = ASN1_TIME_set(nullptr, std::time(nullptr) - 60);
    X509_REVOKED_set_revocationDate(entry, when);
    ASN1_TIME_free(when);
    if (reason >= 0) {
        ASN1_ENUMERATED* const code = ASN1_ENUMERATED_new();
        ASN1_ENUMERATED_set(code, reason);
        X509_REVOKED_add1_ext_i2d(entry, NID_crl_reason, code, 0, X509V3_ADD_APPEND);
        ASN1_ENUMERATED_free(code);
    }
    if (issuer != nullptr) {
        GENERAL_NAMES* const names = directory_name_of(*issuer);
        X509_REVOKED_add1_ext_i2d(entry, NID_certificate_issuer, names, 1, X509V3_ADD_APPEND);
        GENERAL_NAMES_free(names);
    }
    X509_CRL_add0_revoked(crl, entry);
}

}  // namespace

ASN1_TIME* set_time(ASN1_TIME* time, std::time_t now, std::int64_t offset) {
    constexpr std::int64_t kDay = 86400;
    return ASN1_TIME_adj(time, now, static_cast<int>(offset / kDay), static_cast<long>(offset % kDay));
}

std::string make_crl(const Identity& signer, const CrlSpec& spec) {
    X509_CRL* const crl = X509_CRL_new();
    X509_CRL_set_version(crl, 1);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(signer.cert.get()));
    const std::time_t now = std::time(nullptr);
    ASN1_TIME* const time = set_time(nullptr, now, spec.this_update);
    X509_CRL_set1_lastUpdate(crl, time);
    set_time(time, now, spec.next_update);
    if (spec.has_next_update) X509_CRL_set1_nextUpdate(crl, time);
    ASN1_TIME_free(time);
    if (spec.number != 0) add_integer(crl, NID_crl_number, spec.number, false);
    if (spec.base != 0) add_integer(crl, NID_delta_crl, spec.base, true);
    if (!spec.idp.empty()) {
        X509V3_CTX ctx;
        X509V3_set_ctx(&ctx, signer.cert.get(), nullptr, nullptr, crl, 0);
        X509_EXTENSION* const idp =
            X509V3_EXT_conf_nid(nullptr, &ctx, NID_issuing_distribution_point, spec.idp.c_str());
        require(idp != nullptr, "idp");
        X509_CRL_add_ext(crl, idp, -1);
        X509_EXTENSION_free(idp);
    }
    for (const RawExtension& raw : spec.raw_critical) X509_CRL_add_ext(crl, raw_extension(raw, true).get(), -1);
    for (const auto& [identity, reason] : spec.revoked) {
        add_revoked(crl, *identity->cert, reason, identity == spec.revoked.front().first ? spec.entry_issuer : nullptr);
    }
    require(X509_CRL_sign(crl, signer.key.get(), EVP_sha256()) > 0, "sign crl");
    const mtls::BioPtr bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509_CRL(bio.get(), crl);
    X509_CRL_free(crl);
    return bio_text(bio);
}

std::string hex_sha256(const Identity& id) { return mtls::hex(mtls::bytes_of(mtls::certificate_sha256(*id.cert))); }

std::string der_utf8(const std::string& text) {
    std::string out = "\x0c";
    out += static_cast<char>(text.size());
    return out + text;
}

}  // namespace test
