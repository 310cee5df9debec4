#include "mtls_authz/keeper/image_shelf.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <span>
#include <utility>

namespace mtls {

namespace {

struct Message {
    std::uint64_t serial;
    std::uint64_t publisher;
    std::array<std::uint64_t, kWatched> serials;  // 0: the message carries no file of this kind
};

// Receives the next message of a socket with its files; nullopt if the queue is empty.
std::optional<ShelfContents> receive(int socket, int flags) {
    Message message{};
    PassedFiles passed;
    const auto bytes = std::as_writable_bytes(std::span(&message, 1));
    if (receive_with_files(socket, bytes, passed, flags | MSG_DONTWAIT) != sizeof message) return std::nullopt;
    ShelfContents out;
    out.serial = message.serial;
    out.publisher = message.publisher;
    out.serials = message.serials;
    std::size_t next = 0;
    for (std::size_t i = 0; i < kWatched; ++i) {
        if (message.serials[i] == 0) continue;
        if (next < passed.count) out.files[i] = std::move(passed.files[next++]);
    }
    return out;
}

bool send(int socket, const Message& message, const std::array<int, kWatched>& all) {
    std::array<int, kWatched> files{};
    std::size_t count = 0;
    for (std::size_t i = 0; i < kWatched; ++i) {
        if (message.serials[i] != 0) files[count++] = all[i];
    }
    return send_with_files(socket, std::as_bytes(std::span(&message, 1)), std::span(files).first(count));
}

// Removes the old message only after the new one is queued.
bool replace(const int (&pair)[2], const Message& message, const std::array<int, kWatched>& files) {
    if (!send(pair[1], message, files)) return false;
    for (auto first = receive(pair[0], MSG_PEEK); first && first->serial != message.serial;) {
        receive(pair[0], 0);
        first = receive(pair[0], MSG_PEEK);
    }
    return true;
}

bool make_pair(int (&pair)[2]) {
    OwnedFile one, other;
    if (!make_socket_pair(one, other)) return false;
    pair[0] = one.release();
    pair[1] = other.release();
    return true;
}

}  // namespace

std::optional<ImageShelf> ImageShelf::create() {
    ImageShelf out;
    if (!make_pair(out.offered_)) return std::nullopt;
    if (make_pair(out.kept_)) return out;
    for (const int socket : out.offered_) close(socket);
    return std::nullopt;
}

bool ImageShelf::put(std::uint64_t serial, std::uint64_t publisher, const std::array<std::uint64_t, kWatched>& serials,
                     const std::array<int, kWatched>& files) const {
    const Message message{serial, publisher, serials};
    const bool is_kept = replace(kept_, message, files);
    return replace(offered_, message, files) && is_kept;
}

// While replace() runs, a reader may still get the old message; its serial number shows that.
std::optional<ShelfContents> ImageShelf::look_at(int socket) { return receive(socket, MSG_PEEK); }

void ImageShelf::become_reader() {
    for (int* const socket : {&kept_[0], &kept_[1], &offered_[1]}) close(std::exchange(*socket, -1));
}

}  // namespace mtls
