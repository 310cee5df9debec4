#include "mtls_authz/trust/crl_record.hpp"

#include <algorithm>

#include "mtls_authz/base/text.hpp"

namespace mtls {

namespace {

SerialKey key_of(std::string_view serial) {
    SerialKey out{};
    std::string digest;
    std::string_view number = serial.substr(1);
    const bool is_long = number.size() >= out.size();
    out[0] = static_cast<unsigned char>(is_long ? '#' : serial[0]);
    if (is_long) number = digest = sha256(serial);
    std::copy(number.begin(), number.end(), out.end() - static_cast<std::ptrdiff_t>(number.size()));
    return out;
}

// Leading zero bytes of the number.
std::size_t leading_zeros(const SerialKey& key) {
    return static_cast<std::size_t>(std::find_if(key.begin() + 1, key.end(), [](unsigned char c) { return c != 0; }) -
                                    (key.begin() + 1));
}

}  // namespace

void SerialSetBuilder::add(std::string_view serial) { keys_.push_back(key_of(serial)); }

SerialSet SerialSetBuilder::finish(Arena& arena) {
    SerialSet out;
    if (keys_.empty()) return out;
    std::sort(keys_.begin(), keys_.end());
    keys_.erase(std::unique(keys_.begin(), keys_.end()), keys_.end());
    std::size_t zeros = sizeof(SerialKey) - 1;
    for (const SerialKey& key : keys_) zeros = std::min(zeros, leading_zeros(key));
    out.width_ = static_cast<std::uint32_t>(sizeof(SerialKey) - zeros);
    std::string bytes;
    bytes.reserve(keys_.size() * out.width_);
    for (const SerialKey& key : keys_) {
        bytes += static_cast<char>(key[0]);
        bytes.append(key.begin() + 1 + static_cast<std::ptrdiff_t>(zeros), key.end());
    }
    out.bytes_ = arena.keep(bytes);
    return out;
}

bool SerialSet::contains(std::string_view serial) const {
    if (width_ == 0) return false;
    const SerialKey key = key_of(serial);
    const std::size_t zeros = sizeof(SerialKey) - width_;
    if (leading_zeros(key) < zeros) return false;
    std::string wanted(1, static_cast<char>(key[0]));
    wanted.append(key.begin() + 1 + static_cast<std::ptrdiff_t>(zeros), key.end());
    std::size_t first = 0;
    for (std::size_t left = size(); left > 0;) {
        const std::size_t half = left / 2;
        const std::string_view there = bytes_.substr((first + half) * width_, width_);
        if (there == wanted) return true;
        if (there < wanted) first += half + 1;
        left = there < wanted ? left - half - 1 : half;
    }
    return false;
}

SerialSet SerialSet::keep(Arena& arena) const {
    SerialSet out = *this;
    out.bytes_ = arena.keep(bytes_);
    return out;
}

std::size_t CrlRecord::size() const {
    std::size_t out = 0;
    for (const CrlEntries& e : entries) out += e.revoked.size() + e.removed.size();
    return out;
}

CrlRecord CrlRecord::keep(Arena& arena) const {
    CrlRecord out = *this;
    for (Text* const text : {&out.issuer, &out.issuer_text, &out.digest, &out.scope, &out.authority_key, &out.signature,
                             &out.signed_digest, &out.whole}) {
        *text = arena.keep(*text);
    }
    if (number) out.number = arena.keep(*number);
    if (base_number) out.base_number = arena.keep(*base_number);
    if (points) {
        std::vector<Text> names;
        for (const Text& name : *points) names.emplace_back(arena.keep(name));
        out.points = Span<Text>(arena.keep(names));
    }
    std::vector<CrlEntries> all;
    for (const CrlEntries& e : entries) {
        all.push_back({arena.keep(e.issuer), e.revoked.keep(arena), e.removed.keep(arena)});
    }
    out.entries = arena.keep(all);
    out.signers = Span<Signer>();
    return out;
}

}  // namespace mtls
