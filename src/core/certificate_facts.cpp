#include "mtls_authz/certificate_facts.hpp"

#include <arpa/inet.h>
#include <openssl/sha.h>

#include <ctime>
#include <set>

#include "mtls_authz/der.hpp"
#include "mtls_authz/oid.hpp"
#include "mtls_authz/openssl_types.hpp"
#include "mtls_authz/text.hpp"

namespace mtls {

namespace {

constexpr const char* kQcStatements = "1.3.6.1.5.5.7.1.3";
constexpr const char* kUpn = "1.3.6.1.4.1.311.20.2.3";
constexpr const char* kQcTypeStatement = "0.4.0.1862.1.6";
constexpr const char* kPsd2Statement = "0.4.0.19495.2";

using GeneralNamesPtr = std::unique_ptr<GENERAL_NAMES, FreeWith<GENERAL_NAMES_free>>;
using EkuPtr = std::unique_ptr<EXTENDED_KEY_USAGE, FreeWith<EXTENDED_KEY_USAGE_free>>;
using PoliciesPtr = std::unique_ptr<CERTIFICATEPOLICIES, FreeWith<CERTIFICATEPOLICIES_free>>;
using BasicConstraintsPtr = std::unique_ptr<BASIC_CONSTRAINTS, FreeWith<BASIC_CONSTRAINTS_free>>;
using BitStringPtr = std::unique_ptr<ASN1_BIT_STRING, FreeWith<ASN1_BIT_STRING_free>>;

std::string bytes_of_string(const ASN1_STRING& value) {
    return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(&value)),
            static_cast<std::size_t>(ASN1_STRING_length(&value))};
}

class Reader {
public:
    Reader(const X509& certificate, CertificateFacts& facts) : certificate_(certificate), facts_(facts) {}

    void read() {
        read_basics();
        read_extensions();
        read_alternative_names();
        read_usages();
        read_constraints();
        read_qc_statements();
    }

private:
    void malformed(const std::string& why) {
        if (facts_.malformed.empty()) facts_.malformed = why;
    }

