// The socket at which the keeper answers mtls-authz --live: it is there for as long as the server is, for root and the
// run-time user alone, and nothing that a peer does holds up anything.
#include <poll.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "claims.hpp"
#include "mtls_authz/keeper/live_socket.hpp"
#include "sockets.hpp"
#include "tool_site.hpp"

using namespace test;

namespace {

struct Answering : ToolSite {
    explicit Answering(const std::string& lines = "") { start("MTLSRevocationFile revoked/list.conf\n" + lines); }
    bool answers() const { return answer("acme", "/gate/x") == "allow: granted"; }
    pid_t keeper() const {
        for (int i = 0; i < 600; ++i) {
            const auto all = httpd.keepers();
            if (all.size() == 1) return all.front();
            pause_for(std::chrono::milliseconds(50));
        }
        throw std::runtime_error("there is not one keeper");
    }
};

// A peer that may do as it likes.
class Peer {
public:
    explicit Peer(const std::string& path)
        : socket_(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        is_connected_ = connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    }
    ~Peer() { close(socket_); }
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;

    bool is_connected() const { return is_connected_; }
    void say(const std::string& text) const { send(socket_, text.data(), text.size(), MSG_NOSIGNAL); }
    // As the tool greets.
    void greet(std::uint64_t layout = mtls::layout_id()) const {
        std::string text = "mtlsask1";
        text.append(reinterpret_cast<const char*>(&layout), sizeof layout);
        say(text);
    }
    // What came; empty where nothing did in time. Files that came with it are dropped.
    std::string hear() const {
        pollfd waits{socket_, POLLIN, 0};
        poll(&waits, 1, 60000);
        char bytes[256];
        const ssize_t n = recv(socket_, bytes, sizeof bytes, MSG_DONTWAIT);
        return {bytes, static_cast<std::size_t>(std::max<ssize_t>(n, 0))};
    }
    bool is_closed() const {
        char byte = 0;
        return recv(socket_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0 ||
               (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
    }

private:
    int socket_;
    bool is_connected_ = false;
};

}  // namespace

CLAIM(the_live_socket_is_for_root_and_the_run_time_user_alone) {
    const Answering site;
    struct stat info {};
    CHECK_EQUAL(lstat(site.socket().c_str(), &info), 0);
    CHECK(S_ISSOCK(info.st_mode));
    CHECK_EQUAL(info.st_mode & 0777U, 0600U);
    CHECK(site.answers());
    if (getuid() != 0) return;
    const passwd* const nobody = getpwnam("nobody");
    CHECK_EQUAL(info.st_uid, nobody->pw_uid);
    const auto answer_as = [&](uid_t user) {
        const std::string script = "exec setpriv --reuid=" + std::to_string(user) +
                                   " --clear-groups \"$0\" explain --socket '" + site.socket() + "' --cert '" +
                                   site.httpd.path("certs/acme.pem") + "' --path /gate/x";
        return run_command({"sh", "-c", script, "/tmp/mtls-authz-copy-" + std::to_string(getpid())}, "/").text;
    };
    const std::string copy = "/tmp/mtls-authz-copy-" + std::to_string(getpid());
    fs::copy_file(ToolSite::tool(), copy, fs::copy_options::overwrite_existing);
    const std::string by_nobody = answer_as(nobody->pw_uid), by_other = answer_as(4711);
    // Even where the file lets everybody connect.
    chmod(site.socket().c_str(), 0666);
    const std::string by_other_still = answer_as(4711);
    fs::remove(copy);
    CHECK_CONTAINS(by_nobody, "allow: granted");
    CHECK_CONTAINS(by_other, "is for root and the server's run-time user alone");
    CHECK_CONTAINS(by_other_still, "has closed the connection");
}

CLAIM(what_another_user_made_is_not_believed) {
    if (getuid() != 0) return;
    const ToolSite site;
    const pid_t child = fork();
    if (child == 0) {
        const auto listener = setuid(4711) == 0 ? mtls::listen_live("/tmp/mtls-false.sock", 4711)
                                                : mtls::Result<mtls::OwnedFile>(mtls::Error{""});
        if (!listener.ok()) _exit(1);
        pause();
    }
    for (int i = 0; i < 600 && !fs::exists("/tmp/mtls-false.sock"); ++i) pause_for(std::chrono::milliseconds(50));
    becomes(
        [&] {
            const auto out = site.run_tool({"explain", "--socket", "/tmp/mtls-false.sock", "--cert", "certs/acme.pem"});
            return out.text.find("was made by user 4711") != std::string::npos ? out.status : 0;
        },
        2, "not believed");
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    fs::remove("/tmp/mtls-false.sock");
}

CLAIM(the_live_socket_outlives_keepers_and_restarts_and_goes_with_the_server) {
    Answering site;
    for (int round = 0; round < 2; ++round) {
        const pid_t before = site.keeper();
        kill(before, SIGKILL);
        becomes([&] { return site.keeper() != before ? 1 : 0; }, 1, "another keeper");
        CHECK(site.answers());
    }
    // A new generation has new gates.
    CHECK_EQUAL(site.answer("acme", "/more/x"), "allow: no gate covers the path");
    site.configure("MTLSRevocationFile revoked/list.conf\n<Location /more>\n MTLSAllow partner globex\n</Location>\n");
    site.httpd.graceful();
    becomes([&] { return site.answer("acme", "/more/x") == "deny: not-allowed" ? 1 : 0; }, 1, "after a restart");
    CHECK_EQUAL(site.answer("globex", "/more/x"), "allow: granted");
    // Removed, it is made anew.
    fs::remove(site.socket());
    CHECK_CONTAINS(site.answer("acme", "/gate/x"), "no server listens there");
    becomes([&] { return site.answers() ? 1 : 0; }, 1, "made anew");
    CHECK_CONTAINS(site.httpd.error_log(), "was gone, and is made anew");
    const pid_t before = site.keeper();
    kill(before, SIGKILL);
    becomes([&] { return site.keeper() != before ? 1 : 0; }, 1, "another keeper");
    CHECK(site.answers());
    CHECK(site.httpd.stop());
    CHECK(!fs::exists(site.socket()));
}

CLAIM(the_keeper_of_a_server_of_one_process_is_idle) {
    ToolSite site;
    site.configure("");
    site.httpd.start({"env"});  // -X
    CHECK_EQUAL(site.answer("acme", "/gate/x"), "allow: granted");
    const auto keepers = site.httpd.keepers();
    CHECK_EQUAL(keepers.size(), std::size_t{1});
    const double before = processor_seconds(keepers.front());
    pause_for(std::chrono::seconds(2));
    CHECK(processor_seconds(keepers.front()) - before < 0.5);
}

CLAIM(what_a_crashed_server_left_is_replaced_and_what_another_server_has_is_not) {
    Answering site;
    site.httpd.crash();
    CHECK(fs::exists(site.socket()));
    becomes([&] { return site.answer("acme", "/gate/x").find("no server listens there") != std::string::npos ? 1 : 0; },
            1, "it is only a file now");
    fs::remove(site.httpd.path("run/httpd.pid"));
    site.httpd.start();
    CHECK(site.answers());
    // Another server with the same DefaultRuntimeDir.
    ToolSite other;
    other.configure("DefaultRuntimeDir \"" + site.httpd.path("run") + "\"\n");
    other.httpd.start();
    CHECK(other.httpd.wait_for_log("another server listens there"));
    CHECK_EQUAL(other.get(world().acme), 200);
    CHECK(site.answers());
    CHECK(other.httpd.stop());
    CHECK(site.answers());
}

CLAIM(a_live_socket_that_cannot_be_made_comes_with_what_makes_it) {
    ToolSite far;
    const std::string deep = far.httpd.path(std::string(100, 'd'));
    fs::create_directories(deep);
    far.configure("DefaultRuntimeDir \"" + deep + "\"\n");
    far.httpd.start();
    CHECK(far.httpd.wait_for_log("bytes that one of a socket may have: choose a shorter DefaultRuntimeDir"));
    CHECK_EQUAL(far.get(world().acme), 200);
    ToolSite other;
    other.httpd.write("run/mtls_authz.sock", "mine");
    other.configure("");
    other.httpd.start();
    CHECK(other.httpd.wait_for_log("mtls_authz.sock: another file is there: remove it"));
    CHECK_EQUAL(other.get(world().acme), 200);
    CHECK(other.httpd.stop());
    CHECK_EQUAL(file_text(other.httpd.path("run/mtls_authz.sock")), "mine");
}

CLAIM(no_peer_of_the_live_socket_holds_up_anything) {
    Answering site;
    const pid_t keeper = site.keeper();
    // Silence ends after a second; garbage at once; what is larger or shorter than the greeting is garbage.
    const Peer silent(site.socket());
    CHECK(silent.is_connected());
    becomes([&] { return silent.is_closed() ? 1 : 0; }, 1, "silent");
    for (const std::string& text : {std::string("GET / HTTP/1.1\r\n"), std::string(100000, 'x'),
                                    std::string("mtlsask1"), std::string(16, '\0')}) {
        const Peer peer(site.socket());
        peer.say(text);
        becomes([&] { return peer.is_closed() ? 1 : 0; }, 1, "garbage");
    }
    // A thousand at once, of which each asks and none takes the answer: refusals still come into force, and root is
    // answered as soon as some of them have gone.
    {
        std::vector<std::unique_ptr<Peer>> peers;
        for (int i = 0; i < 1000; ++i) {
            peers.push_back(std::make_unique<Peer>(site.socket()));
            if (peers.back()->is_connected()) peers.back()->greet();
        }
        site.refuse("MTLSSuspend globex\n");
        becomes([&] { return site.get(world().globex); }, 403, "suspended meanwhile");
        site.refuse("# nobody\n");
        becomes([&] { return site.get(world().globex); }, 200, "and again not");
        CHECK_EQUAL(site.get(world().acme), 200);
    }
    becomes([&] { return site.answers() ? 1 : 0; }, 1, "afterwards");
    CHECK_EQUAL(site.keeper(), keeper);
    // Nothing of them is left, as far as root alone may see.
    becomes(
        [&] {
            if (getuid() != 0) return 1;
            const fs::directory_iterator files("/proc/" + std::to_string(keeper) + "/fd");
            return std::distance(fs::begin(files), fs::end(files)) < 60 ? 1 : 0;
        },
        1, "descriptors");
    CHECK_EQUAL(site.httpd.unclaimed_errors({": denied "}).size(), 0U);
}

CLAIM(a_tool_of_another_build_is_told_so) {
    const Answering site;
    const Peer other(site.socket());
    other.greet(1);
    std::string reply = other.hear();
    CHECK(reply.size() > 24);
    CHECK_EQUAL(reply.substr(0, 8), "mtlsans1");
    CHECK_EQUAL(reply[16], 1);
    const Peer same(site.socket());
    same.greet();
    CHECK_EQUAL(same.hear()[16], 0);
    // And what a tool says of it.
    const std::string path = site.httpd.path("run/other.sock");
    const auto listener = mtls::listen_live(path, geteuid());
    CHECK(listener.ok());
    reply[8] = static_cast<char>(reply[8] + 1);
    std::thread server([&] {
        pollfd waits{listener.value().get(), POLLIN, 0};
        poll(&waits, 1, 60000);
        const int peer = accept(listener.value().get(), nullptr, nullptr);
        char greeting[64];
        recv(peer, greeting, sizeof greeting, 0);
        send(peer, reply.data(), reply.size(), MSG_NOSIGNAL);
        close(peer);
    });
    const auto out = site.run_tool({"matrix", "--socket", path});
    server.join();
    CHECK_EQUAL(out.status, 2);
    CHECK_CONTAINS(out.text, "is of another build than this mtls-authz: install both from one package");
}

CLAIM(what_peers_get_cannot_be_changed) {
    const Answering site;
    auto answer = mtls::ask_live_server(site.socket());
    CHECK(answer.ok());
    std::vector<int> files = {answer.value().gates.get()};
    for (std::size_t i = 0; i < mtls::kWatched; ++i) {
        if (answer.value().serials[i] != 0) files.push_back(answer.value().images[i].get());
    }
    CHECK(files.size() >= 2);
    for (const int file : files) {
        CHECK(file >= 0);
        CHECK(write(file, "x", 1) < 0);
        CHECK(ftruncate(file, 0) != 0);
    }
    CHECK(site.answers());
}

CLAIM(the_dump_says_where_the_live_socket_is) {
    const Answering site;
    CHECK_CONTAINS(site.httpd.run({"-t", "-D", "DUMP_MTLS_POLICY"}).text,
                   "# mtls-authz --live asks at " + site.socket() + "\n");
}
