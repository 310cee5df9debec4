#include "mtls_authz/trust/spiffe_bundle.hpp"

#include <openssl/core_names.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "mtls_authz/base/openssl_types.hpp"
#include "mtls_authz/base/text.hpp"
#include "mtls_authz/trust/ca_directory.hpp"

namespace mtls {

namespace {

constexpr std::size_t kMostShown = 80;

using Json = nlohmann::json;

// Checks JSON before it is parsed into a tree: the tree parser keeps the last of two values with one name, and has no
// depth limit.
class JsonGuard : public nlohmann::json_sax<Json> {
public:
    const std::string& fault() const { return fault_; }

    bool null() override { return true; }
    bool boolean(bool) override { return true; }
    bool number_integer(number_integer_t) override { return true; }
    bool number_unsigned(number_unsigned_t) override { return true; }
    bool number_float(number_float_t, const string_t&) override { return true; }
    bool string(string_t&) override { return true; }
    bool binary(binary_t&) override { return true; }
    bool start_object(std::size_t) override { return enter(); }
    bool start_array(std::size_t) override { return enter(); }
    bool end_object() override { return leave(); }
    bool end_array() override { return leave(); }

    bool key(string_t& name) override {
        const bool is_new = names_.back().insert(name).second;
        if (!is_new)
            fault_ = "has the name " + in_double_quotes(name, kMostShown) +
                     " twice in one JSON object, so that readers differ";
        return is_new;
    }

    bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
        fault_ = "is not JSON (RFC 8259) from byte " + std::to_string(position) +
                 " on: expected a SPIFFE bundle, like " +
                 R"({"keys": [{"kty": "EC", "use": "x509-svid", "x5c": ["MII..."]}], "spiffe_sequence": 1})";
        return false;
    }

private:
    bool enter() {
        if (names_.size() == kDeepestBundle) {
            fault_ = "has JSON arrays and objects nested deeper than " + std::to_string(kDeepestBundle);
            return false;
        }
        names_.emplace_back();
        return true;
    }
    bool leave() {
        names_.pop_back();
        return true;
    }

