// The parent process of a server, which forks children that share the policy, or a keeper.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <functional>
#include <string>
#include <vector>

#include "claims.hpp"
#include "mtls_authz/keeper/live_policy.hpp"
#include "policy_draft.hpp"

namespace test::forked {

inline const test::Identity& ca() {
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
        CHECK(live.take_over());
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
inline int in_child(const std::function<void()>& body) {
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

inline std::string texts_of(const std::vector<Diagnostic>& findings) {
    std::string out;
    for (const Diagnostic& d : findings) out += d.str() + "\n";
    return out;
}
inline std::string texts_of(const PollResult& outcome) { return texts_of(outcome.findings); }

inline std::string many_identities(int count) {
    std::string out;
    for (int i = 0; i < count; ++i) out += "MTLSIdentity DNS:host-" + std::to_string(i) + ".acme.example\n";
    return out;
}

}  // namespace test::forked
