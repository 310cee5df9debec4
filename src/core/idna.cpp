#include "mtls_authz/idna.hpp"

#include <cstdint>
#include <optional>

#include "mtls_authz/text.hpp"

namespace mtls {

namespace {

// RFC 3492 for one label; nothing where the label is not valid UTF-8.
std::optional<std::string> a_label(std::string_view label) {
    const auto points = decode_utf8(label);
    if (!points) return std::nullopt;
    std::string out;
    for (const char32_t c : *points) {
        if (c < 0x80) out += to_lower(static_cast<char>(c));
    }
    if (out.size() == points->size()) return out;
    constexpr std::uint32_t kBase = 36, kTMin = 1, kTMax = 26, kSkew = 38, kDamp = 700;
    std::uint32_t n = 0x80, delta = 0, bias = 72;
    std::uint32_t handled = static_cast<std::uint32_t>(out.size());
    const std::uint32_t basic = handled;
    const auto length = static_cast<std::uint32_t>(points->size());
    if (basic > 0) out += '-';
    const auto digit = [](std::uint32_t d) { return static_cast<char>(d < 26 ? 'a' + d : '0' + d - 26); };
    while (handled < length) {
        std::uint32_t next = 0x10ffff;
        for (const char32_t c : *points) {
            if (c >= n && c < next) next = static_cast<std::uint32_t>(c);
        }
        delta += (next - n) * (handled + 1);
        n = next;
        for (const char32_t c : *points) {
            if (c < n) ++delta;
            if (c != n) continue;
            std::uint32_t q = delta;
            for (std::uint32_t k = kBase;; k += kBase) {
                const std::uint32_t t = k <= bias ? kTMin : k >= bias + kTMax ? kTMax : k - bias;
                if (q < t) break;
                out += digit(t + (q - t) % (kBase - t));
                q = (q - t) / (kBase - t);
            }
            out += digit(q);
            delta = handled == basic ? delta / kDamp : delta / 2;
            delta += delta / (handled + 1);
            std::uint32_t k = 0;
            for (; delta > ((kBase - kTMin) * kTMax) / 2; k += kBase) delta /= kBase - kTMin;
            bias = k + (kBase - kTMin + 1) * delta / (delta + kSkew);
            ++handled;
            delta = 0;
        }
        ++delta;
        ++n;
    }
    return "xn--" + out;
}

}  // namespace

std::string a_labels_of(std::string_view name) {
    std::string out;
    for (const std::string_view label : split(name, '.')) {
        const auto ascii = a_label(label);
        if (!ascii) return {};
        out += (out.empty() ? "" : ".") + *ascii;
    }
    return out;
}

}  // namespace mtls
