// One keeper builds for all processes of a server: what they follow, and what stays when something goes wrong.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "claims.hpp"
#include "mtls_authz/keeper/live_policy.hpp"
#include "policy_draft.hpp"

using namespace test;

namespace {

const test::Identity& ca() {
    static const test::Identity one = make_ca("Shared CA");
    return one;
}

// A server's parent, which can be its keeper as well.
struct Server {
    Server() : live(files.folder()) {
        files.file("ca.pem", ca().cert_pem());
        write("acme");
        watch(live);
        std::vector<Diagnostic> findings, reported;
        CHECK(live.start(findings, reported) != nullptr);
        live.release();
        live.take_over();
    }

    void watch(LivePolicy& policy) {
        policy.policy_source().watch({files.folder() + "/p.conf", "p.conf", {"httpd.conf", 1}});
        policy.revocation_files().watch({files.folder() + "/r.conf", "r.conf", {"httpd.conf", 2}});
        policy.share_between_processes(*board);
    }

    // A policy of one partner of that name; `more`: lines besides.
    void write(const std::string& name, const std::string& more = "") {
        const std::string text = partner(name, "MTLSIdentity CN:api\nMTLSTrustAnchor ca.pem\n" + more);
        write_text(text);
    }
    void write_text(const std::string& text) {
        files.file(".new", text);
        CHECK(rename((files.folder() + "/.new").c_str(), (files.folder() + "/p.conf").c_str()) == 0);
    }

    std::string generation() const { return std::string(live.current()->policy->generation()); }
    std::string whose() const { return verdict(ask(*live.current()->policy, issue(client_spec("api"), &ca()))); }
    // Two looks: what the second found.
    PollResult look_twice() {
        live.look();
        return live.look();
    }

    KeeperBoard* board = KeeperBoard::create();
    Draft files;
    LivePolicy live;
};

// What a child does; it ends when it has done so. Returns what waitpid() says.
int in_child(const std::function<void()>& body) {
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child == 0) {
        int status = 0;
        try {
            body();
        } catch (const std::exception& e) {
            std::fprintf(stderr, "in a child: %s\n", e.what());
            status = 1;
        }
        _exit(status);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return status;
}

std::string texts_of(const std::vector<Diagnostic>& findings) {
    std::string out;
    for (const Diagnostic& d : findings) out += d.str() + "\n";
    return out;
}
std::string texts_of(const PollResult& outcome) { return texts_of(outcome.findings); }

// How large what is shared is, as far as this process has it, in bytes.
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

std::string many_identities(int count) {
    std::string out;
    for (int i = 0; i < count; ++i) out += "MTLSIdentity DNS:host-" + std::to_string(i) + ".acme.example\n";
    return out;
}

}  // namespace

CLAIM(what_the_keeper_builds_decides_in_all) {
    Server server;
    CHECK_EQUAL(server.whose(), "granted acme");
    const std::string old = server.generation();
    std::fflush(nullptr);
    int told[2], ready[2];
    CHECK(pipe(told) == 0 && pipe(ready) == 0);
    const pid_t child = fork();
    if (child == 0) {
        CHECK_EQUAL(texts_of(server.live.join(false)), "");
        const bool had = server.whose() == "granted acme" && !server.live.is_behind();
        char byte = 0;
        const bool is_told = write(ready[1], "x", 1) == 1 && read(told[0], &byte, 1) == 1;
        const bool was_behind = server.live.is_behind();
        server.live.follow();
        _exit(had && is_told && was_behind && !server.live.is_behind() && server.whose() == "granted globex" ? 0 : 1);
    }
    char byte = 0;
    CHECK(read(ready[0], &byte, 1) == 1);
    server.write("globex");
    CHECK(server.look_twice().policy_changed);
    CHECK(server.generation() != old);
    CHECK_EQUAL(server.whose(), "granted globex");
    CHECK(write(told[1], "x", 1) == 1);
    int status = 0;
    waitpid(child, &status, 0);
    CHECK_EQUAL(status, 0);
    CHECK(!server.look_twice().policy_changed);
}

