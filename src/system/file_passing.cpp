#include "mtls_authz/system/file_passing.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "mtls_authz/system/unix_socket.hpp"

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

// Control buffer for the descriptors of one message.
union Control {
    char bytes[CMSG_SPACE(kMostPassedFiles * sizeof(int))];
    cmsghdr align;
};

}  // namespace

bool send_with_files(int socket, std::span<const std::byte> message, std::span<const int> files) {
    iovec data{const_cast<std::byte*>(message.data()), message.size()};  // sendmsg() does not write it
    Control control{};
    msghdr head{};
    head.msg_iov = &data;
    head.msg_iovlen = 1;
    if (files.size() > kMostPassedFiles) return false;
    if (!files.empty()) {
        head.msg_control = control.bytes;
        head.msg_controllen = CMSG_SPACE(files.size_bytes());
        cmsghdr* const rights = CMSG_FIRSTHDR(&head);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(files.size_bytes());
        std::memcpy(CMSG_DATA(rights), files.data(), files.size_bytes());
    }
    return sendmsg(socket, &head, MSG_DONTWAIT | kNoSignal) == static_cast<ssize_t>(message.size());
}

ssize_t receive_with_files(int socket, std::span<std::byte> message, PassedFiles& passed, int flags) {
    iovec data{message.data(), message.size()};
    Control control{};
    msghdr head{};
    head.msg_iov = &data;
    head.msg_iovlen = 1;
    head.msg_control = control.bytes;
    head.msg_controllen = sizeof control.bytes;
#ifdef MTLS_AUTHZ_LINUX
    flags |= MSG_CMSG_CLOEXEC;
#endif
    const ssize_t size = recvmsg(socket, &head, flags);
    const cmsghdr* const rights = size > 0 ? CMSG_FIRSTHDR(&head) : nullptr;
    if (rights == nullptr || rights->cmsg_level != SOL_SOCKET || rights->cmsg_type != SCM_RIGHTS) return size;
    std::array<int, kMostPassedFiles> numbers{};
    passed.count = std::min((rights->cmsg_len - CMSG_LEN(0)) / sizeof(int), numbers.size());
    std::memcpy(numbers.data(), CMSG_DATA(rights), passed.count * sizeof(int));
    for (std::size_t i = 0; i < passed.count; ++i) {
        passed.files[i] = OwnedFile(numbers[i]);
#ifndef MTLS_AUTHZ_LINUX
        fcntl(numbers[i], F_SETFD, FD_CLOEXEC);
#endif
    }
    return size;
}

bool make_socket_pair(OwnedFile& one, OwnedFile& other) {
    int pair[2];
    if (!open_unix_pair(pair)) return false;
    one = OwnedFile(pair[0]);
    other = OwnedFile(pair[1]);
    return true;
}

}  // namespace mtls
