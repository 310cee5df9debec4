#include "mtls_authz/certificate/certificate_facts.hpp"

#include <arpa/inet.h>
#include <openssl/sha.h>

#include <algorithm>
#include <ctime>
#include <iterator>
#include <set>

#include "mtls_authz/base/calendar.hpp"
#include "mtls_authz/base/digest.hpp"
#include "mtls_authz/base/openssl_types.hpp"
#include "mtls_authz/base/request_path.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/der.hpp"
#include "mtls_authz/certificate/uri.hpp"

namespace mtls {

namespace {

constexpr const char* kQcStatements = "1.3.6.1.5.5.7.1.3";
constexpr const char* kUpn = "1.3.6.1.4.1.311.20.2.3";
constexpr const char* kQcTypeStatement = "0.4.0.1862.1.6";
constexpr const char* kPsd2Statement = "0.4.0.19495.2";
constexpr const char* kNoRevAvail = "2.5.29.56";
constexpr const char* kInfoAccess = "1.3.6.1.5.5.7.1.1";

using AccessPtr = std::unique_ptr<AUTHORITY_INFO_ACCESS, FreeWith<AUTHORITY_INFO_ACCESS_free>>;

class Reader {
public:
    Reader(const X509& certificate, CertificateFacts& facts) : certificate_(certificate), facts_(facts) {}

    void read() {
        read_basics();
        read_extensions();
    }

private:
    void malformed(const std::string& why) {
        if (facts_.malformed.empty()) facts_.malformed = why;
    }

    void malformed_extension(const std::string& oid, const char* what) {
        malformed("extension " + oid_name(oid) + " " + what);
    }

    void read_basics() {
        if (facts_.sha256.empty()) facts_.sha256 = certificate_sha256(certificate_);
        facts_.spki_sha256 = spki_sha256(certificate_);
        facts_.other_spki_sha256 = key_forms(certificate_, facts_.spki_sha256);
        std::erase(facts_.other_spki_sha256, facts_.spki_sha256);
        facts_.key = key_type_of(certificate_);
        facts_.subject = read_name(*X509_get_subject_name(&certificate_));
        facts_.issuer = read_name(*X509_get_issuer_name(&certificate_));
        if (const std::string fault = key_fault(certificate_); !fault.empty()) malformed("public key: " + fault);
        if (!facts_.subject.malformed.empty()) malformed("subject: " + facts_.subject.malformed);
        if (!facts_.issuer.malformed.empty()) malformed("issuer: " + facts_.issuer.malformed);

        const ASN1_INTEGER* const serial = X509_get0_serialNumber(&certificate_);
        const std::string digits = hex(bytes_of(octets_of(*serial)));
        const std::size_t first = digits.find_first_not_of('0');
        facts_.serial = first == std::string::npos ? "0" : digits.substr(first);
        if (ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER) {
            facts_.serial.insert(0, "-");
            const std::string encoded = encode(i2d_ASN1_INTEGER, *serial);
            const auto integer = DerReader(encoded).next();
            if (integer) facts_.serial_octets = hex(bytes_of(integer->content));
        }

        const auto before = epoch_of(X509_get0_notBefore(&certificate_));
        const auto after = epoch_of(X509_get0_notAfter(&certificate_));
        if (!before || !after) malformed("validity: a date that cannot be read");
        facts_.not_before = before.value_or(INT64_MAX);
        facts_.not_after = after.value_or(INT64_MIN);
    }

    void read_extensions() {
        std::set<std::string> seen;
        const int count = X509_get_ext_count(&certificate_);
        for (int i = 0; i < count; ++i) {
            auto* const extension = X509_get_ext(&certificate_, i);
            std::string oid = oid_dotted(*X509_EXTENSION_get_object(extension));
            // RFC 5280 4.2: with two of a kind, readers could disagree on which one counts.
            if (!seen.insert(oid).second) malformed_extension(oid, "occurs twice");
            const SupportedExtension* const supported = find_supported(oid);
            const bool is_statements = oid == kQcStatements;
            facts_.extensions.push_back({std::move(oid), std::string(octets_of(*X509_EXTENSION_get_data(extension)))});
            const std::string& value = facts_.extensions.back().value;
            if (supported != nullptr) decode_extension(*supported, value);
            if (is_statements && !read_statements(value)) malformed_extension(kQcStatements, "does not decode");
        }
        check_no_rev_avail(seen);
    }

