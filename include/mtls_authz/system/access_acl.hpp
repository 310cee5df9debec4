// POSIX access ACLs of files (acl(5)): whom an ACL gives more than the mode shows. Fallback on other systems: a file
// has none.
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

namespace mtls {

// Permissions as in the last digit of a mode: 4 read, 2 write, 1 execute. Those of the mask are taken into account. The
// group's bits of a file's mode are the mask where it has an ACL: without such a bit, nobody but the owner and others
// has that permission.
struct AccessAcl {
    unsigned owning_group = 0;
    std::vector<std::pair<uid_t, unsigned>> users;
    std::vector<std::pair<gid_t, unsigned>> groups;
};

enum class AclAnswer { kNone, kRead, kUnreadable };
// Reads the ACL of a file or folder, following links. kNone: its mode says everything. kUnreadable: see errno.
AclAnswer read_access_acl(const std::string& path, AccessAcl& out);

}  // namespace mtls