    std::vector<std::set<std::string>> names_;  // of each open object or array
    std::string fault_;
};

Result<Json> read_json(std::string_view text) {
    if (text.size() > kLargestBundle) {
        return Error{"is larger than the " + std::to_string(kLargestBundle >> 20) +
                     " MiB that a SPIFFE bundle may have"};
    }
    // The parser stops at a NUL.
    if (text.find('\0') != std::string_view::npos) return Error{"holds a NUL byte, so it is not JSON (RFC 8259)"};
    JsonGuard guard;
    if (!Json::sax_parse(text, &guard)) return Error{guard.fault()};
    return Json::parse(text);
}

// Without blanks and with zero pad bits: encoded again, it is the same.
std::optional<std::string> from_strict_base64(std::string_view text) {
    auto out = from_base64(text);
    return out && base64(*out) == text ? out : std::nullopt;
}

std::string without_leading_zeros(std::string bytes) { return bytes.erase(0, bytes.find_first_not_of('\0')); }

// JWK members encode numbers and octets in base64url without padding (RFC 7518 2).
std::optional<std::string> from_base64url(std::string text) {
    std::replace(text.begin(), text.end(), '-', '+');
    std::replace(text.begin(), text.end(), '_', '/');
    text.append((4 - text.size() % 4) % 4, '=');
    return from_strict_base64(text);
}

// The members that contain the key, for each key type that certificates have, with OpenSSL's parameter names (RFC 7518
// 6, RFC 8037 2; AKP: JOSE's key type of ML-DSA and SLH-DSA).
struct KeyMember {
    std::string_view type;
    const char* name;
    const char* parameter;
};
constexpr KeyMember kKeyMembers[] = {
    {"RSA", "n", OSSL_PKEY_PARAM_RSA_N},   {"RSA", "e", OSSL_PKEY_PARAM_RSA_E},
    {"EC", "x", OSSL_PKEY_PARAM_EC_PUB_X}, {"EC", "y", OSSL_PKEY_PARAM_EC_PUB_Y},
    {"OKP", "x", OSSL_PKEY_PARAM_PUB_KEY}, {"AKP", "pub", OSSL_PKEY_PARAM_PUB_KEY},
};

// A parameter of a public key as octets without leading zeros; empty if the key has no such parameter.
std::string parameter_of(const EVP_PKEY& key, const char* name) {
    std::string out;
    BIGNUM* number = nullptr;
    std::size_t length = 0;
    if (EVP_PKEY_get_bn_param(&key, name, &number) == 1) {
        const BignumPtr owned(number);
        out.resize(static_cast<std::size_t>(BN_num_bytes(number)));
        BN_bn2bin(number, reinterpret_cast<unsigned char*>(out.data()));
    } else if (EVP_PKEY_get_octet_string_param(&key, name, nullptr, 0, &length) == 1) {
        out.resize(length);
        auto* const octets = reinterpret_cast<unsigned char*>(out.data());
        EVP_PKEY_get_octet_string_param(&key, name, octets, length, &length);
    }
    return without_leading_zeros(std::move(out));
}

bool is_text(const Json& object, const char* name, std::string_view expected) {
    const auto found = object.find(name);
    return found != object.end() && found->is_string() && found->get_ref<const std::string&>() == expected;
}

// Whether the JWK has another key than its certificate (RFC 7517 4.7). Missing members are not compared; a key that
// this OpenSSL does not support is accepted from the certificate.
bool is_of_other_key(const Json& jwk, const X509& certificate) {
    const EVP_PKEY* const key = X509_get0_pubkey(&certificate);
    if (key == nullptr) return false;
    return std::any_of(std::begin(kKeyMembers), std::end(kKeyMembers), [&](const KeyMember& member) {
        if (!is_text(jwk, "kty", member.type)) return false;
        const std::string expected = parameter_of(*key, member.parameter);
        if (expected.empty() || !jwk.contains(member.name)) return expected.empty();
        const Json& value = jwk[member.name];
        const auto octets = value.is_string() ? from_base64url(value.get<std::string>()) : std::nullopt;
        return !octets || without_leading_zeros(*octets) != expected;
    });
}

bool has_known_type(const Json& jwk) {
    return std::any_of(std::begin(kKeyMembers), std::end(kKeyMembers),
                       [&](const KeyMember& member) { return is_text(jwk, "kty", member.type); });
}

// The CA certificate of one key; empty if the key is ignored.
Result<std::string> read_authority(const Json& jwk, const std::string& where, std::vector<std::string>& warnings) {
    if (!jwk.is_object()) return Error{where + " is no JSON object"};
    if (!is_text(jwk, "use", "x509-svid")) return std::string();
    const auto pass_over = [&](const std::string& why) {
        warnings.push_back(where + " is passed over: " + why);
        return std::string();
    };
    if (!has_known_type(jwk)) return pass_over("its kty is none of RSA, EC, OKP and AKP");
    const auto x5c = jwk.find("x5c");
    if (x5c == jwk.end() || (x5c->is_array() && x5c->empty())) return pass_over("it has no certificate in x5c");
    if (!x5c->is_array() || !x5c->front().is_string()) {
        return Error{where + ": x5c is no array of strings: expected one CA certificate, in base64 of its DER"};
    }
    if (x5c->size() > 1) {
        warnings.push_back(where + ": of " + std::to_string(x5c->size()) +
                           " certificates in x5c the first alone counts (X509-SVID 6.2)");
    }
    const auto der = from_strict_base64(x5c->front().get_ref<const std::string&>());
    if (!der) {
        return Error{where +
                     ": x5c is not base64 in its standard alphabet with padding, without line breaks (RFC 4648 4; "
                     "base64url does not count)"};
    }
    std::string_view rest = *der;
    const X509Ptr certificate = take_x509(rest);
    if (!certificate || !rest.empty()) return Error{where + ": x5c does not hold one X.509 certificate in DER"};
    const auto subject = [&] {
        return in_double_quotes(read_name(*X509_get_subject_name(certificate.get())).text(), kMostShown);
    };
    if (!has_ca_flag(*certificate)) {
        return Error{where + ": the certificate " + subject() +
                     " is no CA (basicConstraints): a bundle holds the CAs of a trust domain, not what they issue"};
    }
    if (is_of_other_key(jwk, *certificate)) {
        return Error{where + ": the certificate " + subject() + " has another key than the JWK itself (RFC 7517 4.7)"};
    }
    return *der;
}

// An integer of at most 64 bits; nothing if it is absent.
Result<std::optional<std::uint64_t>> read_number(const Json& bundle, const char* name) {
    const auto found = bundle.find(name);
    if (found == bundle.end()) return std::optional<std::uint64_t>();
    if (found->is_number_unsigned()) return std::optional(found->get<std::uint64_t>());
    return Error{std::string("has a ") + name + " of " + escape_for_reader(found->dump(-1, ' ', true), 80) +
                 ": expected a whole number from 0 to 18446744073709551615"};
}

}  // namespace

Result<SpiffeBundle> read_spiffe_bundle(std::string_view text) {
    const ErrorQueueGuard errors;
    const auto json = read_json(text);
    if (!json) return Error{json.error()};
    const Json& bundle = json.value();
    if (!bundle.is_object() || !bundle.contains("keys") || !bundle["keys"].is_array()) {
        return Error{"is no SPIFFE bundle: expected a JSON object with an array \"keys\" (a JWK set, RFC 7517 5)"};
    }
    SpiffeBundle out;
    for (const auto& [name, number] :
         {std::pair{"spiffe_sequence", &out.sequence}, std::pair{"spiffe_refresh_hint", &out.refresh_hint}}) {
        const auto read = read_number(bundle, name);
        if (!read) return Error{read.error()};
        *number = read.value();
    }
    const Json& keys = bundle["keys"];
    if (keys.size() > kMostBundleKeys) return Error{"holds more than " + std::to_string(kMostBundleKeys) + " keys"};
    for (std::size_t i = 0; i < keys.size(); ++i) {
        const auto der = read_authority(keys[i], "holds a key, keys[" + std::to_string(i) + "]", out.warnings);
        if (!der) return Error{der.error()};
        const bool is_new =
            std::find(out.authorities.begin(), out.authorities.end(), der.value()) == out.authorities.end();
        if (!der.value().empty() && is_new) out.authorities.push_back(der.value());
    }
    if (!out.authorities.empty()) return out;
    return Error{
        "holds no key with \"use\": \"x509-svid\" and a CA certificate in x5c, so that it trusts nobody: that is "
        "refused, since an empty bundle is rather a broken one; to end a trust domain's access, remove its partner"};
}

}  // namespace mtls