    // RFC 9608 2 and 3: a certificate with noRevAvail is not a CA's, and has neither CRL distribution points nor OCSP;
    // one that has is invalid.
    void check_no_rev_avail(const std::set<std::string>& present) {
        facts_.no_rev_avail = present.contains(kNoRevAvail);
        if (!facts_.no_rev_avail) return;
        const auto forbid = [this](bool is_there, const char* what) {
            if (is_there) malformed_extension(kNoRevAvail, what);
        };
        forbid(is_critical(kNoRevAvail), "is critical, which RFC 9608 forbids");
        forbid(facts_.is_ca, "is in a CA's certificate, which RFC 9608 forbids");
        for (const char* const oid : {"2.5.29.31", "2.5.29.46"}) {
            forbid(present.contains(oid), "is beside a CRL distribution point, which RFC 9608 forbids");
        }
        if (!present.contains(kInfoAccess)) return;
        const AccessPtr access(
            static_cast<AUTHORITY_INFO_ACCESS*>(X509_get_ext_d2i(&certificate_, NID_info_access, nullptr, nullptr)));
        bool has_ocsp = access == nullptr;  // or undecodable
        for (int i = 0; i < sk_ACCESS_DESCRIPTION_num(access.get()); ++i) {
            has_ocsp = has_ocsp || OBJ_obj2nid(sk_ACCESS_DESCRIPTION_value(access.get(), i)->method) == NID_ad_OCSP;
        }
        forbid(has_ocsp, "is beside an OCSP responder, which RFC 9608 forbids");
    }

    bool is_critical(const char* oid) const {
        const Asn1ObjectPtr object(OBJ_txt2obj(oid, 1));
        if (!object) throw std::bad_alloc();
        const int at = X509_get_ext_by_OBJ(&certificate_, object.get(), -1);
        return at >= 0 && X509_EXTENSION_get_critical(X509_get_ext(&certificate_, at)) != 0;
    }

    // An extension that a selector or the path check uses, and the ASN.1 type of its value.
    struct SupportedExtension {
        const char* oid;
        const ASN1_ITEM* (*type)();
        void (Reader::*read)(const void* value) = nullptr;  // null: only the path check uses it
    };

    static const SupportedExtension* find_supported(const std::string& oid) {
        static constexpr SupportedExtension kSupported[] = {
            {"2.5.29.17", GENERAL_NAMES_it, &Reader::read_alternative_names},
            {"2.5.29.37", EXTENDED_KEY_USAGE_it, &Reader::read_usages},
            {"2.5.29.15", ASN1_BIT_STRING_it, &Reader::read_key_usage},
            {"2.5.29.19", BASIC_CONSTRAINTS_it, &Reader::read_basic_constraints},
            {"2.5.29.32", CERTIFICATEPOLICIES_it, &Reader::read_policies},
            {"2.5.29.35", AUTHORITY_KEYID_it},
            {"2.5.29.14", ASN1_OCTET_STRING_it},  // subjectKeyIdentifier
            {"2.5.29.31", CRL_DIST_POINTS_it},
            {"2.5.29.30", NAME_CONSTRAINTS_it},
            {"2.5.29.36", POLICY_CONSTRAINTS_it},
            {"2.5.29.33", POLICY_MAPPINGS_it},
            {"2.5.29.54", ASN1_INTEGER_it},  // inhibitAnyPolicy
            {kNoRevAvail, ASN1_NULL_it},
        };
        const auto* const found = std::find_if(std::begin(kSupported), std::end(kSupported),
                                               [&](const SupportedExtension& k) { return oid == k.oid; });
        return found == std::end(kSupported) ? nullptr : found;
    }

