#include <cstring>
#include <string>

#include "mtls_authz/base/digest.hpp"
#include "mtls_authz/base/image.hpp"

#ifndef MTLS_AUTHZ_SOURCES
#error "the Makefile defines MTLS_AUTHZ_SOURCES: a digest of the core's sources"
#endif

namespace mtls {

namespace {

// Compilers of one platform agree on the layout of classes; the standard library defines that of its templates.
std::string library() {
#ifdef _LIBCPP_VERSION
    return "libc++ " + std::to_string(_LIBCPP_VERSION);
#else
    return "libstdc++ " + std::to_string(__GLIBCXX__);
#endif
}

}  // namespace

std::uint64_t layout_id() {
    static const std::uint64_t id = [] {
        Sha256 digest;
        digest.add(MTLS_AUTHZ_SOURCES "/" + library() + "/" + std::to_string(sizeof(void*)));
        const std::string bytes = digest.finish();
        std::uint64_t out = 0;
        std::memcpy(&out, bytes.data(), sizeof out);
        return out;
    }();
    return id;
}

}  // namespace mtls
