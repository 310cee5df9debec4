// The names of selector types: one table for parsing, for messages, and for MTLSAttribute's cert:TYPE.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtls_authz/rules/selector.hpp"

namespace mtls {

// Selector types with a name of their own; any other type is an attribute's name or OID.
struct SelectorType {
    std::string_view name;
    Field field;
};

inline constexpr std::array kSelectorTypes = {
    SelectorType{"subject", Field::kSubject},
    SelectorType{"issuer", Field::kIssuer},
    SelectorType{"dirName", Field::kDirName},
    SelectorType{"DNS", Field::kDns},
    SelectorType{"email", Field::kEmail},
    SelectorType{"URI", Field::kUri},
    SelectorType{"IP", Field::kIp},
    SelectorType{"UPN", Field::kUpn},
    SelectorType{"RID", Field::kRid},
    SelectorType{"cert-serial", Field::kSerial},
    SelectorType{"sha256", Field::kSha256},
    SelectorType{"spki-sha256", Field::kSpki},
    SelectorType{"EKU", Field::kEku},
    SelectorType{"cert-policy", Field::kPolicy},
    SelectorType{"key", Field::kKey},
    SelectorType{"qcRole", Field::kQcRole},
    SelectorType{"qcType", Field::kQcType},
    SelectorType{"otherName", Field::kOtherName},
    SelectorType{"extension", Field::kExtension},
    SelectorType{"issuer.spki-sha256", Field::kIssuerSpki},
};

inline constexpr std::array<std::string_view, 27> kSelectorWords = {"subject",
                                                                    "issuer",
                                                                    "dirName",
                                                                    "CN",
                                                                    "O",
                                                                    "OU",
                                                                    "UID",
                                                                    "L",
                                                                    "ST",
                                                                    "C",
                                                                    "DC",
                                                                    "serialNumber",
                                                                    "organizationIdentifier",
                                                                    "DNS",
                                                                    "email",
                                                                    "URI",
                                                                    "IP",
                                                                    "UPN",
                                                                    "RID",
                                                                    "cert-serial",
                                                                    "sha256",
                                                                    "spki-sha256",
                                                                    "EKU",
                                                                    "cert-policy",
                                                                    "key",
                                                                    "qcRole",
                                                                    "qcType"};

// The offset of the domain of an address: after the last '@'. Nothing if there is another '@' or a '\' outside of
// quotes, or quotes that do not enclose the whole local part: parsers disagree about such an address, so it never
// matches.
std::optional<std::size_t> domain_at(std::string_view address);

// Other addresses that some parsers see, each with its domain after the last '@': without the trailing dots of the
// domain, and in one without domain_at() the parts around each '@'.
std::vector<std::string> email_readings(std::string_view address);

// The name without its trailing dots, if it has any (RFC 1034 3.1: the same name); else nothing.
std::optional<std::string_view> dns_reading(std::string_view name);

}  // namespace mtls