    // RFC 5280 4.1: extnValue contains the DER encoding of exactly one value of this type. A parser that reads on,
    // stops or skips where OpenSSL does not would see another certificate.
    void decode_extension(const SupportedExtension& extension, const std::string& encoded) {
        const ASN1_ITEM* const type = extension.type();
        const auto free = [type](ASN1_VALUE* value) { ASN1_item_free(value, type); };
        const unsigned char* const start = bytes_of(encoded).data();
        const unsigned char* end = start;
        const std::unique_ptr<ASN1_VALUE, decltype(free)> value(
            ASN1_item_d2i(nullptr, &end, static_cast<long>(encoded.size()), type), free);
        if (!value) return malformed_extension(extension.oid, "does not decode");
        if (end != start + encoded.size()) {
            malformed_extension(extension.oid, "has bytes behind its value");
        } else if (!is_shortest(encoded, ASN1_item_i2d(value.get(), nullptr, type))) {
            malformed_extension(extension.oid, "is not DER");
        }
        if (extension.read != nullptr) (this->*extension.read)(value.get());
    }

    // DER is the shortest encoding (`shortest` bytes), and the only one of that length except for the bytes of BOOLEAN
    // and BIT STRING. Many issuers encode the default of basicConstraints, cA FALSE, which DER omits (X.690 11.5); it
    // is accepted, because every parser reads it the same way.
    static bool is_shortest(const std::string& encoded, int shortest) {
        constexpr std::string_view kWithFalse("\x30\x03\x01\x01\x00", 5);
        return static_cast<std::size_t>(shortest) == encoded.size() || encoded == kWithFalse;
    }

    void read_alternative_names(const void* value) {
        const auto* const names = static_cast<const GENERAL_NAMES*>(value);
        for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) read_general_name(*sk_GENERAL_NAME_value(names, i));
    }

    void read_ia5(std::vector<std::string>& into, const ASN1_STRING& value, const char* kind) {
        std::string bytes(octets_of(value));
        if (!asn1_text(V_ASN1_IA5STRING, bytes)) {
            malformed(std::string(kind) + " SAN holds NUL, control or non-ASCII bytes");
        }
        into.push_back(std::move(bytes));
    }

    void read_general_name(const GENERAL_NAME& name) {
        switch (name.type) {
            case GEN_DNS:
                return read_ia5(facts_.dns, *name.d.dNSName, "DNS");
            case GEN_EMAIL:
                return read_ia5(facts_.email, *name.d.rfc822Name, "email");
            case GEN_URI:
                read_ia5(facts_.uri, *name.d.uniformResourceIdentifier, "URI");
                if (!uri_readings(canonical_uri(facts_.uri.back()))) {
                    malformed("URI SAN can be read in more than " + std::to_string(kMostReadings) + " ways");
                }
                return;
            case GEN_IPADD: {
                std::string raw(octets_of(*name.d.iPAddress));
                if (raw.size() != 4 && raw.size() != 16) malformed("IP SAN has neither 4 nor 16 bytes");
                facts_.ip.push_back(std::move(raw));
                return;
            }
            case GEN_DIRNAME: {
                DistinguishedName directory = read_name(*name.d.directoryName);
                if (!directory.malformed.empty()) malformed("dirName SAN: " + directory.malformed);
                facts_.dir_name.push_back(std::move(directory));
                return;
            }
            case GEN_RID:
                facts_.rid.push_back(oid_dotted(*name.d.registeredID));
                return;
            case GEN_OTHERNAME:
                return read_other_name(*name.d.otherName);
            default:
                return;  // x400Address and ediPartyName: no selector reads them
        }
    }

