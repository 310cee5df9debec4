// SipHash-1-3 (Aumasson, Bernstein: SipHash, a fast short-input PRF). Without the key, an attacker cannot choose texts
// that collide in one bucket of a hash table.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace mtls {

class KeyedHash {
public:
    KeyedHash(std::uint64_t k0, std::uint64_t k1) : k0_(k0), k1_(k1) {}
    // With a key from OpenSSL's random generator.
    static KeyedHash random();

    std::uint64_t operator()(std::string_view text) const noexcept {
        State s{k0_ ^ 0x736f6d6570736575, k1_ ^ 0x646f72616e646f6d, k0_ ^ 0x6c7967656e657261, k1_ ^ 0x7465646279746573};
        std::size_t at = 0;
        for (; at + 8 <= text.size(); at += 8) s.take(word(text.data() + at, 8));
        s.take(word(text.data() + at, text.size() - at) | static_cast<std::uint64_t>(text.size()) << 56);
        s.c ^= 0xff;
        for (int i = 0; i < 3; ++i) s.round();
        return s.a ^ s.b ^ s.c ^ s.d;
    }

private:
    struct State {
        std::uint64_t a, b, c, d;
        void round() noexcept {
            a += b, b = std::rotl(b, 13) ^ a, a = std::rotl(a, 32);
            c += d, d = std::rotl(d, 16) ^ c;
            a += d, d = std::rotl(d, 21) ^ a;
            c += b, b = std::rotl(b, 17) ^ c, c = std::rotl(c, 32);
        }
        void take(std::uint64_t m) noexcept {
            d ^= m;
            round();
            a ^= m;
        }
    };
    static std::uint64_t word(const char* from, std::size_t bytes) noexcept {
        std::uint64_t out = 0;
        std::memcpy(&out, from, bytes);
        if constexpr (std::endian::native == std::endian::big) out = __builtin_bswap64(out);
        return out;
    }

    std::uint64_t k0_;
    std::uint64_t k1_;
};

}  // namespace mtls
