#include "mtls_authz/base/record.hpp"

namespace mtls {

void append_number(std::string& out, std::size_t number) {
    for (; number >= kMoreFollows; number >>= kNumberBits) {
        out += static_cast<char>(number % kMoreFollows | kMoreFollows);
    }
    out += static_cast<char>(number);
}

void append_sized(std::string& out, std::string_view bytes) {
    append_number(out, bytes.size());
    out += bytes;
}

}  // namespace mtls
