// One keeper builds for all processes of a server: what they follow, and what stays when something goes wrong.
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "claims.hpp"
#include "mtls_authz/live_policy.hpp"
#include "policy_draft.hpp"

using namespace test;

namespace {

const test::Identity& ca() {
    static const test::Identity one = make_ca("Shared CA");
    return one;
}

// A server's parent, which can be its keeper as well.
struct Server {
    // `capacity`: bytes of the largest policy.
    explicit Server(std::size_t capacity = 1 << 20) : live(files.folder()) {
        board->policies = PolicyMemory::create(capacity)->place();
        files.file("ca.pem", ca().cert_pem());
        write("acme");
        watch(live);
        std::vector<Diagnostic> findings, reported;
        CHECK(live.start(findings, reported) != nullptr);
        live.let_go();
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
    LookOutcome look_twice() {
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
std::string texts_of(const LookOutcome& outcome) { return texts_of(outcome.findings); }

// How much of the memory that is shared is in use, in bytes.
std::size_t shared_in_use() {
    std::ifstream maps("/proc/self/smaps");
    std::size_t kilobytes = 0;
    bool ours = false;
    for (std::string line; std::getline(maps, line);) {
        if (line.find('-') < 20 && line.find(' ') > line.find('-')) ours = line.find("memfd:mtls_authz") != line.npos;
        if (ours && line.starts_with("Rss:")) kilobytes += std::stoul(line.substr(4));
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
        bool moved = false;
        const bool was_behind = server.live.is_behind();
        server.live.follow(&moved);
        _exit(had && is_told && was_behind && moved && server.whose() == "granted globex" ? 0 : 1);
    }
    char byte = 0;
    CHECK(read(ready[0], &byte, 1) == 1);
    server.write("globex");
    CHECK(server.look_twice().moved);
    CHECK(server.generation() != old);
    CHECK_EQUAL(server.whose(), "granted globex");
    CHECK(write(told[1], "x", 1) == 1);
    int status = 0;
    waitpid(child, &status, 0);
    CHECK_EQUAL(status, 0);
    CHECK(!server.look_twice().moved);
}

CLAIM(a_process_that_begins_has_what_is_in_force_whatever_the_files_hold) {
    Server server;
    server.write("globex");
    CHECK(server.look_twice().moved);
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
        CHECK(server.look_twice().moved);
        CHECK_EQUAL(answers(), "granted granted");
        put(list(3, &api));
        CHECK(server.live.look().moved_crls);
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
                        CHECK(server.live.look().moved_crls);
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
    CHECK(server.live.look().moved_refusals);
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
    CHECK(server.look_twice().moved);
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
        next.let_go();
        next.take_over();
        next.look();
        CHECK(!next.look().refused.empty());
        CHECK_EQUAL(std::string(next.current()->policy->generation()), generation);
        // Mended, it counts.
        server.write("initech");
        next.look();
        CHECK(next.look().moved);
        server.write("globex");
        next.look();
        CHECK(next.look().moved);
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
        const LookOutcome outcome = server.live.look();
        CHECK_CONTAINS(texts_of(outcome), "a process ended while it built a policy for all");
        CHECK(!outcome.moved);
        CHECK_EQUAL(server.whose(), before);
        CHECK(server.live.look().moved);
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
    CHECK(server.look_twice().moved);
    CHECK_EQUAL(server.whose(), "granted last");
}

CLAIM(what_is_damaged_is_not_used_and_built_anew) {
    Server server;
    server.write("globex");
    CHECK_EQUAL(in_child([&] {
                    server.live.take_over();
                    CHECK(server.look_twice().moved);
                    // As a process would that was taken over.
                    const std::string_view name = server.live.current()->policy->partners().front().name;
                    const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
                    auto* const start =
                        reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(name.data()) & ~(page - 1));
                    CHECK(mprotect(start, page, PROT_READ | PROT_WRITE) == 0);
                    const_cast<char*>(name.data())[0] = 'G';
                }),
                0);
    // Whoever starts now has nothing else, and lets nobody in; it says so once.
    CHECK_EQUAL(in_child([&] {
                    const std::string said = texts_of(server.live.join(false));
                    CHECK_CONTAINS(said, "cannot be used");
                    CHECK_CONTAINS(said, "damaged");
                    CHECK(!server.live.current());
                    CHECK_EQUAL(texts_of(server.live.follow()), "");
                }),
                0);
    server.live.take_over();
    CHECK(!server.live.current());
    CHECK(server.look_twice().moved);
    CHECK_EQUAL(server.whose(), "granted globex");
    CHECK_EQUAL(in_child([&] {
                    server.live.join(false);
                    CHECK_EQUAL(server.whose(), "granted globex");
                }),
                0);
}

CLAIM(a_process_that_cannot_read_what_is_refused_decides_by_nothing) {
    Server server;
    server.files.file("r.conf", "MTLSSuspend acme\n");
    CHECK(server.live.look().moved_refusals);
    // As a process would that was taken over: the newest text, at the end of its slot's first page.
    CHECK_EQUAL(in_child([&] {
                    auto* const memory = reinterpret_cast<char*>(server.board->refusals);
                    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
                    const std::size_t slot = (server.board->refusals->most() + 2 * page) / page * page;
                    for (const std::size_t at : {page, page + slot}) {
                        for (std::size_t i = 40; i < 60; ++i) memory[at + i] = static_cast<char>(memory[at + i] ^ 1);
                    }
                    CHECK(!server.board->refusals->read());
                }),
                0);
    CHECK_EQUAL(in_child([&] {
                    CHECK_CONTAINS(texts_of(server.live.join(false)), "damaged");
                    CHECK(!server.live.current());
                }),
                0);
    CHECK_EQUAL(in_child([&] {
                    server.live.take_over();
                    server.look_twice();
                    CHECK(server.live.current()->refusals->suspends("acme") != nullptr);
                }),
                0);
    CHECK_EQUAL(in_child([&] {
                    server.live.join(false);
                    CHECK(server.live.current()->refusals->suspends("acme") != nullptr);
                }),
                0);
}

CLAIM(nobody_can_write_into_the_policy_in_force_by_mistake) {
    Server server;
    const int status = in_child([&] {
        server.live.join(false);
        signal(SIGSEGV, SIG_DFL);
        const_cast<char*>(server.live.current()->policy->generation().data())[0] = 'x';
    });
    CHECK(status != 0);
    CHECK_EQUAL(server.whose(), "granted acme");
}

CLAIM(a_policy_that_outgrows_the_memory_leaves_the_one_before_and_says_so) {
    Server server(1 << 16);
    server.write("globex", many_identities(3000));
    server.live.look();
    const LookOutcome outcome = server.live.look();
    CHECK(!outcome.moved);
    CHECK(!outcome.refused.empty());
    CHECK_CONTAINS(texts_of(outcome), "the policy has outgrown the memory that the server's processes share");
    CHECK_CONTAINS(texts_of(outcome), "restart the server");
    CHECK_EQUAL(server.whose(), "granted acme");
    CHECK_EQUAL(texts_of(server.look_twice()), "");
    // Nobody is kept out by that, and the next that fits counts.
    server.write("initech");
    CHECK(server.look_twice().moved);
    CHECK_EQUAL(server.whose(), "granted initech");
}

CLAIM(a_policy_that_nobody_has_any_more_takes_no_memory) {
    Server server(64UL << 20);
    const std::size_t empty = shared_in_use();
    server.write("globex", many_identities(20000));
    CHECK(server.look_twice().moved);
    server.live.look();
    const std::size_t one = shared_in_use() - empty;
    CHECK(one > 1UL << 20);
    for (int i = 0; i < 3; ++i) {
        server.write("n-" + std::to_string(i), many_identities(20000));
        CHECK(server.look_twice().moved);
        server.live.look();
        CHECK(shared_in_use() < one * 11 / 10 + empty);
    }
    server.write("small");
    CHECK(server.look_twice().moved);
    server.live.look();
    CHECK(shared_in_use() < one / 10 + 2 * empty);
}

CLAIM(decisions_that_take_long_hold_their_policy_and_at_last_a_reload_waits_for_them) {
    Server server;
    std::vector<SnapshotReader> decisions;
    for (std::size_t i = 0; i + 1 < PolicyMemory::kParts; ++i) {
        decisions.push_back(server.live.current());
        server.write("n-" + std::to_string(i));
        CHECK(server.look_twice().moved);
        CHECK_EQUAL(server.whose(), "granted n-" + std::to_string(i));
    }
    const std::string last = server.whose();
    server.write("late");
    CHECK_CONTAINS(texts_of(server.live.look()), "every place for a policy is still in use");
    CHECK_EQUAL(texts_of(server.live.look()), "");
    CHECK_EQUAL(server.whose(), last);
    for (std::size_t i = 1; i < decisions.size(); ++i) {
        CHECK_EQUAL(std::string(decisions[i]->policy->partners().front().name), "n-" + std::to_string(i - 1));
    }
    // One such decision holds its own policy, not those that came after.
    decisions.erase(decisions.begin() + 1, decisions.end());
    server.files.file("r.conf", "MTLSSuspend x\n");
    server.live.look();  // whoever publishes gives back what nobody holds
    for (int i = 0; i < 3; ++i) {
        server.write("m-" + std::to_string(i));
        CHECK(server.look_twice().moved);
    }
    CHECK_EQUAL(std::string(decisions[0]->policy->partners().front().name), "acme");
}

CLAIM(who_holds_an_old_policy_is_known) {
    Server server;
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child == 0) {
        server.live.join(false);
        pause();
        _exit(0);
    }
    CHECK_EQUAL(server.live.find_late(0), 0);
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    server.write("globex");
    CHECK(server.look_twice().moved);
    CHECK_EQUAL(server.live.find_late(0), child);
    CHECK_EQUAL(server.live.find_late(60), 0);
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    CHECK_EQUAL(server.live.find_late(0), 0);
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
    live.let_go();
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
    CHECK(live.look().moved);
    CHECK(static_cast<bool>(live.current()));
    CHECK_EQUAL(in_child([&] {
                    live.join(false);
                    CHECK(static_cast<bool>(live.current()));
                }),
                0);
}

CLAIM(a_limit_of_file_size_leaves_memory_to_share) {
    CHECK_EQUAL(in_child([] {
                    const rlimit limit{1 << 20, 1 << 20};
                    CHECK_EQUAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
                    Server server(8 << 20);
                    server.write("globex", many_identities(2000));
                    CHECK(server.look_twice().moved);
                    CHECK_EQUAL(in_child([&] {
                                    server.live.join(false);
                                    CHECK_EQUAL(server.whose(), "granted globex");
                                }),
                                0);
                }),
                0);
}
