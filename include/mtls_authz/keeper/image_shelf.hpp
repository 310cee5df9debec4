// Where the images in force wait for each process that wants them: sockets that are open in all processes of a server,
// with one message in each that brings the images' files and is only ever looked at. So nobody waits for anybody, and
// what is in force outlives whoever made it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "mtls_authz/base/image.hpp"
#include "mtls_authz/system/file_passing.hpp"

namespace mtls {

// What is in force: of each kind the serial number, 0 where there is none, and its file.
struct ShelfContents {
    std::uint64_t serial = 0;  // of all: higher with each change
    std::array<std::uint64_t, kWatched> serials{};
    std::array<OwnedFile, kWatched> files;
};

// Each process has a copy of its own. Closes nothing by itself, since it is kept over restarts of the server.
class ImageShelf {
public:
    // Two socket pairs: children can only look at one of them, so that what a new keeper takes over comes from no
    // child, and what a child takes from no other.
    static std::optional<ImageShelf> create();

    // In the keeper, or in the parent before there is one: replaces what is there by these files, which stay the
    // caller's. False where the sockets do not take it.
    bool put(std::uint64_t serial, const std::array<std::uint64_t, kWatched>& serials,
             const std::array<int, kWatched>& files) const;
    // For children.
    std::optional<ShelfContents> look() const { return look_at(offered_[0]); }
    // For the next keeper, and the server after a restart.
    std::optional<ShelfContents> look_at_kept() const { return look_at(kept_[0]); }
    // In a child that begins: from here on it can do nothing but look().
    void become_reader();

private:
    static std::optional<ShelfContents> look_at(int socket);

    int offered_[2] = {-1, -1};
    int kept_[2] = {-1, -1};
};

}  // namespace mtls
