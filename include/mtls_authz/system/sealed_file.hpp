// An unnamed file in memory that processes share, and that is immutable once it is sealed (memfd_create(2)). Fallback:
// an unlinked file in /tmp; seal() closes the only writable descriptor and returns a read-only one.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <optional>
#include <utility>

#include "mtls_authz/system/file_passing.hpp"

namespace mtls {

// Flag of mmap(): no swap is reserved for pages before they are written.
#ifdef MAP_NORESERVE
constexpr int kNoReserve = MAP_NORESERVE;
#else
constexpr int kNoReserve = 0;
#endif

class UnsealedFile {
public:
    // Nothing on failure, with errno set.
    static std::optional<UnsealedFile> create();

    // A descriptor for reading and writing.
    int get() const { return writer_.get(); }
    // Extends the file by `size` bytes from `at`, its end, and allocates them: writing to them cannot raise SIGBUS.
    bool extend(std::size_t at, std::size_t size) const;
    // Truncates the file to `size` bytes and returns a read-only descriptor; -1 on failure, with errno set. Fails while
    // a writable mapping exists.
    OwnedFile seal(std::size_t size) &&;

private:
    UnsealedFile(OwnedFile writer, OwnedFile reader) : writer_(std::move(writer)), reader_(std::move(reader)) {}
    OwnedFile writer_;
    OwnedFile reader_;  // on systems without seals
};

// Whether no process can change the content of this file.
bool is_sealed(int file);

}  // namespace mtls
