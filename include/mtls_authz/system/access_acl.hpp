// POSIX access ACLs of files (acl(5)): whom an ACL gives more than the mode shows. Fallback on other systems: a file
// has none.
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

namespace mtls {

// Permissions as in the last digit of a mode: 4 read, 2 write, 1 execute. The ACL's mask is already applied to them.
//
// Where a file has an ACL, the group bits of its mode show that mask, and not what the owning group may do. A
// permission that the group bits lack is therefore denied to the owning group and to everybody whom the ACL names.
struct AccessAcl {
    unsigned owning_group = 0;
    std::vector<std::pair<uid_t, unsigned>> users;
    std::vector<std::pair<gid_t, unsigned>> groups;
};

enum class AclAnswer { kNone, kRead, kUnreadable };
// Reads the ACL of a file or folder, following links. kNone: its mode says everything. kUnreadable: see errno.
AclAnswer read_access_acl(const std::string& path, AccessAcl& out);

}  // namespace mtls
