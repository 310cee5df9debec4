#include "mtls_authz/image_shelf.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace mtls {

OwnedFile::~OwnedFile() {
    if (file_ >= 0) close(file_);
}

OwnedFile& OwnedFile::operator=(OwnedFile&& other) noexcept {
    std::swap(file_, other.file_);
    return *this;
}

int OwnedFile::release() { return std::exchange(file_, -1); }

namespace {

struct Message {
    std::uint64_t serial;
    std::array<std::uint64_t, kWatched> serials;  // 0: no file of this kind comes with it
};

// Room for the files of one message.
union Control {
    char bytes[CMSG_SPACE(kWatched * sizeof(int))];
    cmsghdr align;
};

msghdr header(iovec& data, Control& control) {
    msghdr out{};
    out.msg_iov = &data;
    out.msg_iovlen = 1;
    out.msg_control = control.bytes;
    out.msg_controllen = sizeof control.bytes;
    return out;
}

// The next message of a socket, with its files; nothing where there is none.
std::optional<ShelfContents> receive(int socket, int flags) {
    Message message{};
    iovec data{&message, sizeof message};
    Control control{};
    msghdr head = header(data, control);
    if (recvmsg(socket, &head, flags | MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != sizeof message) return std::nullopt;
    std::array<int, kWatched> files{};
    std::size_t count = 0;
    const cmsghdr* const sent = CMSG_FIRSTHDR(&head);
    if (sent != nullptr && sent->cmsg_type == SCM_RIGHTS) {
        count = std::min((sent->cmsg_len - CMSG_LEN(0)) / sizeof(int), files.size());
        std::memcpy(files.data(), CMSG_DATA(sent), count * sizeof(int));
    }
    ShelfContents out;
    out.serial = message.serial;
    out.serials = message.serials;
    std::size_t next = 0;
    bool is_whole = true;
    for (std::size_t i = 0; i < kWatched; ++i) {
        if (message.serials[i] == 0) continue;
        is_whole = is_whole && next < count;  // else there were no more descriptors (ulimit -n)
        if (next < count) out.files[i] = OwnedFile(files[next++]);
    }
    return is_whole ? std::optional(std::move(out)) : std::nullopt;
}

bool send(int socket, const Message& message, const std::array<int, kWatched>& all) {
    std::array<int, kWatched> files{};
    std::size_t count = 0;
    for (std::size_t i = 0; i < kWatched; ++i) {
        if (message.serials[i] != 0) files[count++] = all[i];
    }
    Message copy = message;
    iovec data{&copy, sizeof copy};
    Control control{};
    msghdr head = header(data, control);
    head.msg_controllen = count == 0 ? 0 : CMSG_SPACE(count * sizeof(int));
    if (count > 0) {
        cmsghdr* const rights = CMSG_FIRSTHDR(&head);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(count * sizeof(int));
        std::memcpy(CMSG_DATA(rights), files.data(), count * sizeof(int));
    }
    return sendmsg(socket, &head, MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof copy;
}

// What was there before goes only when what replaces it has come.
bool replace(const int (&pair)[2], const Message& message, const std::array<int, kWatched>& files) {
    if (!send(pair[1], message, files)) return false;
    for (auto first = receive(pair[0], MSG_PEEK); first && first->serial != message.serial;) {
        receive(pair[0], 0);
        first = receive(pair[0], MSG_PEEK);
    }
    return true;
}

bool make_pair(int (&pair)[2]) {
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0) return false;
    for (const int socket : pair) fcntl(socket, F_SETFD, FD_CLOEXEC);
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

bool ImageShelf::put(std::uint64_t serial, const std::array<std::uint64_t, kWatched>& serials,
                     const std::array<int, kWatched>& files) const {
    const Message message{serial, serials};
    const bool is_kept = replace(kept_, message, files);
    return replace(offered_, message, files) && is_kept;
}

// Between the two steps of replace() the old contents are looked at once more; their serial number shows it.
std::optional<ShelfContents> ImageShelf::look_at(int socket) { return receive(socket, MSG_PEEK); }

void ImageShelf::become_reader() {
    for (int* const socket : {&kept_[0], &kept_[1], &offered_[1]}) close(std::exchange(*socket, -1));
}

}  // namespace mtls
