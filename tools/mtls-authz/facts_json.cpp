
#include "facts_json.hpp"
#include "mtls_authz/base/calendar.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/attribute_types.hpp"
#include "mtls_authz/certificate/der.hpp"

namespace mtls::tool {

namespace {

Json name_json(const DistinguishedName& name) {
    Json out = Json::array();
    for (const NameAttribute& attribute : name.attributes) {
        out.push_back({{"oid", attribute.oid}, {"name", attribute_name(attribute.oid)}, {"value", attribute.text}});
    }
    return out;
}

// `bits`: null if the algorithm's name implies the size, or the key does not decode.
Json key_json(const KeyType& key) {
    return {{"algorithm", key.algorithm},
            {"bits", key.bits != 0 ? Json(key.bits) : Json(nullptr)},
            {"curve", key.curve.empty() ? Json(nullptr) : Json(key.curve)}};
}

}  // namespace

Json facts_json(const std::string& file, const CertificateFacts& facts) {
    Json ip = Json::array(), other = Json::array(), directories = Json::array(), extensions = Json::array();
    for (const std::string& raw : facts.ip) {
        ip.push_back(raw.size() == 4 || raw.size() == 16 ? ip_text(raw) : "#" + hex(bytes_of(raw)));
    }
    for (const OtherName& name : facts.other_name) other.push_back({{"oid", name.oid}, {"value", name.value}});
    for (const DistinguishedName& name : facts.dir_name) directories.push_back(name_json(name));
    for (const Extension& extension : facts.extensions) extensions.push_back(extension.oid);
    return {{"file", file},
            {"subject", name_json(facts.subject)},
            {"issuer", name_json(facts.issuer)},
            {"serial", facts.serial},
            {"sha256", hex(bytes_of(facts.sha256))},
            {"spki_sha256", hex(bytes_of(facts.spki_sha256))},
            {"key", key_json(facts.key)},
            {"not_before", format_time(facts.not_before)},
            {"not_after", format_time(facts.not_after)},
            {"dns", facts.dns},
            {"email", facts.email},
            {"uri", facts.uri},
            {"ip", std::move(ip)},
            {"upn", facts.upn},
            {"other_name", std::move(other)},
            {"dir_name", std::move(directories)},
            {"rid", facts.rid},
            {"eku", facts.eku},
            {"policies", facts.policies},
            {"qc_roles", facts.qc_roles},
            {"qc_types", facts.qc_types},
            {"extensions", std::move(extensions)},
            {"is_ca", facts.is_ca},
            {"no_rev_avail", facts.no_rev_avail},
            {"malformed", facts.malformed.empty() ? Json(nullptr) : Json(facts.malformed)}};
}

Json unreadable_json(const std::string& file, const std::string& why) {
    Json out = facts_json(file, {});
    for (auto& [key, value] : out.items()) {
        if (key != "file") value = nullptr;
    }
    out["malformed"] = why;
    return out;
}

std::string one_line(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace mtls::tool
