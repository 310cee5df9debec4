// Holds the current images for every process of a server: sockets that all processes inherit, each with one queued
// message that carries the images' descriptors. Readers only peek, so no process waits for another, and the images
// outlive the process that built them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "mtls_authz/base/image.hpp"
#include "mtls_authz/system/file_passing.hpp"

namespace mtls {

// The current images: per kind its serial number (0: no image) and its file.
struct ShelfContents {
    std::uint64_t serial = 0;     // of the whole set; rises with each change
    std::uint64_t publisher = 0;  // the number of the process that put it there
    std::array<std::uint64_t, kWatched> serials{};
    std::array<OwnedFile, kWatched> files;  // some missing if this process has no free descriptors (ulimit -n)
};

// Copied into each process. The destructor closes nothing: the sockets are kept over restarts of the server.
class ImageShelf {
public:
    // Uses two socket pairs. Children can only read one of them, so a new keeper never takes over data from a child,
    // and a child never takes data from another child.
    static std::optional<ImageShelf> create();

    // Called in the keeper, or in the parent before a keeper runs: replaces the queued images by `files`, which the
    // caller keeps. False if the sockets do not accept them.
    bool put(std::uint64_t serial, std::uint64_t publisher, const std::array<std::uint64_t, kWatched>& serials,
             const std::array<int, kWatched>& files) const;
    // For children.
    std::optional<ShelfContents> look() const { return look_at(offered_[0]); }
    // For the next keeper, and for the server after a restart.
    std::optional<ShelfContents> look_at_kept() const { return look_at(kept_[0]); }
    // Called in a new child: closes every socket but the one that look() reads.
    void become_reader();

private:
    static std::optional<ShelfContents> look_at(int socket);

    int offered_[2] = {-1, -1};
    int kept_[2] = {-1, -1};
};

}  // namespace mtls