    void read_basics() {
        facts_.sha256 = certificate_sha256(certificate_);
        facts_.spki_sha256 = spki_sha256(certificate_);
        facts_.subject = read_name(*X509_get_subject_name(&certificate_));
        facts_.issuer = read_name(*X509_get_issuer_name(&certificate_));
        if (!facts_.subject.malformed.empty()) malformed("subject: " + facts_.subject.malformed);
        if (!facts_.issuer.malformed.empty()) malformed("issuer: " + facts_.issuer.malformed);

        const ASN1_INTEGER* const serial = X509_get0_serialNumber(&certificate_);
        const std::string digits = hex(bytes_of(bytes_of_string(*serial)));
        const std::size_t first = digits.find_first_not_of('0');
        facts_.serial = first == std::string::npos ? "0" : digits.substr(first);
        if (ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER) facts_.serial.insert(0, "-");

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
            X509_EXTENSION* const extension = X509_get_ext(&certificate_, i);
            std::string oid = oid_dotted(*X509_EXTENSION_get_object(extension));
            // RFC 5280 4.2: two of a kind would let readers disagree about which one counts.
            if (!seen.insert(oid).second) malformed("extension " + oid_name(oid) + " occurs twice");
            facts_.extensions.push_back({std::move(oid), bytes_of_string(*X509_EXTENSION_get_data(extension))});
        }
    }

    // Decodes one extension, or marks the certificate malformed where it is there and does not decode.
    template <class Ptr>
    Ptr decode(int nid) {
        int critical = 0;
        Ptr decoded(static_cast<typename Ptr::pointer>(X509_get_ext_d2i(&certificate_, nid, &critical, nullptr)));
        if (!decoded && critical >= 0) malformed(std::string("extension ") + OBJ_nid2sn(nid) + " does not decode");
        return decoded;
    }

    void read_alternative_names() {
        const auto names = decode<GeneralNamesPtr>(NID_subject_alt_name);
        const int count = names ? sk_GENERAL_NAME_num(names.get()) : 0;
        for (int i = 0; i < count; ++i) read_general_name(*sk_GENERAL_NAME_value(names.get(), i));
    }

    void read_ia5(std::vector<std::string>& into, const ASN1_STRING& value, const char* kind) {
        std::string bytes = bytes_of_string(value);
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
                return read_ia5(facts_.uri, *name.d.uniformResourceIdentifier, "URI");
            case GEN_IPADD: {
                std::string raw = bytes_of_string(*name.d.iPAddress);
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
        out.value = text ? *text : "#" + hex(bytes_of(der));
        if (out.oid == kUpn && name.value->type == V_ASN1_UTF8STRING) {
            if (!text) malformed("UPN SAN holds NUL, control or invalid bytes");
            if (text) facts_.upn.push_back(*text);
        }
        facts_.other_name.push_back(std::move(out));
    }

    void read_usages() {
        const auto usages = decode<EkuPtr>(NID_ext_key_usage);
        for (int i = 0; usages && i < sk_ASN1_OBJECT_num(usages.get()); ++i) {
            facts_.eku.push_back(oid_dotted(*sk_ASN1_OBJECT_value(usages.get(), i)));
        }
        const auto policies = decode<PoliciesPtr>(NID_certificate_policies);
        for (int i = 0; policies && i < sk_POLICYINFO_num(policies.get()); ++i) {
            facts_.policies.push_back(oid_dotted(*sk_POLICYINFO_value(policies.get(), i)->policyid));
        }
    }

    void read_constraints() {
        const auto constraints = decode<BasicConstraintsPtr>(NID_basic_constraints);
        facts_.is_ca = constraints && constraints->ca != 0;
        const auto usage = decode<BitStringPtr>(NID_key_usage);
        constexpr int kKeyCertSign = 5;
        constexpr int kCrlSign = 6;
        facts_.signs_certificates = usage && (ASN1_BIT_STRING_get_bit(usage.get(), kKeyCertSign) != 0 ||
                                              ASN1_BIT_STRING_get_bit(usage.get(), kCrlSign) != 0);
    }

    void read_qc_statements() {
        for (const Extension& extension : facts_.extensions) {
            if (extension.oid == kQcStatements && !read_statements(extension.value)) {
                malformed("extension qcStatements does not decode");
            }
        }
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
            const auto id = parts.next(kDerOid);
            const auto oid = id ? dotted_oid(id->content) : std::nullopt;
            if (!oid) return false;
            const bool known = *oid == kQcTypeStatement || *oid == kPsd2Statement;
            if (!known) continue;
            const auto info = parts.next(kDerSequence);
            if (!info || !parts.at_end()) return false;
            const bool read =
                *oid == kQcTypeStatement ? read_oids(info->content, facts_.qc_types) : read_roles(info->content);
            if (!read) return false;
        }
        return true;
    }

    static bool read_oids(std::string_view der, std::vector<std::string>& into) {
        DerReader reader(der);
        while (!reader.at_end()) {
            const auto element = reader.next(kDerOid);
            auto oid = element ? dotted_oid(element->content) : std::nullopt;
            if (!oid) return false;
            into.push_back(std::move(*oid));
        }
        return true;
    }

    // PSD2QcType ::= SEQUENCE { rolesOfPSP SEQUENCE OF SEQUENCE { roleOfPspOid, roleOfPspName }, ... }
    bool read_roles(std::string_view der) {
        DerReader parts(der);
        const auto roles = parts.next(kDerSequence);
        if (!roles) return false;
        DerReader reader(roles->content);
        while (!reader.at_end()) {
            const auto role = reader.next(kDerSequence);
            if (!role) return false;
            DerReader fields(role->content);
            const auto id = fields.next(kDerOid);
            auto oid = id ? dotted_oid(id->content) : std::nullopt;
            if (!oid) return false;
            facts_.qc_roles.push_back(std::move(*oid));
        }
        return true;
    }

    const X509& certificate_;
    CertificateFacts& facts_;
};

}  // namespace

std::optional<std::int64_t> epoch_of(const ASN1_TIME* time) {
    std::tm parts{};
    if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
    return static_cast<std::int64_t>(timegm(&parts));
}

std::string certificate_sha256(const X509& certificate) {
    std::string out(SHA256_DIGEST_LENGTH, '\0');
    X509_digest(&certificate, EVP_sha256(), reinterpret_cast<unsigned char*>(out.data()), nullptr);
    return out;
}

std::string spki_sha256(const X509& certificate) {
    const std::string encoded = encode(i2d_X509_PUBKEY, *X509_get_X509_PUBKEY(&certificate));
    return encoded.empty() ? std::string() : sha256(encoded);
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

CertificateFacts read_facts(const X509& certificate) {
    const ErrorQueueGuard errors;
    CertificateFacts facts;
    Reader(certificate, facts).read();
    return facts;
}

}  // namespace mtls
