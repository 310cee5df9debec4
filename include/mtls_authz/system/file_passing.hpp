// Passes open file descriptors between processes over Unix sockets (SCM_RIGHTS, unix(7)).
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <span>

namespace mtls {

// Owns a file descriptor and closes it.
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

constexpr std::size_t kMostPassedFiles = 8;  // per message

struct PassedFiles {
    std::array<OwnedFile, kMostPassedFiles> files;
    std::size_t count = 0;  // fewer than were sent if this process has no free descriptors (ulimit -n)
};

// Sends one message with these files, without blocking; the caller keeps the files. False if the socket does not accept
// it.
bool send_with_files(int socket, std::span<const std::byte> message, std::span<const int> files);

// Receives one message and its files. `flags` are those of recvmsg(2); so are the return value and errno.
ssize_t receive_with_files(int socket, std::span<std::byte> message, PassedFiles& passed, int flags);

// Makes two connected sockets that preserve message boundaries. False on failure.
bool make_socket_pair(OwnedFile& one, OwnedFile& other);

}  // namespace mtls
