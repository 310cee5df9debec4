// One keeper builds for all processes of a server: what they follow, and what stays when something goes wrong.
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "claims.hpp"
#include "forked_server.hpp"
#include "mtls_authz/base/calendar.hpp"
#include "policy_draft.hpp"

using namespace test;
using namespace test::forked;

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
                            CHECK(server.live.take_over());
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
                        CHECK(server.live.take_over());
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

CLAIM(a_crl_that_is_named_together_with_its_signer_is_verified_by_it) {
    Server server;
    const test::Identity twin = test::make_ca("Shared CA");
    server.files.file("twin.pem", twin.cert_pem());
    server.files.file("twin.crl", test::make_crl(twin, {}));
    for (const bool is_signer_there : {true, false}) {
        server.write("acme");
        server.look_twice();
        server.live.look();
        server.write_text("MTLSCRLFile twin.crl\n" +
                          partner("acme", std::string("MTLSIdentity CN:api\nMTLSTrustAnchor ca.pem") +
                                              (is_signer_there ? " twin.pem" : "")));
        const PollResult outcome = server.look_twice();
        CHECK(outcome.policy_changed);
        CHECK_EQUAL(texts_of(outcome).find("is signed by none of the known CAs") == std::string::npos, is_signer_there);
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
                        CHECK(server.live.take_over());
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
                    CHECK(server.live.take_over());
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
        CHECK(next.take_over());
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

CLAIM(a_keeper_that_goes_on_after_a_restart_hands_out_nothing) {
    Server server;  // its keeper is stopped here
    const auto old = server.board->kept();
    server.write("globex");
    LivePolicy next(server.files.folder());
    server.watch(next);
    std::vector<Diagnostic> findings, reported;
    CHECK(next.start(findings, reported) != nullptr);
    next.release();
    next.begin_to_publish();
    CHECK(next.take_over());
    const auto whose = [&] {
        const auto snapshot = next.current();
        return snapshot ? verdict(ask(*snapshot->policy, issue(client_spec("api"), &ca()))) : "none";
    };
    const auto of_a_new_child = [&](const char* expected) {
        return in_child([&] {
            next.join(false);
            CHECK_EQUAL(whose(), expected);
        });
    };
    CHECK(server.live.is_superseded() && !next.is_superseded());
    CHECK(!server.live.ensure_published());
    server.write("initech");
    CHECK(server.look_twice().policy_changed);
    CHECK(!server.live.ensure_published());
    CHECK_EQUAL(of_a_new_child("granted globex"), 0);
    // It was stopped just before it put something on the shelf, in the place of what is there.
    std::fflush(nullptr);
    int told[2], ready[2];
    CHECK(pipe(told) == 0 && pipe(ready) == 0);
    const pid_t child = fork();
    char byte = 0;
    if (child == 0) {
        next.join(false);
        const bool had = whose() == "granted globex" && write(ready[1], "x", 1) == 1 && read(told[0], &byte, 1) == 1;
        const bool is_behind = next.is_behind();
        next.follow();
        _exit(had && is_behind && whose() == "granted globex" ? 0 : 1);
    }
    CHECK(read(ready[0], &byte, 1) == 1);
    std::array<int, kWatched> files{};
    for (std::size_t i = 0; i < kWatched; ++i) files[i] = old->files[i].get();
    const std::uint64_t serial = ++server.board->last_serial;
    CHECK(server.board->shelf.put(serial, old->publisher, old->serials, files));
    server.board->changes = serial;
    CHECK_EQUAL(write(told[1], "x", 1), 1);
    int status = -1;
    waitpid(child, &status, 0);
    CHECK_EQUAL(status, 0);
    CHECK_EQUAL(of_a_new_child("none"), 0);
    CHECK(!server.board->kept());
    CHECK(next.ensure_published());
    CHECK_EQUAL(of_a_new_child("granted globex"), 0);
}

CLAIM(whoever_dies_with_a_policy_half_built_leaves_the_one_before) {
    Server server;
    for (int round = 0; round < 5; ++round) {
        const std::string before = server.whose();
        const std::string name = "partner-" + std::to_string(round);
        server.write(name);
        const int status = in_child([&] {
            CHECK(server.live.take_over());
            server.live.look();
            CHECK(server.live.is_waiting(Watched::kPolicy));
            raise(SIGKILL);
        });
        CHECK(WIFSIGNALED(status));
        CHECK(server.live.take_over());
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
            CHECK(server.live.take_over());
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
        CHECK(server.live.take_over());
        CHECK_CONTAINS(server.whose(), "granted ");
    }
    server.write("last");
    CHECK(server.look_twice().policy_changed);
    CHECK_EQUAL(server.whose(), "granted last");
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
    CHECK(live.take_over());
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

CLAIM(a_keeper_that_is_busy_may_be_silent_for_longer_but_not_for_ever) {
    KeeperBoard& board = *KeeperBoard::create();
    board.keeper = 1;
    const auto is_kept = [&](std::int64_t silent, std::int64_t busy) {
        for (auto& heartbeat : board.heartbeats) heartbeat = monotonic_seconds();
        board.heartbeats[1] = monotonic_seconds() - silent;
        board.busy_at = monotonic_seconds() - busy;
        return board.is_kept();
    };
    CHECK(is_kept(20, 3600));
    CHECK(!is_kept(40, 3600));
    CHECK(is_kept(40, 5));
    CHECK(is_kept(590, 5));
    CHECK(!is_kept(610, 5));
}
