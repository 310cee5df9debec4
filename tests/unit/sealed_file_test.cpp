// What processes hand to each other: nobody can change it any more, and it says whom it is from.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string_view>

#include "claims.hpp"
#include "mtls_authz/system/sealed_file.hpp"
#include "mtls_authz/system/system.hpp"
#include "mtls_authz/system/unix_socket.hpp"

using namespace mtls;

namespace {

constexpr std::string_view kText = "policy";

UnsealedFile written() {
    auto file = UnsealedFile::create();
    CHECK(file.has_value());
    CHECK(file->extend(0, 1U << 16U));
    CHECK_EQUAL(pwrite(file->get(), kText.data(), kText.size(), 0), static_cast<ssize_t>(kText.size()));
    return std::move(*file);
}

}  // namespace

CLAIM(what_is_sealed_can_be_read_and_not_changed) {
    const OwnedFile sealed = written().seal(kText.size());
    CHECK(is_sealed(sealed.get()));
    struct stat info {};
    CHECK_EQUAL(fstat(sealed.get(), &info), 0);
    CHECK_EQUAL(static_cast<std::size_t>(info.st_size), kText.size());
    char bytes[kText.size()];
    CHECK_EQUAL(pread(sealed.get(), bytes, sizeof bytes, 0), static_cast<ssize_t>(kText.size()));
    CHECK_EQUAL(std::string_view(bytes, sizeof bytes), kText);
    CHECK(pwrite(sealed.get(), "P", 1, 0) < 0);
    CHECK(ftruncate(sealed.get(), 0) != 0);
    CHECK(ftruncate(sealed.get(), 4096) != 0);
    CHECK(mmap(nullptr, kText.size(), PROT_READ | PROT_WRITE, MAP_SHARED, sealed.get(), 0) == MAP_FAILED);
}

CLAIM(what_is_not_sealed_is_not_taken_for_it) {
    const UnsealedFile file = written();
    CHECK(!is_sealed(file.get()));
    CHECK(!is_sealed(-1));
}

CLAIM(a_file_that_is_extended_has_memory_behind_it) {
    const UnsealedFile file = written();
    struct stat info {};
    CHECK_EQUAL(fstat(file.get(), &info), 0);
    CHECK_EQUAL(info.st_size, 1 << 16);
    CHECK(info.st_blocks * 512 >= 1 << 16);
}

#ifdef MTLS_AUTHZ_LINUX
// As with the sysctl vm.memfd_noexec=1: the kernel seals the mode of each memfd besides.
CLAIM(one_seal_more_than_ours_is_welcome_and_one_less_is_not) {
    constexpr unsigned kNoExecSeal = 8;
    constexpr int kOurs = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    const OwnedFile more(memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING | kNoExecSeal));
    if (more.get() < 0) return;  // before Linux 6.3
    CHECK_EQUAL(fcntl(more.get(), F_ADD_SEALS, kOurs), 0);
    CHECK(fcntl(more.get(), F_GET_SEALS) != kOurs);
    CHECK(is_sealed(more.get()));
    const OwnedFile less(memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    CHECK_EQUAL(fcntl(less.get(), F_ADD_SEALS, kOurs & ~F_SEAL_WRITE), 0);
    CHECK(!is_sealed(less.get()));
}
#endif

CLAIM(sockets_of_a_pair_know_whose_they_are_and_end_with_exec) {
    int pair[2];
    CHECK(open_unix_pair(pair));
    const OwnedFile one(pair[0]), other(pair[1]);
    for (const int socket : pair) CHECK((fcntl(socket, F_GETFD) & FD_CLOEXEC) != 0);
    uid_t user = 4711;
    CHECK(find_peer_user(one.get(), user));
    CHECK_EQUAL(user, geteuid());
}
