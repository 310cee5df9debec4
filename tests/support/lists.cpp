#include "lists.hpp"

#include <openssl/pem.h>

#include <ctime>
#include <stdexcept>

namespace test {

namespace {

using mtls::FreeWith;
using PointsPtr = std::unique_ptr<CRL_DIST_POINTS, FreeWith<CRL_DIST_POINTS_free>>;
using ScopePtr = std::unique_ptr<ISSUING_DIST_POINT, FreeWith<ISSUING_DIST_POINT_free>>;
using NamesPtr = std::unique_ptr<GENERAL_NAMES, FreeWith<GENERAL_NAMES_free>>;
using TimePtr = std::unique_ptr<ASN1_TIME, FreeWith<ASN1_TIME_free>>;
using IntegerPtr = std::unique_ptr<ASN1_INTEGER, FreeWith<ASN1_INTEGER_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, FreeWith<X509_EXTENSION_free>>;
using KeyIdPtr = std::unique_ptr<AUTHORITY_KEYID, FreeWith<AUTHORITY_KEYID_free>>;
using BnPtr = std::unique_ptr<BIGNUM, FreeWith<BN_free>>;

constexpr unsigned char kOdd[] = {0x0c, 0x01, 'x'};  // a UTF8String

void require(bool ok, const char* what) {
    if (!ok) throw std::runtime_error(std::string("lists: ") + what);
}

void add_attributes(X509_NAME* name, const std::vector<Attr>& attributes) {
    for (const Attr& a : attributes) {
        require(X509_NAME_add_entry_by_txt(name, a.type.c_str(), a.tag,
                                           reinterpret_cast<const unsigned char*>(a.value.data()),
                                           static_cast<int>(a.value.size()), -1, 0) == 1,
                "name");
    }
}

void push_directory(GENERAL_NAMES* names, const X509_NAME* name) {
    GENERAL_NAME* const general = GENERAL_NAME_new();
    GENERAL_NAME_set0_value(general, GEN_DIRNAME, X509_NAME_dup(name));
    sk_GENERAL_NAME_push(names, general);
}

NamesPtr names_of(const std::vector<const Identity*>& identities) {
    NamesPtr names(GENERAL_NAMES_new());
    for (const Identity* id : identities) push_directory(names.get(), X509_get_subject_name(id->cert.get()));
    return names;
}

DIST_POINT_NAME* make_point_name(const PointName& spec) {
    if (spec.uris.empty() && spec.directory.empty() && spec.relative.empty()) return nullptr;
    DIST_POINT_NAME* const out = DIST_POINT_NAME_new();
    const mtls::X509NamePtr name(X509_NAME_new());
    if (!spec.relative.empty()) {
        out->type = 1;
        out->name.relativename = sk_X509_NAME_ENTRY_new_null();
        add_attributes(name.get(), {{"CN", spec.relative}});
        sk_X509_NAME_ENTRY_push(out->name.relativename, X509_NAME_ENTRY_dup(X509_NAME_get_entry(name.get(), 0)));
        return out;
    }
    out->type = 0;
    out->name.fullname = GENERAL_NAMES_new();
    for (const std::string& uri : spec.uris) {
        GENERAL_NAME* const general = GENERAL_NAME_new();
        ASN1_IA5STRING* const text = ASN1_IA5STRING_new();
        ASN1_STRING_set(text, uri.data(), static_cast<int>(uri.size()));
        GENERAL_NAME_set0_value(general, GEN_URI, text);
        sk_GENERAL_NAME_push(out->name.fullname, general);
    }
    if (!spec.directory.empty()) {
        add_attributes(name.get(), spec.directory);
        push_directory(out->name.fullname, name.get());
    }
    return out;
}

ASN1_BIT_STRING* make_reasons(unsigned bits) {
    if (bits == 0) return nullptr;
    ASN1_BIT_STRING* const out = ASN1_BIT_STRING_new();
    for (int bit = 0; bit <= 8; ++bit) {
        if ((bits >> bit & 1U) != 0) ASN1_BIT_STRING_set_bit(out, bit, 1);
    }
    return out;
}

void add_scope(X509_CRL* list, const ScopeSpec& spec) {
    const ScopePtr scope(ISSUING_DIST_POINT_new());
    scope->distpoint = make_point_name(spec.name);
    scope->onlyuser = spec.user ? 0xff : 0;
    scope->onlyCA = spec.ca ? 0xff : 0;
    scope->onlyattr = spec.attribute ? 0xff : 0;
    scope->indirectCRL = spec.indirect ? 0xff : 0;
    scope->onlysomereasons = make_reasons(spec.reasons);
    require(X509_CRL_add1_ext_i2d(list, NID_issuing_distribution_point, scope.get(), spec.critical ? 1 : 0,
                                  X509V3_ADD_APPEND) == 1,
            "scope");
}

ExtensionPtr odd_extension() {
    const mtls::Asn1ObjectPtr object(OBJ_txt2obj("1.2.3.4.5", 1));
    ASN1_OCTET_STRING* const data = ASN1_OCTET_STRING_new();
    ASN1_OCTET_STRING_set(data, kOdd, sizeof kOdd);
    ExtensionPtr out(X509_EXTENSION_create_by_OBJ(nullptr, object.get(), 1, data));
    ASN1_OCTET_STRING_free(data);
    return out;
}

void add_entry(X509_CRL* list, const EntrySpec& spec) {
    X509_REVOKED* const entry = X509_REVOKED_new();
    BIGNUM* parsed = nullptr;
    require(BN_hex2bn(&parsed, spec.serial.c_str()) > 0, "serial");
    const BnPtr number(parsed);
    const IntegerPtr serial(BN_to_ASN1_INTEGER(number.get(), nullptr));
    X509_REVOKED_set_serialNumber(entry, serial.get());
    const TimePtr when(ASN1_TIME_set(nullptr, std::time(nullptr) - 60));
    X509_REVOKED_set_revocationDate(entry, when.get());
    if (spec.reason >= 0) {
        ASN1_ENUMERATED* const code = ASN1_ENUMERATED_new();
        ASN1_ENUMERATED_set(code, spec.reason);
        X509_REVOKED_add1_ext_i2d(entry, NID_crl_reason, code, 0, X509V3_ADD_APPEND);
        ASN1_ENUMERATED_free(code);
    }
    if (!spec.issuers.empty()) {
        X509_REVOKED_add1_ext_i2d(entry, NID_certificate_issuer, names_of(spec.issuers).get(), 1, X509V3_ADD_APPEND);
    }
    if (spec.unknown_critical) X509_REVOKED_add_ext(entry, odd_extension().get(), -1);
    X509_CRL_add0_revoked(list, entry);
}

void add_integer(X509_CRL* list, int nid, long value, int critical) {
    const IntegerPtr number(ASN1_INTEGER_new());
    ASN1_INTEGER_set_int64(number.get(), value);
    X509_CRL_add1_ext_i2d(list, nid, number.get(), critical, X509V3_ADD_APPEND);
}

void add_key_id(X509_CRL* list, const X509& signer) {
    const ASN1_OCTET_STRING* const id = X509_get0_subject_key_id(const_cast<X509*>(&signer));
    if (id == nullptr) return;
    const KeyIdPtr key(AUTHORITY_KEYID_new());
    key->keyid = ASN1_OCTET_STRING_dup(id);
    X509_CRL_add1_ext_i2d(list, NID_authority_key_identifier, key.get(), 0, X509V3_ADD_APPEND);
}

void add_freshest(X509_CRL* list) {
    const PointsPtr points(CRL_DIST_POINTS_new());
    DIST_POINT* const point = DIST_POINT_new();
    point->distpoint = make_point_name({{"http://crl.example/delta"}, {}, {}});
    sk_DIST_POINT_push(points.get(), point);
    X509_CRL_add1_ext_i2d(list, NID_freshest_crl, points.get(), 0, X509V3_ADD_APPEND);
}

}  // namespace

RawExtension distribution_points(const std::vector<PointSpec>& specs) {
    const PointsPtr points(CRL_DIST_POINTS_new());
    for (const PointSpec& spec : specs) {
        DIST_POINT* const point = DIST_POINT_new();
        point->distpoint = make_point_name(spec.name);
        point->reasons = make_reasons(spec.reasons);
        if (!spec.crl_issuers.empty()) point->CRLissuer = names_of(spec.crl_issuers).release();
        sk_DIST_POINT_push(points.get(), point);
    }
    return {"2.5.29.31", mtls::encode(i2d_CRL_DIST_POINTS, *points)};
}

mtls::X509CrlPtr make_list(const ListSpec& spec) {
    const mtls::X509CrlPtr list(X509_CRL_new());
    X509_CRL_set_version(list.get(), 1);
    X509* const signer = spec.signer->cert.get();
    const Identity& name = spec.name != nullptr ? *spec.name : *spec.signer;
    X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(name.cert.get()));
    const auto now = static_cast<std::time_t>(spec.now);
    const TimePtr time(set_time(nullptr, now, spec.this_update));
    X509_CRL_set1_lastUpdate(list.get(), time.get());
    if (spec.next_update) {
        set_time(time.get(), now, *spec.next_update);
        X509_CRL_set1_nextUpdate(list.get(), time.get());
    }
    if (spec.number) add_integer(list.get(), NID_crl_number, *spec.number, 0);
    if (spec.base) add_integer(list.get(), NID_delta_crl, *spec.base, 1);
    if (spec.scope) add_scope(list.get(), *spec.scope);
    if (spec.names_key) add_key_id(list.get(), *signer);
    if (spec.has_freshest) add_freshest(list.get());
    if (spec.unknown_critical) X509_CRL_add_ext(list.get(), odd_extension().get(), -1);
    for (const EntrySpec& entry : spec.entries) add_entry(list.get(), entry);
    static const mtls::EvpPkeyPtr another = make_key();
    EVP_PKEY* const key = spec.damaged ? another.get() : spec.signer->key.get();
    require(X509_CRL_sign(list.get(), key, EVP_sha256()) > 0, "sign");
    const std::string der = der_of(*list);
    const auto* p = reinterpret_cast<const unsigned char*>(der.data());
    mtls::X509CrlPtr out(d2i_X509_CRL(nullptr, &p, static_cast<long>(der.size())));
    require(out != nullptr, "read back");
    return out;
}

std::string der_of(const X509_CRL& list) { return mtls::encode(i2d_X509_CRL, list); }

std::string pem_of(const X509_CRL& list) {
    const mtls::BioPtr bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509_CRL(bio.get(), const_cast<X509_CRL*>(&list));
    char* data = nullptr;
    const long n = BIO_get_mem_data(bio.get(), &data);
    return {data, static_cast<std::size_t>(n)};
}

std::string serial_of(const Identity& id) {
    const BnPtr number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(id.cert.get()), nullptr));
    char* const text = BN_bn2hex(number.get());
    std::string out = text;
    OPENSSL_free(text);
    return out;
}

}  // namespace test
