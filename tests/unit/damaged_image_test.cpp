// With a damaged image of a policy, refusals or CRLs every request is denied until it is built anew.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "claims.hpp"
#include "forked_server.hpp"
#include "mtls_authz/base/image.hpp"
#include "mtls_authz/system/sealed_file.hpp"

using namespace test;
using namespace test::forked;

namespace {

// A sealed file with this content.
int sealed(const std::string& content) {
    auto file = UnsealedFile::create();
    CHECK(file.has_value());
    CHECK(write(file->get(), content.data(), content.size()) == static_cast<ssize_t>(content.size()));
    return std::move(*file).seal(content.size()).release();
}

std::string content_of(int file) {
    struct stat info {};
    CHECK_EQUAL(fstat(file, &info), 0);
    std::string out(static_cast<std::size_t>(info.st_size), '\0');
    CHECK(pread(file, out.data(), out.size(), 0) == info.st_size);
    return out;
}

// Puts other content into the place of an image that is in force.
void damage(const Server& server, Watched kind, const std::function<void(std::string&)>& change) {
    const auto there = server.board->shelf.look_at_kept();
    std::array<int, kWatched> files{};
    for (std::size_t i = 0; i < kWatched; ++i) files[i] = there->files[i].get();
    const int old = files[static_cast<std::size_t>(kind)];
    std::string content = old < 0 ? std::string() : content_of(old);
    change(content);
    files[static_cast<std::size_t>(kind)] = sealed(content);
    auto serials = there->serials;
    serials[static_cast<std::size_t>(kind)] = ++server.board->last_serial;
    const std::uint64_t serial = ++server.board->last_serial;
    CHECK(server.board->shelf.put(serial, there->publisher, serials, files));
    server.board->changes = serial;
}

// What may be wrong with one.
const std::vector<std::function<void(std::string&)>>& damages() {
    static const std::vector<std::function<void(std::string&)>> all = {
        [](std::string& s) { s.clear(); },
        [](std::string& s) { s.resize(20); },
        [](std::string& s) { s.resize(s.size() - 1); },
        [](std::string& s) { s[0] = 'x'; },
        [](std::string& s) { s[8] = static_cast<char>(s[8] + 1); },    // another version's
        [](std::string& s) { s[16] = static_cast<char>(s[16] ^ 1); },  // another kind
        [](std::string& s) { s[33] = '\x7f'; },                        // where the value begins
        [](std::string& s) { std::fill(s.begin() + 40, s.end(), '\x01'); },
    };
    return all;
}

}  // namespace

CLAIM(what_is_damaged_lets_nobody_in_and_is_built_anew) {
    for (const Watched kind : {Watched::kPolicy, Watched::kRefusals}) {
        for (const auto& change : damages()) {
            Server server;
            server.files.file("r.conf", "MTLSSuspend acme\n");
            server.write("globex");
            CHECK(server.look_twice().policy_changed);
            damage(server, kind, change);
            // A process that starts now has only the damaged image; it reports that once.
            CHECK_EQUAL(in_child([&] {
                            CHECK_CONTAINS(texts_of(server.live.join(false)), "cannot be used");
                            CHECK(!server.live.current());
                            CHECK_EQUAL(texts_of(server.live.follow()), "");
                        }),
                        0);
            CHECK(server.live.take_over());
            server.look_twice();
            CHECK_EQUAL(server.whose(), "granted globex");
            CHECK_EQUAL(in_child([&] {
                            CHECK_EQUAL(texts_of(server.live.join(false)), "");
                            CHECK_EQUAL(server.whose(), "granted globex");
                            CHECK(server.live.current()->refusals->suspends("acme") != nullptr);
                        }),
                        0);
        }
    }
}

CLAIM(a_process_that_follows_decides_by_nothing_while_what_it_should_follow_is_damaged) {
    Server server;
    std::fflush(nullptr);
    int told[2], done[2];
    CHECK(pipe(told) == 0 && pipe(done) == 0);
    const pid_t child = fork();
    if (child == 0) {
        server.live.join(false);
        const bool had = static_cast<bool>(server.live.current());
        char byte = 0;
        bool ok = write(done[1], "x", 1) == 1 && read(told[0], &byte, 1) == 1;
        server.live.follow();
        ok = ok && had && !server.live.current();
        ok = ok && write(done[1], "x", 1) == 1 && read(told[0], &byte, 1) == 1;
        server.live.follow();
        _exit(ok && server.whose() == "granted acme" ? 0 : 1);
    }
    char byte = 0;
    CHECK(read(done[0], &byte, 1) == 1);
    damage(server, Watched::kCrls, damages()[1]);
    CHECK(write(told[1], "x", 1) == 1 && read(done[0], &byte, 1) == 1);
    CHECK(server.live.take_over());
    CHECK(write(told[1], "x", 1) == 1);
    int status = 0;
    waitpid(child, &status, 0);
    CHECK_EQUAL(status, 0);
}

