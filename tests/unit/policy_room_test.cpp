// The size of a shared policy: beyond a limit of file size, and memory that is freed again.
#include <sys/resource.h>

#include <cstddef>
#include <fstream>
#include <string>

#include "claims.hpp"
#include "forked_server.hpp"

using namespace test;
using namespace test::forked;

namespace {

// Bytes of the shared images that this process has mapped.
std::size_t shared_in_use() {
    std::ifstream maps("/proc/self/smaps");
    std::size_t kilobytes = 0;
    bool ours = false;
    for (std::string line; std::getline(maps, line);) {
        if (line.find('-') < 20 && line.find(' ') > line.find('-')) {
            ours = line.find("/memfd:mtls_authz") != line.npos || line.find("/tmp/mtls_authz.") != line.npos;
        }
        if (ours && line.starts_with("Size:")) kilobytes += std::stoul(line.substr(5));
    }
    return kilobytes * 1024;
}

}  // namespace

CLAIM(a_policy_that_there_is_no_room_for_leaves_the_one_before_and_says_so) {
    CHECK_EQUAL(in_child([] {
                    Server server;
                    const rlimit limit{1 << 17, 1 << 17};
                    CHECK_EQUAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
                    server.write("globex", many_identities(3000));
                    server.live.look();
                    const PollResult outcome = server.live.look();
                    CHECK(!outcome.policy_changed);
                    CHECK(!outcome.refused.empty());
                    CHECK_CONTAINS(texts_of(outcome), "the policy cannot be shared: it takes more than ");
                    CHECK_CONTAINS(texts_of(outcome), "ulimit -f");
                    CHECK_EQUAL(server.whose(), "granted acme");
                    CHECK_EQUAL(texts_of(server.look_twice()), "");
                    // The old policy stays in force, and the next one that fits replaces it.
                    server.write("initech");
                    CHECK(server.look_twice().policy_changed);
                    CHECK_EQUAL(server.whose(), "granted initech");
                }),
                0);
}

CLAIM(a_policy_that_nobody_has_any_more_takes_no_memory) {
    Server server;
    const std::size_t empty = shared_in_use();
    server.write("globex", many_identities(20000));
    CHECK(server.look_twice().policy_changed);
    server.live.look();
    const std::size_t one = shared_in_use() - empty;
    CHECK(one > 1UL << 20);
    for (int i = 0; i < 3; ++i) {
        server.write("n-" + std::to_string(i), many_identities(20000));
        CHECK(server.look_twice().policy_changed);
        server.live.look();
        CHECK(shared_in_use() < one * 11 / 10 + empty);
    }
    server.write("small");
    CHECK(server.look_twice().policy_changed);
    server.live.look();
    CHECK(shared_in_use() < one / 10 + 2 * empty);
}

CLAIM(a_limit_of_file_size_that_suffices_is_none) {
    CHECK_EQUAL(in_child([] {
                    const rlimit limit{1 << 18, 1 << 18};
                    CHECK_EQUAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
                    Server server;
                    server.write("globex", many_identities(600));
                    CHECK(server.look_twice().policy_changed);
                    CHECK_EQUAL(in_child([&] {
                                    server.live.join(false);
                                    CHECK_EQUAL(server.whose(), "granted globex");
                                }),
                                0);
                }),
                0);
}
