// A child can read the shared images, and not change them.
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <string_view>

#include "claims.hpp"
#include "forked_server.hpp"
#include "mtls_authz/keeper/image_shelf.hpp"

using namespace test;
using namespace test::forked;

CLAIM(a_child_can_hand_out_nothing) {
    Server server;
    CHECK_EQUAL(in_child([&] {
                    ImageShelf shelf = server.board->shelf;
                    shelf.become_reader();
                    CHECK(shelf.look().has_value());
                    CHECK(!shelf.look_at_kept().has_value());
                    const auto there = shelf.look();
                    std::array<int, kWatched> files{};
                    for (std::size_t i = 0; i < kWatched; ++i) files[i] = there->files[i].get();
                    CHECK(!shelf.put(there->serial + 1, there->publisher, there->serials, files));
                    CHECK_EQUAL(shelf.look()->serial, there->serial);
                }),
                0);
    // A child that takes the message with the images leaves the others without one for a moment.
    CHECK_EQUAL(in_child([&] {
                    server.live.join(false);
                    const auto* const sockets = reinterpret_cast<const int*>(&server.board->shelf);
                    char bytes[64];
                    CHECK(recv(sockets[0], bytes, sizeof bytes, MSG_DONTWAIT) > 0);
                    CHECK(!server.board->shelf.look().has_value());
                }),
                0);
    CHECK(server.live.ensure_published());
    CHECK_EQUAL(in_child([&] {
                    server.live.join(false);
                    CHECK_EQUAL(server.whose(), "granted acme");
                }),
                0);
}

CLAIM(nobody_can_write_into_the_policy_in_force_by_mistake) {
    Server server;
    const int status = in_child([&] {
        server.live.join(false);
        signal(SIGSEGV, SIG_DFL);
        // Not even on purpose: the kernel has sealed it.
        const std::string_view text = server.live.current()->policy->generation();
        const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
        auto* const start = reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(text.data()) & ~(page - 1));
        if (mprotect(start, page, PROT_READ | PROT_WRITE) == 0) _exit(0);
        const_cast<char*>(server.live.current()->policy->generation().data())[0] = 'x';
    });
    CHECK(status != 0);
    CHECK_EQUAL(server.whose(), "granted acme");
}
