// Memory that processes share as an open file without a name, and that nobody can change once it is sealed
// (memfd_create(2)). Where the system has no such files: a private one that is unlinked at once, and handed on for
// reading alone.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <optional>
#include <utility>

#include "mtls_authz/system/file_passing.hpp"

namespace mtls {

// Of mmap(): no swap is set aside for pages that nobody has written.
#ifdef MAP_NORESERVE
constexpr int kNoReserve = MAP_NORESERVE;
#else
constexpr int kNoReserve = 0;
#endif

class UnsealedFile {
public:
    // Nothing where there is none; errno says why.
    static std::optional<UnsealedFile> create();

    // For reading and writing.
    int get() const { return writer_.get(); }
    // Makes the file longer by `size` bytes from `at`, its end, with memory behind them: storing there cannot fail.
    bool extend(std::size_t at, std::size_t size) const;
    // Cuts it to `size` bytes, and gives it up for one that can be read alone. It must not be mapped for writing any
    // more. -1 where it cannot be sealed; errno says why.
    OwnedFile seal(std::size_t size) &&;

private:
    UnsealedFile(OwnedFile writer, OwnedFile reader) : writer_(std::move(writer)), reader_(std::move(reader)) {}
    OwnedFile writer_;
    OwnedFile reader_;  // of systems without seals
};

// Whether no process can change what is read from this file.
bool is_sealed(int file);

}  // namespace mtls
