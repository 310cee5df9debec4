#include "mtls_authz/certificate/session_chain.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "mtls_authz/base/text.hpp"
#include "mtls_authz/certificate/algorithms.hpp"
#include "mtls_authz/certificate/certificate_facts.hpp"
#include "mtls_authz/certificate/decoded_certificates.hpp"

namespace mtls {

namespace {

constexpr char kVersion = 1;
constexpr std::size_t kHeader = 1 + 32;
constexpr std::size_t kLength = 2;
constexpr std::size_t kNumber = 4;
// OpenSSL closes the connection if a ticket has more than 65,280 bytes; the ticket contains the leaf too.
constexpr std::size_t kMostInTicket = 60000;

void append_number(std::string& out, std::size_t number, std::size_t width) {
    for (std::size_t i = width; i-- > 0;) out += static_cast<char>(number >> (8 * i));
}

// Removes a number from the front; nothing if there are too few bytes.
std::optional<std::uint32_t> take_number(std::string_view& data, std::size_t width) {
    if (data.size() < width) return std::nullopt;
    std::uint32_t out = 0;
    for (const char c : data.substr(0, width)) out = (out << 8) | static_cast<std::uint8_t>(c);
    data.remove_prefix(width);
    return out;
}

std::size_t size_of(const X509& certificate) {
    return static_cast<std::size_t>(std::max(0, i2d_X509(&certificate, nullptr)));
}

// Appends the certificates of `rest` that are issuers above `below`, by names and key identifiers, depth first: the
// first path is complete before other certificates use up the limits.
void climb(X509& below, std::vector<X509*>& rest, std::vector<X509*>& out) {
    for (X509*& candidate : rest) {
        if (candidate == nullptr || X509_check_issued(candidate, &below) != X509_V_OK) continue;
        X509& issuer = *std::exchange(candidate, nullptr);
        out.push_back(&issuer);
        climb(issuer, rest, out);
    }
}

// Appends the certificates of `rest` whose subject is the name of an issuer on the path, but which have another key:
// after a key rollover of a CA, the other key may sign its CRLs (RFC 5280 6.3.3 (f)).
void append_namesakes(const X509& leaf, std::vector<X509*>& rest, std::vector<X509*>& out) {
    std::vector<const X509*> below = {&leaf};
    below.insert(below.end(), out.begin(), out.end());
    for (X509*& candidate : rest) {
        const auto is_named_by = [&](const X509* certificate) { return names_as_issuer(*certificate, *candidate); };
        if (candidate == nullptr || std::none_of(below.begin(), below.end(), is_named_by)) continue;
        out.push_back(std::exchange(candidate, nullptr));
    }
}

// One per process, apart from the policy's: clients fill it. Resumed sessions of a partner have the same intermediates.
X509Ptr decode_helper(std::string_view der, const std::string& sha256) {
    constexpr std::size_t kSlots = 128;
    static DecodedCertificates of_process(kSlots);
    constexpr std::size_t kMostCached = 4096;  // so that strangers' certificates take a few megabytes at most
    return der.size() <= kMostCached ? of_process.get(sha256, der) : decode_exactly(der);
}

// Not a certificate that is only self-issued (a key rollover, RFC 4210 4.4), unless it takes long to see that.
bool is_root(X509& certificate) {
    constexpr int kByName = 0, kBySignature = 1;
    return X509_self_signed(&certificate, kByName) == 1 &&
           (!costly_key(certificate).empty() || X509_self_signed(&certificate, kBySignature) == 1);
}

}  // namespace

SentHelpers useful_helpers(const X509& leaf, const std::vector<X509*>& chain) {
    const ErrorQueueGuard errors;
    SentHelpers out;
    const auto leave_out = [&out](const X509& certificate) {
        ++out.left_out.count;
        out.left_out.bytes += static_cast<std::uint32_t>(size_of(certificate));
    };
    // Longer than any legitimate chain; bounds the work per client.
    constexpr std::size_t kMostLooked = 64;
    const auto end = chain.begin() + static_cast<std::ptrdiff_t>(std::min(chain.size(), kMostLooked));
    std::for_each(end, chain.end(), [&](const X509* certificate) { leave_out(*certificate); });
    const std::size_t taken = std::min(kMostInTicket, size_of(leaf));
    std::size_t room = std::min(kMostHelperBytes, kMostInTicket - taken);
    std::vector<X509*> rest(chain.begin(), end);
    std::vector<X509*> upwards;
    climb(const_cast<X509&>(leaf), rest, upwards);
    append_namesakes(leaf, rest, upwards);
    for (X509* const candidate : upwards) {
        if (is_root(*candidate)) continue;  // not an intermediate
        const std::size_t size = size_of(*candidate);
        if (out.certificates.size() == kMostHelpers || size > room) {
            leave_out(*candidate);
            continue;
        }
        room -= size;
        out.certificates.push_back(share(*candidate));
    }
    return out;
}

void put_path_first(const X509& leaf, std::vector<X509*>& chain) {
    const ErrorQueueGuard errors;
    const auto is_valid = [](const X509* c) {
        return X509_cmp_current_time(X509_get0_notBefore(c)) < 0 && X509_cmp_current_time(X509_get0_notAfter(c)) > 0;
    };
    X509* below = const_cast<X509*>(&leaf);
    const auto issued = [&below](X509* c) {
        EVP_PKEY* const key = X509_get0_pubkey(c);
        return key != nullptr && X509_check_issued(c, below) == X509_V_OK && costly_key(*c).empty() &&
               X509_verify(below, key) == 1;
    };
    auto first = chain.begin();
    for (std::size_t depth = 0; depth < kMostHelpers; ++depth) {
        auto issuer = std::find_if(first, chain.end(), [&](X509* c) { return is_valid(c) && issued(c); });
        if (issuer == chain.end()) issuer = std::find_if(first, chain.end(), issued);
        if (issuer == chain.end()) return;
        std::rotate(first, issuer, issuer + 1);
        below = *first++;
    }
}

std::string encode_helpers(const X509& leaf, const SentHelpers& helpers) {
    std::string out(1, kVersion);
    if (helpers.certificates.empty() && helpers.left_out.count == 0) return out;
    out += certificate_sha256(leaf);
    for (const X509Ptr& helper : helpers.certificates) {
        const std::string der = encode(i2d_X509, *helper);
        append_number(out, der.size(), kLength);
        out += der;
    }
    if (helpers.left_out.count == 0) return out;
    append_number(out, 0, kLength);
    append_number(out, helpers.left_out.count, kNumber);
    append_number(out, helpers.left_out.bytes, kNumber);
    return out;
}

SentHelpers decode_helpers(std::string_view data, const X509& leaf) {
    const ErrorQueueGuard errors;
    SentHelpers out;
    constexpr std::size_t kMostData = kHeader + kMostHelperBytes + (kMostHelpers + 1) * kLength + 2 * kNumber;
    if (data.size() < kHeader || data.size() > kMostData || data[0] != kVersion) return {};
    if (data.substr(1, kHeader - 1) != certificate_sha256(leaf)) return {};
    data.remove_prefix(kHeader);
    while (!data.empty()) {
        const auto length = take_number(data, kLength);
        if (!length || *length > data.size()) return {};
        if (*length == 0) {
            const auto count = take_number(data, kNumber);
            const auto bytes = take_number(data, kNumber);
            if (!bytes || !data.empty()) return {};
            out.left_out = {*count, *bytes};
            return out;
        }
        if (out.certificates.size() == kMostHelpers) return {};
        const std::string_view der = data.substr(0, *length);
        std::string digest = sha256(der);
        X509Ptr helper = decode_helper(der, digest);
        if (!helper) return {};
        out.certificates.push_back(std::move(helper));
        out.digests.push_back(std::move(digest));
        data.remove_prefix(*length);
    }
    return out;
}

std::string describe_left_out(const std::vector<X509Ptr>& kept, const LeftOut& left_out) {
    std::size_t bytes = 0;
    for (const X509Ptr& helper : kept) bytes += size_of(*helper);
    return "of the client's intermediates " + std::to_string(kept.size()) + " with " + std::to_string(bytes) +
           " bytes count, " + std::to_string(left_out.count) + " more with " + std::to_string(left_out.bytes) +
           " bytes exceed the limit of " + std::to_string(kMostHelpers) + " and " + std::to_string(kMostHelperBytes) +
           " bytes: put those into MTLSIntermediate (" + std::to_string(kMostInTicket) +
           " bytes are the limit with its certificate); if they are of one path, it is longer than a path may be, and "
           "one of its CAs has to be the trust anchor (MTLSTrustAnchor)";
}

}  // namespace mtls
