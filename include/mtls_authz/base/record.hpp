// Serialisation of numbers and byte strings into one string, for records stored in a policy.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace mtls {

// Little-endian variable-length numbers: 7 bits per byte, the top bit set while more bytes follow.
constexpr unsigned kNumberBits = 7;
constexpr unsigned kMoreFollows = 1U << kNumberBits;

void append_number(std::string& out, std::size_t number);
// Prefixed with their size.
void append_sized(std::string& out, std::string_view bytes);

// Never reads beyond its bytes: if fewer are left than requested, it returns none and failed() is set.
class RecordReader {
public:
    explicit RecordReader(std::string_view bytes) : rest_(bytes) {}

    std::uint8_t byte() {
        const std::string_view one = bytes(1);
        return one.empty() ? 0 : static_cast<std::uint8_t>(one.front());
    }
    std::size_t number() {
        std::size_t out = 0;
        for (unsigned shift = 0; shift < sizeof out * 8; shift += kNumberBits) {
            const unsigned next = byte();
            out |= std::size_t{next % kMoreFollows} << shift;
            if (next < kMoreFollows) return out;
        }
        failed_ = true;
        return 0;
    }
    std::string_view bytes(std::size_t size) {
        if (size > rest_.size()) {
            failed_ = true;
            rest_ = {};
            return {};
        }
        const std::string_view out = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return out;
    }
    std::string_view sized() { return bytes(number()); }

    bool failed() const { return failed_; }
    std::string_view rest() const { return rest_; }

private:
    std::string_view rest_;
    bool failed_ = false;
};

}  // namespace mtls
