#include "mtls_authz/session_chain.hpp"

#include <algorithm>

#include "mtls_authz/certificate_facts.hpp"
#include "mtls_authz/text.hpp"

namespace mtls {

namespace {

constexpr char kVersion = 1;
constexpr std::size_t kMostHelpers = 5;
constexpr std::size_t kMostBytes = 8192;
constexpr std::size_t kHeader = 1 + 32;

std::size_t encoded_size(const std::vector<X509Ptr>& helpers) {
    std::size_t size = kHeader;
    for (const X509Ptr& helper : helpers) size += 2 + encode(i2d_X509, *helper).size();
    return size;
}

}  // namespace

std::vector<X509Ptr> useful_helpers(const X509& leaf, const std::vector<X509*>& chain) {
    std::vector<X509Ptr> out;
    // Far beyond any honest chain, and enough to know that it does not fit.
    constexpr std::size_t kMostLooked = 32;
    std::vector<const X509*> frontier = {&leaf};
    std::vector<X509*> rest(chain.begin(),
                            chain.begin() + static_cast<std::ptrdiff_t>(std::min(chain.size(), kMostLooked)));
    while (!frontier.empty()) {
        const X509* const below = frontier.back();
        frontier.pop_back();
        for (X509*& candidate : rest) {
            if (candidate == nullptr) continue;
            const X509_NAME* const name = X509_get_subject_name(candidate);
            if (X509_NAME_cmp(X509_get_issuer_name(below), name) != 0) continue;
            // A root leads nowhere; one that is only self-issued (a change of key, RFC 4210 4.4) may.
            constexpr int kVerifySignature = 1;
            if (X509_self_signed(candidate, kVerifySignature) == 1) continue;
            out.push_back(share(*candidate));
            frontier.push_back(candidate);
            candidate = nullptr;
        }
    }
    if (out.size() > kMostHelpers || encoded_size(out) > kMostBytes) out.clear();
    return out;
}

std::string encode_helpers(const X509& leaf, const std::vector<X509Ptr>& helpers) {
    std::string out(1, kVersion);
    if (helpers.empty()) return out;
    out += certificate_sha256(leaf);
    for (const X509Ptr& helper : helpers) {
        const std::string der = encode(i2d_X509, *helper);
        out += static_cast<char>(der.size() >> 8);
        out += static_cast<char>(der.size() & 0xff);
        out += der;
    }
    return out;
}

std::vector<X509Ptr> decode_helpers(std::string_view data, const X509& leaf) {
    const ErrorQueueGuard errors;
    std::vector<X509Ptr> out;
    if (data.size() < kHeader || data.size() > kMostBytes || data[0] != kVersion) return out;
    if (data.substr(1, 32) != certificate_sha256(leaf)) return out;
    data.remove_prefix(kHeader);
    while (data.size() > 2 && out.size() < kMostHelpers) {
        const std::size_t length =
            (static_cast<std::size_t>(static_cast<std::uint8_t>(data[0])) << 8) | static_cast<std::uint8_t>(data[1]);
        data.remove_prefix(2);
        if (length > data.size()) return {};
        const auto* der = reinterpret_cast<const unsigned char*>(data.data());
        X509Ptr helper(d2i_X509(nullptr, &der, static_cast<long>(length)));
        if (!helper) return {};
        out.push_back(std::move(helper));
        data.remove_prefix(length);
    }
    return out;
}

}  // namespace mtls
