#include "mtls_authz/system/sealed_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "mtls_authz/system/system.hpp"

namespace mtls {

#if defined(MTLS_AUTHZ_LINUX) && defined(MFD_ALLOW_SEALING)

namespace {

constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

// Since Linux 6.3; with the sysctl vm.memfd_noexec=2 there are no others.
#ifdef MFD_NOEXEC_SEAL
constexpr unsigned kNeverRun = MFD_NOEXEC_SEAL;
#else
constexpr unsigned kNeverRun = 8U;
#endif

}  // namespace

std::optional<UnsealedFile> UnsealedFile::create() {
    constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    OwnedFile file(memfd_create("mtls_authz", kFlags | kNeverRun));
    if (file.get() < 0 && errno == EINVAL) file = OwnedFile(memfd_create("mtls_authz", kFlags));
    if (file.get() < 0) return std::nullopt;
    return UnsealedFile(std::move(file), {});
}

OwnedFile UnsealedFile::seal(std::size_t size) && {
    if (ftruncate(writer_.get(), static_cast<off_t>(size)) != 0) return {};
    if (fcntl(writer_.get(), F_ADD_SEALS, kSeals) != 0) return {};
    return std::move(writer_);
}

// The kernel adds seals of its own (F_SEAL_EXEC).
bool is_sealed(int file) {
    const int seals = fcntl(file, F_GET_SEALS);
    return seals >= 0 && (seals & kSeals) == kSeals;
}

#else

// Opens the file a second time, read only, before it is unlinked: a process that receives this descriptor cannot write.
std::optional<UnsealedFile> UnsealedFile::create() {
    char name[] = "/tmp/mtls_authz.XXXXXX";
    OwnedFile writer(mkostemp(name, O_CLOEXEC));
    if (writer.get() < 0) return std::nullopt;
    OwnedFile reader(open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    const int why = errno;
    unlink(name);
    errno = why;
    if (reader.get() < 0) return std::nullopt;
    return UnsealedFile(std::move(writer), std::move(reader));
}

OwnedFile UnsealedFile::seal(std::size_t size) && {
    if (ftruncate(writer_.get(), static_cast<off_t>(size)) != 0) return {};
    writer_ = OwnedFile();
    return std::move(reader_);
}

bool is_sealed(int file) {
    const int flags = fcntl(file, F_GETFL);
    return flags >= 0 && (flags & O_ACCMODE) == O_RDONLY;
}

#endif

// Not ftruncate() alone: it does not allocate, and writing a page without memory raises SIGBUS.
bool UnsealedFile::extend(std::size_t at, std::size_t size) const {
#ifdef MTLS_AUTHZ_LINUX
    const int fault = posix_fallocate(writer_.get(), static_cast<off_t>(at), static_cast<off_t>(size));
    if (fault != EINVAL && fault != EOPNOTSUPP) return fault == 0;
#endif
    static constexpr std::array<char, 4096> kZeros{};
    while (size > 0) {
        const ssize_t n = pwrite(writer_.get(), kZeros.data(), std::min(size, kZeros.size()), static_cast<off_t>(at));
        if (n <= 0) return false;
        at += static_cast<std::size_t>(n);
        size -= static_cast<std::size_t>(n);
    }
    return true;
}

}  // namespace mtls