    void read_other_name(const OTHERNAME& name) {
        OtherName out{oid_dotted(*name.type_id), {}};
        if (name.value == nullptr) return malformed("otherName SAN without a value");
        const std::string der = encode(i2d_ASN1_TYPE, *name.value);
        if (der.empty()) return malformed("otherName SAN does not encode");

        const auto text = der_string_text(der);
        // A text that begins with '#' is stored as the hex of its DER, or it could imitate the DER of another value.
        out.value = text && !text->starts_with('#') ? *text : "#" + hex(bytes_of(der));
        if (out.oid == kUpn) {
            const bool is_utf8 = name.value->type == V_ASN1_UTF8STRING;
            if (is_utf8 && !text) malformed("UPN SAN holds NUL, control or invalid bytes");
            if (text) (is_utf8 ? facts_.upn : facts_.odd_upn).push_back(*text);
        }
        facts_.other_name.push_back(std::move(out));
    }

    void read_usages(const void* value) {
        const auto* const usages = static_cast<const EXTENDED_KEY_USAGE*>(value);
        for (int i = 0; i < sk_ASN1_OBJECT_num(usages); ++i) {
            facts_.eku.push_back(oid_dotted(*sk_ASN1_OBJECT_value(usages, i)));
        }
    }

    void read_policies(const void* value) {
        const auto* const policies = static_cast<const CERTIFICATEPOLICIES*>(value);
        for (int i = 0; i < sk_POLICYINFO_num(policies); ++i) {
            facts_.policies.push_back(oid_dotted(*sk_POLICYINFO_value(policies, i)->policyid));
        }
    }

    void read_basic_constraints(const void* value) {
        constexpr int kTrue = 0xff;  // X.690 11.1
        const int ca = static_cast<const BASIC_CONSTRAINTS*>(value)->ca;
        if (ca != 0 && ca != kTrue) malformed_extension("2.5.29.19", "is not DER");
        facts_.is_ca = facts_.is_ca || ca != 0;
    }

    void read_key_usage(const void* value) {
        const auto* const usage = static_cast<const ASN1_BIT_STRING*>(value);
        const std::string_view bits = octets_of(*usage);
        // X.690 11.2.1: unused bits are zero. OpenSSL's decoder clears them.
        if (!bits.empty() && bits.back() != facts_.extensions.back().value.back()) {
            malformed_extension("2.5.29.15", "is not DER");
        }
        constexpr int kKeyCertSign = 5;
        constexpr int kCrlSign = 6;
        facts_.signs_certificates =
            ASN1_BIT_STRING_get_bit(usage, kKeyCertSign) != 0 || ASN1_BIT_STRING_get_bit(usage, kCrlSign) != 0;
    }

    // QCStatements ::= SEQUENCE OF SEQUENCE { statementId OID, statementInfo ANY OPTIONAL } (RFC 3739 3.2.6)
    bool read_statements(std::string_view der) {
        DerReader outer(der);
        const auto list = outer.next(kDerSequence);
        if (!list || !outer.at_end()) return false;
        DerReader statements(list->content);
        while (!statements.at_end()) {
            const auto statement = statements.next(kDerSequence);
            if (!statement) return false;
            DerReader parts(statement->content);
            const auto oid = oid_of(parts.next(kDerOid));
            const auto info = parts.next();
            if (!oid || !parts.at_end()) return false;
            const bool is_read = *oid == kQcTypeStatement || *oid == kPsd2Statement;
            if (!is_read) continue;
            if (!info || info->tag != kDerSequence) return false;
            const bool read =
                *oid == kQcTypeStatement ? read_oids(info->content, facts_.qc_types) : read_roles(info->content);
            if (!read) return false;
        }
        return true;
    }

    static std::optional<std::string> oid_of(const std::optional<DerElement>& element) {
        if (!element) return std::nullopt;
        const unsigned char* p = bytes_of(element->encoding).data();
        const Asn1ObjectPtr object(d2i_ASN1_OBJECT(nullptr, &p, static_cast<long>(element->encoding.size())));
        return object ? std::optional(oid_dotted(*object)) : std::nullopt;
    }