// Each pointer and each length of a policy's root, and of a partner.
CLAIM(an_image_that_points_out_of_itself_is_not_used) {
    Server server;
    const std::string whole = content_of(server.board->shelf.look_at_kept()->files[2].get());
    std::uint64_t root = 0;
    std::memcpy(&root, whole.data() + 32, sizeof root);
    std::size_t refused = 0;
    for (std::uint64_t at = root; at + 8 <= root + sizeof(Policy); at += 8) {
        for (const std::uint64_t value : {std::uint64_t{1} << 40, std::uint64_t{1} << 62}) {
            std::uint64_t was = 0;
            std::memcpy(&was, whole.data() + at, sizeof was);
            std::string changed = whole;
            const std::uint64_t now = was + value;
            std::memcpy(changed.data() + at, &now, sizeof now);
            const auto image = Image::open(sealed(changed), Watched::kPolicy);
            CHECK(image.ok());
            if (Image::root<Policy>(image.value()) == nullptr) ++refused;
        }
    }
    // Two words each of what a policy is made of, as far as it has any.
    CHECK(refused >= 2U * 2U * 8U);
    const auto image = Image::open(sealed(whole), Watched::kPolicy);
    CHECK(Image::root<Policy>(image.value()) != nullptr);
    CHECK(!Image::open(open("/dev/null", O_RDONLY | O_CLOEXEC), Watched::kPolicy).ok());
}

// Each byte of an identity: it lies in front of its selector's text, and ends with that.
CLAIM(a_damaged_identity_makes_an_image_that_is_not_used_or_decides_within_itself) {
    Server server;
    const std::string whole = content_of(server.board->shelf.look_at_kept()->files[2].get());
    const auto who = issue(client_spec("api"), &ca());
    const std::string text = "CN:api";
    std::size_t refused = 0, used = 0, denied = 0;
    const std::size_t end = whole.find(text) + text.size();
    for (std::size_t at = end - text.size() - 6; at < end; ++at) {
        for (int flip = 1; flip < 256; ++flip) {
            std::string changed = whole;
            changed[at] = static_cast<char>(changed[at] ^ flip);
            const auto image = Image::open(sealed(changed), Watched::kPolicy);
            const auto policy = Image::root<Policy>(image.value());
            if (policy == nullptr) ++refused;
            if (policy == nullptr) continue;
            ++used;
            if (ask(*policy, who).reason != Reason::kGranted) ++denied;
            CHECK(!policy->render().empty());
        }
    }
    CHECK(refused > 500 && used > 1000 && denied > 500);
}

// An image contains the number of identities six times, also as the end of its index. By chance a distance between two
// values is the same number, and one byte less of it can be a distance within the image: then it decides within itself.
CLAIM(an_image_whose_numbers_do_not_agree_is_not_used) {
    constexpr std::uint32_t kLines = 777;
    Server server;
    std::string lines = "MTLSTrustAnchor ca.pem";
    for (std::uint32_t i = 0; i < kLines; ++i) lines += "\nMTLSIdentity CN:n" + std::to_string(i);
    // Empty lines first, so that no line of the file has the number kLines.
    server.write_text(std::string(kLines, '\n') + partner("acme", lines));
    server.look_twice();
    const std::string whole = content_of(server.board->shelf.look_at_kept()->files[2].get());
    std::size_t refused = 0;
    for (std::size_t at = 0; at + sizeof kLines <= whole.size(); at += sizeof kLines) {
        std::uint32_t number = 0;
        std::memcpy(&number, whole.data() + at, sizeof number);
        if (number != kLines) continue;
        std::string changed = whole;
        const std::uint32_t less = kLines - 1;
        std::memcpy(changed.data() + at, &less, sizeof less);
        const auto image = Image::open(sealed(changed), Watched::kPolicy);
        const auto policy = Image::root<Policy>(image.value());
        if (policy == nullptr) ++refused;
        if (policy != nullptr) CHECK(!policy->render().empty());
    }
    CHECK(refused >= 6);
}
