// What this system has beyond POSIX. -DMTLS_AUTHZ_PLAIN_POSIX leaves all of it out: then the other ways, which macOS
// and the BSDs take, are compiled and tested on Linux (`make portability WHAT=plain`).
#pragma once

#if defined(__linux__) && !defined(MTLS_AUTHZ_PLAIN_POSIX)
#define MTLS_AUTHZ_LINUX
#endif