CLAIM(a_process_that_begins_has_what_is_in_force_whatever_the_files_hold) {
    Server server;
    server.write("globex");
    CHECK(server.look_twice().policy_changed);
    for (const char* const text : {"nonsense\n", "", "<MTLSPartner x>\n"}) {
        server.write_text(text);
        server.look_twice();
        CHECK(server.live.is_failing());
        CHECK_EQUAL(in_child([&] {
                        server.live.join(false);
                        CHECK_EQUAL(server.whose(), "granted globex");
                    }),
                    0);
    }
}

CLAIM(a_process_that_begins_decides_by_nothing_until_the_keeper_answers) {
    Server server;
    CHECK_EQUAL(in_child([&] {
                    server.live.join(true);
                    CHECK(server.live.is_new() && !server.live.current());
                    server.live.follow();
                    CHECK(server.live.is_new() && !server.live.current());
                    server.board->answered = server.board->asked.load();
                    CHECK(server.live.is_behind());
                    server.live.follow();
                    CHECK(!server.live.is_new() && !server.live.is_behind());
                    CHECK_EQUAL(server.whose(), "granted acme");
                    // An answer to an earlier one is none to this.
                    server.live.join(true);
                    server.live.follow();
                    CHECK(server.live.is_new() && !server.live.current());
                }),
                0);
}

