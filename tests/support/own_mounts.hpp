// A mount anywhere makes every keeper on the machine poll its files. So each test has mounts of its own.
#pragma once

#include "mtls_authz/system/system.hpp"
#ifdef MTLS_AUTHZ_LINUX
#include <sched.h>
#include <sys/mount.h>
#endif

namespace test {

// From here on this process and its children do not see new mounts of others, nor others theirs. Only root can.
inline void own_mounts() {
#ifdef MTLS_AUTHZ_LINUX
    // Below a chroot "/" may be no mount: whoever made the chroot has then made the mounts private.
    if (unshare(CLONE_NEWNS) == 0) mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
#endif
}

}  // namespace test
