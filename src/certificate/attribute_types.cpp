#include "mtls_authz/certificate/attribute_types.hpp"

#include <algorithm>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/der.hpp"

namespace mtls {

namespace {

struct AttributeType {
    std::string_view oid;
    std::string_view name;            // the name used for output
    std::string_view long_name = {};  // also accepted as input
};

// From X.520 and RFC 4519, RFC 4524, PKCS #9 (RFC 2985), RFC 3739, ETSI EN 319 412, CA/Browser Forum, Russian qualified
// certificates. Omitted are words that administrators usually write for something else: dnsName, distinguishedName,
// userCertificate, host.
constexpr AttributeType kAttributeTypes[] = {
    {"2.5.4.3", "CN", "commonName"},
    {"2.5.4.10", "O", "organizationName"},
    {"2.5.4.11", "OU", "organizationalUnitName"},
    {"2.5.4.6", "C", "countryName"},
    {"2.5.4.7", "L", "localityName"},
    {"2.5.4.8", "ST", "stateOrProvinceName"},
    {"2.5.4.8", "S"},
    {"0.9.2342.19200300.100.1.25", "DC", "domainComponent"},
    {"0.9.2342.19200300.100.1.1", "UID", "userId"},
    {"2.5.4.5", "serialNumber"},
    {"2.5.4.97", "organizationIdentifier"},
    {"1.2.840.113549.1.9.1", "emailAddress"},
    {"1.2.840.113549.1.9.1", "E"},
    {"2.5.4.4", "SN", "surname"},
    {"2.5.4.42", "GN", "givenName"},
    {"2.5.4.42", "G"},
    {"2.5.4.9", "street", "streetAddress"},
    {"2.5.4.12", "title"},
    {"2.5.4.13", "description"},
    {"2.5.4.14", "searchGuide"},
    {"2.5.4.15", "businessCategory"},
    {"2.5.4.16", "postalAddress"},
    {"2.5.4.17", "postalCode"},
    {"2.5.4.18", "postOfficeBox"},
    {"2.5.4.19", "physicalDeliveryOfficeName"},
    {"2.5.4.20", "telephoneNumber"},
    {"2.5.4.21", "telexNumber"},
    {"2.5.4.22", "teletexTerminalIdentifier"},
    {"2.5.4.23", "facsimileTelephoneNumber"},
    {"2.5.4.24", "x121Address"},
    {"2.5.4.25", "internationaliSDNNumber"},
    {"2.5.4.26", "registeredAddress"},
    {"2.5.4.27", "destinationIndicator"},
    {"2.5.4.28", "preferredDeliveryMethod"},
    {"2.5.4.31", "member"},
    {"2.5.4.32", "owner"},
    {"2.5.4.33", "roleOccupant"},
    {"2.5.4.34", "seeAlso"},
    {"2.5.4.41", "name"},
    {"2.5.4.43", "initials"},
    {"2.5.4.44", "generationQualifier"},
    {"2.5.4.45", "x500UniqueIdentifier"},
    {"2.5.4.46", "dnQualifier"},
    {"2.5.4.47", "enhancedSearchGuide"},
    {"2.5.4.50", "uniqueMember"},
    {"2.5.4.51", "houseIdentifier"},
    {"2.5.4.54", "dmdName"},
    {"2.5.4.65", "pseudonym"},
    {"2.5.4.72", "role"},
    {"2.5.4.98", "c3", "countryCode3c"},
    {"2.5.4.99", "n3", "countryCode3n"},
    {"0.9.2342.19200300.100.1.3", "mail", "rfc822Mailbox"},
    {"0.9.2342.19200300.100.1.6", "roomNumber"},
    {"0.9.2342.19200300.100.1.8", "userClass"},
    {"0.9.2342.19200300.100.1.20", "homeTelephoneNumber"},
    {"0.9.2342.19200300.100.1.39", "homePostalAddress"},
    {"0.9.2342.19200300.100.1.40", "personalTitle"},
    {"0.9.2342.19200300.100.1.41", "mobileTelephoneNumber"},
    {"0.9.2342.19200300.100.1.42", "pagerTelephoneNumber"},
    {"0.9.2342.19200300.100.1.43", "friendlyCountryName"},
    {"0.9.2342.19200300.100.1.44", "uniqueIdentifier"},
    {"0.9.2342.19200300.100.1.45", "organizationalStatus"},
    {"0.9.2342.19200300.100.1.48", "buildingName"},
    {"1.2.840.113549.1.9.2", "unstructuredName"},
    {"1.2.840.113549.1.9.8", "unstructuredAddress"},
    {"1.3.6.1.4.1.311.60.2.1.1", "jurisdictionL", "jurisdictionLocalityName"},
    {"1.3.6.1.4.1.311.60.2.1.2", "jurisdictionST", "jurisdictionStateOrProvinceName"},
    {"1.3.6.1.4.1.311.60.2.1.3", "jurisdictionC", "jurisdictionCountryName"},
    {"1.3.6.1.5.5.7.9.1", "id-pda-dateOfBirth", "dateOfBirth"},
    {"1.3.6.1.5.5.7.9.2", "id-pda-placeOfBirth", "placeOfBirth"},
    {"1.3.6.1.5.5.7.9.3", "id-pda-gender", "gender"},
    {"1.3.6.1.5.5.7.9.4", "id-pda-countryOfCitizenship", "countryOfCitizenship"},
    {"1.3.6.1.5.5.7.9.5", "id-pda-countryOfResidence", "countryOfResidence"},
    {"1.2.643.3.131.1.1", "INN"},
    {"1.2.643.100.1", "OGRN"},
    {"1.2.643.100.3", "SNILS"},
    {"1.2.643.100.4", "INNLE"},
    {"1.2.643.100.5", "OGRNIP"},
};

struct Instead {
    std::string_view word;  // a whole word, or a prefix if it ends in '*'
    std::string_view use;
};

constexpr std::string_view kUseSha256 =
    "a certificate is compared by its SHA-256: use sha256:, as `openssl x509 -fingerprint -sha256` prints it";
constexpr std::string_view kUseSans =
    "names of the subjectAltName are DNS:, email:, URI:, IP:, UPN:, dirName: and RID:";
constexpr std::string_view kUseEku = "purposes are asked for with EKU:, like EKU:clientAuth";
constexpr std::string_view kUseKey =
    "a kind of key is asked for with key:, like key:RSA>=3072; one key by its SHA-256: spki-sha256:";
constexpr std::string_view kUseSerial = "the certificate's serial number is cert-serial:";

constexpr Instead kInstead[] = {
    {"sha*", kUseSha256},
    {"md2*", kUseSha256},
    {"md4*", kUseSha256},
    {"md5*", kUseSha256},
    {"ripemd*", kUseSha256},
    {"fingerprint*", kUseSha256},
    {"thumbprint*", kUseSha256},
    {"x5t*", kUseSha256},
    {"serial", kUseSerial},
    {"serialno", kUseSerial},
    {"certserial*", kUseSerial},
    {"cert-serialnumber", kUseSerial},
    {"subjectAltName", kUseSans},
    {"SAN", kUseSans},
    {"altName", kUseSans},
    {"organization", "the organization of the subject is O:"},
    {"organizationalUnit", "the unit of the subject is OU:"},
    {"DN", "the whole name is subject: or issuer:"},
    {"dnsName", kUseSans},
    {"rfc822Name", kUseSans},
    {"host", kUseSans},
    {"ipAddress", kUseSans},
    {"uniformResourceIdentifier", kUseSans},
    {"extendedKeyUsage", kUseEku},
    {"certificatePolicies", "policies are asked for with cert-policy:"},
    {"RSA*", kUseKey},
    {"EC", kUseKey},
    {"ECDSA*", kUseKey},
    {"Ed25519", kUseKey},
    {"Ed448", kUseKey},
    {"ML-DSA*", kUseKey},
    {"SLH-DSA*", kUseKey},
    {"publicKey*", kUseKey},
    {"keyType", kUseKey},
    {"keyAlgorithm", kUseKey},
    {"distinguishedName", "the whole name is subject: or issuer:"},
};

bool is_meant(const Instead& instead, std::string_view word) {
    return instead.word.ends_with('*') ? starts_nocase(word, instead.word.substr(0, instead.word.size() - 1))
                                       : equal_nocase(word, instead.word);
}

}  // namespace

std::optional<std::string> attribute_oid(std::string_view type) {
    constexpr std::string_view kPrefix = "OID.";  // RFC 2253 section 4; Java prints it
    if (starts_nocase(type, kPrefix)) type.remove_prefix(kPrefix.size());
    if (!type.empty() && is_digit(type.front())) return oid_from_text(type);
    for (const AttributeType& listed : kAttributeTypes) {
        if (equal_nocase(type, listed.name) || (!listed.long_name.empty() && equal_nocase(type, listed.long_name))) {
            return std::string(listed.oid);
        }
    }
    return std::nullopt;
}

std::optional<std::size_t> attribute_index(std::string_view oid) {
    const auto* const found = std::find_if(std::begin(kAttributeTypes), std::end(kAttributeTypes),
                                           [oid](const AttributeType& type) { return type.oid == oid; });
    if (found == std::end(kAttributeTypes)) return std::nullopt;
    return static_cast<std::size_t>(found - std::begin(kAttributeTypes));
}

std::string_view attribute_oid_at(std::size_t place) {
    return place < std::size(kAttributeTypes) ? kAttributeTypes[place].oid : std::string_view();
}

std::string attribute_name(const std::string& oid) {
    const auto place = attribute_index(oid);
    return place ? std::string(kAttributeTypes[*place].name) : oid;
}

std::string what_to_use_instead_of(std::string_view word) {
    for (const Instead& instead : kInstead) {
        if (is_meant(instead, word)) return std::string(instead.use);
    }
    const auto oid = oid_from_text(word);
    if (!oid) return {};
    if (oid->starts_with("1.3.6.1.5.5.7.3.")) return "it is a purpose: use EKU:" + std::string(word);
    if (oid->starts_with("2.5.29.") || oid->starts_with("1.3.6.1.5.5.7.1.")) {
        return "it is an extension: extension." + *oid + " asks whether that is there";
    }
    return "it is no attribute of a name; a key is compared by its SHA-256: spki-sha256:";
}

}  // namespace mtls