CLAIM(processes_that_begin_and_new_keepers_have_the_crls_in_force_wherever_their_files_are) {
    const test::Identity other = make_ca("Other CA"), api = issue(client_spec("api"), &ca()),
                         twin = issue(client_spec("api"), &other);
    for (const char* const rules : {"", "MTLSCRL required\n", "MTLSCRLStale allow\n"}) {
        Server server;
        Draft crls;
        const std::string path = crls.folder() + "/ca.crl";
        const auto put = [&](const std::string& content) { crls.file("ca.crl", content); };
        const auto list = [](long number, const test::Identity* revoked = nullptr) {
            CrlSpec spec;
            spec.number = number;
            spec.this_update = number * 100 - 3600;
            if (revoked != nullptr) spec.revoked.push_back({revoked, -1});
            return make_crl(ca(), spec);
        };
        const auto answers = [&] {
            const auto snapshot = server.live.current();
            const auto answer = [&](const test::Identity& who) {
                return std::string(word_of(ask(*snapshot->policy, who, {}, now(), {}, {}, *snapshot->crls).reason));
            };
            return answer(api) + " " + answer(twin);
        };
        put(list(1));
        crls.file("other.crl", make_crl(other, {}));
        server.files.file("other.pem", other.cert_pem());
        server.write_text(std::string(rules) + "MTLSCRLFile " + crls.folder() + "/*.crl\n" +
                          partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor ca.pem\nMTLSTrustAnchor other.pem\n"));
        CHECK(server.look_twice().policy_changed);
        CHECK_EQUAL(answers(), "granted granted");
        put(list(3, &api));
        CHECK(server.live.look().crls_changed);
        CHECK_EQUAL(answers(), "revoked granted");
        const std::string whole = list(3, &api);
        for (const std::string& content : {whole.substr(0, 150), std::string("<html>502</html>"), std::string(),
                                           list(1), list(2), std::string("gone")}) {
            put(content);
            if (content == "gone") std::filesystem::remove(path);
            CHECK_EQUAL(in_child([&] {
                            server.live.join(false);
                            CHECK_EQUAL(answers(), "revoked granted");
                        }),
                        0);
            CHECK_EQUAL(in_child([&] {
                            server.live.take_over();
                            CHECK_EQUAL(answers(), "revoked granted");
                            server.look_twice();
                            CHECK_EQUAL(answers(), "revoked granted");
                            put(whole);
                            server.look_twice();
                            CHECK_EQUAL(answers(), "revoked granted");
                        }),
                        0);
        }
        // A newer one, of an edit, ends it in all.
        put(list(4));
        CHECK_EQUAL(in_child([&] {
                        server.live.take_over();
                        CHECK(server.live.look().crls_changed);
                        CHECK_EQUAL(answers(), "granted granted");
                    }),
                    0);
        CHECK_EQUAL(in_child([&] {
                        server.live.join(false);
                        CHECK_EQUAL(answers(), "granted granted");
                    }),
                    0);
    }
}

CLAIM(a_new_keeper_ends_no_refusal_of_the_one_before) {
    Server server;
    const auto refuses = [&] { return server.live.current()->refusals->suspends("acme") != nullptr; };
    server.files.file("r.conf", "MTLSSuspend acme\n");
    CHECK(server.live.look().refusals_changed);
    for (const char* const content : {"", "<html>\n", "MTLSSusp", "gone"}) {
        server.files.file("r.conf", content);
        if (content == std::string("gone")) std::filesystem::remove(server.files.folder() + "/r.conf");
        CHECK_EQUAL(in_child([&] {
                        server.live.take_over();
                        for (int i = 0; i < 4; ++i) server.live.look();
                        CHECK(refuses());
                    }),
                    0);
        CHECK_EQUAL(in_child([&] {
                        server.live.join(false);
                        CHECK(refuses());
                    }),
                    0);
    }
    server.files.file("r.conf", "# nobody\n");
    CHECK_EQUAL(in_child([&] {
                    server.live.take_over();
                    server.look_twice();
                    CHECK(!refuses());
                }),
                0);
    CHECK_EQUAL(in_child([&] {
                    server.live.join(false);
                    CHECK(!refuses());
                }),
                0);
}

CLAIM(after_a_restart_the_last_good_policy_stays_while_the_files_are_broken) {
    Server server;
    server.write("globex");
    CHECK(server.look_twice().policy_changed);
    const std::string generation = server.generation();
    for (const char* const text : {"nonsense\n", "", "MTLSTrustAnchor none.pem\n", "gone"}) {
        server.write_text(text);
        if (text == std::string("gone")) std::filesystem::remove(server.files.folder() + "/p.conf");
        LivePolicy next(server.files.folder());
        server.watch(next);
        std::vector<Diagnostic> findings, reported;
        CHECK(next.start(findings, reported) != nullptr);
        CHECK(next.recalled());
        CHECK_CONTAINS(texts_of(findings), "p.conf");
        CHECK_EQUAL(std::string(next.current()->policy->generation()), generation);
        next.release();
        next.take_over();
        next.look();
        CHECK(!next.look().refused.empty());
        CHECK_EQUAL(std::string(next.current()->policy->generation()), generation);
        // Mended, it counts.
        server.write("initech");
        next.look();
        CHECK(next.look().policy_changed);
        server.write("globex");
        next.look();
        CHECK(next.look().policy_changed);
    }
    LivePolicy alone(server.files.folder());
    server.write_text("nonsense\n");
    alone.policy_source().watch({server.files.folder() + "/p.conf", "p.conf", {"httpd.conf", 1}});
    std::vector<Diagnostic> findings, reported;
    CHECK(alone.start(findings, reported) == nullptr);
}

CLAIM(whoever_dies_with_a_policy_half_built_leaves_the_one_before) {
    Server server;
    for (int round = 0; round < 5; ++round) {
        const std::string before = server.whose();
        const std::string name = "partner-" + std::to_string(round);
        server.write(name);
        const int status = in_child([&] {
            server.live.take_over();
            server.live.look();
            CHECK(server.live.is_waiting(Watched::kPolicy));
            raise(SIGKILL);
        });
        CHECK(WIFSIGNALED(status));
        server.live.take_over();
        CHECK(!server.live.look().policy_changed);
        CHECK_EQUAL(server.whose(), before);
        CHECK(server.live.look().policy_changed);
        CHECK_EQUAL(server.whose(), "granted " + name);
    }
}

CLAIM(a_policy_is_whole_or_not_there_whenever_its_builder_is_killed) {
    Server server;
    const std::string many = many_identities(2000);
    for (int round = 0; round < 25; ++round) {
        std::fflush(nullptr);
        const pid_t child = fork();
        if (child == 0) {
            server.live.take_over();
            for (int i = 0;; ++i) {
                server.write("n-" + std::to_string(round) + "-" + std::to_string(i), i % 2 == 0 ? many : "");
                server.look_twice();
            }
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(20 + 7 * round));
        kill(child, SIGKILL);
        waitpid(child, nullptr, 0);
        CHECK_EQUAL(in_child([&] {
                        CHECK_EQUAL(texts_of(server.live.join(false)), "");
                        CHECK_CONTAINS(server.whose(), "granted ");
                    }),
                    0);
        server.live.take_over();
        CHECK_CONTAINS(server.whose(), "granted ");
    }
    server.write("last");
    CHECK(server.look_twice().policy_changed);
    CHECK_EQUAL(server.whose(), "granted last");
}

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
    CHECK(server.board->shelf.put(serial, serials, files));
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
            // Whoever starts now has nothing else; it says so once.
            CHECK_EQUAL(in_child([&] {
                            CHECK_CONTAINS(texts_of(server.live.join(false)), "cannot be used");
                            CHECK(!server.live.current());
                            CHECK_EQUAL(texts_of(server.live.follow()), "");
                        }),
                        0);
            server.live.take_over();
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
    server.live.take_over();
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

// An image contains the number of identities several times, also as the end of its index.
CLAIM(an_image_whose_numbers_do_not_agree_is_not_used) {
    constexpr std::uint32_t kLines = 777;
    Server server;
    std::string lines = "MTLSTrustAnchor ca.pem";
    for (std::uint32_t i = 0; i < kLines; ++i) lines += "\nMTLSIdentity CN:n" + std::to_string(i);
    // Empty lines first, so that no line of the file has the number kLines.
    server.write_text(std::string(kLines, '\n') + partner("acme", lines));
    server.look_twice();
    const std::string whole = content_of(server.board->shelf.look_at_kept()->files[2].get());
    std::size_t changes = 0;
    for (std::size_t at = 0; at + sizeof kLines <= whole.size(); at += sizeof kLines) {
        std::uint32_t number = 0;
        std::memcpy(&number, whole.data() + at, sizeof number);
        if (number != kLines) continue;
        std::string changed = whole;
        const std::uint32_t less = kLines - 1;
        std::memcpy(changed.data() + at, &less, sizeof less);
        const auto image = Image::open(sealed(changed), Watched::kPolicy);
        ++changes;
        check(Image::root<Policy>(image.value()) == nullptr, std::to_string(at), __FILE__, __LINE__);
    }
    CHECK(changes >= 4);
}

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
                    CHECK(!shelf.put(there->serial + 1, there->serials, files));
                    CHECK_EQUAL(shelf.look()->serial, there->serial);
                }),
                0);
    // One that takes away what others should find harms them for a moment.
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
                    // Nobody is kept out by that, and the next that fits counts.
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

