// What a process asks of the kernel about itself, where the kernel offers it. What each is for has another, slower or
// narrower way that every system has; the comments say which. All are async-signal-safe.
#pragma once

#include <unistd.h>

#include <csignal>

#include "mtls_authz/system/system.hpp"
#ifdef MTLS_AUTHZ_LINUX
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

namespace mtls {

// As ps(1) shows it. Elsewhere the program's name.
inline void name_process([[maybe_unused]] const char* name) {
#ifdef MTLS_AUTHZ_LINUX
    prctl(PR_SET_NAME, name);
#endif
}

// SIGKILL when the parent ends. Elsewhere the end of a pipe that the parent holds has to be noticed.
inline void end_with_parent() {
#ifdef MTLS_AUTHZ_LINUX
    prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
}

// No other process of the same user may trace it, nor is its memory dumped. Elsewhere processes of one user are not
// kept apart.
inline void forbid_tracing() {
#ifdef MTLS_AUTHZ_LINUX
    prctl(PR_SET_DUMPABLE, 0);
#endif
}

// Processes that lose their parent below this one become its children. Elsewhere those that have left their process
// group as well are not found.
inline void adopt_orphans() {
#ifdef MTLS_AUTHZ_LINUX
    prctl(PR_SET_CHILD_SUBREAPER, 1);
#endif
}

// Closes all descriptors from `first` on. `end`: where there are none any more.
inline void close_files_from(int first, int end) {
#if defined(MTLS_AUTHZ_LINUX) && defined(SYS_close_range)
    if (syscall(SYS_close_range, static_cast<unsigned>(first), ~0U, 0U) == 0) return;
#endif
    for (int file = first; file < end; ++file) close(file);
}

}  // namespace mtls
