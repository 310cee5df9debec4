#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/attribute_types.hpp"
#include "mtls_authz/rules/selector.hpp"
#include "mtls_authz/rules/selector_types.hpp"

namespace mtls {

Result<FieldName> FieldName::parse(std::string_view type, Arena& arena) {
    FieldName out;
    out.text_ = arena.keep(type);
    for (const SelectorType& selector : kSelectorTypes) {
        const bool needs_more = selector.field == Field::kOtherName || selector.field == Field::kExtension ||
                                selector.field == Field::kIssuerSpki;
        if (needs_more || !equal_nocase(type, selector.name)) continue;
        out.field_ = selector.field;
        return out;
    }
    const bool issuer = type.size() > 7 && starts_nocase(type, "issuer.");
    auto oid = attribute_oid(issuer ? type.substr(7) : type);
    if (!oid) {
        return Error{"unknown field " + in_quotes(type, 200) + did_you_mean(type, kSelectorWords) +
                     ": expected a selector type like CN, DNS or URI"};
    }
    out.field_ = issuer ? Field::kIssuerAttribute : Field::kSubjectAttribute;
    out.oid_ = arena.keep(*oid);
    return out;
}

namespace {

std::optional<std::string> only(const std::vector<std::string>& values) {
    return values.size() == 1 ? std::optional(values.front()) : std::nullopt;
}

std::optional<std::string> only_attribute(const DistinguishedName& name, std::string_view oid) {
    std::vector<std::string> values;
    for (const NameAttribute& attribute : name.attributes) {
        if (attribute.oid == oid) values.push_back(attribute.text);
    }
    return only(values);
}

}  // namespace

std::optional<std::string> FieldName::value(const CertificateFacts& facts, const PathFacts& path) const {
    switch (field_) {
        case Field::kSubject:
            return facts.subject.text();
        case Field::kIssuer:
            return facts.issuer.text();
        case Field::kDirName:
            return facts.dir_name.size() == 1 ? std::optional(facts.dir_name.front().text()) : std::nullopt;
        case Field::kSubjectAttribute:
            return only_attribute(facts.subject, oid_);
        case Field::kIssuerAttribute:
            return only_attribute(facts.issuer, oid_);
        case Field::kDns:
            return only(facts.dns);
        case Field::kEmail:
            return only(facts.email);
        case Field::kUri:
            return only(facts.uri);
        case Field::kIp:
            return facts.ip.size() == 1 ? std::optional(ip_text(facts.ip.front())) : std::nullopt;
        case Field::kUpn:
            return only(facts.upn);
        case Field::kRid:
            return only(facts.rid);
        case Field::kSerial:
            return facts.serial;
        case Field::kSha256:
            return hex(bytes_of(facts.sha256));
        case Field::kSpki:
            return hex(bytes_of(facts.spki_sha256));
        case Field::kEku:
            return only(facts.eku);
        case Field::kPolicy:
            return only(path.policies);
        case Field::kKey:
            return facts.key.text();
        case Field::kQcRole:
            return only(facts.qc_roles);
        case Field::kQcType:
            return only(facts.qc_types);
        case Field::kIssuerSpki:
        case Field::kOtherName:
        case Field::kExtension:
            return std::nullopt;
    }
    return std::nullopt;
}

}  // namespace mtls
