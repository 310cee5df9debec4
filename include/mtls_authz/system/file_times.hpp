// Times of a file to the nanosecond: POSIX's names for them, which macOS spells its own way.
#pragma once

#include <sys/stat.h>

namespace mtls {

#ifdef __APPLE__
inline timespec modified_at(const struct stat& info) { return info.st_mtimespec; }
inline timespec changed_at(const struct stat& info) { return info.st_ctimespec; }
#else
inline timespec modified_at(const struct stat& info) { return info.st_mtim; }
inline timespec changed_at(const struct stat& info) { return info.st_ctim; }
#endif

}  // namespace mtls
