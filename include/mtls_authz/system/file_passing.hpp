// Open files that processes hand to each other over Unix sockets (SCM_RIGHTS, unix(7)).
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <span>

namespace mtls {

// A file descriptor that is closed with this.
class OwnedFile {
public:
    OwnedFile() = default;
    explicit OwnedFile(int file) : file_(file) {}
    ~OwnedFile();
    OwnedFile(OwnedFile&& other) noexcept : file_(other.release()) {}
    OwnedFile& operator=(OwnedFile&& other) noexcept;
    int get() const { return file_; }
    int release();

private:
    int file_ = -1;
};

constexpr std::size_t kMostPassedFiles = 8;  // with one message

struct PassedFiles {
    std::array<OwnedFile, kMostPassedFiles> files;
    std::size_t count = 0;  // fewer than were sent where there are no more descriptors (ulimit -n)
};

// Sends one message with these files, which stay the caller's; never waits. False where the socket does not take it.
bool send_with_files(int socket, std::span<const std::byte> message, std::span<const int> files);

// Receives one message and its files. `flags`: of recvmsg(2). Returns what that returns, and leaves errno.
ssize_t receive_with_files(int socket, std::span<std::byte> message, PassedFiles& passed, int flags);

// Two sockets that are connected and keep messages apart. False where there are none.
bool make_socket_pair(OwnedFile& one, OwnedFile& other);

}  // namespace mtls
