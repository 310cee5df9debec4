// One policy for all processes of a server: who builds it, who follows, and what stays when something goes wrong.
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

// A server's parent, which is a child of its own as well, as in httpd -X.
struct Server {
    explicit Server(std::size_t least = 1 << 20) : live(files.folder()) {
        files.file("ca.pem", ca().cert_pem());
        write("acme");
        live.policy_source().watch({files.folder() + "/p.conf", "p.conf", {"httpd.conf", 1}});
        live.share_between_processes(least);
        std::vector<Diagnostic> findings, reported;
        CHECK(live.start(findings, reported) != nullptr);
        CHECK(live.is_shared());
        live.let_go();
        CHECK(!live.join_siblings().moved);
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

std::string texts_of(const LookOutcome& outcome) {
    std::string out;
    for (const Diagnostic& d : outcome.findings) out += d.str() + "\n";
    return out;
}

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

CLAIM(what_one_process_builds_decides_in_all) {
    Server server;
    CHECK_EQUAL(server.whose(), "granted acme");
    server.write("globex");
    CHECK_EQUAL(in_child([&] {
                    server.live.join_siblings();
                    CHECK(server.look_twice().moved);
                    CHECK(!server.live.policy_source().built_alone());
                    CHECK_EQUAL(server.whose(), "granted globex");
                }),
                0);
    const std::string old = server.generation();
    // It is what the files hold, so there is nothing left to build.
    CHECK(server.live.look().moved);
    CHECK(server.generation() != old);
    CHECK_EQUAL(server.whose(), "granted globex");
    CHECK(!server.look_twice().moved);
}

CLAIM(a_process_that_starts_late_has_what_its_siblings_have_while_files_are_broken) {
    Server server;
    server.write("globex");
    CHECK_EQUAL(in_child([&] {
                    server.live.join_siblings();
                    CHECK(server.look_twice().moved);
                }),
                0);
    server.write_text("nonsense\n");
    CHECK_EQUAL(in_child([&] {
                    CHECK(server.live.join_siblings().moved);
                    CHECK_EQUAL(server.whose(), "granted globex");
                    for (int i = 0; i < 3; ++i) server.live.look();
                    CHECK(server.live.is_failing());
                    CHECK_EQUAL(server.whose(), "granted globex");
                }),
                0);
}

CLAIM(a_process_that_starts_while_a_crl_is_not_there_refuses_what_it_is_about) {
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
        const auto answers = [&](std::string* detail = nullptr) {
            const auto snapshot = server.live.current();
            const auto answer = [&](const test::Identity& who) {
                const Identification found = ask(*snapshot->policy, who, {}, now(), {}, {}, *snapshot->crls);
                if (detail != nullptr && found.reason != Reason::kGranted) *detail = found.detail;
                return std::string(word_of(found.reason));
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
        CHECK_EQUAL(in_child([&] {
                        server.live.join_siblings(true);
                        server.live.look();
                        CHECK_EQUAL(answers(), "revoked granted");
                    }),
                    0);
        const std::string whole = list(3, &api);
        for (const std::string& content : {whole.substr(0, 150), std::string("<html>502</html>"), std::string(),
                                           list(1), list(2), std::string("gone")}) {
            put(content);
            if (content == "gone") std::filesystem::remove(path);
            CHECK_EQUAL(in_child([&] {
                            server.live.join_siblings(true);
                            std::string detail;
                            CHECK_CONTAINS(texts_of(server.live.look()), "that other processes of the server have");
                            CHECK_EQUAL(answers(&detail), "revocation-stale granted");
                            CHECK_CONTAINS(detail, "a CRL of \"CN=Shared CA,");
                            CHECK_EQUAL(texts_of(server.live.look()), "");
                            put(whole);
                            server.live.look();
                            CHECK_EQUAL(answers(), "revoked granted");
                        }),
                        0);
        }
        // A newer one, of an edit, ends it in all.
        put(list(4));
        CHECK_EQUAL(in_child([&] {
                        server.live.join_siblings(true);
                        CHECK_EQUAL(texts_of(server.live.look()), "");
                        CHECK_EQUAL(answers(), "granted granted");
                    }),
                    0);
        std::filesystem::remove(path);
        CHECK_EQUAL(in_child([&] {
                        server.live.join_siblings(true);
                        server.live.look();
                        CHECK_EQUAL(answers(), "revocation-stale granted");
                    }),
                    0);
    }
}

CLAIM(whoever_dies_with_a_policy_half_built_leaves_the_one_before) {
    Server server;
    for (int round = 0; round < 5; ++round) {
        const std::string before = server.whose();
        const std::string name = "partner-" + std::to_string(round);
        server.write(name);
        const int status = in_child([&] {
            server.live.join_siblings();
            server.live.look();
            CHECK(server.live.is_waiting());
            raise(SIGKILL);
        });
        CHECK(WIFSIGNALED(status));
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
            server.live.join_siblings();
            for (int i = 0;; ++i) {
                server.write("n-" + std::to_string(round) + "-" + std::to_string(i), i % 2 == 0 ? many : "");
                server.look_twice();
            }
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(20 + 7 * round));
        kill(child, SIGKILL);
        waitpid(child, nullptr, 0);
        for (int i = 0; i < 3; ++i) CHECK(texts_of(server.live.look()).find("cannot be used") == std::string::npos);
        CHECK_CONTAINS(server.whose(), "granted ");
    }
    server.write("last");
    CHECK(server.look_twice().moved);
    CHECK_EQUAL(server.whose(), "granted last");
}

CLAIM(what_is_damaged_is_not_used_and_the_one_before_stays) {
    Server server;
    server.write("globex");
    CHECK_EQUAL(in_child([&] {
                    server.live.join_siblings();
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
    // Whoever starts now has nothing else, and lets nobody in.
    CHECK_EQUAL(in_child([&] {
                    const LookOutcome outcome = server.live.join_siblings();
                    CHECK_CONTAINS(texts_of(outcome), "does not know generation");
                    CHECK_CONTAINS(texts_of(outcome), "damaged");
                    CHECK(!server.live.current());
                }),
                0);
    const LookOutcome outcome = server.live.look();
    CHECK_CONTAINS(texts_of(outcome), "which another process has built, cannot be used: ");
    CHECK_EQUAL(server.whose(), "granted acme");
    CHECK(server.live.look().moved);
    CHECK_EQUAL(server.whose(), "granted globex");
    CHECK_EQUAL(in_child([&] {
                    server.live.join_siblings();
                    CHECK_EQUAL(server.whose(), "granted globex");
                }),
                0);
}

CLAIM(nobody_can_write_into_the_policy_in_force_by_mistake) {
    Server server;
    const int status = in_child([&] {
        server.live.join_siblings();
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

CLAIM(decisions_that_take_long_hold_their_policy_and_no_reload_waits_for_them) {
    Server server;
    std::vector<SnapshotReader> decisions;
    for (std::size_t i = 0; i < PolicyMemory::kParts + 2; ++i) {
        decisions.push_back(server.live.current());
        server.write("n-" + std::to_string(i));
        CHECK(server.look_twice().moved);
        CHECK_EQUAL(server.whose(), "granted n-" + std::to_string(i));
    }
    CHECK(server.live.policy_source().built_alone());
    for (std::size_t i = 1; i < decisions.size(); ++i) {
        CHECK_EQUAL(std::string(decisions[i]->policy->partners().front().name), "n-" + std::to_string(i - 1));
    }
    // Nobody else can have it: who starts now refuses everything, until it has read the files itself.
    const std::string text = partner("n", "MTLSIdentity CN:api\nMTLSTrustAnchor ca.pem");
    CHECK_EQUAL(in_child([&] {
                    CHECK_CONTAINS(texts_of(server.live.join_siblings()), "does not know generation");
                    CHECK(!server.live.current());
                    CHECK(server.look_twice().moved);
                    CHECK_CONTAINS(server.whose(), "granted n-");
                }),
                0);
    // One such decision holds its own policy, not those that came after.
    decisions.erase(decisions.begin() + 1, decisions.end());
    for (int i = 0; i < 3; ++i) {
        server.write("m-" + std::to_string(i));
        CHECK(server.look_twice().moved);
    }
    CHECK(!server.live.policy_source().built_alone());
    CHECK_EQUAL(std::string(decisions[0]->policy->partners().front().name), "acme");
}

CLAIM(should_the_process_that_builds_hang_the_others_build_their_own) {
    Server server;
    server.write("globex");
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child == 0) {
        server.live.join_siblings();
        server.live.look();
        raise(SIGSTOP);
        server.live.look();
        _exit(0);
    }
    waitpid(child, nullptr, WUNTRACED);
    for (int i = 0; i < 3; ++i) {
        CHECK(!server.live.look().moved);
        CHECK(server.live.is_waiting());
        CHECK_EQUAL(server.whose(), "granted acme");
    }
    server.live.policy_source().set_patience(0);
    server.write("initech");
    CHECK(server.look_twice().moved);
    CHECK(server.live.policy_source().built_alone());
    CHECK_EQUAL(server.whose(), "granted initech");
    // When it goes on, what it has begun is not what the files hold any more.
    kill(child, SIGCONT);
    waitpid(child, nullptr, 0);
    CHECK(!server.look_twice().moved);
    CHECK_EQUAL(server.whose(), "granted initech");
    server.write("hooli");
    CHECK(server.look_twice().moved);
    CHECK(!server.live.policy_source().built_alone());
    CHECK_EQUAL(server.whose(), "granted hooli");
}

CLAIM(a_process_that_begins_while_another_hangs_decides_by_nothing_that_the_files_no_longer_hold) {
    Server server;
    server.write("globex");
    std::fflush(nullptr);
    const pid_t hangs = fork();
    if (hangs == 0) {
        server.live.join_siblings();
        server.live.look();
        raise(SIGSTOP);
        server.live.look();
        _exit(0);
    }
    waitpid(hangs, nullptr, WUNTRACED);
    // One that is there already decides by what it has.
    server.live.look();
    CHECK_EQUAL(server.whose(), "granted acme");
    CHECK_EQUAL(in_child([&] {
                    server.live.join_siblings(true);
                    CHECK(!server.live.current());
                    server.live.look();
                    CHECK(server.live.is_new());
                    CHECK(!server.live.current());
                    server.live.policy_source().set_patience(0);
                    CHECK(server.look_twice().moved);
                    CHECK_EQUAL(server.whose(), "granted globex");
                }),
                0);
    // It has it alone, and has said so: the next one takes nothing older for what counts, even where files are broken.
    server.write_text("nonsense\n");
    CHECK_EQUAL(in_child([&] {
                    CHECK_CONTAINS(texts_of(server.live.join_siblings(true)), "does not know generation");
                    server.live.policy_source().set_patience(0);
                    server.look_twice();
                    CHECK(server.live.is_failing());
                    CHECK(!server.live.current());
                }),
                0);
    server.write("globex");
    kill(hangs, SIGCONT);
    int status = 0;
    waitpid(hangs, &status, 0);
    CHECK_EQUAL(status, 0);
    CHECK(server.look_twice().moved);
    CHECK_EQUAL(server.whose(), "granted globex");
}

CLAIM(a_process_that_begins_has_at_its_first_look_what_the_files_hold) {
    Server server;
    CHECK_EQUAL(in_child([&] {
                    server.live.join_siblings(true);
                    CHECK(!server.live.current());
                    server.live.look();
                    CHECK(!server.live.is_new());
                    CHECK_EQUAL(server.whose(), "granted acme");
                }),
                0);
    // While they are broken, what its siblings have.
    server.write_text("nonsense\n");
    CHECK_EQUAL(in_child([&] {
                    server.live.join_siblings(true);
                    server.live.look();
                    CHECK(!server.live.current());
                    server.live.look();
                    CHECK(!server.live.is_new());
                    CHECK_EQUAL(server.whose(), "granted acme");
                }),
                0);
}

CLAIM(without_shared_memory_a_process_that_begins_has_what_the_files_hold_or_nothing) {
    Draft files;
    files.file("ca.pem", ca().cert_pem());
    const auto text = partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor ca.pem\n");
    files.file("p.conf", text);
    LivePolicy live(files.folder());
    live.policy_source().watch({files.folder() + "/p.conf", "p.conf", {"httpd.conf", 1}});
    std::vector<Diagnostic> findings, reported;
    CHECK(live.start(findings, reported) != nullptr);
    CHECK_EQUAL(in_child([&] {
                    live.join_siblings(true);
                    CHECK(!live.current());
                    live.look();
                    CHECK(static_cast<bool>(live.current()));
                }),
                0);
    files.file("p.conf", "nonsense\n");
    CHECK_EQUAL(in_child([&] {
                    live.join_siblings(true);
                    for (int i = 0; i < 3; ++i) live.look();
                    CHECK(live.is_failing());
                    CHECK(!live.current());
                    files.file("p.conf", text);
                    live.look();
                    live.look();
                    CHECK(static_cast<bool>(live.current()));
                }),
                0);
}

CLAIM(a_process_that_was_stopped_while_another_policy_came_into_force_brings_nothing_old_back) {
    const auto memory = PolicyMemory::create(1 << 20);
    CHECK(memory != nullptr);
    std::shared_ptr<PolicyMemory::Filling> filling;
    CHECK(memory->begin(filling) == PolicyMemory::Begun::kFilling);
    DiskFiles disk;
    PolicyBuilder builder("/nonexistent", disk);
    const Policy* const policy = builder.build(filling->arena());
    CHECK(policy != nullptr);
    CHECK_EQUAL(in_child([&] {
                    memory->after_fork();
                    CHECK(memory->announce("0123456789abcdef"));
                }),
                0);
    CHECK(!filling->publish(*policy).policy);
    CHECK_EQUAL(memory->serial(), 1U);
    filling.reset();
    // The next one is begun after it, and counts.
    CHECK(memory->begin(filling) == PolicyMemory::Begun::kFilling);
    PolicyBuilder again("/nonexistent", disk);
    CHECK(filling->publish(*again.build(filling->arena())).policy != nullptr);
}

CLAIM(where_the_files_are_refused_at_the_start_the_first_policy_that_can_be_had_is_of_all) {
    Draft files;
    files.file("ca.pem", ca().cert_pem());
    files.file("p.conf", "nonsense\n");
    LivePolicy live(files.folder());
    live.policy_source().watch({files.folder() + "/p.conf", "p.conf", {"httpd.conf", 1}});
    live.share_between_processes(1 << 20);
    std::vector<Diagnostic> findings, reported;
    CHECK(live.start(findings, reported) == nullptr);
    CHECK(!findings.empty());
    CHECK_EQUAL(texts_of(live.join_siblings(true)), "");
    for (int i = 0; i < 3; ++i) live.look();
    CHECK(!live.current());
    files.file("p.conf", partner("acme", "MTLSIdentity CN:api\nMTLSTrustAnchor ca.pem\n"));
    live.look();
    CHECK(live.look().moved);
    CHECK(static_cast<bool>(live.current()));
    CHECK(!live.policy_source().built_alone());
}

CLAIM(a_limit_of_file_size_leaves_memory_to_share) {
    CHECK_EQUAL(in_child([] {
                    const rlimit limit{1 << 20, 1 << 20};
                    CHECK_EQUAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
                    Server server(8 << 20);
                    server.write("globex", many_identities(2000));
                    CHECK(server.look_twice().moved);
                    CHECK(!server.live.policy_source().built_alone());
                    CHECK_EQUAL(in_child([&] {
                                    server.live.join_siblings();
                                    CHECK_EQUAL(server.whose(), "granted globex");
                                }),
                                0);
                }),
                0);
}