    static bool read_oids(std::string_view der, std::vector<std::string>& into) {
        DerReader reader(der);
        while (!reader.at_end()) {
            auto oid = oid_of(reader.next(kDerOid));
            if (!oid) return false;
            into.push_back(std::move(*oid));
        }
        return true;
    }

    // PSD2QcType ::= SEQUENCE { rolesOfPSP SEQUENCE OF SEQUENCE { roleOfPspOid, roleOfPspName }, nCAName, nCAId }
    bool read_roles(std::string_view der) {
        DerReader parts(der);
        const auto roles = parts.next(kDerSequence);
        const bool is_whole = roles && parts.next(kDerUtf8String) && parts.next(kDerUtf8String) && parts.at_end();
        if (!is_whole) return false;
        DerReader reader(roles->content);
        while (!reader.at_end()) {
            const auto role = reader.next(kDerSequence);
            if (!role) return false;
            DerReader fields(role->content);
            auto oid = oid_of(fields.next(kDerOid));
            if (!oid || !fields.next(kDerUtf8String) || !fields.at_end()) return false;
            facts_.qc_roles.push_back(std::move(*oid));
        }
        return true;
    }

    const X509& certificate_;
    CertificateFacts& facts_;
};

}  // namespace

std::optional<std::int64_t> epoch_of(const ASN1_TIME* time) {
    constexpr int kUtc = 13, kGeneralized = 15;  // lengths of YYMMDDHHMMSSZ and YYYYMMDDHHMMSSZ
    std::tm parts{};
    if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
    if (ASN1_STRING_length(time) != (ASN1_STRING_type(time) == V_ASN1_UTCTIME ? kUtc : kGeneralized))
        return std::nullopt;
    return seconds_of(parts);
}

std::string certificate_sha256(const X509& certificate) {
    std::string out(SHA256_DIGEST_LENGTH, '\0');
    auto* const bytes = reinterpret_cast<unsigned char*>(out.data());
    if (X509_digest(&certificate, &sha256_algorithm(), bytes, nullptr) != 1) throw std::bad_alloc();
    return out;
}

std::string ip_text(std::string_view raw) {
    char text[INET6_ADDRSTRLEN];
    const int family = raw.size() == 4 ? AF_INET : AF_INET6;
    if (raw.size() != 4 && raw.size() != 16) return "#" + hex(bytes_of(raw));
    return inet_ntop(family, raw.data(), text, sizeof text) != nullptr ? text : "";
}

std::string san_text(const CertificateFacts& facts, std::size_t limit) {
    std::string out;
    const auto add = [&](const char* type, const std::string& value) {
        if (out.size() > limit) return;
        out += (out.empty() ? "" : ",") + std::string(type) + ":" + value;
    };
    for (const auto& value : facts.uri) add("URI", value);
    for (const auto& value : facts.dns) add("DNS", value);
    for (const auto& value : facts.email) add("email", value);
    for (const auto& value : facts.ip) add("IP", ip_text(value));
    for (const auto& value : facts.upn) add("UPN", value);
    for (const auto& value : facts.dir_name) add("dirName", value.text());
    for (const auto& value : facts.rid) add("RID", value);
    return out;
}

CertificateText::CertificateText(const CertificateFacts& facts)
    : subject(facts.subject.text()),
      issuer(facts.issuer.text()),
      san(san_text(facts, 256)),
      serial(facts.serial),
      not_before(format_time(facts.not_before)),
      not_after(format_time(facts.not_after)),
      sha256(hex(bytes_of(facts.sha256))) {}

CertificateFacts read_facts(const X509& certificate, std::string_view sha256) {
    const ErrorQueueGuard errors;
    CertificateFacts facts;
    facts.sha256 = sha256;
    Reader(certificate, facts).read();
    return facts;
}

}  // namespace mtls
