#include "mtls_authz/system/access_acl.hpp"

#include "mtls_authz/system/system.hpp"
#ifdef MTLS_AUTHZ_LINUX
#include <sys/xattr.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#endif

namespace mtls {

#ifdef MTLS_AUTHZ_LINUX

namespace {

// linux/posix_acl_xattr.h: a version, then entries of a tag, permissions and an id; all little-endian.
constexpr std::size_t kHead = 4, kEntry = 8;
constexpr unsigned kVersion = 2;
constexpr unsigned kUser = 0x02, kOwningGroup = 0x04, kGroup = 0x08, kMask = 0x10;
constexpr unsigned kAllPermissions = 7;

unsigned number_at(const unsigned char* bytes, std::size_t size) {
    unsigned out = 0;
    for (std::size_t i = size; i > 0; --i) out = out << 8U | bytes[i - 1];
    return out;
}

}  // namespace

AclAnswer read_access_acl(const std::string& path, AccessAcl& out) {
    std::array<unsigned char, 65536> bytes;  // XATTR_SIZE_MAX
    const ssize_t size = getxattr(path.c_str(), "system.posix_acl_access", bytes.data(), bytes.size());
    if (size < 0) return errno == ENODATA || errno == ENOTSUP ? AclAnswer::kNone : AclAnswer::kUnreadable;
    const auto end = static_cast<std::size_t>(size);
    if (end < kHead || (end - kHead) % kEntry != 0 || number_at(bytes.data(), kHead) != kVersion) {
        errno = EINVAL;
        return AclAnswer::kUnreadable;
    }
    out = {};
    unsigned mask = kAllPermissions;
    for (std::size_t at = kHead; at < end; at += kEntry) {
        const unsigned char* const entry = bytes.data() + at;
        const unsigned tag = number_at(entry, 2), permissions = number_at(entry + 2, 2), id = number_at(entry + 4, 4);
        if (tag == kUser) out.users.emplace_back(id, permissions);
        if (tag == kGroup) out.groups.emplace_back(id, permissions);
        if (tag == kOwningGroup) out.owning_group = permissions;
        if (tag == kMask) mask = permissions;
    }
    out.owning_group &= mask;
    for (auto& [id, permissions] : out.users) permissions &= mask;
    for (auto& [id, permissions] : out.groups) permissions &= mask;
    return AclAnswer::kRead;
}

#else

AclAnswer read_access_acl(const std::string&, AccessAcl&) { return AclAnswer::kNone; }

#endif

}  // namespace mtls