CLAIM(decisions_that_take_long_hold_their_policy_and_no_reload_waits_for_them) {
    Server server;
    std::vector<SnapshotReader> decisions;
    for (std::size_t i = 0; i < 40; ++i) {
        decisions.push_back(server.live.current());
        server.write("n-" + std::to_string(i));
        CHECK(server.look_twice().policy_changed);
        CHECK_EQUAL(server.whose(), "granted n-" + std::to_string(i));
    }
    for (std::size_t i = 1; i < decisions.size(); ++i) {
        CHECK_EQUAL(std::string(decisions[i]->policy->partners().front().name), "n-" + std::to_string(i - 1));
    }
    CHECK_EQUAL(std::string(decisions[0]->policy->partners().front().name), "acme");
}

CLAIM(where_the_files_are_refused_at_the_start_the_first_policy_that_can_be_had_is_of_all) {
    Server server;
    server.write_text("nonsense\n");
    LivePolicy live(server.files.folder());
    live.policy_source().watch({server.files.folder() + "/p.conf", "p.conf", {"httpd.conf", 1}});
    live.share_between_processes(*KeeperBoard::create());
    std::vector<Diagnostic> findings, reported;
    CHECK(live.start(findings, reported) == nullptr);
    CHECK(!findings.empty());
    live.release();
    live.take_over();
    for (int i = 0; i < 3; ++i) live.look();
    CHECK(!live.current());
    CHECK_EQUAL(in_child([&] {
                    CHECK_EQUAL(texts_of(live.join(false)), "");
                    CHECK(!live.current());
                }),
                0);
    server.write("acme");
    live.look();
    CHECK(live.look().policy_changed);
    CHECK(static_cast<bool>(live.current()));
    CHECK_EQUAL(in_child([&] {
                    live.join(false);
                    CHECK(static_cast<bool>(live.current()));
                }),
                0);
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
