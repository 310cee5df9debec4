// Process attributes that only Linux has (prctl(2)). Each comment names the fallback on other systems, which is slower
// or weaker. All functions are async-signal-safe.
#pragma once

#include <unistd.h>

#include <csignal>

#include "mtls_authz/system/system.hpp"
#ifdef MTLS_AUTHZ_LINUX
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

namespace mtls {

// Sets the name that ps(1) shows. Fallback: the program's name stays.
inline void name_process([[maybe_unused]] const char* name) {
#ifdef MTLS_AUTHZ_LINUX
    prctl(PR_SET_NAME, name);
#endif
}

// The kernel sends SIGKILL when the parent ends. Fallback: the caller reads EOF from a pipe that the parent holds.
inline void end_with_parent() {
#ifdef MTLS_AUTHZ_LINUX
    prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
}

// Other processes of the same user cannot trace this one, and it writes no core file. No fallback: they can.
inline void forbid_tracing() {
#ifdef MTLS_AUTHZ_LINUX
    prctl(PR_SET_DUMPABLE, 0);
#endif
}

// Orphaned descendants become children of this process. Fallback: descendants are killed by process group, so one that
// has left the group survives.
inline void adopt_orphans() {
#ifdef MTLS_AUTHZ_LINUX
    prctl(PR_SET_CHILD_SUBREAPER, 1);
#endif
}

// Closes all descriptors from `first` on. The fallback closes each of [first, end).
inline void close_files_from(int first, int end) {
#if defined(MTLS_AUTHZ_LINUX) && defined(SYS_close_range)
    if (syscall(SYS_close_range, static_cast<unsigned>(first), ~0U, 0U) == 0) return;
#endif
    for (int file = first; file < end; ++file) close(file);
}

}  // namespace mtls
